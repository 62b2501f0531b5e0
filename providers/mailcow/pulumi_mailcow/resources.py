"""Resource classes, written by `python -m pulumi_mailcow.generate`. Do not edit."""

# ruff: noqa: PLR0913 - one argument for each property

from collections.abc import Sequence

import pulumi

from pulumi_mailcow.describe import camel, snake


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
        """Declare it.

        Args:
            resource_name: Name of the resource in the program.
            endpoint: Where Mailcow's web interface is reached, such as
                `https://mail-admin.example.org`.
            api_key: API key with read and write access. Kept encrypted.
            connect_to: `address:port` to connect to instead, as curl's `--connect-to`:
                the name, SNI and the check of the certificate stay those of the endpoint.
            ca_bundle: Certificate authorities (PEM) to trust; otherwise the system's.
            concurrency: Greatest number of requests at a time. Mailcow's php-fpm serves
                50. Default: `8`.
            timeout: Seconds to wait for an answer. Default: `60`.
            opts: Options of the resource.
        """
        super().__init__(
            "mailcow",
            resource_name,
            {
                "endpoint": endpoint,
                "api_key": api_key,
                "connect_to": connect_to,
                "ca_bundle": ca_bundle,
                "concurrency": concurrency,
                "timeout": timeout,
            },
            opts,
        )


class Domain(_Named, pulumi.CustomResource):
    """A domain that Mailcow receives mail for.

    No DKIM key is made with it: declare a `DkimKey` where Mailcow shall sign.
    """

    domain: pulumi.Output[str]
    """Name of the domain; must differ from MAILCOW_HOSTNAME.

    A change makes a new object.
    """

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
    """Id of the relayhost through which mail from this domain leaves; "0" is none.

    Default: `'0'`.
    """

    backupmx: pulumi.Output[bool]
    """Whether mail is relayed to another server. Default: `False`."""

    relay_all_recipients: pulumi.Output[bool]
    """Whether every recipient is relayed; needs `backupmx`. Default: `False`."""

    relay_unknown_only: pulumi.Output[bool]
    """Whether only recipients without a mailbox are relayed; needs `relay_all_recipients`.

    Default: `False`.
    """

    gal: pulumi.Output[bool]
    """Whether it has a global address list. Default: `True`."""

    tags: pulumi.Output[list[str]]
    """Tags, in no order. Default: `[]`."""

    restart_sogo: pulumi.Output[bool]
    """Whether SOGo is restarted when the domain is added, so that it learns of it at once.

    Default: `False`.
    """

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
        """Declare it.

        Args:
            resource_name: Name of the resource in the program.
            domain: Name of the domain; must differ from MAILCOW_HOSTNAME. A change
                makes a new object.
            description: Description. Mailcow puts the domain's name where none is
                given.
            active: Whether the domain is in use. Default: `True`.
            aliases: Greatest number of aliases. Default: `400`.
            mailboxes: Greatest number of mailboxes. Default: `10`.
            defquota: Quota of a new mailbox in MiB. Default: `3072`.
            maxquota: Greatest quota of one mailbox in MiB. Default: `10240`.
            quota: Quota of all mailboxes together in MiB. Default: `10240`.
            relayhost: Id of the relayhost through which mail from this domain leaves;
                "0" is none. Default: `'0'`.
            backupmx: Whether mail is relayed to another server. Default: `False`.
            relay_all_recipients: Whether every recipient is relayed; needs `backupmx`.
                Default: `False`.
            relay_unknown_only: Whether only recipients without a mailbox are relayed;
                needs `relay_all_recipients`. Default: `False`.
            gal: Whether it has a global address list. Default: `True`.
            tags: Tags, in no order. Default: `[]`.
            restart_sogo: Whether SOGo is restarted when the domain is added, so that it
                learns of it at once. Default: `False`.
            opts: Options of the resource.
        """
        super().__init__(
            "mailcow:index:Domain",
            resource_name,
            {
                "domain": domain,
                "description": description,
                "active": active,
                "aliases": aliases,
                "mailboxes": mailboxes,
                "defquota": defquota,
                "maxquota": maxquota,
                "quota": quota,
                "relayhost": relayhost,
                "backupmx": backupmx,
                "relay_all_recipients": relay_all_recipients,
                "relay_unknown_only": relay_unknown_only,
                "gal": gal,
                "tags": tags,
                "restart_sogo": restart_sogo,
            },
            opts,
        )


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
    """Password, or its hash such as `{BLF-CRYPT}$2y$...`.

    Needed to create a mailbox; may be left out for one that was imported. Kept encrypted.
    """

    name: pulumi.Output[str | None]
    """Full name of the person."""

    quota: pulumi.Output[int]
    """Quota in MiB; 0 is unlimited. Default: `3072`."""

    active: pulumi.Output[int]
    """1 in use, 0 switched off, 2 receives mail but nobody can sign in.

    One of `0`, `1`, `2`. Default: `1`.
    """

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
    """How often quarantined mail is reported.

    One of `never`, `hourly`, `daily`, `weekly`. Default: `'hourly'`.
    """

    quarantine_category: pulumi.Output[str]
    """What of the quarantine is reported.

    One of `add_header`, `reject`, `all`. Default: `'reject'`.
    """

    pw_recovery_email: pulumi.Output[str]
    """Where a forgotten password may be reset from. Default: `''`."""

    authsource: pulumi.Output[str]
    """Who checks the password.

    One of `mailcow`, `keycloak`, `generic-oidc`, `ldap`. Default: `'mailcow'`.
    """

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
        """Declare it.

        Args:
            resource_name: Name of the resource in the program.
            local_part: What stands before the @. A change makes a new object.
            domain: Domain of the mailbox; it must exist. A change makes a new object.
            password: Password, or its hash such as `{BLF-CRYPT}$2y$...`. Needed to
                create a mailbox; may be left out for one that was imported. Kept encrypted.
            name: Full name of the person.
            quota: Quota in MiB; 0 is unlimited. Default: `3072`.
            active: 1 in use, 0 switched off, 2 receives mail but nobody can sign in.
                One of `0`, `1`, `2`. Default: `1`.
            force_pw_update: Whether a new password is asked for at the next login.
                Default: `False`.
            force_tfa: Whether a second factor is demanded. Default: `False`.
            tls_enforce_in: Whether mail is taken only over TLS. Default: `False`.
            tls_enforce_out: Whether mail leaves only over TLS. Default: `False`.
            sogo_access: Whether a login leads on to SOGo. Default: `True`.
            imap_access: Whether IMAP may be used. Default: `True`.
            pop3_access: Whether POP3 may be used. Default: `True`.
            smtp_access: Whether SMTP may be used. Default: `True`.
            sieve_access: Whether ManageSieve may be used. Default: `True`.
            eas_access: Whether ActiveSync may be used. Default: `True`.
            dav_access: Whether CalDAV and CardDAV may be used. Default: `True`.
            relayhost: Id of the relayhost through which this mailbox sends; "0" is
                none. Default: `'0'`.
            quarantine_notification: How often quarantined mail is reported. One of
                `never`, `hourly`, `daily`, `weekly`. Default: `'hourly'`.
            quarantine_category: What of the quarantine is reported. One of
                `add_header`, `reject`, `all`. Default: `'reject'`.
            pw_recovery_email: Where a forgotten password may be reset from. Default:
                `''`.
            authsource: Who checks the password. One of `mailcow`, `keycloak`,
                `generic-oidc`, `ldap`. Default: `'mailcow'`.
            tags: Tags, in no order. Default: `[]`.
            opts: Options of the resource.
        """
        super().__init__(
            "mailcow:index:Mailbox",
            resource_name,
            {
                "local_part": local_part,
                "domain": domain,
                "password": password,
                "name": name,
                "quota": quota,
                "active": active,
                "force_pw_update": force_pw_update,
                "force_tfa": force_tfa,
                "tls_enforce_in": tls_enforce_in,
                "tls_enforce_out": tls_enforce_out,
                "sogo_access": sogo_access,
                "imap_access": imap_access,
                "pop3_access": pop3_access,
                "smtp_access": smtp_access,
                "sieve_access": sieve_access,
                "eas_access": eas_access,
                "dav_access": dav_access,
                "relayhost": relayhost,
                "quarantine_notification": quarantine_notification,
                "quarantine_category": quarantine_category,
                "pw_recovery_email": pw_recovery_email,
                "authsource": authsource,
                "tags": tags,
                "username": None,
            },
            opts,
        )


