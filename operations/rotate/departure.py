"""Mail on its way out: what waits in Postfix's queue, and one message that is followed."""

import asyncio
import json
import re
import secrets
import shlex
import smtplib
import time
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

import dkim

from operations.prove.subject import Subject
from operations.rotate.model import WaitingError, Work
from operations.site import Site, SiteError

PATIENCE = 60.0
"""Seconds until a message must have left, and until what waited must have been tried again."""
_PAUSE = 0.3
_OUTSIDE = "outside.example"
_SELECTOR = re.compile(rb"(?:^|;)\s*s=\s*([^;\s]+)")
_DOMAIN = re.compile(rb"(?:^|;)\s*d=\s*([^;\s]+)")


@dataclass(frozen=True)
class Waiting:
    """One recipient for whom a message waits.

    Attributes:
        recipient: The address.
        reason: Why it waits, in the words of the next host; empty before the first attempt.
    """

    recipient: str
    reason: str


def waiting_in(listing: str) -> list[Waiting]:
    """Return what `postqueue -j` lists: an object a line (postqueue(1)).

    Args:
        listing: Its standard output.
    """
    messages = [json.loads(line) for line in listing.splitlines() if line.strip()]
    return [
        Waiting(str(recipient["address"]), str(recipient.get("delay_reason", "")))
        for message in messages
        for recipient in message.get("recipients", ())
    ]


async def in_postfix(site: Site, *words: str) -> str:
    """Run a command in the container of Postfix and return its standard output."""
    mailcow = site.declaration.mailcow
    command = (
        f'docker compose -p {mailcow.project} --project-directory "${{DESTDIR:-}}"'
        f"{shlex.quote(mailcow.directory)} exec -T postfix-mailcow {shlex.join(words)}"
    )
    return (await site.host.run(command, what=shlex.join(words))).stdout


async def queue(site: Site) -> list[Waiting]:
    """Return what waits in the queue of the mail host."""
    return waiting_in(await in_postfix(site, "postqueue", "-j"))


async def flush(site: Site, patience: float = PATIENCE) -> str:
    """Have everything that waits tried again, and see that nothing waits for want of a login.

    Raises:
        SiteError: messages still wait because the smarthost refuses the login.
    """
    before = await queue(site)
    await in_postfix(site, "postqueue", "-f")
    deadline = time.monotonic() + patience
    refused: list[Waiting] = before
    while time.monotonic() < deadline:
        refused = [entry for entry in await queue(site) if _is_refusal(entry.reason)]
        if not refused:
            return f"{len(before)} waited" if before else "nothing waited"
        await asyncio.sleep(_PAUSE)
    raise SiteError(f"{len(refused)} messages wait: {refused[0].reason}")


def _is_refusal(reason: str) -> bool:
    words = reason.lower()
    return "authentication" in words or "535" in words or "sasl" in words


async def send(work: Work, patience: float = PATIENCE) -> str:
    """Send one message to somebody outside, see it leave, and return its recipient.

    Raises:
        WaitingError: on a real stack, it was not said to whom.
        SiteError: it was refused, or waits in the queue.
    """
    site = work.site
    subject = Subject(site.declaration, site.net, site.passwords)
    recipient = work.options.send_to
    if not recipient and site.world is None:
        raise WaitingError("say by --send-to which address of yours gets one message")
    recipient = recipient or f"rotation-{secrets.token_hex(6)}@{_OUTSIDE}"
    writer = subject.writer
    if writer is None:
        raise SiteError("no password of a mailbox is known, so nobody can write")
    address = subject.address(writer)
    message = EmailMessage()
    message["From"], message["To"] = address, recipient
    message["Subject"] = "Mail leaves"
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=site.declaration.domain)
    message.set_content("This message shows that mail leaves. There is nothing to do.\n")

    def act(client: smtplib.SMTP) -> None:
        client.login(address, subject.passwords[writer])
        client.send_message(message)

    await site.net.smtp(subject.host, 465, site.declaration.names.mail_host, act)
    await _has_left(site, recipient, patience)
    return recipient


