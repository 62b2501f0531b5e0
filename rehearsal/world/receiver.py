"""The receiver: somebody else's mail host, which judges what reaches it and can write back."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from typing import Any, ClassVar, cast

from aiohttp import web

from readers import dmarc
from readers.resolving import blocking
from rehearsal.world import aggregate_report
from rehearsal.world.aggregate_report import Period, Seen
from rehearsal.world.dns import Dns
from rehearsal.world.handover import Envelope, Nexthop, hand_over
from rehearsal.world.judge import Verdict, judge
from rehearsal.world.names import Names
from rehearsal.world.service import Service, Surroundings
from rehearsal.world.smtp_listener import Listener

DOMAIN = "outside.example"
"""Domain of the rehearsed correspondent (reserved, RFC 2606)."""

ADDRESS = "203.0.113.25"
"""Public address of its mail host (TEST-NET-3, RFC 5737)."""

_HOST = f"mx.{DOMAIN}"


class Receiver(Service):
    """Stands where any large receiver stands: judges SPF, DKIM and DMARC by the published zone.

    A message whose policy says `reject` is refused with 550; `quarantine` goes to Junk.

    Faults: `data` (a reply to every message), `strict` (true: refuse what does not pass DMARC even
    where the policy is none).
    """

    name: ClassVar[str] = "receiver"
    stands_for: ClassVar[str] = "the mail host of a correspondent"

    def __init__(self) -> None:
        super().__init__()
        self._listener: Listener | None = None
        self.received: list[dict[str, Any]] = []
        self._reported = 0

    async def start(self, world: Surroundings) -> None:
        """Listen on port 25 of the rehearsed internet and publish the domain's records."""
        self._world = world
        names = cast("Dns", world.services["dns"])
        for name, kind, value in (
            (DOMAIN, "MX", f"10 {_HOST}."),
            (DOMAIN, "TXT", f"v=spf1 ip4:{ADDRESS} -all"),
            (_HOST, "A", ADDRESS),
        ):
            names.add_outside(name, kind, value)
        self._names = Names(names.port)
        tls = world.authority.server_context([_HOST], world.folder / "receiver")
        self._listener = Listener(self, hostname=_HOST, tls=tls)
        world.addresses.publish(ADDRESS, 25, await self._listener.start())

    async def stop(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            await self._listener.stop()

    def control(self) -> Iterable[web.RouteDef]:
        """Show and write messages.

        `GET /receiver/messages`: what came in and how it was judged. `POST /receiver/send` (the
        arguments of `write`): write to somebody. `POST /receiver/report` (the arguments of
        `report`): send the aggregate reports that are due.
        """
        return [
            web.get("/messages", self._show),
            web.post("/send", self._write),
            web.post("/report", self._report),
        ]

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's own name
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        """Take mail for its own domain, as any mail host does."""
        if address.rpartition("@")[2].lower() != DOMAIN:
            return f"554 5.7.1 <{address}>: Relay access denied"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(  # noqa: N802  # aiosmtpd's own name
        self, _server: Any, session: Any, envelope: Any
    ) -> str:
        """Judge one message and answer as its sender's policy asks."""
        if "data" in self.faults:
            return str(self.faults["data"])
        address = self._world.addresses.origin_of(int(session.peer[1]))
        verdict = await asyncio.to_thread(
            judge,
            bytes(envelope.content),
            address=address,
            sender=envelope.mail_from or "",
            helo=session.host_name or "",
            names=self._names,
        )
        refused = verdict.disposition == "reject" or (
            bool(self.faults.get("strict")) and verdict.dmarc != "pass"
        )
        self._record(envelope, address, verdict, tls=session.ssl is not None, refused=refused)
        if refused:
            return f"550 5.7.26 Unauthenticated mail from {verdict.from_domain} is not accepted"
        return "250 2.0.0 Ok"

    def _record(
        self, envelope: Any, address: str, verdict: Verdict, *, tls: bool, refused: bool
    ) -> None:
        folder = "Junk" if verdict.disposition == "quarantine" else "INBOX"
        self.received.append(
            {
                "at": time.time(),
                "client": address,
                "tls": tls,
                "envelope": envelope.mail_from or "",
                "to": list(envelope.rcpt_tos),
                "folder": "refused" if refused else folder,
                "verdict": verdict.as_dict(),
                "message": bytes(envelope.content).decode("utf-8", "replace"),
            }
        )

    async def _show(self, _request: web.Request) -> web.Response:
        return web.json_response(self.received)

    async def _write(self, request: web.Request) -> web.Response:
        return web.json_response(await self.write(**await request.json()))

    async def write(  # the parts of a message
        self,
        *,
        to: str,
        subject: str,
        text: str = "",
        sender: str = f"guest@{DOMAIN}",
        author: str | None = None,
        origin: str = ADDRESS,
    ) -> dict[str, Any]:
        """Write to somebody and return the answer of their mail host.

        Args:
            to: Recipient.
            subject: Subject.
            text: Body.
            sender: Envelope sender.
            author: From header, if not the envelope sender: how a forgery is made.
            origin: Public address from which the message comes.

        Returns:
            `code` (0 where no reply came), `text` and `tls`.
        """
        message = EmailMessage()
        message["From"] = author or sender
        message["To"] = to
        message["Subject"] = subject
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain=DOMAIN)
        message.set_content(text)
        return await self._hand_over(message, sender, to, origin)

    async def _report(self, request: web.Request) -> web.Response:
        return web.json_response(await self.report(**await request.json()))

    async def report(self, *, day: str = "", legacy: bool = False) -> list[dict[str, Any]]:
        """Send each domain an aggregate report of what came in since the last ones (RFC 9990).

        Args:
            day: The day that the reports speak of, so that months pass in seconds; today in UTC
                if empty.
            legacy: In the format of RFC 7489.

        Returns:
            For each report its `domain`, `to`, `messages`, and the `code` and `text` with which it
            was taken.
        """
        due, self._reported = self.received[self._reported :], len(self.received)
        seen: dict[str, Counter[Seen]] = {}
        for item in due:
            found = _seen(item)
            seen.setdefault(found.header_from, Counter())[found] += 1
        when = date.fromisoformat(day) if day else datetime.now(UTC).date()
        return [
            await self._send_report(domain, counted, when, legacy=legacy)
            for domain, counted in sorted(seen.items())
        ]

    async def _send_report(
        self, domain: str, seen: Counter[Seen], when: date, *, legacy: bool
    ) -> dict[str, Any]:
        record = await asyncio.to_thread(dmarc.record_at, domain, blocking(self._names.resolver))
        addresses = record.reports() if record else []
        if record is None or not addresses:
            return {"domain": domain, "to": "", "messages": 0, "code": 0, "text": "no rua"}
        to, tags = addresses[0], dict(record.tags.pairs)
        begin = datetime(when.year, when.month, when.day, tzinfo=UTC)
        number = f"{self._reported}.{begin:%Y%m%d}.{domain}"
        period = Period(DOMAIN, number, begin, begin + timedelta(seconds=86399))
        xml = aggregate_report.render(period, {**tags, "domain": domain}, seen, legacy=legacy)
        message = aggregate_report.enclose(xml, period, domain, to)
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain=DOMAIN)
        answer = await self._hand_over(message, message["From"], to, ADDRESS)
        return {"domain": domain, "to": to, "messages": seen.total(), **answer}

    async def _hand_over(
        self, message: EmailMessage, sender: str, to: str, origin: str
    ) -> dict[str, Any]:
        hosts = await self._names.exchangers(to.rpartition("@")[2])
        if not hosts:
            return {"code": 0, "text": "the domain has no mail host", "tls": ""}
        answer = await hand_over(
            Envelope(sender, (to,), message.as_bytes(policy=SMTP)),
            Nexthop(hosts[0], 25),
            helo=_HOST,
            origin=origin,
            names=self._names,
            addresses=self._world.addresses,
            trusted=self._world.authority.client_context(),
        )
        return {"code": answer.code, "text": answer.text, "tls": answer.tls}


def _seen(received: dict[str, Any]) -> Seen:
    """Return what a report says of a message that came in."""
    verdict = received["verdict"]
    signatures = (
        (signature["domain"], signature["selector"], signature["result"])
        for signature in verdict["signatures"]
    )
    disposition = verdict["disposition"]
    return Seen(
        address=received["client"],
        header_from=verdict["from_domain"],
        envelope=verdict["spf_domain"],
        spf=verdict["spf"],
        signatures=tuple(signatures),
        disposition="none" if disposition == "deliver" else disposition,
    )
