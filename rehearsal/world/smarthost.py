"""The smarthost of the rehearsed internet.

It takes mail with a login over TLS, signs it, and hands it on under its own envelope domain, as
Resend does. Amazon SES stands beside it, for a declaration that names it instead. As at the genuine
ones, mail of the verified domain alone is taken, several credentials can be valid at once, and
another DKIM selector can be taken.
"""

import asyncio
import base64
import hashlib
import json
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.parser import BytesHeaderParser
from email.utils import parseaddr
from pathlib import Path
from typing import Any, ClassVar, cast

import dkim
from aiohttp import web
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from rehearsal.private_file import write_private
from rehearsal.world.dns import Dns
from rehearsal.world.handover import Envelope, Nexthop, hand_over
from rehearsal.world.names import Names
from rehearsal.world.service import Service, Surroundings
from rehearsal.world.smtp_listener import Listener

ADDRESS = "198.51.100.25"
"""Public address of the rehearsed smarthost (TEST-NET-2, RFC 5737)."""

SUBMISSION_PORTS = {25: False, 587: False, 2587: False, 465: True, 2465: True}
"""Ports on which both take mail, each with whether TLS begins there with the first byte."""


@dataclass(frozen=True)
class House:
    """One smarthost of the rehearsed internet.

    Attributes:
        name: As the declaration's provider table calls it.
        host: Its server; `{region}` stands for the region.
        user: The login name that its account has, where it is not the account's own.
        address: Public address from which it sends.
        unverified: How it refuses mail of a domain that its account has not verified; `{address}`
            and `{domain}` stand for the sender's, `{region}` for the region.
        subdomains: Whether a verified domain covers the names below it.
        null_sender: How it refuses the empty envelope sender, None where it takes it.
        regions: Regions in which it has a server of its own.
        ports: Ports on which it takes mail, each with whether TLS begins with the first byte.
    """

    name: str
    host: str
    user: str
    address: str
    unverified: str
    subdomains: bool = False
    null_sender: str | None = None
    regions: tuple[str, ...] = ()
    ports: Mapping[int, bool] = field(default_factory=lambda: SUBMISSION_PORTS)

    @property
    def servers(self) -> list[str]:
        """The names under which it is reached."""
        return sorted({self.host.format(region=region) for region in self.regions or ("",)})


HOUSES = (
    House(
        "resend", "smtp.resend.com", "resend", ADDRESS,
        unverified="550 The {domain} domain is not verified. Please, add and verify your domain on "
        "https://resend.com/domains",
    ),
    House(
        "ses", "email-smtp.{region}.amazonaws.com", "", "198.51.100.26",
        unverified="554 Message rejected: Email address is not verified. The following identities "
        "failed the check in region {region}: {address}",
        subdomains=True, null_sender="501 Invalid MAIL FROM address provided",
        regions=("eu-west-1", "eu-central-1", "eu-west-3", "eu-north-1", "eu-south-1"),
    ),
)  # fmt: skip
"""All sign with one key: a rehearsal has one account, wherever it is declared to be."""

_DECLARED = "198.51.100.27"
"""Public address of a smarthost that is neither of them (TEST-NET-2, RFC 5737)."""


def declared_house(config: Mapping[str, Any]) -> House | None:
    """Return the declared smarthost as a house, None where it is one of those that stand here.

    Nothing is known of it but what is declared, so its refusals are in no provider's words.
    """
    nexthop = config["names"]["nexthop"]
    if any(nexthop["host"] in house.servers for house in HOUSES):
        return None
    return House(
        str(config["smarthost"]["provider"]), nexthop["host"], nexthop["user"], _DECLARED,
        unverified="550 5.7.1 the domain {domain} is not verified",
        ports={int(nexthop["port"]): bool(nexthop["implicit_tls"])},
    )  # fmt: skip


_MOST_RECIPIENTS = 50
"""Recipients of one message, at both (Resend: API reference, `to`; SES: service quotas)."""
_LARGEST = 40 * 1024**2
"""Bytes of one message, at both (Resend: attachments; SES: service quotas)."""

_NOBODY = "<>"
"""How aiosmtpd writes the empty envelope sender."""
_SELECTOR = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_LINE_END = re.compile(rb"\r?\n")


