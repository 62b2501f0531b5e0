"""The smarthost of the rehearsed internet.

It takes mail with a login over TLS, signs it, and hands it on under its own envelope domain, as
Resend does.
"""

import asyncio
import base64
import re
import secrets
from collections.abc import Iterable
from email.parser import BytesHeaderParser
from email.utils import parseaddr
from typing import Any, ClassVar, cast

import dkim
from aiohttp import web
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from rehearsal.world.dns import Dns
from rehearsal.world.handover import Envelope, Nexthop, hand_over
from rehearsal.world.names import Names
from rehearsal.world.service import Service, Surroundings
from rehearsal.world.smtp_listener import Listener

ADDRESS = "198.51.100.25"
"""Public address of the rehearsed smarthost (TEST-NET-2, RFC 5737)."""

SUBMISSION_PORTS = (25, 587, 2587)
"""Ports on which Resend takes STARTTLS."""

_LINE_END = re.compile(rb"\r?\n")


class Smarthost(Service):
    """Stands where Resend stands: STARTTLS, SASL, envelope rewritten, DKIM signed.

    Faults: `login` (a reply such as `535 5.7.8 ...` to every login), `data` (a reply to every
    message: `451 4.3.0 ...` defers, `550 ...` bounces), `drop` (true: the connection ends instead
    of a reply), `unsigned` (true: the signature is left out), `envelope` (a domain written instead
    of the right one), `lose` (true: messages are taken and go nowhere).
    """

    name: ClassVar[str] = "smarthost"
    stands_for: ClassVar[str] = "Resend's SMTP relay"

    def __init__(self) -> None:
        super().__init__()
        self._listener: Listener | None = None
        self._accepted: list[dict[str, Any]] = []

    async def start(self, world: Surroundings) -> None:
        """Listen, and publish the address under the names that Resend has."""
        self._world = world
        self._domain = str(world.config["domain"])
        settings = dict(world.config.get("smarthost", {}))
        self._selector = str(settings.get("selector", "resend"))
        self._envelope_domain = f"{settings.get('envelopeLabel', 'send')}.{self._domain}"
        region = str(settings.get("region", "eu-west-1"))
        self._key = self._signing_key()
        names = cast("Dns", world.services["dns"])
        names.add_outside("smtp.resend.com", "A", ADDRESS)
        names.add_outside(f"feedback-smtp.{region}.amazonses.com", "A", ADDRESS)
        names.add_outside("amazonses.com", "TXT", f"v=spf1 ip4:{ADDRESS} -all")
        self._names = Names(names.port)
        tls = world.authority.server_context(["smtp.resend.com"], world.folder / "smarthost")
        self._listener = Listener(
            self,
            hostname="smtp.resend.com",
            tls=tls,
            authenticator=self._authenticate,
            require_starttls=True,
            auth_required=True,
        )
        self._port = await self._listener.start()
        for port in SUBMISSION_PORTS:
            world.addresses.publish(ADDRESS, port, self._port)

    async def stop(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            await self._listener.stop()

    def overlay(self) -> dict[str, Any]:
        """Return the DKIM record as the account's page shows it."""
        public = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return {"dkimPublicKey": f"p={base64.b64encode(public).decode()}"}

    def control(self) -> Iterable[web.RouteDef]:
        """`GET /smarthost/accepted`: what was taken, without the messages."""
        return [web.get("/accepted", self._show)]

    async def _show(self, _request: web.Request) -> web.Response:
        return web.json_response(self._accepted)

    def _signing_key(self) -> rsa.RSAPrivateKey:
        file = self._world.folder / "smarthost" / "dkim.key"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            file.touch(mode=0o600)
            file.write_bytes(
                key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.TraditionalOpenSSL,
                    serialization.NoEncryption(),
                )
            )
        loaded = serialization.load_pem_private_key(file.read_bytes(), None)
        if not isinstance(loaded, rsa.RSAPrivateKey):
            msg = f"{file} does not hold an RSA key"
            raise TypeError(msg)
        return loaded

    def _authenticate(
        self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any
    ) -> AuthResult:
        if "login" in self.faults:
            return AuthResult(success=False, handled=False, message=str(self.faults["login"]))
        if not isinstance(data, LoginPassword):
            return AuthResult(success=False, handled=False)
        # The same rejection for both, as a relay that does not tell which one was wrong.
        right = data.login == b"resend" and secrets.compare_digest(
            data.password, self._world.secrets["smarthostPassword"].encode()
        )
        return AuthResult(success=right, handled=False, auth_data=data.login)

    async def handle_DATA(  # noqa: N802  # aiosmtpd's own name
        self, server: Any, _session: Any, envelope: Any
    ) -> str:
        """Take one message, or answer what the faults say."""
        if self.faults.get("drop"):
            server.transport.abort()
            return "421 4.4.2 dropped"
        if "data" in self.faults:
            return str(self.faults["data"])
        message = bytes(envelope.content)
        sender = parseaddr(str(BytesHeaderParser().parsebytes(message).get("From", "")))[1]
        if sender.rpartition("@")[2].lower() != self._domain:
            return f"550 5.7.1 The {sender.rpartition('@')[2]} domain is not verified"
        identifier = secrets.token_hex(8)
        rewritten = f"{identifier}@{self.faults.get('envelope', self._envelope_domain)}"
        signed = await asyncio.to_thread(self._sign, message)
        self._accepted.append(
            {
                "id": identifier,
                "from": sender,
                "envelope": rewritten,
                "to": list(envelope.rcpt_tos),
            }
        )
        if self.faults.get("lose"):
            return f"250 2.0.0 Ok: queued as {identifier}"
        failure = await self._forward(Envelope(rewritten, tuple(envelope.rcpt_tos), signed))
        return failure or f"250 2.0.0 Ok: queued as {identifier}"

    def _sign(self, message: bytes) -> bytes:
        message = _LINE_END.sub(b"\r\n", message)
        if self.faults.get("unsigned"):
            return message
        key = self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        signature: bytes = dkim.sign(
            message, self._selector.encode(), self._domain.encode(), key,
            canonicalize=(b"relaxed", b"relaxed"),
            include_headers=[b"from", b"to", b"subject", b"date", b"message-id"],
        )  # fmt: skip
        return signature + message

    async def _forward(self, envelope: Envelope) -> str:
        """Hand the message to each recipient's mail host; return a reply if that failed."""
        by_domain: dict[str, list[str]] = {}
        for recipient in envelope.recipients:
            by_domain.setdefault(recipient.rpartition("@")[2].lower(), []).append(recipient)
        for domain, recipients in by_domain.items():
            hosts = await self._names.exchangers(domain)
            if not hosts:
                return f"550 5.1.2 {domain} takes no mail"
            answer = await hand_over(
                Envelope(envelope.sender, tuple(recipients), envelope.message),
                Nexthop(hosts[0], 25),
                helo="smtp.resend.com",
                origin=ADDRESS,
                names=self._names,
                addresses=self._world.addresses,
                trusted=self._world.authority.client_context(),
            )
            if not answer.delivered:
                return f"{answer.code or 451} {answer.text}"
        return ""
