"""Submission: our people can hand in mail, and nobody else can."""

import smtplib
from collections.abc import Callable, Mapping
from types import MappingProxyType

from operations.prove.findings import failed, passed, skipped
from operations.prove.model import Finding, Severity, Station
from operations.prove.passage import OUTSIDE, login, no_password
from operations.prove.registry import at
from operations.prove.subject import Subject

check = at(Station.SUBMISSION)

_PORTS = (465, 587)
_KEY = "mail:mailcow.rawPorts"
_SMTPD = "Take changes to smtpd_* settings out of data/conf/postfix/extra.cf."


def _ports(subject: Subject) -> tuple[int, ...]:
    return tuple(port for port in _PORTS if port in subject.declaration.mailcow.raw_ports)


def _reply(answer: tuple[int, bytes]) -> str:
    return f"{answer[0]} {answer[1].decode('utf-8', 'replace')}"


def _try_to_send(sender: str, recipient: str) -> Callable[[smtplib.SMTP], tuple[int, bytes]]:
    """Return what begins a message and gives it up; the answer is the first refusal, or the last.

    Postfix says at RCPT what it could have said at MAIL. No message is ever sent.
    """

    def act(client: smtplib.SMTP) -> tuple[int, bytes]:
        answer = client.mail(sender)
        if answer[0] < 400:
            answer = client.rcpt(recipient)
        client.rset()
        return answer

    return act


async def _refused(
    subject: Subject,
    attempts: dict[int, tuple[int, bytes]],
    expected: str,
    *,
    facts: Mapping[str, str] = MappingProxyType({}),
) -> Finding:
    said = {port: _reply(answer) for port, answer in attempts.items()}
    details = tuple(f"{port}: {words}" for port, words in said.items())
    taken = [port for port, answer in attempts.items() if answer[0] < 400]
    if taken:
        seen = ", ".join(f"{port} takes it" for port in taken)
        return failed(seen, expected, key=_KEY, details=details, facts=facts)
    if not attempts:
        return skipped(f"{subject.host} has no submission port declared", key=_KEY)
    return passed("; ".join(f"{port}: {words}" for port, words in said.items()), expected, key=_KEY)


@check(
    "submission-tls", Severity.CRITICAL, "No password is ever asked for in clear",
    why="A password that crosses the internet in clear is anybody's.",
    source="RFC 8314 section 3.3; RFC 4954 section 4",
    mend=_SMTPD,
)  # fmt: skip
async def _submission_tls(subject: Subject) -> Finding:
    if 587 not in _ports(subject):
        return skipped("587 is not declared; 465 is TLS from the first byte", key=_KEY)
    sender = subject.address(subject.declaration.mailboxes[0].name)

    def act(client: smtplib.SMTP) -> tuple[bool, tuple[int, bytes]]:
        offered = client.has_extn("auth")
        return offered, _try_to_send(sender, f"nobody@{OUTSIDE}")(client)

    host = subject.declaration.names.mail_host
    offered, answer = await subject.net.smtp(subject.host, 587, host, act, tls=False)
    expected = "no login offered, and nothing taken, before STARTTLS"
    if offered:
        return failed("587 offers a login in clear", expected, key=_KEY)
    return await _refused(subject, {587: answer}, expected)


@check(
    "submission-login", Severity.CRITICAL, "Nobody hands in mail without logging in",
    why="An open relay is used by spammers within hours, and blocked within days.",
    source="RFC 6409 section 4.3",
    mend=_SMTPD,
)  # fmt: skip
async def _submission_login(subject: Subject) -> Finding:
    host = subject.declaration.names.mail_host
    sender = subject.address(subject.declaration.mailboxes[0].name)
    attempts = {
        port: await subject.net.smtp(
            subject.host, port, host, _try_to_send(sender, f"nobody@{OUTSIDE}")
        )
        for port in _ports(subject)
    }
    return await _refused(subject, attempts, "refused without a login", facts={"relay": "open"})


@check(
    "submission-password", Severity.CRITICAL, "A wrong password opens nothing",
    why="Whoever knows an address would otherwise write in its name.",
    source="RFC 4954 section 6",
    mend="Look at Dovecot's authentication: `docker compose logs dovecot-mailcow`.",
)  # fmt: skip
async def _submission_password(subject: Subject) -> Finding:
    if not subject.rehearsed:
        return skipped("a wrong password could get this address banned; only rehearsed")
    writer = subject.address(subject.writer or subject.declaration.mailboxes[0].name)

    def act(client: smtplib.SMTP) -> tuple[int, bytes]:
        try:
            return client.login(writer, "not the password")
        except smtplib.SMTPAuthenticationError as error:
            text = error.smtp_error
            return error.smtp_code, text if isinstance(text, bytes) else text.encode()

    host = subject.declaration.names.mail_host
    attempts = {
        port: await subject.net.smtp(subject.host, port, host, act) for port in _ports(subject)
    }
    return await _refused(subject, attempts, "refused with a wrong password")


@check(
    "submission-accepted", Severity.CRITICAL, "A person can log in to send",
    why="Who cannot log in cannot write.",
    source="RFC 6409; RFC 8314",
    mend="Set the mailbox's password anew: `pulumi config set --secret mail:password.<name>`.",
)  # fmt: skip
async def _submission_accepted(subject: Subject) -> Finding:
    writer = subject.writer
    if writer is None:
        return no_password()
    host, done = subject.declaration.names.mail_host, []
    for port in _ports(subject):
        await subject.net.smtp(subject.host, port, host, login(subject, writer))
        done.append(str(port))
    return passed(f"{writer}@ logs in on {' and '.join(done)}", "a login on each port", key=_KEY)


@check(
    "submission-sender", Severity.HIGH, "Nobody writes in another's name, logged in or not",
    why="One stolen password would otherwise speak for the whole company.",
    source="RFC 6409 section 6.1",
    mend="Take `*` out of the mailbox's sender addresses (senderAcl).",
)  # fmt: skip
async def _submission_sender(subject: Subject) -> Finding:
    writer = subject.writer
    if writer is None:
        return no_password()
    host = subject.declaration.names.mail_host
    others = [mailbox.name for mailbox in subject.declaration.mailboxes if mailbox.name != writer]
    foreign = [f"ceo@{OUTSIDE}", *(subject.address(other) for other in others[:1])]
    attempts: dict[int, tuple[int, bytes]] = {}
    for port in _ports(subject):
        for sender in foreign:

            def act(client: smtplib.SMTP, sender: str = sender) -> tuple[int, bytes]:
                login(subject, writer)(client)
                return _try_to_send(sender, f"nobody@{OUTSIDE}")(client)

            answer = await subject.net.smtp(subject.host, port, host, act)
            if port not in attempts or answer[0] < 400:
                attempts[port] = answer
    return await _refused(subject, attempts, f"refused as {' and as '.join(foreign)}")