class Smarthost(Service):
    """Stands where Resend and SES stand: STARTTLS, SASL, envelope rewritten, DKIM signed.

    Faults: `login` (a reply such as `535 5.7.8 ...` to every login), `data` (a reply to every
    message: `451 4.3.0 ...` defers, `550 ...` bounces), `drop` (true: the connection ends instead
    of a reply), `unsigned` (true: the signature is left out), `envelope` (a domain written instead
    of the right one), `lose` (true: messages are taken and go nowhere).
    """

    name: ClassVar[str] = "smarthost"
    stands_for: ClassVar[str] = "the SMTP relays of Resend and Amazon SES, or another declared one"

    def __init__(self) -> None:
        super().__init__()
        self._listeners: list[Listener] = []
        self._accepted: list[dict[str, Any]] = []
        self._credentials: list[str] = []

    async def start(self, world: Surroundings) -> None:
        """Listen, and publish the addresses under the names that the genuine ones have."""
        self._world = world
        self._domain = str(world.config["domain"])
        settings = world.config["smarthost"]
        self._region, self._user = str(settings["region"]), str(settings["user"] or "")
        self._envelope_domain = str(world.config["names"]["account"]["envelope"])
        self._open_account(str(settings["selector"]))
        names = cast("Dns", world.services["dns"])
        for region in {self._region, *HOUSES[1].regions}:
            names.add_outside(f"feedback-smtp.{region}.amazonses.com", "A", ADDRESS)
        self._names_of_keys = dict(settings["dkimNames"])
        senders = " ".join(f"ip4:{house.address}" for house in HOUSES)
        names.add_outside("amazonses.com", "TXT", f"v=spf1 {senders} -all")
        self._names = Names(names.port)
        declared = declared_house(world.config)
        if declared is not None:
            self._settle(declared, names)
        for house in (*HOUSES, *([declared] if declared else ())):
            await self._open_house(house, names)

    def _settle(self, house: House, names: Dns) -> None:
        """Publish what the declared smarthost has in the DNS of others."""
        text = f"v=spf1 ip4:{house.address} -all"
        for name in (self._world.config["names"]["account"]["spf"], f"bounces.{house.host}"):
            if name:
                names.add_outside(name, "TXT", text)
        names.add_outside(f"bounces.{house.host}", "MX", f"10 {house.host}.")
        for target in self._names_of_keys.values():
            names.add_outside(target, "TXT", self._record(self._selector))

    def _return_path(self, house: House, sender: str, identifier: str) -> str:
        """Return the envelope sender that is written: ours, its own, or the one that was given."""
        ours = self._envelope_domain
        if ours == self._domain and "envelope" not in self.faults:
            return "" if sender == _NOBODY else sender
        own = ours or f"bounces.{house.servers[0]}"
        return f"{identifier}@{self.faults.get('envelope', own)}"

    async def _open_house(self, house: House, names: Dns) -> None:
        world = self._world
        for server in house.servers:
            names.add_outside(server, "A", house.address)
        folder = world.folder / "smarthost" / house.name
        folder.mkdir(parents=True, exist_ok=True)
        tls = world.authority.server_context(house.servers, folder)
        for implicit in (False, True):
            listener = Listener(
                _Door(self, house),
                hostname=house.servers[0],
                tls=tls,
                implicit_tls=implicit,
                authenticator=_Door(self, house).authenticate,
                require_starttls=True,
                auth_required=True,
            )
            port = await listener.start()
            self._listeners.append(listener)
            for public in (one for one, begins in house.ports.items() if begins == implicit):
                world.addresses.publish(house.address, public, port)

    async def stop(self) -> None:
        """Stop listening."""
        for listener in self._listeners:
            await listener.stop()

    def overlay(self) -> dict[str, Any]:
        """Return the DKIM record as the account's page shows it; nothing where it shows names."""
        return {} if self._names_of_keys else {"dkimPublicKey": self._record(self._selector)}

    def control(self) -> Iterable[web.RouteDef]:
        """What the account's pages offer, and what was taken.

        `GET /smarthost/accepted`: what was taken, without the messages. `POST` and `DELETE
        /smarthost/credentials` (`password`): make one valid beside the others, revoke one.
        `POST /smarthost/selectors` (`selector`): make a key for another one, and show its record.
        `PUT /smarthost/selectors` (`selector`): sign with it from now on.
        """
        return [
            web.get("/accepted", self._show),
            web.post("/credentials", self._change_credentials),
            web.delete("/credentials", self._change_credentials),
            web.post("/selectors", self._change_selector),
            web.put("/selectors", self._change_selector),
        ]

    async def _show(self, _request: web.Request) -> web.Response:
        return web.json_response(self._accepted)

    async def _change_credentials(self, request: web.Request) -> web.Response:
        given = _digest(str((await request.json())["password"]).encode())
        kept = [credential for credential in self._credentials if credential != given]
        self._credentials = kept if request.method == "DELETE" else [*kept, given]
        self._keep_account()
        return web.json_response({"valid": len(self._credentials)})

    async def _change_selector(self, request: web.Request) -> web.Response:
        selector = str((await request.json())["selector"])
        if not _SELECTOR.fullmatch(selector):
            return web.json_response({"error": "that is no selector"}, status=400)
        if request.method == "POST":
            await asyncio.to_thread(self._signing_key, selector)
        elif not self._key_file(selector).exists():
            return web.json_response({"error": "the account has no key for it"}, status=404)
        else:
            self._selector = selector
            self._keep_account()
            self.overlay_changed()
        return web.json_response({"selector": selector, "record": self._record(selector)})

    # The account

    def _open_account(self, selector: str) -> None:
        """Take the account as it was left, or open one with the world's first credential."""
        self._account = self._world.folder / "smarthost" / "account.json"
        self._account.parent.mkdir(parents=True, exist_ok=True)
        self._first, self._selector = selector, selector
        self._credentials = [_digest(self._world.secrets["smarthostPassword"].encode())]
        if self._account.exists():
            kept = json.loads(self._account.read_text())
            known = [
                credential
                for credential in kept["credentials"]
                if credential not in self._credentials
            ]
            self._credentials += known
            self._first, self._selector = kept["first"], kept["selector"]
        self._signing_key(self._selector)

    def _keep_account(self) -> None:
        kept = {
            "credentials": self._credentials, "first": self._first, "selector": self._selector,
        }  # fmt: skip
        write_private(self._account, json.dumps(kept))

    def _record(self, selector: str) -> str:
        public = (
            self._signing_key(selector)
            .public_key()
            .public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        return f"p={base64.b64encode(public).decode()}"

    def _key_file(self, selector: str) -> Path:
        name = "dkim.key" if selector == self._first else f"dkim-{selector}.key"
        return self._world.folder / "smarthost" / name

    def _signing_key(self, selector: str) -> rsa.RSAPrivateKey:
        file = self._key_file(selector)
        if not file.exists():
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

    # Conversations

    def authenticate(self, house: House, data: Any) -> AuthResult:
        """Judge a login at one of the houses."""
        if "login" in self.faults:
            return AuthResult(success=False, handled=False, message=str(self.faults["login"]))
        if not isinstance(data, LoginPassword):
            return AuthResult(success=False, handled=False)
        # The same rejection for both, as a relay that does not tell which one was wrong.
        credential = _digest(data.password)
        # Which user an account of SES has is known from the declaration that this world began with.
        user = (house.user or self._user or data.login.decode()).encode()
        right = data.login == user and credential in self._credentials
        # Which credential it was is remembered with what it sends.
        return AuthResult(success=right, handled=False, auth_data=credential[:12])

    async def take(self, house: House, server: Any, session: Any, envelope: Any) -> str:
        """Take one message, or answer what the faults say."""
        if self.faults.get("drop"):
            server.transport.abort()
            return "421 4.4.2 dropped"
        if "data" in self.faults:
            return str(self.faults["data"])
        message = bytes(envelope.content)
        sender = parseaddr(str(BytesHeaderParser().parsebytes(message).get("From", "")))[1]
        if len(message) > _LARGEST:
            return "552 5.3.4 Message size exceeds fixed limit"
        enveloped = [] if envelope.mail_from == _NOBODY else [envelope.mail_from]
        for address in (sender, *enveloped):
            refusal = self._unverified(house, address)
            if refusal:
                return refusal
        identifier = secrets.token_hex(8)
        rewritten = self._return_path(house, str(envelope.mail_from), identifier)
        signed = await asyncio.to_thread(self._sign, message)
        self._accepted.append(
            {
                "id": identifier,
                "from": sender,
                "envelope": rewritten,
                "to": list(envelope.rcpt_tos),
                "house": house.name,
                "credential": session.auth_data,
            }
        )
        if self.faults.get("lose"):
            return f"250 2.0.0 Ok: queued as {identifier}"
        outbound = Envelope(rewritten, tuple(envelope.rcpt_tos), signed)
        failure = await self._forward(house, outbound)
        return failure or f"250 2.0.0 Ok: queued as {identifier}"

    def _unverified(self, house: House, address: str) -> str:
        """Return how a house refuses an address in the envelope or in From; empty if it does not.

        The empty address stands for none in From, too.
        """
        domain = address.rpartition("@")[2].lower()
        covered = domain == self._domain
        covered |= house.subdomains and domain.endswith(f".{self._domain}")
        if covered:
            return ""
        region = self._region.upper()
        return house.unverified.format(domain=domain, address=address, region=region)

    def _sign(self, message: bytes) -> bytes:
        message = _LINE_END.sub(b"\r\n", message)
        if self.faults.get("unsigned"):
            return message
        key = self._signing_key(self._selector).private_bytes(
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

    async def _forward(self, house: House, envelope: Envelope) -> str:
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
                helo=house.servers[0],
                origin=house.address,
                names=self._names,
                addresses=self._world.addresses,
                trusted=self._world.authority.client_context(),
            )
            if not answer.delivered:
                return f"{answer.code or 451} {answer.text}"
        return ""


def _digest(password: bytes) -> str:
    """Return how the account knows a credential; it is random, so no salt is needed."""
    return hashlib.sha256(password).hexdigest()


class _Door:
    """The port of one house, for aiosmtpd."""

    def __init__(self, smarthost: Smarthost, house: House) -> None:
        self._smarthost = smarthost
        self._house = house

    def authenticate(
        self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any
    ) -> AuthResult:
        return self._smarthost.authenticate(self._house, data)

    async def handle_MAIL(  # noqa: N802  # aiosmtpd's own name
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        if address == _NOBODY and self._house.null_sender:
            return self._house.null_sender
        envelope.mail_from = address
        return "250 2.1.0 Ok"

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's own name
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        if len(envelope.rcpt_tos) >= _MOST_RECIPIENTS:
            return "452 4.5.3 Too many recipients"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  # aiosmtpd's own name
        return await self._smarthost.take(self._house, server, session, envelope)
