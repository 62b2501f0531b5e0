"""The outbound queue of the rehearsed Postfix: a message ends delivered, deferred or bounced."""

import asyncio
import secrets
import ssl
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from typing import Any

from rehearsal.world.handover import Answer, Envelope, Nexthop, hand_over
from rehearsal.world.mail.routing import ConfigurationError, Routing
from rehearsal.world.names import Names
from rehearsal.world.service import AddressBook

_RETRIES = (1.0, 5.0, 30.0, 120.0, 300.0)
"""Seconds before each further attempt; a real queue waits longer."""


@dataclass
class Queued:
    """One message on its way out.

    Attributes:
        identifier: Queue id.
        envelope: What is carried.
        state: `active`, `delivered`, `deferred` or `bounced`.
        reason: The last answer, in the words of the next host.
        relay: Where it was last handed to.
        tls: TLS protocol of the delivery.
    """

    identifier: str
    envelope: Envelope
    state: str = "active"
    reason: str = ""
    relay: str = ""
    tls: str = ""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def as_dict(self) -> dict[str, Any]:
        """Return what `mailq` would show, without the message itself."""
        shown = {
            name: getattr(self, name) for name in ("identifier", "state", "reason", "relay", "tls")
        }
        envelope = asdict(self.envelope)
        del envelope["message"]
        return {**shown, **envelope}


@dataclass(frozen=True)
class Surroundings:
    """What the queue needs of the host it runs on.

    Attributes:
        routing: Reads the routing from the host's files, as they are when Postfix asks.
        address: Public address of the host.
        names: The DNS to ask.
        addresses: The rehearsed internet.
        trusted: TLS context with the authorities that the host trusts.
        bounce: Takes a delivery status notification for a local sender.
    """

    routing: Callable[[], Routing]
    address: str
    names: Names
    addresses: AddressBook
    trusted: ssl.SSLContext
    bounce: Callable[[str, bytes], None]


class Queue:
    """Hands messages to the relayhost, tries again on 4xx, and bounces on 5xx."""

    def __init__(self, host: Surroundings) -> None:
        """Work on `host`."""
        self._host = host
        self._tasks: set[asyncio.Task[None]] = set()
        self.messages: list[Queued] = []

    def enqueue(self, envelope: Envelope) -> Queued:
        """Take responsibility for a message and begin to deliver it."""
        queued = Queued(secrets.token_hex(6).upper(), envelope)
        self.messages.append(queued)
        task = asyncio.create_task(self._deliver(queued))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return queued

    async def flush(self) -> None:
        """Try every deferred message again, now."""
        await asyncio.gather(
            *(self._attempt(one) for one in self.messages if one.state == "deferred")
        )

    async def stop(self) -> None:
        """Give up waiting for further attempts."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _deliver(self, queued: Queued) -> None:
        await self._attempt(queued)
        for pause in _RETRIES:
            if queued.state != "deferred":
                return
            await asyncio.sleep(pause)
            if queued.state == "deferred":
                await self._attempt(queued)

    async def _attempt(self, queued: Queued) -> None:
        try:
            routing = self._host.routing()
            nexthop = self._nexthop(routing)
        except ConfigurationError as error:
            self._settle(queued, Answer(0, f"mail system configuration error: {error}"))
            return
        if nexthop is None:
            # Hosting companies close port 25 outwards; mail that tries it waits for ever.
            domain = queued.envelope.recipients[0].rpartition("@")[2]
            self._settle(queued, Answer(0, f"connect to {domain}:25: Connection timed out"))
            return
        queued.relay = f"{nexthop.host}:{nexthop.port}"
        answer = await hand_over(
            queued.envelope,
            nexthop,
            helo=routing.hostname,
            origin=self._host.address,
            names=self._host.names,
            addresses=self._host.addresses,
            trusted=self._host.trusted,
        )
        self._settle(queued, answer)

    @staticmethod
    def _nexthop(routing: Routing) -> Nexthop | None:
        relay = routing.relay
        if relay is None:
            return None
        return Nexthop(relay.host, relay.port, relay.tls, relay.login)

    def _settle(self, queued: Queued, answer: Answer) -> None:
        queued.reason = f"{answer.code} {answer.text}" if answer.code else answer.text
        queued.tls = answer.tls
        if answer.delivered:
            queued.state = "delivered"
        elif answer.permanent:
            queued.state = "bounced"
            if queued.envelope.sender:
                self._host.bounce(queued.envelope.sender, _notification(queued))
        else:
            queued.state = "deferred"
        queued.changed.set()


def _notification(queued: Queued) -> bytes:
    """Return a non-delivery report that a person can read (RFC 3464, the human-readable part)."""
    message = EmailMessage()
    domain = queued.envelope.sender.rpartition("@")[2]
    message["From"] = f"MAILER-DAEMON@{domain}"
    message["To"] = queued.envelope.sender
    message["Subject"] = "Undelivered Mail Returned to Sender"
    message["Date"] = formatdate()
    message["Auto-Submitted"] = "auto-replied"
    recipients = ", ".join(queued.envelope.recipients)
    message.set_content(
        f"Your message to {recipients} could not be delivered.\n"
        f"{queued.relay} said: {queued.reason}\n"
    )
    return message.as_bytes(policy=SMTP)
