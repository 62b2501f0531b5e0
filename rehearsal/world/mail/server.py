"""Postfix and Dovecot of the rehearsed host, as one service of the world."""

import asyncio
import secrets
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any, ClassVar, cast

import dns.exception
from aiohttp import web
from aiosmtpd.smtp import AuthResult, LoginPassword

from rehearsal.world.authority import self_signed
from rehearsal.world.dns import Dns
from rehearsal.world.handover import Envelope
from rehearsal.world.judge import Verdict, judge
from rehearsal.world.mail.imap import ImapListener, SieveListener
from rehearsal.world.mail.queue import Queue
from rehearsal.world.mail.queue import Surroundings as QueueSurroundings
from rehearsal.world.mail.routing import Routing, read_environment, read_routing
from rehearsal.world.mail.store import MailStore
from rehearsal.world.names import Names
from rehearsal.world.service import Service, Surroundings
from rehearsal.world.smtp_listener import Listener

_GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
"""The generic test for unsolicited bulk mail: every spam filter calls it spam."""
_UNKNOWN = "User unknown in virtual mailbox table"
_ANONYMOUS = (
    b"Received: from [127.0.0.1] (localhost [127.0.0.1])"
    b" by localhost (Mailerdaemon) with ESMTPSA\r\n"
)


