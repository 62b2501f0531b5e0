"""What is true of one person's mail, derived from the declaration."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from declaration.model import Declaration
from declaration.people import AliasSettings, MailboxSettings, local_target

_IMAPS, _IMAP, _SUBMISSIONS, _SUBMISSION, _SIEVE = 993, 143, 465, 587, 4190
_POP = {110, 995}


class GuideError(Exception):
    """There is nothing true to say; the message says what is missing in the declaration."""


class Security(StrEnum):
    """How a connection is encrypted, in the words that mail programs use."""

    TLS = "SSL/TLS"
    """From the first byte on."""
    STARTTLS = "STARTTLS"
    """After a command in clear."""


@dataclass(frozen=True)
class Server:
    """A server as a mail program asks for it.

    Attributes:
        host: Fully qualified name.
        port: TCP port.
        security: Encryption on that port.
    """

    host: str
    port: int
    security: Security


@dataclass(frozen=True)
class Groupware:
    """Calendars and contacts in SOGo.

    Attributes:
        host: Fully qualified name.
        path: Path of the person's principal on that host.
    """

    host: str
    path: str

    @property
    def base(self) -> str:
        """Address for programs that find calendars and address books by themselves."""
        return f"https://{self.host}{self.path}"

    @property
    def calendar(self) -> str:
        """Address of the calendar that everyone has (CalDAV)."""
        return f"{self.base}Calendar/personal/"

    @property
    def contacts(self) -> str:
        """Address of the address book that everyone has (CardDAV)."""
        return f"{self.base}Contacts/personal/"


@dataclass(frozen=True)
class Guide:
    """All that a guide says of one mailbox.

    Attributes:
        company: Name of the company.
        domain: The mail domain.
        name: Local part of the address.
        full_name: Name shown to correspondents.
        quota: Quota with its unit.
        aliases: Addresses whose mail arrives here, besides the mailbox's own.
        incoming: IMAP.
        outgoing: Submission of mail.
        outgoing_instead: The other way to submit mail, when it is open too.
        filters: ManageSieve, when it is open.
        webmail: Address of the webmail, when there is one.
        account: Address at which passwords are changed.
        autoconfig: Whether Thunderbird and its kin find the settings by themselves.
        autodiscover: Whether Outlook finds the settings by itself.
        groupware: Calendars and contacts, when there are any.
        pop: Whether POP3 is open too.
    """

    company: str
    domain: str
    name: str
    full_name: str
    quota: str
    aliases: tuple[str, ...]
    incoming: Server
    outgoing: Server
    outgoing_instead: Server | None
    filters: Server | None
    webmail: str | None
    account: str
    autoconfig: bool
    autodiscover: bool
    groupware: Groupware | None
    pop: bool

    @property
    def address(self) -> str:
        """The whole address, which is the user name too."""
        return f"{self.name}@{self.domain}"

    @property
    def tagged(self) -> str:
        """An example of an address with a tag. `+` separates it in the release's Postfix."""
        return f"{self.name}+news@{self.domain}"

    @property
    def account_settings(self) -> str:
        """Address of the page with the password, after logging in at `account`."""
        return f"{self.account}/user"


def guides(declaration: Declaration) -> Iterator[Guide]:
    """Give the guide of every mailbox, in the order of the declaration.

    Raises:
        GuideError: no port is open that a mail program needs.
    """
    for mailbox in declaration.mailboxes:
        yield guide(declaration, mailbox)


def guide(declaration: Declaration, mailbox: MailboxSettings) -> Guide:
    """Return the guide of one mailbox.

    Raises:
        GuideError: no port is open that a mail program needs.
    """
    host, ports = declaration.names.mail_host, set(declaration.mailcow.raw_ports)
    incoming = _open(host, {_IMAPS: Security.TLS, _IMAP: Security.STARTTLS}, ports)
    outgoing = _open(host, {_SUBMISSIONS: Security.TLS, _SUBMISSION: Security.STARTTLS}, ports)
    if not incoming or not outgoing:
        ways = "993 or 143 for reading" if not incoming else "465 or 587 for sending"
        raise GuideError(f"mail:mailcow.rawPorts opens no port for mail programs: {ways}")
    filters = _open(host, {_SIEVE: Security.STARTTLS}, ports)
    # Mailcow announces the ports of implicit TLS first; with one of them closed, a program that
    # asks for its settings is told something that does not work.
    announced = {_IMAPS, _SUBMISSIONS} <= ports
    web, sogo = declaration.web, not declaration.mailcow.skip_sogo
    webmail = declaration.names.webmail
    address = f"{mailbox.name}@{declaration.domain}"
    return Guide(
        company=declaration.company,
        domain=declaration.domain,
        name=mailbox.name,
        full_name=mailbox.full_name,
        quota=_size(mailbox.quota_mib),
        aliases=tuple(
            f"{text}@{declaration.domain}"
            for text in leading_to(mailbox.name, declaration.aliases, declaration.domain)
        ),
        incoming=incoming[0],
        outgoing=outgoing[0],
        outgoing_instead=outgoing[1] if len(outgoing) > 1 else None,
        filters=filters[0] if filters else None,
        webmail=f"https://{webmail}" if sogo else None,
        # Not the webmail's host: the form saves through Mailcow's API, which Traefik routes on
        # the administration's host alone (components/traefik.py).
        account=f"https://{declaration.names.administration}",
        autoconfig=web.autoconfig and announced,
        autodiscover=web.autodiscover and announced,
        groupware=Groupware(webmail, f"/SOGo/dav/{address}/") if sogo else None,
        pop=bool(_POP & ports),
    )


def leading_to(name: str, aliases: Sequence[AliasSettings], domain: str) -> list[str]:
    """Return the local parts of the aliases that lead to a mailbox, be it by way of others.

    Args:
        name: Local part of the mailbox.
        aliases: All aliases.
        domain: The mail domain.
    """
    found = {name}
    while True:
        more = {
            alias.name
            for alias in aliases
            if alias.name not in found and found & {local_target(to, domain) for to in alias.to}
        }
        if not more:
            return [alias.name for alias in aliases if alias.name in found - {name}]
        found |= more


def _open(host: str, ways: Mapping[int, Security], ports: set[int]) -> list[Server]:
    return [Server(host, port, security) for port, security in ways.items() if port in ports]


def _size(mib: int) -> str:
    return f"{mib // 1024} GiB" if mib % 1024 == 0 else f"{mib} MiB"
