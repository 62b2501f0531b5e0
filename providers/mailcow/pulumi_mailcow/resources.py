"""Resource classes, written by `python -m pulumi_mailcow.generate`. Do not edit."""

# ruff: noqa: A002, PLR0913 - one argument for each property, by Mailcow's own words

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from pulumi_mailcow.describe import camel, snake


def _declared(arguments: Mapping[str, Any], *outputs: str) -> dict[str, Any]:
    """Return what a constructor was given, with what Mailcow decides left open."""
    own = {"self", "__class__", "resource_name", "opts"}
    given = {name: value for name, value in arguments.items() if name not in own}
    return {**given, **dict.fromkeys(outputs)}


class _Named:
    """Properties are snake case in Python and camel case in Pulumi."""

    def translate_output_property(self, prop: str) -> str:
        """Return the name of a property in Python."""
        return snake(prop)

    def translate_input_property(self, prop: str) -> str:
        """Return the name of a property in Pulumi."""
        return camel(prop)


class Provider(_Named, pulumi.ProviderResource):
    """One Mailcow, and how it is reached."""

    def __init__(
        self,
        resource_name: str,
        *,
        endpoint: pulumi.Input[str],
        api_key: pulumi.Input[str],
        connect_to: pulumi.Input[str] | None = None,
        ca_bundle: pulumi.Input[str] | None = None,
        concurrency: pulumi.Input[int] | None = None,
        timeout: pulumi.Input[int] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it; each argument is the property of its name."""
        inputs = _declared(locals())
        super().__init__("mailcow", resource_name, inputs, opts)


class Domain(_Named, pulumi.CustomResource):
    """A domain that Mailcow receives mail for.

    No DKIM key is made with it: declare a `DkimKey` where Mailcow shall sign.
    """

    domain: pulumi.Output[str]
    """Name of the domain; must differ from MAILCOW_HOSTNAME. A change makes a new object."""
    description: pulumi.Output[str | None]
    """Description. Mailcow puts the domain's name where none is given."""
    active: pulumi.Output[bool]
    """Whether the domain is in use. Default: `True`."""
    aliases: pulumi.Output[int]
    """Greatest number of aliases. Default: `400`."""
    mailboxes: pulumi.Output[int]
    """Greatest number of mailboxes. Default: `10`."""
    defquota: pulumi.Output[int]
    """Quota of a new mailbox in MiB. Default: `3072`."""
    maxquota: pulumi.Output[int]
    """Greatest quota of one mailbox in MiB. Default: `10240`."""
    quota: pulumi.Output[int]
    """Quota of all mailboxes together in MiB. Default: `10240`."""
    relayhost: pulumi.Output[str]
    """Id of the relayhost through which mail from this domain leaves; "0" is none. Default:
    `'0'`."""
    backupmx: pulumi.Output[bool]
    """Whether mail is relayed to another server. Default: `False`."""
    relay_all_recipients: pulumi.Output[bool]
    """Whether every recipient is relayed; needs `backupmx`. Default: `False`."""
    relay_unknown_only: pulumi.Output[bool]
    """Whether only recipients without a mailbox are relayed; needs `relay_all_recipients`.
    Default: `False`."""
    gal: pulumi.Output[bool]
    """Whether it has a global address list. Default: `True`."""
    tags: pulumi.Output[list[str]]
    """Tags, in no order. Default: `[]`."""
    restart_sogo: pulumi.Output[bool]
    """Whether SOGo is restarted when the domain is added, so that it learns of it at once.
    Default: `False`."""

    def __init__(
        self,
        resource_name: str,
        *,
        domain: pulumi.Input[str],
        description: pulumi.Input[str] | None = None,
        active: pulumi.Input[bool] | None = None,
        aliases: pulumi.Input[int] | None = None,
        mailboxes: pulumi.Input[int] | None = None,
        defquota: pulumi.Input[int] | None = None,
        maxquota: pulumi.Input[int] | None = None,
        quota: pulumi.Input[int] | None = None,
        relayhost: pulumi.Input[str] | None = None,
        backupmx: pulumi.Input[bool] | None = None,
        relay_all_recipients: pulumi.Input[bool] | None = None,
        relay_unknown_only: pulumi.Input[bool] | None = None,
        gal: pulumi.Input[bool] | None = None,
        tags: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        restart_sogo: pulumi.Input[bool] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it; each argument is the property of its name."""
        inputs = _declared(locals())
        super().__init__("mailcow:index:Domain", resource_name, inputs, opts)


class Mailbox(_Named, pulumi.CustomResource):
    """A mailbox.

    Its password is written when it is created and when the declared one changes; a person
    who changes it keeps the new one.
    """

    local_part: pulumi.Output[str]
    """What stands before the @. A change makes a new object."""
    domain: pulumi.Output[str]
    """Domain of the mailbox; it must exist. A change makes a new object."""
    password: pulumi.Output[str | None]
    """Password, or its hash such as `{BLF-CRYPT}$2y$...`. Needed to create a mailbox; may be
    left out for one that was imported. Kept encrypted."""
    name: pulumi.Output[str | None]
    """Full name of the person."""
    quota: pulumi.Output[int]
    """Quota in MiB; 0 is unlimited. Default: `3072`."""
    active: pulumi.Output[int]
    """1 in use, 0 switched off, 2 receives mail but nobody can sign in. One of `0`, `1`, `2`.
    Default: `1`."""
    force_pw_update: pulumi.Output[bool]
    """Whether a new password is asked for at the next login. Default: `False`."""
    force_tfa: pulumi.Output[bool]
    """Whether a second factor is demanded. Default: `False`."""
    tls_enforce_in: pulumi.Output[bool]
    """Whether mail is taken only over TLS. Default: `False`."""
    tls_enforce_out: pulumi.Output[bool]
    """Whether mail leaves only over TLS. Default: `False`."""
    sogo_access: pulumi.Output[bool]
    """Whether a login leads on to SOGo. Default: `True`."""
    imap_access: pulumi.Output[bool]
    """Whether IMAP may be used. Default: `True`."""
    pop3_access: pulumi.Output[bool]
    """Whether POP3 may be used. Default: `True`."""
    smtp_access: pulumi.Output[bool]
    """Whether SMTP may be used. Default: `True`."""
    sieve_access: pulumi.Output[bool]
    """Whether ManageSieve may be used. Default: `True`."""
    eas_access: pulumi.Output[bool]
    """Whether ActiveSync may be used. Default: `True`."""
    dav_access: pulumi.Output[bool]
    """Whether CalDAV and CardDAV may be used. Default: `True`."""
    relayhost: pulumi.Output[str]
    """Id of the relayhost through which this mailbox sends; "0" is none. Default: `'0'`."""
    quarantine_notification: pulumi.Output[str]
    """How often quarantined mail is reported. One of `never`, `hourly`, `daily`, `weekly`.
    Default: `'hourly'`."""
    quarantine_category: pulumi.Output[str]
    """What of the quarantine is reported. One of `add_header`, `reject`, `all`. Default:
    `'reject'`."""
    pw_recovery_email: pulumi.Output[str]
    """Where a forgotten password may be reset from. Default: `''`."""
    authsource: pulumi.Output[str]
    """Who checks the password. One of `mailcow`, `keycloak`, `generic-oidc`, `ldap`. Default:
    `'mailcow'`."""
    tags: pulumi.Output[list[str]]
    """Tags, in no order. Default: `[]`."""
    username: pulumi.Output[str]
    """The whole address."""

    def __init__(
        self,
        resource_name: str,
        *,
        local_part: pulumi.Input[str],
        domain: pulumi.Input[str],
        password: pulumi.Input[str] | None = None,
        name: pulumi.Input[str] | None = None,
        quota: pulumi.Input[int] | None = None,
        active: pulumi.Input[int] | None = None,
        force_pw_update: pulumi.Input[bool] | None = None,
        force_tfa: pulumi.Input[bool] | None = None,
        tls_enforce_in: pulumi.Input[bool] | None = None,
        tls_enforce_out: pulumi.Input[bool] | None = None,
        sogo_access: pulumi.Input[bool] | None = None,
        imap_access: pulumi.Input[bool] | None = None,
        pop3_access: pulumi.Input[bool] | None = None,
        smtp_access: pulumi.Input[bool] | None = None,
        sieve_access: pulumi.Input[bool] | None = None,
        eas_access: pulumi.Input[bool] | None = None,
        dav_access: pulumi.Input[bool] | None = None,
        relayhost: pulumi.Input[str] | None = None,
        quarantine_notification: pulumi.Input[str] | None = None,
        quarantine_category: pulumi.Input[str] | None = None,
        pw_recovery_email: pulumi.Input[str] | None = None,
        authsource: pulumi.Input[str] | None = None,
        tags: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it; each argument is the property of its name."""
        inputs = _declared(locals(), "username")
        super().__init__("mailcow:index:Mailbox", resource_name, inputs, opts)


class Alias(_Named, pulumi.CustomResource):
    """An address that hands on to others, or to nobody, or to the spam filter's training."""

    address: pulumi.Output[str]
    """The address; `@example.org` takes whatever else arrives for the domain. A change makes a
    new object."""
    goto: pulumi.Output[list[str]]
    """Addresses it hands on to, in no order. Default: `[]`."""
    goto_null: pulumi.Output[bool]
    """Throw the mail away. Default: `False`."""
    goto_spam: pulumi.Output[bool]
    """Learn the mail as spam. Default: `False`."""
    goto_ham: pulumi.Output[bool]
    """Learn the mail as wanted. Default: `False`."""
    active: pulumi.Output[bool]
    """Whether it is in use. Default: `True`."""
    sogo_visible: pulumi.Output[bool]
    """Whether SOGo offers it as a sender. Default: `True`."""
    sender_allowed: pulumi.Output[bool]
    """Whether its targets may send under it. Default: `True`."""
    internal: pulumi.Output[bool]
    """Whether only local senders may write to it. Default: `False`."""
    public_comment: pulumi.Output[str]
    """Comment that its users see. Default: `''`."""
    private_comment: pulumi.Output[str]
    """Comment for administrators. Default: `''`."""

    def __init__(
        self,
        resource_name: str,
        *,
        address: pulumi.Input[str],
        goto: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        goto_null: pulumi.Input[bool] | None = None,
        goto_spam: pulumi.Input[bool] | None = None,
        goto_ham: pulumi.Input[bool] | None = None,
        active: pulumi.Input[bool] | None = None,
        sogo_visible: pulumi.Input[bool] | None = None,
        sender_allowed: pulumi.Input[bool] | None = None,
        internal: pulumi.Input[bool] | None = None,
        public_comment: pulumi.Input[str] | None = None,
        private_comment: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it; each argument is the property of its name."""
        inputs = _declared(locals())
        super().__init__("mailcow:index:Alias", resource_name, inputs, opts)


class Relayhost(_Named, pulumi.CustomResource):
    """A smarthost.

    It has no effect by itself: bind domains or mailboxes to it through their `relayhost`,
    which takes this resource's id.
    """

    hostname: pulumi.Output[str]
    """Next hop, such as `[smtp.example.net]:587`; brackets leave out the MX look-up."""
    username: pulumi.Output[str]
    """Login; empty for none. Default: `''`."""
    password: pulumi.Output[str]
    """Password of the login. Default: `''`. Kept encrypted."""
    active: pulumi.Output[bool]
    """Whether it is in use. Default: `True`."""

    def __init__(
        self,
        resource_name: str,
        *,
        hostname: pulumi.Input[str],
        username: pulumi.Input[str] | None = None,
        password: pulumi.Input[str] | None = None,
        active: pulumi.Input[bool] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it; each argument is the property of its name."""
        inputs = _declared(locals())
        super().__init__("mailcow:index:Relayhost", resource_name, inputs, opts)


class Transport(_Named, pulumi.CustomResource):
    """A rule that hands mail for a destination to a server.

    The destination `*` is all mail.
    """

    destination: pulumi.Output[str]
    """Domain, `.domain` for what is below it, address, `*`, or, for `is_mx_based`, a regular
    expression on the MX. A change makes a new object."""
    nexthop: pulumi.Output[str]
    """Where to, such as `[smtp.example.net]:587`."""
    username: pulumi.Output[str]
    """Login; empty for none. Default: `''`."""
    password: pulumi.Output[str]
    """Password of the login. Default: `''`. Kept encrypted."""
    is_mx_based: pulumi.Output[bool]
    """Whether the destination is matched with the MX. Default: `False`."""
    active: pulumi.Output[bool]
    """Whether it is in use. Default: `True`."""

    def __init__(
        self,
        resource_name: str,
        *,
        destination: pulumi.Input[str],
        nexthop: pulumi.Input[str],
        username: pulumi.Input[str] | None = None,
        password: pulumi.Input[str] | None = None,
        is_mx_based: pulumi.Input[bool] | None = None,
        active: pulumi.Input[bool] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it; each argument is the property of its name."""
        inputs = _declared(locals())
        super().__init__("mailcow:index:Transport", resource_name, inputs, opts)


class TlsPolicyMap(_Named, pulumi.CustomResource):
    """How strictly TLS is asked of a destination.

    For a smarthost the destination is its next hop, letter by letter.
    """

    dest: pulumi.Output[str]
    """Domain, `.domain`, or a next hop such as `[smtp.example.net]:587`. A change makes a new
    object."""
    policy: pulumi.Output[str]
    """Postfix's security level. One of `none`, `may`, `encrypt`, `dane`, `dane-only`,
    `fingerprint`, `verify`, `secure`."""
    parameters: pulumi.Output[str]
    """Such as `match=smtp.example.net`, separated by spaces. Default: `''`."""
    active: pulumi.Output[bool]
    """Whether it is in use. Default: `True`."""

    def __init__(
        self,
        resource_name: str,
        *,
        dest: pulumi.Input[str],
        policy: pulumi.Input[str],
        parameters: pulumi.Input[str] | None = None,
        active: pulumi.Input[bool] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it; each argument is the property of its name."""
        inputs = _declared(locals())
        super().__init__("mailcow:index:TlsPolicyMap", resource_name, inputs, opts)


class DkimKey(_Named, pulumi.CustomResource):
    """The key under which Mailcow signs mail of a domain.

    Mailcow makes one, or takes the declared `private_key`.
    """

    domain: pulumi.Output[str]
    """Domain that is signed for. A change makes a new object."""
    dkim_selector: pulumi.Output[str]
    """Selector. Default: `'dkim'`. A change makes a new object."""
    key_size: pulumi.Output[int | None]
    """Bits of a key that Mailcow makes; 2048 if left out. One of `1024`, `2048`, `3072`,
    `4096`. A change makes a new object."""
    private_key: pulumi.Output[str | None]
    """RSA key in PEM to use instead of one that Mailcow makes. Leave it out if you can:
    Mailcow shows an imported key in clear in `get/logs/api`, to the read-only key too. That
    it arrived is seen by its public half. Kept encrypted."""
    public_key: pulumi.Output[str]
    """Public key, as `p=` in DNS."""
    dkim_txt: pulumi.Output[str]
    """The whole TXT record, as Mailcow words it."""

    def __init__(
        self,
        resource_name: str,
        *,
        domain: pulumi.Input[str],
        dkim_selector: pulumi.Input[str] | None = None,
        key_size: pulumi.Input[int] | None = None,
        private_key: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it; each argument is the property of its name."""
        inputs = _declared(locals(), "public_key", "dkim_txt")
        super().__init__("mailcow:index:DkimKey", resource_name, inputs, opts)


class MtaSts(_Named, pulumi.CustomResource):
    """The policy that tells other servers to deliver over TLS only.

    It is read back from `mta-sts.<domain>`, asked at the endpoint's own address.
    """

    domain: pulumi.Output[str]
    """Domain; it must exist. A change makes a new object."""
    mode: pulumi.Output[str]
    """What others shall do. One of `enforce`, `testing`, `none`. Default: `'testing'`."""
    mx: pulumi.Output[list[str]]
    """Names of the servers that receive; `*.` stands for one label."""
    max_age: pulumi.Output[int]
    """Seconds for which others remember it. Default: `604800`."""
    active: pulumi.Output[bool]
    """Whether it is served. Default: `True`."""

    def __init__(
        self,
        resource_name: str,
        *,
        domain: pulumi.Input[str],
        mx: pulumi.Input[Sequence[pulumi.Input[str]]],
        mode: pulumi.Input[str] | None = None,
        max_age: pulumi.Input[int] | None = None,
        active: pulumi.Input[bool] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it; each argument is the property of its name."""
        inputs = _declared(locals())
        super().__init__("mailcow:index:MtaSts", resource_name, inputs, opts)


class AppPassword(_Named, pulumi.CustomResource):
    """A further password of a mailbox, for one program and some protocols."""

    username: pulumi.Output[str]
    """Address of the mailbox. A change makes a new object."""
    app_name: pulumi.Output[str]
    """What the password is for."""
    app_passwd: pulumi.Output[str | None]
    """The password. Needed to create one; may be left out for one that was imported. Kept
    encrypted."""
    protocols: pulumi.Output[list[str]]
    """What it opens. One of `imap_access`, `smtp_access`, `eas_access`, `dav_access`,
    `pop3_access`, `sieve_access`. Default: `['imap_access', 'smtp_access', 'eas_access',
    'dav_access', 'pop3_access', 'sieve_access']`."""
    active: pulumi.Output[bool]
    """Whether it is in use. Default: `True`."""

    def __init__(
        self,
        resource_name: str,
        *,
        username: pulumi.Input[str],
        app_name: pulumi.Input[str],
        app_passwd: pulumi.Input[str] | None = None,
        protocols: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        active: pulumi.Input[bool] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it; each argument is the property of its name."""
        inputs = _declared(locals())
        super().__init__("mailcow:index:AppPassword", resource_name, inputs, opts)


class Resource(_Named, pulumi.CustomResource):
    """A room, a thing or a group that calendars can book."""

    domain: pulumi.Output[str]
    """Domain of the resource; it must exist. A change makes a new object."""
    description: pulumi.Output[str]
    """What it is called. When it is created, Mailcow makes its address of the letters and
    digits in it."""
    kind: pulumi.Output[str]
    """What it is. One of `location`, `thing`, `group`. Default: `'location'`."""
    multiple_bookings: pulumi.Output[int]
    """How many bookings may overlap; 0 shows it as always free, -1 sets no limit. Default:
    `0`."""
    active: pulumi.Output[bool]
    """Whether it is in use. Default: `True`."""
    name: pulumi.Output[str]
    """Its address."""

    def __init__(
        self,
        resource_name: str,
        *,
        domain: pulumi.Input[str],
        description: pulumi.Input[str],
        kind: pulumi.Input[str] | None = None,
        multiple_bookings: pulumi.Input[int] | None = None,
        active: pulumi.Input[bool] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it; each argument is the property of its name."""
        inputs = _declared(locals(), "name")
        super().__init__("mailcow:index:Resource", resource_name, inputs, opts)


class BccMap(_Named, pulumi.CustomResource):
    """A copy of all mail sent by, or arriving for, an address or a whole domain."""

    local_dest: pulumi.Output[str]
    """Whose mail is copied: an address of a mailbox or alias, or a domain. It must exist. A
    change makes a new object."""
    type: pulumi.Output[str]
    """Whether it is copied when it is sent or when it arrives. One of `sender`, `rcpt`. A
    change makes a new object."""
    bcc_dest: pulumi.Output[str]
    """Address that gets the copies."""
    active: pulumi.Output[bool]
    """Whether it is in use. Default: `True`."""

    def __init__(
        self,
        resource_name: str,
        *,
        local_dest: pulumi.Input[str],
        type: pulumi.Input[str],
        bcc_dest: pulumi.Input[str],
        active: pulumi.Input[bool] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it; each argument is the property of its name."""
        inputs = _declared(locals())
        super().__init__("mailcow:index:BccMap", resource_name, inputs, opts)


class RecipientMap(_Named, pulumi.CustomResource):
    """Rewrites a recipient, or a whole domain, before delivery.

    Mailcow's API has no such map for senders.
    """

    recipient_map_old: pulumi.Output[str]
    """What is rewritten: an address or a domain. A change makes a new object."""
    recipient_map_new: pulumi.Output[str]
    """What it becomes: an address or a domain."""
    active: pulumi.Output[bool]
    """Whether it is in use. Default: `True`."""

    def __init__(
        self,
        resource_name: str,
        *,
        recipient_map_old: pulumi.Input[str],
        recipient_map_new: pulumi.Input[str],
        active: pulumi.Input[bool] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it; each argument is the property of its name."""
        inputs = _declared(locals())
        super().__init__("mailcow:index:RecipientMap", resource_name, inputs, opts)


class RateLimit(_Named, pulumi.CustomResource):
    """How much a mailbox, or all of a domain together, may send."""

    object: pulumi.Output[str]
    """What is limited: the address of a mailbox, or a domain. A change makes a new object."""
    value: pulumi.Output[int]
    """Messages for each time."""
    frame: pulumi.Output[str]
    """The time: second, minute, hour or day. One of `s`, `m`, `h`, `d`."""

    def __init__(
        self,
        resource_name: str,
        *,
        object: pulumi.Input[str],
        value: pulumi.Input[int],
        frame: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it; each argument is the property of its name."""
        inputs = _declared(locals())
        super().__init__("mailcow:index:RateLimit", resource_name, inputs, opts)


class DomainPolicy(_Named, pulumi.CustomResource):
    """A sender that the spam filter always, or never, lets in to a domain."""

    domain: pulumi.Output[str]
    """Domain; it must exist. A change makes a new object."""
    object_list: pulumi.Output[str]
    """`wl` is always let in, `bl` never. One of `wl`, `bl`. A change makes a new object."""
    object_from: pulumi.Output[str]
    """Sender; `*` stands for anything. A change makes a new object."""

    def __init__(
        self,
        resource_name: str,
        *,
        domain: pulumi.Input[str],
        object_list: pulumi.Input[str],
        object_from: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it; each argument is the property of its name."""
        inputs = _declared(locals())
        super().__init__("mailcow:index:DomainPolicy", resource_name, inputs, opts)


class MailboxPolicy(_Named, pulumi.CustomResource):
    """A sender that the spam filter always, or never, lets in to a mailbox."""

    username: pulumi.Output[str]
    """Address of the mailbox; it must exist. A change makes a new object."""
    object_list: pulumi.Output[str]
    """`wl` is always let in, `bl` never. One of `wl`, `bl`. A change makes a new object."""
    object_from: pulumi.Output[str]
    """Sender; `*` stands for anything. A change makes a new object."""

    def __init__(
        self,
        resource_name: str,
        *,
        username: pulumi.Input[str],
        object_list: pulumi.Input[str],
        object_from: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it; each argument is the property of its name."""
        inputs = _declared(locals())
        super().__init__("mailcow:index:MailboxPolicy", resource_name, inputs, opts)


class SpamScore(_Named, pulumi.CustomResource):
    """Scores from which mail for a mailbox is marked as spam, and refused."""

    username: pulumi.Output[str]
    """Address of the mailbox. A change makes a new object."""
    lowspamlevel: pulumi.Output[float]
    """Score from which mail is marked."""
    highspamlevel: pulumi.Output[float]
    """Score from which mail is refused."""

    def __init__(
        self,
        resource_name: str,
        *,
        username: pulumi.Input[str],
        lowspamlevel: pulumi.Input[float],
        highspamlevel: pulumi.Input[float],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it; each argument is the property of its name."""
        inputs = _declared(locals())
        super().__init__("mailcow:index:SpamScore", resource_name, inputs, opts)


class DomainAdmin(_Named, pulumi.CustomResource):
    """A person who may look after some domains, and nothing else."""

    username: pulumi.Output[str]
    """User name: letters, digits, dots, hyphens, underscores. A change makes a new object."""
    password: pulumi.Output[str | None]
    """Password. Needed to create one; may be left out for one that was imported. Kept
    encrypted."""
    domains: pulumi.Output[list[str]]
    """Domains to look after, in no order; they must exist."""
    active: pulumi.Output[bool]
    """Whether the person may sign in. Default: `True`."""
    force_tfa: pulumi.Output[bool]
    """Whether a second factor is demanded. Default: `False`."""
    force_pw_update: pulumi.Output[bool]
    """Whether a new password is asked for at the next login. Default: `False`."""

    def __init__(
        self,
        resource_name: str,
        *,
        username: pulumi.Input[str],
        domains: pulumi.Input[Sequence[pulumi.Input[str]]],
        password: pulumi.Input[str] | None = None,
        active: pulumi.Input[bool] | None = None,
        force_tfa: pulumi.Input[bool] | None = None,
        force_pw_update: pulumi.Input[bool] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it; each argument is the property of its name."""
        inputs = _declared(locals())
        super().__init__("mailcow:index:DomainAdmin", resource_name, inputs, opts)


class ForwardingHost(_Named, pulumi.CustomResource):
    """A server that hands on mail on others' behalf: its mail is never refused for SPF."""

    hostname: pulumi.Output[str]
    """IP address, network, or a name, which Mailcow expands to addresses once. A change makes
    a new object."""
    filter_spam: pulumi.Output[bool]
    """Whether the spam filter may act on its mail. Default: `False`."""
    hosts: pulumi.Output[list[str]]
    """Addresses that it stands for."""

    def __init__(
        self,
        resource_name: str,
        *,
        hostname: pulumi.Input[str],
        filter_spam: pulumi.Input[bool] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it; each argument is the property of its name."""
        inputs = _declared(locals(), "hosts")
        super().__init__("mailcow:index:ForwardingHost", resource_name, inputs, opts)


class SyncJob(_Named, pulumi.CustomResource):
    """Fetches mail from an IMAP server elsewhere into a mailbox, again and again."""

    username: pulumi.Output[str]
    """Address of the mailbox that gets the mail. A change makes a new object."""
    host1: pulumi.Output[str]
    """Server to fetch from. A change makes a new object."""
    user1: pulumi.Output[str]
    """Login there. A change makes a new object."""
    password1: pulumi.Output[str]
    """Password there. Kept encrypted."""
    port1: pulumi.Output[int]
    """Port there. Default: `993`."""
    enc1: pulumi.Output[str]
    """Encryption. One of `TLS`, `SSL`, `PLAIN`. Default: `'SSL'`."""
    mins_interval: pulumi.Output[int]
    """Minutes between runs. Default: `20`."""
    subfolder2: pulumi.Output[str]
    """Folder here to fetch into; empty for none. Default: `''`."""
    maxage: pulumi.Output[int]
    """Greatest age in days; 0 is any. Default: `0`."""
    maxbytespersecond: pulumi.Output[int]
    """Greatest speed in bytes per second; 0 is any. Default: `0`."""
    timeout1: pulumi.Output[int]
    """Seconds to wait for the server. Default: `600`."""
    timeout2: pulumi.Output[int]
    """Seconds to wait for Mailcow. Default: `600`."""
    exclude: pulumi.Output[str]
    """Regular expression of folders to leave out. Default: `'(?i)spam|(?i)junk'`."""
    custom_params: pulumi.Output[str]
    """Further options of imapsync, such as `--nofoldersizesatend --maxsize=1000000`. Default:
    `''`."""
    delete1: pulumi.Output[bool]
    """Delete there what was fetched. Default: `False`."""
    delete2: pulumi.Output[bool]
    """Delete here what is not there. Default: `False`."""
    delete2duplicates: pulumi.Output[bool]
    """Delete duplicates here. Default: `True`."""
    automap: pulumi.Output[bool]
    """Find matching folders. Default: `True`."""
    skipcrossduplicates: pulumi.Output[bool]
    """Skip what is elsewhere. Default: `False`."""
    subscribeall: pulumi.Output[bool]
    """Subscribe to all folders. Default: `True`."""
    dry: pulumi.Output[bool]
    """Only pretend. Default: `False`."""
    active: pulumi.Output[bool]
    """Whether it runs. Default: `True`."""

    def __init__(
        self,
        resource_name: str,
        *,
        username: pulumi.Input[str],
        host1: pulumi.Input[str],
        user1: pulumi.Input[str],
        password1: pulumi.Input[str],
        port1: pulumi.Input[int] | None = None,
        enc1: pulumi.Input[str] | None = None,
        mins_interval: pulumi.Input[int] | None = None,
        subfolder2: pulumi.Input[str] | None = None,
        maxage: pulumi.Input[int] | None = None,
        maxbytespersecond: pulumi.Input[int] | None = None,
        timeout1: pulumi.Input[int] | None = None,
        timeout2: pulumi.Input[int] | None = None,
        exclude: pulumi.Input[str] | None = None,
        custom_params: pulumi.Input[str] | None = None,
        delete1: pulumi.Input[bool] | None = None,
        delete2: pulumi.Input[bool] | None = None,
        delete2duplicates: pulumi.Input[bool] | None = None,
        automap: pulumi.Input[bool] | None = None,
        skipcrossduplicates: pulumi.Input[bool] | None = None,
        subscribeall: pulumi.Input[bool] | None = None,
        dry: pulumi.Input[bool] | None = None,
        active: pulumi.Input[bool] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it; each argument is the property of its name."""
        inputs = _declared(locals())
        super().__init__("mailcow:index:SyncJob", resource_name, inputs, opts)