class MailServer(Service):
    """Takes its routing from the files of the host, its people from Mailcow's API.

    Ports answer only while the containers behind them run. The certificate is the one that lies in
    `data/assets/ssl`; until there is one, a self-signed one is shown, as Mailcow does.

    Faults: `inbound` (a reply to every message from outside, such as `451 4.3.0 ...`).
    """

    name: ClassVar[str] = "mail"
    stands_for: ClassVar[str] = "Postfix, Dovecot and Rspamd of Mailcow"

    def __init__(self) -> None:
        super().__init__()
        self._stoppable: list[Listener | ImapListener | SieveListener] = []
        self._queue: Queue | None = None

    async def start(self, world: Surroundings) -> None:
        """Listen for each raw port, and publish it under the host's public address."""
        self._world = world
        mailcow = world.config["mailcow"]
        self._project = str(mailcow["project"])
        self._directory = world.root / str(mailcow["directory"]).lstrip("/")
        self._address = str(world.config["host"]["address"])
        self._names = Names(cast("Dns", world.services["dns"]).port)
        self._people: Any = world.services["mailcow"]
        volume = f"var/lib/docker/volumes/{self._project}_vmail-vol-1/_data"
        self._store = MailStore(world.root / volume)
        self._tls, self._dovecot_tls = _server_context(), _server_context()
        self._dovecot_tls.sni_callback = self._choose
        self._shown: tuple[Path, float] | None = None
        self._load_certificate()
        self._queue = Queue(
            QueueSurroundings(
                routing=self.routing,
                address=self._address,
                names=self._names,
                addresses=world.addresses,
                trusted=world.authority.client_context(),
                bounce=self._return,
                state=world.folder / "host",
            )
        )
        await self._listen()

    async def _listen(self) -> None:
        hostname = str(self._world.config["names"]["mail_host"])
        listeners: dict[int, Listener | ImapListener | SieveListener] = {
            25: Listener(
                _Inbound(self), hostname=hostname, tls=self._tls, admit=self._admit_postfix
            ),
            465: Listener(
                _Submission(self), hostname=hostname, tls=self._tls, implicit_tls=True,
                authenticator=self.authenticate, admit=self._admit_postfix,
            ),
            587: Listener(
                _Submission(self), hostname=hostname, tls=self._tls, require_starttls=True,
                authenticator=self.authenticate, admit=self._admit_postfix,
            ),
            993: ImapListener(
                self._store, self.check_password, tls=self._dovecot_tls, admit=self._admit_dovecot
            ),
            4190: SieveListener(
                self._store, self.check_password, tls=self._dovecot_tls, admit=self._admit_dovecot
            ),
        }  # fmt: skip
        for port, listener in listeners.items():
            self._world.addresses.publish(self._address, port, await listener.start())
            self._stoppable.append(listener)

    async def stop(self) -> None:
        """Close the ports and give up the queue."""
        for listener in self._stoppable:
            await listener.stop()
        if self._queue is not None:
            await self._queue.stop()

    def control(self) -> Iterable[web.RouteDef]:
        """Show and push the queue.

        `GET /mail/queue`: outbound messages. `POST /mail/flush`: try deferred ones again.
        `GET /mail/routing`: what the files say.
        """
        return [
            web.get("/queue", self._show_queue),
            web.post("/flush", self._flush),
            web.get("/routing", self._show_routing),
        ]

    @property
    def queue(self) -> Queue:
        """The outbound queue.

        Raises:
            RuntimeError: the service has not been started.
        """
        if self._queue is None:
            msg = "the mail server has not been started"
            raise RuntimeError(msg)
        return self._queue

    def routing(self) -> Routing:
        """Read the routing from the host's files, as they are now."""
        return read_routing(self._directory)

    # What listens

    def _running(self, service: str) -> bool:
        docker: Any = self._world.services.get("docker")
        return docker is None or bool(docker.running(self._project, service))

    def _admit_postfix(self) -> bool:
        self._load_certificate()
        return self._running("postfix-mailcow")

    def _admit_dovecot(self) -> bool:
        self._load_certificate()
        return self._running("dovecot-mailcow")

    def _load_certificate(self) -> None:
        """Show the deployed certificate, whenever it changed, or Mailcow's own without one."""
        folder = self._directory / "data/assets/ssl"
        chain, key = folder / "cert.pem", folder / "key.pem"
        if not (chain.exists() and key.exists()):
            if self._shown is None:
                folder = self._world.folder / "snake-oil"
                folder.mkdir(parents=True, exist_ok=True)
                made = self_signed("mail.example.org")
                chain, key = folder / "cert.pem", folder / "key.pem"
                chain.write_bytes(made.chain)
                key.touch(mode=0o600)
                key.write_bytes(made.key)
            else:
                return
        state = (chain, chain.stat().st_mtime)
        if state != self._shown:
            self._tls.load_cert_chain(chain, key)
            self._dovecot_tls.load_cert_chain(chain, key)
            self._shown = state

    def _choose(self, connection: Any, name: str | None, _before: ssl.SSLContext) -> None:
        """Show what Dovecot shows to a client that names a host (SNI).

        At its start it takes the pair of every sub-folder of `data/assets/ssl` that holds
        `domains`, `cert.pem` and `key.pem`, whatever SKIP_LETS_ENCRYPT says
        (data/Dockerfiles/dovecot/docker-entrypoint.sh of 2026-07a): one that Mailcow fetched in an
        earlier life is shown until it expires, and after that.
        """
        for listed in sorted((self._directory / "data/assets/ssl").glob("*/domains")):
            chain, key = listed.with_name("cert.pem"), listed.with_name("key.pem")
            if name in listed.read_text().split() and chain.exists() and key.exists():
                context = _server_context()
                context.load_cert_chain(chain, key)
                connection.context = context
                return

    # People

    def check_password(self, address: str, password: str) -> bool:
        """Ask Mailcow whether `password` opens the mailbox `address`."""
        return bool(self._people.check_password(address.lower(), password))

    def authenticate(
        self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any
    ) -> AuthResult:
        """Check a login for submission, for aiosmtpd."""
        if not isinstance(data, LoginPassword):
            return AuthResult(success=False, handled=False)
        address = data.login.decode(errors="replace").lower()
        right = self.check_password(address, data.password.decode(errors="replace"))
        said = None if right else "535 5.7.8 Error: authentication failed: (reason unavailable)"
        return AuthResult(success=right, handled=False, auth_data=address, message=said)

    def may_send_as(self, login: str, sender: str) -> bool:
        """Whether `login` may use `sender`: its own address, or an alias that leads to it."""
        sender = sender.lower()
        return sender == login or login in self._people.resolve_recipients(sender)

    def recipients(self, address: str) -> list[str]:
        """Return the mailboxes behind `address`; empty where there is none."""
        return list(self._people.resolve_recipients(address.lower()))

    def is_local(self, address: str) -> bool:
        """Whether the domain of `address` is hosted here."""
        return address.rpartition("@")[2].lower() in self._people.domains()

    async def unknown_sender(self, sender: str) -> str:
        """Return Postfix's reply to a stranger who writes as `sender`; empty if there is none."""
        if not sender:
            return ""
        if self.is_local(sender):
            if self.recipients(sender):
                return ""
            return f"550 5.1.0 <{sender}>: Sender address rejected: {_UNKNOWN}"
        try:
            known = await self._names.exchangers(sender.rpartition("@")[2])
        except dns.exception.DNSException:
            known = []
        return "" if known else f"450 4.1.8 <{sender}>: Sender address rejected: Domain not found"

    # Messages

    async def receive(self, session: Any, envelope: Any) -> str:
        """Take a message from outside: judge it, file it, answer."""
        if "inbound" in self.faults:
            return str(self.faults["inbound"])
        message = bytes(envelope.content)
        verdict = await asyncio.to_thread(
            judge,
            message,
            address=self._world.addresses.origin_of(int(session.peer[1])),
            sender=_sender(envelope),
            helo=session.host_name or "",
            names=self._names,
        )
        if verdict.disposition == "reject":
            return f"550 5.7.1 rejected by the DMARC policy of {verdict.from_domain}"
        identifier, hostname = secrets.token_hex(6).upper(), self.routing().hostname
        stamped = _received(session, identifier, hostname) + _stamp(verdict, hostname) + message
        junk = _GTUBE in message or verdict.disposition == "quarantine"
        await self._hand_on(envelope.rcpt_tos, _sender(envelope), stamped, junk=junk)
        return f"250 2.0.0 Ok: queued as {identifier}"

    async def _hand_on(
        self, addresses: Sequence[str], sender: str, message: bytes, *, junk: bool = False
    ) -> None:
        """File a message for the mailboxes behind local addresses; queue it for those elsewhere.

        What an alias hands on to the outside leaves through the smarthost like any other mail, and
        keeps the envelope sender that it came with.
        """
        behind = {target for address in addresses for target in self.recipients(address)}
        for box in sorted(target for target in behind if self.is_local(target)):
            filed = _delivered(sender, box) + message
            await asyncio.to_thread(self._store.deliver, box, filed, junk=junk)
        outside = tuple(sorted(target for target in behind if not self.is_local(target)))
        if outside:
            self.queue.enqueue(Envelope(sender, outside, message))

    async def submit(self, envelope: Envelope) -> str:
        """Take a message from one of our people: file it here, send it on, or both."""
        identifier = secrets.token_hex(6).upper()
        # Who wrote from where is nobody's business: Mailcow rewrites this line.
        envelope = replace(envelope, message=_ANONYMOUS + envelope.message)
        local = [recipient for recipient in envelope.recipients if self.is_local(recipient)]
        outside = tuple(
            recipient for recipient in envelope.recipients if not self.is_local(recipient)
        )
        await self._hand_on(local, envelope.sender, envelope.message)
        if not outside:
            return f"250 2.0.0 Ok: queued as {identifier}"
        queued = self.queue.enqueue(Envelope(envelope.sender, outside, envelope.message))
        return f"250 2.0.0 Ok: queued as {queued.identifier}"

    def _return(self, sender: str, notification: bytes) -> None:
        """File a notification for those behind the sender of a message, or send it to a stranger.

        Without a sender it tells of a notification that could not be delivered itself; it goes to
        the postmaster, where `notify_classes` says so (postconf(5), `2bounce`).
        """
        routing = self.routing()
        if not sender:
            if not routing.tells_postmaster:
                return
            sender = f"postmaster@{routing.origin}"
        if not self.is_local(sender):
            self.queue.enqueue(Envelope("", (sender,), notification))
            return
        for box in self.recipients(sender):
            self._store.deliver(box, _delivered("", box) + notification)

    # Control

    async def _show_queue(self, _request: web.Request) -> web.Response:
        return web.json_response([message.as_dict() for message in self.queue.messages])

    async def _flush(self, _request: web.Request) -> web.Response:
        await self.queue.flush()
        return web.json_response([message.as_dict() for message in self.queue.messages])

    async def _show_routing(self, _request: web.Request) -> web.Response:
        routing = self.routing()
        relay = routing.relay
        shown = relay and {
            "nexthop": relay.nexthop,
            "tls": relay.tls,
            "login": relay.login[0] if relay.login else None,
        }
        environment = read_environment(self._directory / "mailcow.conf")
        return web.json_response(
            {
                "hostname": routing.hostname,
                "relay": shown,
                "ipv4_only": routing.ipv4_only,
                "project": environment.get("COMPOSE_PROJECT_NAME"),
            }
        )


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _sender(envelope: Any) -> str:
    """Return an envelope's sender; aiosmtpd keeps the empty one as `<>`."""
    return "" if envelope.mail_from in {None, "<>"} else str(envelope.mail_from)


