"""Messages on their way: one out through each submission port, several in from outside."""

import asyncio
import imaplib
import secrets
import smtplib
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any, TypeVar

from operations.prove.findings import skipped
from operations.prove.model import Finding
from operations.prove.net import UnseenError
from operations.prove.subject import Subject
from rehearsal.mail_program import MailProgram

OUTSIDE = "outside.example"
"""Domain of somebody outside: the rehearsed correspondent; on the live internet, nobody."""

_PATIENCE = 15.0
"""Seconds that a message may take; in a rehearsal it takes a fraction of one."""
_GRACE = 1.5
"""Seconds between the smarthost's word that it took a message and its arrival."""
_LOOK = 0.1

_T = TypeVar("_T")


def no_password() -> Finding:
    """Return that somebody would have to log in, and nobody's password is known."""
    return skipped(
        "nobody's password is known; name a mailbox with --mailbox, and its password when asked"
    )


def login(subject: Subject, local_part: str) -> Callable[[smtplib.SMTP], None]:
    """Return what logs a person in."""
    address, password = subject.address(local_part), subject.passwords[local_part]

    def act(client: smtplib.SMTP) -> None:
        client.login(address, password)

    return act


@dataclass(frozen=True)
class Sent:
    """What became of a message that one of our people handed in.

    Attributes:
        recipient: To whom.
        refused: Why our own mail host did not take it; empty if it did.
        queued: The message in the queue of our mail host, once it was settled.
        received: The message at the receiver, with its verdicts.
    """

    recipient: str
    refused: str = ""
    queued: dict[str, Any] = field(default_factory=dict)
    received: dict[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> dict[str, Any]:
        """What the receiver made of it; empty if it did not arrive."""
        return dict(self.received.get("verdict") or {})


@dataclass(frozen=True)
class Taken:
    """What became of a message that somebody outside wrote to us.

    Attributes:
        to: To whom.
        code: The reply code of our mail host; 0 if there was none.
        text: The reply, or why there was none.
        tls: Protocol of TLS, empty in clear.
        folder: Where it was found; empty if it was not.
        message: The message as it was filed.
        problem: Why nobody could look for it in the mailbox; empty if somebody could.
    """

    to: str
    code: int
    text: str
    tls: str = ""
    folder: str = ""
    message: str = ""
    problem: str = ""


async def sent(subject: Subject, port: int = 465) -> Sent:
    """Let a person write to somebody outside through `port`, once in a proof."""
    return await subject.once(f"sent {port}", lambda: _send(subject, port))


async def _send(subject: Subject, port: int) -> Sent:
    recipient = subject.send_to or f"guest-{secrets.token_hex(6)}@{OUTSIDE}"
    writer = subject.writer or ""
    message = _message(subject.address(writer), recipient)

    def act(client: smtplib.SMTP) -> None:
        login(subject, writer)(client)
        client.send_message(message)

    try:
        await subject.net.smtp(subject.host, port, subject.declaration.names.mail_host, act)
    except ssl.SSLError as error:
        words = getattr(error, "verify_message", "") or str(error)
        return Sent(recipient, refused=f"TLS failed: {words}")
    except (UnseenError, smtplib.SMTPException, OSError) as error:
        return Sent(recipient, refused=str(error))
    if subject.net.inside is None:
        return Sent(recipient)
    return await _followed(subject, recipient)


def _message(sender: str, recipient: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = sender, recipient
    message["Subject"] = "Proof of delivery"
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    message.set_content(
        "This message was sent to see whether mail arrives.\nThere is nothing to do.\n"
    )
    return message


async def _followed(subject: Subject, recipient: str) -> Sent:
    """Follow a message until it arrives, is stuck, or is lost."""
    inside = subject.net.inside
    assert inside is not None  # noqa: S101 - asked by the caller
    settled: list[float] = []

    async def look() -> Sent | None:
        arrived = [entry for entry in await inside.received() if recipient in entry["to"]]
        queue = [entry for entry in await inside.queue() if recipient in entry["recipients"]]
        queued = queue[-1] if queue else {}
        if arrived and queued.get("state") != "active":
            return Sent(recipient, queued=queued, received=arrived[-1])
        if queued.get("state") in {"deferred", "bounced"}:
            return Sent(recipient, queued=queued)
        if queued.get("state") == "delivered":
            settled.append(time.monotonic())
            if time.monotonic() - settled[0] > _GRACE:
                return Sent(recipient, queued=queued)
        return None

    return await _awaited(look) or Sent(recipient)


async def taken(
    subject: Subject, purpose: str, to: str, *, folders: tuple[str, ...] = (), **message: str
) -> Taken:
    """Let somebody outside write to us, once in a proof for each `purpose`.

    Args:
        subject: What is proved; its net must allow a look inside.
        purpose: What the message is for.
        to: Recipient.
        folders: Folders of the addressee in which to look for it; none to leave it at the reply.
        message: `text`, `sender`, `author`, ... of the message.
    """
    return await subject.once(f"taken {purpose}", lambda: _take(subject, to, folders, message))


async def _take(
    subject: Subject, to: str, folders: tuple[str, ...], message: dict[str, str]
) -> Taken:
    inside = subject.net.inside
    assert inside is not None  # noqa: S101 - asked by the caller
    title = f"Proof {secrets.token_hex(6)}"
    text = message.pop("text", "Two nights in May, please.\n")
    answer = await inside.write(to=to, subject=title, text=text, **message)
    reply = Taken(to, int(answer["code"]), str(answer["text"]), str(answer["tls"]))
    if reply.code != 250 or not folders:
        return reply

    async def look() -> Taken | None:
        for folder in folders:
            found = await asyncio.to_thread(_read, subject, folder, title)
            if found:
                shown = found[0].decode("utf-8", "replace")
                return Taken(to, reply.code, reply.text, reply.tls, folder, shown)
        return None

    try:
        return await _awaited(look) or reply
    except ssl.SSLError as error:
        words = getattr(error, "verify_message", "") or str(error)
        return replace(reply, problem=f"TLS failed: {words}")
    except (imaplib.IMAP4.error, OSError) as error:
        return replace(reply, problem=str(error))


def _read(subject: Subject, folder: str, title: str) -> list[bytes]:
    local_part = subject.addressee
    program = MailProgram(
        subject.address(local_part),
        subject.passwords[local_part],
        server=(subject.declaration.names.mail_host, subject.host),
        reach=subject.net.locate,
        authority=subject.net.authority,
    )
    return program.read(folder, subject=title)


async def _awaited(look: Callable[[], Awaitable[_T | None]]) -> _T | None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        found = await look()
        if found is not None:
            return found
        await asyncio.sleep(_LOOK)
    return None
