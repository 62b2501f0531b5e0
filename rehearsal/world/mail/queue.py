"""The outbound queue of the rehearsed Postfix: a message ends delivered, deferred or bounced."""

import asyncio
import contextlib
import secrets
import ssl
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rehearsal.world.handover import Answer, Envelope, Nexthop, hand_over
from rehearsal.world.mail.bounce import notification
from rehearsal.world.mail.journal import Journal, listed
from rehearsal.world.mail.routing import ConfigurationError, Routing
from rehearsal.world.names import Names
from rehearsal.world.service import AddressBook

LISTING = "mail-queue.json"
"""File in the host's state with what `postqueue -j` prints: what still waits."""
FLUSH = "mail-flush"
"""File in the host's state that `postqueue -f` touches."""

_LOOK_SECONDS = 0.2
_RETRIES = (1.0, 5.0, 30.0, 120.0, 300.0)
"""Seconds before each further attempt; a real queue waits longer."""


@dataclass
class Queued:
    """One message on its way out.

    Attributes:
        identifier: Queue id.
        envelope: What is carried.
        state: `active`, `delivered`, `deferred` or `bounced`.
        reason: The last verdict, in Postfix's words.
        relay: Where it was last handed to; empty while nobody was reached.
        tls: TLS protocol of the delivery.
    """

    identifier: str
    envelope: Envelope
    state: str = "active"
    reason: str = ""
    relay: str = ""
    tls: str = ""
    arrival: float = field(default_factory=time.time)
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
        state: Folder in which the host's tools look for the queue, None without such tools.
    """

    routing: Callable[[], Routing]
    address: str
    names: Names
    addresses: AddressBook
    trusted: ssl.SSLContext
    bounce: Callable[[str, bytes], None]
    state: Path | None = None


class Queue:
    """Hands messages to the relayhost, tries again on 4xx, and bounces on 5xx."""

    def __init__(self, host: Surroundings) -> None:
        """Work on `host`."""
        self._host = host
        self._tasks: set[asyncio.Task[None]] = set()
        self._journal = Journal(host.state)
        self.messages: list[Queued] = []

    def enqueue(self, envelope: Envelope) -> Queued:
        """Take responsibility for a message and begin to deliver it."""
        queued = Queued(secrets.token_hex(6).upper(), envelope)
        self.messages.append(queued)
        self._journal.queued(
            queued.identifier, envelope.sender, len(envelope.message), len(envelope.recipients)
        )
        self._list()
        task = asyncio.create_task(self._deliver(queued))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return queued

    async def flush(self) -> None:
        """Try every deferred message again, now."""
        await asyncio.gather(
            *(self._attempt(message) for message in self.messages if message.state == "deferred")
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
            await self._pause(pause)
            if queued.state == "deferred":
                await self._attempt(queued)

    async def _pause(self, seconds: float) -> None:
        """Wait for the next attempt, or until somebody on the host flushes the queue."""
        before, end = self._flushed(), time.monotonic() + seconds
        # Another process touches the file: there is no event to wait for.
        while time.monotonic() < end and self._flushed() == before:  # noqa: ASYNC110 - see above
            await asyncio.sleep(min(_LOOK_SECONDS, seconds))

    def _flushed(self) -> float:
        if self._host.state is None:
            return 0
        with contextlib.suppress(FileNotFoundError):
            return (self._host.state / FLUSH).stat().st_mtime
        return 0

    @property
    def log(self) -> list[str]:
        """What Postfix logged, as `docker compose logs --timestamps` shows it."""
        return self._journal.lines

    def listing(self) -> str:
        """Return what `postqueue -j` says of the messages that wait: an object a line."""
        return "".join(
            listed(
                message.identifier, queue=message.state, arrival=message.arrival,
                size=len(message.envelope.message), sender=message.envelope.sender,
                recipients=message.envelope.recipients, reason=message.reason,
            ) + "\n"
            for message in self.messages
            if message.state in {"active", "deferred"}
        )  # fmt: skip

    def _list(self) -> None:
        """Tell the host's tools what waits."""
        if self._host.state is None:
            return
        self._host.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self._host.state / f"{LISTING}.new"
        draft.write_text(self.listing())
        draft.replace(self._host.state / LISTING)

    async def _attempt(self, queued: Queued) -> None:
        try:
            routing = self._host.routing()
            nexthop = self._nexthop(routing)
        except ConfigurationError as error:
            self._settle(queued, Answer(0, f"mail system configuration error: {error}"))
            return
        if nexthop is None:
            self._settle(queued, await self._directly(queued), routing)
            return
        answer = await hand_over(
            queued.envelope,
            nexthop,
            helo=routing.hostname,
            origin=self._host.address,
            names=self._host.names,
            addresses=self._host.addresses,
            trusted=self._host.trusted,
        )
        self._settle(queued, answer, routing)

    async def _directly(self, queued: Queued) -> Answer:
        """Hosting companies close port 25 outwards; mail that tries it waits for ever."""
        domain = queued.envelope.recipients[0].rpartition("@")[2]
        names = self._host.names
        host = next(iter(await names.exchangers(domain)), domain)
        address = next(iter(await names.addresses(host)), "")
        return Answer(0, f"connect to {host}[{address}]:25: Connection timed out")

    @staticmethod
    def _nexthop(routing: Routing) -> Nexthop | None:
        relay = routing.relay
        if relay is None:
            return None
        return Nexthop(relay.host, relay.port, relay.tls, relay.login, relay.implicit_tls)

    def _settle(self, queued: Queued, answer: Answer, routing: Routing | None = None) -> None:
        relay = routing and routing.relay
        reached = relay if answer.reached else None
        queued.reason = answer.verdict or answer.text
        queued.tls = answer.tls
        queued.relay = f"{reached.host}:{reached.port}" if reached else ""
        login = queued.reason.startswith("SASL authentication failed")
        if answer.delivered:
            queued.state = "delivered"
        elif answer.permanent and not (login and routing and routing.waits_for_login):
            queued.state = "bounced"
        else:
            queued.state = "deferred"
        shown = f"{reached.host}[{answer.reached}]:{reached.port}" if reached else ""
        for recipient in queued.envelope.recipients:
            self._journal.verdict(
                queued.identifier, recipient, relay=shown, state=queued.state,
                reason=queued.reason, delay=time.time() - queued.arrival,
            )  # fmt: skip
        if queued.state == "bounced" and routing:
            self._bounce(queued, routing)
        self._list()
        queued.changed.set()

    def _bounce(self, queued: Queued, routing: Routing) -> None:
        message = notification(
            queued.envelope, queued.reason, identifier=queued.identifier, hostname=routing.hostname,
            origin=routing.origin, remote=queued.relay.partition(":")[0],
        )  # fmt: skip
        self._host.bounce(queued.envelope.sender, message)