def _received(session: Any, identifier: str, hostname: str) -> bytes:
    """Return the trace header of a message from outside (RFC 5321 section 4.4)."""
    kind = "ESMTPS" if session.ssl else "ESMTP"
    return (
        f"Received: from {session.host_name} (unknown [{session.peer[0]}])\r\n"
        f"\tby {hostname} (Postcow) with {kind} id {identifier};\r\n\t{formatdate()}\r\n"
    ).encode()


def _delivered(sender: str, box: str) -> bytes:
    """Return the headers that are written when a message is filed."""
    return f"Return-Path: <{sender}>\r\nDelivered-To: {box}\r\n".encode()


def _stamp(verdict: Verdict, hostname: str) -> bytes:
    """Return the Authentication-Results header of a judged message (RFC 8601)."""
    return (
        f"Authentication-Results: {hostname}; spf={verdict.spf} "
        f"smtp.mailfrom={verdict.spf_domain}; dkim={verdict.dkim}; "
        f"dmarc={verdict.dmarc} header.from={verdict.from_domain}\r\n"
    ).encode()


class _Inbound:
    """Port 25: mail for our domains from anyone, and for nobody else.

    Postfix says at RCPT what it could have said at MAIL (`smtpd_delay_reject`), and puts off what
    it will not relay instead of refusing it (`defer_unauth_destination`).
    """

    def __init__(self, server: MailServer) -> None:
        self._server = server

    async def handle_MAIL(  # noqa: N802  # aiosmtpd's own signature
        self, _smtp: Any, _session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        envelope.mail_from = address
        return "250 2.1.0 Ok"

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's own signature
        self, _smtp: Any, _session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        refusal = await self._server.unknown_sender(_sender(envelope))
        if refusal:
            return refusal
        if not self._server.is_local(address):
            return f"454 4.7.1 <{address}>: Relay access denied"
        if not self._server.recipients(address):
            return f"550 5.1.1 <{address}>: Recipient address rejected: {_UNKNOWN}"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, _smtp: Any, session: Any, envelope: Any) -> str:  # noqa: N802  # aiosmtpd's own name
        return await self._server.receive(session, envelope)


class _Submission:
    """Ports 465 and 587: mail from our people, under their own addresses (RFC 6409)."""

    def __init__(self, server: MailServer) -> None:
        self._server = server

    async def handle_MAIL(  # noqa: N802  # aiosmtpd's own signature
        self, _smtp: Any, _session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        envelope.mail_from = address
        return "250 2.1.0 Ok"

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's own signature
        self, _smtp: Any, session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        if not session.authenticated:
            return f"554 5.7.1 <unknown[{session.peer[0]}]>: Client host rejected: Access denied"
        login, sender = str(session.auth_data), _sender(envelope)
        if not self._server.may_send_as(login, sender):
            return f"553 5.7.1 <{sender}>: Sender address rejected: not owned by user {login}"
        if self._server.is_local(address) and not self._server.recipients(address):
            return f"550 5.1.1 <{address}>: Recipient address rejected: {_UNKNOWN}"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, _smtp: Any, _session: Any, envelope: Any) -> str:  # noqa: N802  # aiosmtpd's own name
        carried = Envelope(_sender(envelope), tuple(envelope.rcpt_tos), bytes(envelope.content))
        return await self._server.submit(carried)