class Alias(_Named, pulumi.CustomResource):
    """An address that hands on to others, or to nobody, or to the spam filter's training."""

    address: pulumi.Output[str]
    """The address; `@example.org` takes whatever else arrives for the domain.

    A change makes a new object.
    """

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
        """Declare it.

        Args:
            resource_name: Name of the resource in the program.
            address: The address; `@example.org` takes whatever else arrives for the
                domain. A change makes a new object.
            goto: Addresses it hands on to, in no order. Default: `[]`.
            goto_null: Throw the mail away. Default: `False`.
            goto_spam: Learn the mail as spam. Default: `False`.
            goto_ham: Learn the mail as wanted. Default: `False`.
            active: Whether it is in use. Default: `True`.
            sogo_visible: Whether SOGo offers it as a sender. Default: `True`.
            sender_allowed: Whether its targets may send under it. Default: `True`.
            internal: Whether only local senders may write to it. Default: `False`.
            public_comment: Comment that its users see. Default: `''`.
            private_comment: Comment for administrators. Default: `''`.
            opts: Options of the resource.
        """
        super().__init__(
            "mailcow:index:Alias",
            resource_name,
            {
                "address": address,
                "goto": goto,
                "goto_null": goto_null,
                "goto_spam": goto_spam,
                "goto_ham": goto_ham,
                "active": active,
                "sogo_visible": sogo_visible,
                "sender_allowed": sender_allowed,
                "internal": internal,
                "public_comment": public_comment,
                "private_comment": private_comment,
            },
            opts,
        )


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
        """Declare it.

        Args:
            resource_name: Name of the resource in the program.
            hostname: Next hop, such as `[smtp.example.net]:587`; brackets leave out the
                MX look-up.
            username: Login; empty for none. Default: `''`.
            password: Password of the login. Default: `''`. Kept encrypted.
            active: Whether it is in use. Default: `True`.
            opts: Options of the resource.
        """
        super().__init__(
            "mailcow:index:Relayhost",
            resource_name,
            {
                "hostname": hostname,
                "username": username,
                "password": password,
                "active": active,
            },
            opts,
        )
