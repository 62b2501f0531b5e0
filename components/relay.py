"""How Postfix reaches the smarthost: what it relays to, with which login, over which TLS.

Mailcow appends `extra.cf` to its own `main.cf` at every start of Postfix. A parameter that is
named there replaces the one of `main.cf` as a whole, so whatever `main.cf` gives two maps to is
repeated here with ours in front: the SASL maps (a sender-dependent relayhost set in Mailcow keeps
its login) and the TLS policy maps (Mailcow's own overrides and the DANE/MTA-STS look-up go on
working for every other destination). Ours comes first, so neither can weaken it.

On a port where TLS begins with the first byte Postfix has to be told so for its client as a whole
(`smtp_tls_wrappermode`), together with `smtp_tls_security_level = encrypt` or more (postconf(5));
Mailcow's `main.cf` has less. All mail leaves by that one port, and the policy map still asks for
the smarthost's name there.

The start script of Postfix writes `myhostname` as the first line itself and drops every other
line with that word; the file is written in exactly that shape, or it would drift for ever. It
also passes the file through `echo -e`, so there is no backslash in it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

import pulumi_host
from declaration.names import Names
from declaration.smarthost_providers import Nexthop

POSTFIX = "data/conf/postfix"
"""Directory of Postfix's configuration, below the directory of the release."""
_INSIDE = "/opt/postfix/conf"
"""The same directory, as the Postfix container sees it."""
_LOGIN_MAP = "smarthost_passwd"
_TLS_POLICY = "smarthost_tls_policy"

# From main.cf of the pinned release; tests/components/test_relay.py says how they were found.
_MAILCOW_LOGIN_MAPS = (
    "proxy:mysql:/opt/postfix/conf/sql/mysql_sasl_passwd_maps_sender_dependent.cf",
)
_MAILCOW_TLS_POLICIES = (
    "proxy:mysql:/opt/postfix/conf/sql/mysql_tls_policy_override_maps.cf",
    "socketmap:inet:postfix-tlspol:8642:QUERY",
)


def render_extra_cf(mail_host: str, nexthop: Nexthop, senders: Sequence[str], *, ipv6: bool) -> str:
    """Return `extra.cf`.

    Args:
        mail_host: MAILCOW_HOSTNAME.
        nexthop: The smarthost.
        senders: Who may send without a login.
        ipv6: Whether Postfix may speak IPv6. Mailcow sets ENABLE_IPV6 from what it finds on the
            host at every update, so this is where IPv6 is really held off.
    """
    logins = ", ".join((f"texthash:{_INSIDE}/{_LOGIN_MAP}", *_MAILCOW_LOGIN_MAPS))
    policies = ", ".join((f"texthash:{_INSIDE}/{_TLS_POLICY}", *_MAILCOW_TLS_POLICIES))
    wrapped = _WRAPPED if nexthop.implicit_tls else ""
    return f"""\
myhostname = {mail_host}
# Written by Pulumi; the next `pulumi up` undoes edits.
inet_protocols = {"all" if ipv6 else "ipv4"}
# Mailcow's own containers send without a login. The gateway of their network does not: what
# Docker's proxy carries here, from neighbours' containers for instance, bears its address.
mynetworks = {", ".join(senders)}
# Every outbound message, bounces too, leaves through the smarthost.
relayhost = {nexthop}
# Bounces come from this domain, the one that the smarthost signs for.
myorigin = {mail_host.partition(".")[2]}
# The smarthost may refuse a notification to a stranger, and Amazon SES refuses every one: it takes
# no empty envelope sender. Then the postmaster is told, or nobody would know.
notify_classes = resource, software, 2bounce
smtp_sasl_auth_enable = yes
# A refused login is ours to mend: mail waits for it instead of going back to who wrote it.
smtp_sasl_auth_soft_bounce = yes
smtp_sasl_password_maps = {logins}
# TLS with a verified name towards the smarthost, or the message waits.
smtp_tls_policy_maps = {policies}
{wrapped}"""


_WRAPPED = """\
# On this port TLS begins with the first byte, without STARTTLS.
smtp_tls_wrappermode = yes
smtp_tls_security_level = encrypt
"""


def render_tls_policy(nexthop: Nexthop) -> str:
    """Return the TLS policy map: `secure` asks for TLS and for the smarthost's own name."""
    return f"# Written by Pulumi.\n{nexthop} secure\n"


def render_login_map(nexthop: Nexthop, password: str) -> str:
    """Return the SASL map, which holds the password in clear.

    Raises:
        ValueError: the password has a shape that the map cannot hold; it is not repeated.
    """
    if not password or re.search(r"[\x00-\x1f\x7f]|^\s|\s$", password):
        msg = (
            "mail:smarthostPassword is empty, or has a control character or a blank at either "
            "end; Postfix could not read it back"
        )
        raise ValueError(msg)
    return f"# Written by Pulumi.\n{nexthop} {nexthop.user}:{password}\n"


@dataclass(frozen=True)
class RelayArgs:
    """What the relay needs to know.

    Attributes:
        names: The smarthost and the mail host.
        directory: Directory of the release on the host.
        password: Password at the smarthost.
        after: What must be there first: the release.
    """

    names: Names
    directory: str
    password: pulumi.Input[str]
    after: Sequence[pulumi.Resource] = ()


class RelayComponent(pulumi.ComponentResource):
    """Postfix's files, which must be there before it starts for the first time.

    Otherwise the first messages would leave directly, from an address that no SPF record names.
    Postfix reads them when it starts; `MailcowComponent` takes `files` and restarts Postfix when
    one of them has changed.
    """

    files: dict[str, pulumi_host.File]
    """The files, by path below the directory of the release."""

    def __init__(
        self, name: str, args: RelayArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Declare the relay.

        Args:
            name: Name of the component.
            args: What it needs to know.
            opts: Resource options; they carry the `host` provider.
        """
        super().__init__("mail:components:Smarthost", name, None, opts)
        nexthop = args.names.nexthop
        login = pulumi.Output.secret(args.password).apply(
            lambda password: render_login_map(nexthop, password)
        )
        extra = render_extra_cf(
            args.names.mail_host, nexthop, args.names.senders, ipv6=args.names.ipv6
        )
        contents: dict[str, tuple[str, pulumi.Input[str], str]] = {
            "smarthost-login": (_LOGIN_MAP, login, "0640"),
            "smarthost-tls-policy": (_TLS_POLICY, render_tls_policy(nexthop), "0644"),
            "smarthost-extra-cf": ("extra.cf", extra, "0644"),
        }
        self.files = {
            f"{POSTFIX}/{file}": pulumi_host.File(
                title,
                path=f"{args.directory}/{POSTFIX}/{file}",
                content=content,
                mode=mode,
                opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.after)),
            )
            for title, (file, content, mode) in contents.items()
        }
        self.register_outputs({})
