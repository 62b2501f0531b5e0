"""Reading: people log in, read, and set their filter rules."""

import imaplib

from operations.prove.findings import failed, passed, skipped
from operations.prove.model import Finding, Severity, Station
from operations.prove.passage import no_password
from operations.prove.registry import at
from operations.prove.subject import Subject

check = at(Station.READING)

_DOVECOT = "Look at Dovecot's log: `docker compose logs dovecot-mailcow`."


@check(
    "imap-login", Severity.CRITICAL, "A person can log in and see the folders",
    why="Who cannot log in cannot read.",
    source="RFC 9051; RFC 8314 section 3.2",
    mend="Set the mailbox's password anew: `pulumi config set --secret mail:password.<name>`.",
)  # fmt: skip
async def _imap_login(subject: Subject) -> Finding:
    writer = subject.writer
    if writer is None:
        return no_password()
    address, password = subject.address(writer), subject.passwords[writer]

    def act(client: imaplib.IMAP4_SSL) -> int:
        client.login(address, password)
        return len(client.list()[1])

    count = await subject.net.imap(subject.host, subject.declaration.names.mail_host, act)
    return passed(f"{writer}@ logs in and sees {count} folders", "a login", key="mail:mailboxes")


@check(
    "imap-password", Severity.CRITICAL, "A wrong password shows nothing",
    why="Whoever knows an address would otherwise read its mail.",
    source="RFC 9051 section 6.2.3",
    mend=_DOVECOT,
)  # fmt: skip
async def _imap_password(subject: Subject) -> Finding:
    if not subject.rehearsed:
        return skipped("a wrong password could get this address banned; only rehearsed")
    address = subject.address(subject.declaration.mailboxes[0].name)

    def act(client: imaplib.IMAP4_SSL) -> str:
        try:
            client.login(address, "not the password")
        except imaplib.IMAP4.error as error:
            return str(error)
        return ""

    refusal = await subject.net.imap(subject.host, subject.declaration.names.mail_host, act)
    if not refusal:
        return failed(f"{address} logs in with a wrong password", "refused")
    return passed(refusal, "refused")


@check(
    "sieve", Severity.MEDIUM, "Filter rules can be set from a mail program (ManageSieve)",
    why="Absence notices and rules are kept by the server, so they work while people sleep.",
    source="RFC 5804",
    mend=_DOVECOT,
)  # fmt: skip
async def _sieve(subject: Subject) -> Finding:
    if 4190 not in subject.declaration.mailcow.raw_ports:
        return skipped("4190 is not declared", key="mail:mailcow.rawPorts")
    offered = await subject.net.sieve(subject.host, 4190, subject.declaration.names.mail_host)
    if '"SASL"' not in offered:
        return failed("no login is offered under TLS", "a login under TLS")
    return passed("STARTTLS, then a login is offered", "a login under TLS")