async def _has_left(site: Site, recipient: str, patience: float) -> None:
    deadline = time.monotonic() + patience
    seen: list[Waiting] = []
    while time.monotonic() < deadline:
        seen = [entry for entry in await queue(site) if entry.recipient == recipient]
        if not seen:
            break
        if seen[0].reason:
            raise SiteError(f"the message to {recipient} waits: {seen[0].reason}")
        await asyncio.sleep(_PAUSE)
    else:
        raise SiteError(f"the message to {recipient} did not leave within {patience:.0f} s")
    if site.net.inside is not None and not await arrived(site, recipient):
        raise SiteError(f"the message to {recipient} left, but did not arrive")


async def arrived(site: Site, recipient: str, patience: float = 10.0) -> bytes:
    """Return a message as a correspondent in the world received it; empty if it did not come."""
    inside = site.net.inside
    deadline = time.monotonic() + patience
    while inside is not None and time.monotonic() < deadline:
        for entry in await inside.received():
            if recipient in entry["to"]:
                return re.sub(rb"\r?\n", b"\r\n", str(entry["message"]).encode())
        await asyncio.sleep(_PAUSE)
    return b""


async def signatures(message: bytes, site: Site) -> list[tuple[str, bool]]:
    """Return the selectors that signed a message as the company's domain, each with its verdict.

    Args:
        message: The message as it was received.
        site: Whose resolver is asked for the keys.
    """
    domain = site.declaration.domain.encode()
    checked = dkim.DKIM(message)
    headers = [value for name, value in checked.headers if name.lower() == b"dkim-signature"]
    keys = await _keys(headers, site)
    found = []
    for index, header in enumerate(headers):
        selector, signer = _SELECTOR.search(header), _DOMAIN.search(header)
        if selector is None or signer is None or signer[1] != domain:
            continue
        good = await asyncio.to_thread(_verified, checked, index, keys)
        found.append((selector[1].decode(), good))
    return found


def _verified(checked: dkim.DKIM, index: int, keys: dict[bytes, bytes]) -> bool:
    def look_up(name: bytes | str, timeout: int = 5) -> bytes | None:  # noqa: ARG001 - dkim's call
        return keys.get((name if isinstance(name, bytes) else name.encode()).rstrip(b".").lower())

    try:
        return bool(checked.verify(index, dnsfunc=look_up))
    except dkim.DKIMException:
        return False


async def _keys(headers: list[bytes], site: Site) -> dict[bytes, bytes]:
    """Ask the resolver for every key that the signatures name."""
    found = {}
    for header in headers:
        selector, signer = _SELECTOR.search(header), _DOMAIN.search(header)
        if selector and signer:
            name = f"{selector[1].decode()}._domainkey.{signer[1].decode()}".lower()
            values = (await site.net.resolve(name, "TXT")).values
            if values:
                found[name.encode()] = values[0].encode()
    return found


async def smarthost_answers(site: Site, password: str) -> bool:
    """Log in at the smarthost itself, over TLS with its name verified; return whether it let us.

    Raises:
        SiteError: the smarthost was not reached, or refused for another reason.
    """
    nexthop = site.declaration.names.nexthop
    server = nexthop.host
    addresses = await site.net.addresses(server)
    if not addresses:
        raise SiteError(f"{server} has no address")

    def act(client: smtplib.SMTP) -> bool:
        try:
            client.login(nexthop.user, password)
        except smtplib.SMTPAuthenticationError as error:
            if error.smtp_code == 535:
                return False
            raise SiteError(f"{server} answered the login with {error.smtp_code}") from None
        except smtplib.SMTPException as error:
            # Its own words only: another one's could repeat what was sent.
            raise SiteError(f"{server}: {type(error).__name__} at the login") from None
        return True

    return await site.net.smtp(
        addresses[0], nexthop.port, server, act, implicit_tls=nexthop.implicit_tls
    )
