"""The rehearsed internet around one mail host, which is the stand-in or the genuine one.

The host's files are those that the real declaration renders. Whatever a test does, it does to the
host's ports or through the rehearsed internet, so that it cannot tell which of the two is there;
`queue`, `log` and `listing` are what an operator sees on either.
"""

import asyncio
import smtplib
import socket
import ssl
import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from email.message import EmailMessage
from email.policy import SMTP
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import dns.asyncresolver
from aiosmtpd.smtp import AuthResult

from components.relay import POSTFIX, render_extra_cf, render_login_map
from components.relay import render_tls_policy as render_policy
from declaration.model import Declaration
from declaration.records import RecordType
from declaration.zone_records import records
from operations.prove.model import Proof, Station
from operations.prove.net import Net
from operations.prove.registry import checks
from operations.prove.run import prove
from operations.prove.subject import Subject
from rehearsal.mail_program import HELO, MailProgram, context_for
from rehearsal.parts import PartMissingError, need
from rehearsal.world.authority import CertificateAuthority
from rehearsal.world.dns import Dns
from rehearsal.world.handover import Envelope
from rehearsal.world.mail.server import MailServer
from rehearsal.world.receiver import DOMAIN as OUTSIDE
from rehearsal.world.receiver import Receiver
from rehearsal.world.service import LOOPBACK, AddressBook, Service, Surroundings
from rehearsal.world.smarthost import Smarthost
from rehearsal.world.smtp_listener import Listener
from tests.real import dovecot_instance, postfix_instance
from tests.real.enclosure import Enclosure
from tests.real.ways import PolicySocket, Ways
from tests.world.declared import declared

PASSWORD = "correct horse"
SECRET = "re_" + "q7Zk" * 8
"""The password at the smarthost: long, and found nowhere else."""
PORTS = (25, 465, 587, 993, 4190)
_PATIENCE = 20.0
_ELSEWHERE = "198.51.100.66"

_T = TypeVar("_T")


def need_mail_parts() -> None:
    """See that Postfix and Dovecot are installed, and what they stand in.

    Raises:
        PartMissingError: something is not; the message says how it comes.
    """
    for program in ("postfix", "postconf", "dovecot", "unshare", "nsenter", "setpriv"):
        need(program)
    libraries = ("/usr/lib/postfix/postfix-sqlite.so", "/usr/lib/*/sasl2/libplain.so")
    for library in libraries:
        if not list(Path("/").glob(library.lstrip("/"))):
            raise PartMissingError(f"{library} is not installed; `make parts` installs it")


class People(Service):
    """The declared mailboxes and aliases, in place of Mailcow's API."""

    name: ClassVar[str] = "mailcow"
    stands_for: ClassVar[str] = "Mailcow's API"

    def __init__(self, declaration: Declaration) -> None:
        super().__init__()
        self.domain = declaration.domain
        self.known = {
            f"{mailbox.name}@{self.domain}": [f"{mailbox.name}@{self.domain}"]
            for mailbox in declaration.mailboxes
        }
        self.boxes = list(self.known)
        for alias in declaration.aliases:
            self.known[f"{alias.name}@{self.domain}"] = [f"{to}@{self.domain}" for to in alias.to]

    async def start(self, world: Surroundings) -> None:
        """Need nothing."""

    async def stop(self) -> None:
        """Leave nothing."""

    def check_password(self, address: str, password: str) -> bool:
        return address in self.boxes and password == PASSWORD

    def resolve_recipients(self, address: str) -> list[str]:
        local, _, domain = address.partition("@")
        return self.known.get(f"{local.partition('+')[0]}@{domain}", [])

    def domains(self) -> list[str]:
        return [self.domain]


class GenuineMail(Service):
    """Genuine Postfix and Dovecot in one enclosure, where the stand-in would be."""

    name: ClassVar[str] = "mail"
    stands_for: ClassVar[str] = "Postfix and Dovecot of Mailcow"
    genuine = True

    enclosure: Enclosure
    ways: Ways
    policies: PolicySocket
    database: postfix_instance.Database

    async def start(self, world: Surroundings) -> None:
        """Lay both out, start them, and publish their ports."""
        self._release = world.root / "opt/po-mail/mailcow"
        self._folder = world.folder / "genuine"
        dns_, people = world.services["dns"], world.services["mailcow"]
        assert isinstance(dns_, Dns)
        assert isinstance(people, People)
        host = str(world.config["host"]["address"])
        self.ways = Ways(dns_, world.addresses, origin=host)
        await self.ways.start()
        dovecot = self.ways.address(201)
        self.ways.name("dovecot", dovecot)
        self.policies = PolicySocket(self.ways.address(202))
        await self.policies.start()
        ports = _free_ports()
        self.database = postfix_instance.lay_out(self._folder / "postfix", ports)
        _fill(self.database, people)
        dovecot_instance.lay_out(
            self._folder / "dovecot",
            dict.fromkeys(people.boxes, PASSWORD),
            address=dovecot,
            ports=ports,
        )
        self._write_surroundings(dovecot)
        self.take_over()
        self.enclosure = self._enclose(world)
        await self.enclosure.start(
            "dovecot -c /opt/dovecot/dovecot.conf",
            f"postfix -c {postfix_instance.CONF} start-fg",
        )
        for port in PORTS:
            await self.enclosure.answers(partial(_knock, ports[port]))
            world.addresses.publish(host, port, ports[port])

    def _write_surroundings(self, dovecot: str) -> None:
        self._folder.joinpath("hosts").write_text(
            f"{LOOPBACK} localhost {socket.gethostname()}\n{dovecot} dovecot\n"
            f"{self.ways.address(202)} postfix-tlspol\n"
        )
        self._folder.joinpath("resolv.conf").write_text(
            f"nameserver {self.ways.name_server}\noptions timeout:2 attempts:2 trust-ad\n"
        )

    def _enclose(self, world: Surroundings) -> Enclosure:
        postfix, dovecot = self._folder / "postfix", self._folder / "dovecot"
        return Enclosure(
            empty=("/opt", "/run", "/etc/ssl", "/var/lib/dovecot"),
            folders={
                postfix_instance.CONF: postfix / "conf",
                "/var/spool/postfix": postfix / "spool",
                "/var/lib/postfix": postfix / "lib",
                "/opt/dovecot": dovecot / "conf",
                dovecot_instance.HOME: dovecot / "vmail",
                "/etc/ssl/mail": self._release / "data/assets/ssl",
            },
            files={
                "/etc/hosts": self._folder / "hosts",
                "/etc/resolv.conf": self._folder / "resolv.conf",
                "/etc/postfix/dynamicmaps.cf": postfix / "dynamicmaps.cf",
                "/etc/ssl/certs/ca-certificates.crt": world.authority.bundle,
            },
            unsaid=postfix_instance.UNSAID,
        )

    def take_over(self) -> None:
        """Put the deployed files where Mailcow's start script puts them."""
        postfix_instance.take_over(self._folder / "postfix", self._release)

    async def stop(self) -> None:
        """End everything."""
        if hasattr(self, "enclosure"):
            await self.enclosure.stop()
        if hasattr(self, "policies"):
            await self.policies.stop()
        await self.ways.stop()


def _fill(database: postfix_instance.Database, people: People) -> None:
    """Let the database know of the people, as Mailcow's would."""
    database.put("virtual_domains_maps", people.domain, people.domain)
    for address, boxes in people.known.items():
        database.put("virtual_alias_maps", address, ",".join(boxes))
        database.put("virtual_sender_acl", address, ",".join(boxes))
        # Without a relayhost of its own a sender gets the transport with nothing behind it.
        database.put("sender_dependent_default_transport_maps", address, "smtp:")
    for box in people.boxes:
        database.put("virtual_mailbox_maps", box, f"maildir/{box}/")


def _free_ports() -> dict[int, int]:
    """Return a free port of loopback for each public one."""
    probes = {port: socket.socket() for port in PORTS}
    try:
        for probe in probes.values():
            probe.bind((LOOPBACK, 0))
        return {port: probe.getsockname()[1] for port, probe in probes.items()}
    finally:
        for probe in probes.values():
            probe.close()


async def _knock(port: int) -> None:
    _, writer = await asyncio.open_connection(LOOPBACK, port)
    writer.close()


class _Net(Net):
    """The rehearsed internet, as the proof sees it, without a world's process around it."""

    place = "the rehearsed internet"

    def __init__(self, host: "MailHost") -> None:
        self._reach = host.world.addresses.reach
        self.authority = host.world.authority.bundle
        self.inside = _Inside(host)
        self.resolver = dns.asyncresolver.Resolver(configure=False)
        self.resolver.nameservers = [LOOPBACK]
        self.resolver.port = host.dns.port

    def locate(self, address: str, port: int) -> tuple[str, int]:
        return self._reach(address, port)


class _Inside:
    def __init__(self, host: "MailHost") -> None:
        self._host = host

    async def queue(self) -> list[dict[str, Any]]:
        return await self._host.queue()

    async def received(self) -> list[dict[str, Any]]:
        return list(self._host.receiver.received)

    async def write(self, **message: str) -> dict[str, Any]:
        return await self._host.receiver.write(**message)


class MailHost:
    """What a test does with the mail host and with its correspondents."""

    def __init__(self, world: Surroundings, declaration: Declaration) -> None:
        self.world, self.declaration = world, declaration
        self.domain, self.name = declaration.domain, declaration.names.mail_host
        self.release = world.root / "opt/po-mail/mailcow"
        dns_, smarthost, receiver = (
            world.services[name] for name in ("dns", "smarthost", "receiver")
        )
        assert isinstance(dns_, Dns)
        assert isinstance(smarthost, Smarthost)
        assert isinstance(receiver, Receiver)
        self.dns, self.smarthost, self.receiver = dns_, smarthost, receiver
        self.listeners: list[Listener] = []
        self.writer = f"{declaration.mailboxes[0].name}@{self.domain}"
        self.guest = f"guest@{OUTSIDE}"

    # What is deployed

    def deploy(self, *, password: str = SECRET) -> None:
        """Write the files that the declaration renders."""
        names = self.declaration.names
        nexthop = names.nexthop
        extra = render_extra_cf(self.name, nexthop, names.senders, ipv6=names.ipv6)
        folder = self.release / POSTFIX
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "extra.cf").write_text(extra)
        (folder / "smarthost_tls_policy").write_text(render_policy(nexthop))
        login = folder / "smarthost_passwd"
        login.touch(mode=0o640)
        login.write_text(render_login_map(nexthop, password))
        (self.release / "mailcow.conf").write_text(f"MAILCOW_HOSTNAME={self.name}\n")
        ssl_ = self.release / "data/assets/ssl"
        ssl_.mkdir(parents=True, exist_ok=True)
        issued = self.world.authority.issue([self.name])
        (ssl_ / "cert.pem").write_bytes(issued.chain)
        (ssl_ / "key.pem").write_bytes(issued.key)

    def publish(self) -> None:
        """Publish the declared records, with the smarthost's own key."""
        key = str(self.smarthost.overlay().get("dkimPublicKey", ""))
        self.declaration = self.declaration.model_copy(update={"dkim_public_key": key})
        for record in records(self.declaration):
            value = str(record.value)
            if record.type in {RecordType.MX, RecordType.CNAME, RecordType.SRV}:
                value = value if value.endswith(".") else f"{value}."
            if record.preference is not None:
                value = f"{record.preference} {value}"
            self.dns.add_outside(record.name, record.type.value, value)

    # What people do

    def program(self, address: str, password: str = PASSWORD) -> MailProgram:
        """Set up a person's mail program."""
        return MailProgram(
            address,
            password,
            server=(self.name, self.declaration.host.address),
            reach=self.world.addresses.reach,
            authority=self.world.authority.bundle,
        )

    def message(self, to: str, *, author: str = "", subject: str = "A test") -> EmailMessage:
        """Return a message to somebody."""
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = author or self.writer, to, subject
        message.set_content("Bom dia.")
        return message

    async def submit(self, to: str = "", *, author: str = "") -> dict[str, Any]:
        """Let a person write to somebody outside, and return what became of it at first."""
        to, author = to or self.guest, author or self.writer
        before = len(await self.queue())
        message = self.message(to, author=author)
        await asyncio.to_thread(self.program(author).send, message)
        return await self.settled(to, after=before)

    async def converse(
        self, port: int, act: Callable[[smtplib.SMTP], _T], *, tls: bool = True, source: str = ""
    ) -> _T:
        """Connect to a port of the mail host, from an address of loopback, begin TLS, and talk."""

        def talk() -> _T:
            bound = (source, 0) if source else None
            where = self.world.addresses.reach(self.declaration.host.address, port)
            context = context_for(self.name, self.world.authority.bundle)
            client: smtplib.SMTP
            if port == 465:
                client = smtplib.SMTP_SSL(
                    *where, HELO, context=context, timeout=10, source_address=bound
                )
            else:
                client = smtplib.SMTP(*where, HELO, timeout=10, source_address=bound)
            with client:
                client.ehlo()
                if tls and port != 465:
                    client.starttls(context=context)
                    client.ehlo()
                return act(client)

        return await asyncio.to_thread(talk)

    async def write(self, to: str, **asked: Any) -> dict[str, Any]:
        """Let somebody outside write to us and return the mail host's answer."""
        return await self.receiver.write(to=to, subject="Reservation", **asked)

    async def read(self, address: str, folder: str = "INBOX", *, count: int = 1) -> list[bytes]:
        """Read a mailbox over IMAPS until it holds `count` messages."""
        program = self.program(address)

        async def look() -> list[bytes] | None:
            found = await asyncio.to_thread(program.read, folder)
            return found if len(found) >= count else None

        return await self.awaited(look, f"{count} messages in {folder} of {address}")

    # What the operator sees

    async def settled(self, to: str, *, after: int = 0) -> dict[str, Any]:
        """Wait for the first verdict on a message to `to` and return it."""

        async def look() -> dict[str, Any] | None:
            for entry in (await self.queue())[after:]:
                if to in entry["recipients"] and entry["state"] != "active":
                    return entry
            return None

        return await self.awaited(look, f"a verdict on {to}")

    async def becomes(self, state: str, to: str = "") -> dict[str, Any]:
        """Wait until the last message to `to` is in a state."""

        async def look() -> dict[str, Any] | None:
            found = [
                entry for entry in await self.queue() if (to or self.guest) in entry["recipients"]
            ]
            return found[-1] if found and found[-1]["state"] == state else None

        return await self.awaited(look, f"{to or self.guest}: {state}")

    async def awaited(self, look: Callable[[], Awaitable[_T | None]], what: str) -> _T:
        """Return the first answer of `look` that is not None.

        Raises:
            TimeoutError: it never came; the queue and the log are told.
        """
        deadline = time.monotonic() + _PATIENCE
        while (found := await look()) is None:
            if time.monotonic() > deadline:
                told = [f"never came: {what}", str(await self.queue()), *(await self.log())[-30:]]
                raise TimeoutError("\n".join(told))
            # What is looked at lies in other processes; nothing tells when it changes.
            await asyncio.sleep(0.05)
        return found

    async def prove(self, *stations: Station) -> Proof:
        """Prove what stands at some stations."""
        passwords = {mailbox.name: PASSWORD for mailbox in self.declaration.mailboxes}
        chosen = [check for check in checks() if check.station in stations]
        proof = await prove(
            Subject(self.declaration, _Net(self), passwords), stack="qual", only=chosen
        )
        # The proof takes its threads away again.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor())
        return proof

    def net(self) -> Net:
        """Return the rehearsed internet as an operation sees it."""
        return _Net(self)

    @abstractmethod
    async def queue(self) -> list[dict[str, Any]]:
        """Return the messages that went outside or wait, as the world shows them."""

    @abstractmethod
    async def flush(self) -> None:
        """Try again what waits: `postqueue -f`."""

    @abstractmethod
    async def listing(self) -> str:
        """Return what `postqueue -j` says."""

    @abstractmethod
    async def log(self) -> list[str]:
        """Return Postfix's log as `docker compose logs --timestamps` has it."""

    @abstractmethod
    async def reload(self) -> None:
        """Let Postfix start anew with the deployed files, as `pulumi up` does."""

    @abstractmethod
    async def notify(self, to: str) -> dict[str, Any]:
        """Send a notification under the null sender, and return what became of it at first."""

    # What stands outside

    async def imposter(self, tls: ssl.SSLContext | None) -> "Imposter":
        """Let somebody else answer in the smarthost's place, and return it."""
        imposter = Imposter()
        listener = Listener(
            imposter, hostname="smtp.resend.com", tls=tls,
            authenticator=imposter.authenticate if tls else None,
        )  # fmt: skip
        port = await listener.start()
        self.listeners.append(listener)
        self.world.addresses.publish(_ELSEWHERE, 587, port)
        self.dns.faults["wrong"] = {"smtp.resend.com A": [_ELSEWHERE]}
        return imposter


class Imposter:
    """A mail host that is not the smarthost; it remembers all it gets."""

    def __init__(self) -> None:
        self.logins: list[object] = []
        self.messages: list[bytes] = []

    def authenticate(
        self, _server: object, _session: object, _envelope: object, _mechanism: str, data: object
    ) -> AuthResult:
        """Take any login."""
        self.logins.append(data)
        return AuthResult(success=True)

    async def handle_DATA(  # noqa: N802  # aiosmtpd's own name
        self, _server: object, _session: object, envelope: Any
    ) -> str:
        """Take any message."""
        self.messages.append(bytes(envelope.content))
        return "250 2.0.0 Ok"


class StandInHost(MailHost):
    """The rehearsal's own mail server."""

    @property
    def mail(self) -> MailServer:
        """The stand-in."""
        found = self.world.services["mail"]
        assert isinstance(found, MailServer)
        return found

    async def queue(self) -> list[dict[str, Any]]:
        return [message.as_dict() for message in self.mail.queue.messages]

    async def flush(self) -> None:
        await self.mail.queue.flush()

    async def listing(self) -> str:
        return self.mail.queue.listing()

    async def log(self) -> list[str]:
        return list(self.mail.queue.log)

    async def reload(self) -> None:
        """It reads its files each time."""

    async def notify(self, to: str) -> dict[str, Any]:
        message = self.message(to, author=f"MAILER-DAEMON@{self.mail.routing().origin}")
        self.mail.queue.enqueue(Envelope("", (to,), as_bytes(message)))
        return await self.settled(to)


class GenuineHost(MailHost):
    """Genuine Postfix and Dovecot."""

    @property
    def mail(self) -> GenuineMail:
        """The genuine servers."""
        found = self.world.services["mail"]
        assert isinstance(found, GenuineMail)
        return found

    async def queue(self) -> list[dict[str, Any]]:
        return [
            {
                "identifier": attempt.identifier, "state": attempt.state, "reason": attempt.reason,
                "relay": attempt.relay, "tls": attempt.tls, "sender": attempt.sender,
                "recipients": [attempt.recipient],
            }
            for attempt in postfix_instance.attempts(self.mail.enclosure.log)
        ]  # fmt: skip

    async def flush(self) -> None:
        await self.mail.enclosure.run("postqueue", "-c", postfix_instance.CONF, "-f")

    async def listing(self) -> str:
        words = ("postqueue", "-c", postfix_instance.CONF, "-j")
        return (await self.mail.enclosure.run(*words))[1]

    async def log(self) -> list[str]:
        return list(self.mail.enclosure.log)

    async def reload(self) -> None:
        self.mail.take_over()
        await self.mail.enclosure.run("postfix", "-c", postfix_instance.CONF, "reload")

    async def notify(self, to: str) -> dict[str, Any]:
        # A message from outside to somebody whom Dovecot does not know: Postfix bounces it.
        sendmail = f"sendmail -C {postfix_instance.CONF} -f {to} nobody-of-this-name@{self.domain}"
        await self.mail.enclosure.run("sh", "-c", f"echo Bom dia | {sendmail}")
        return await self.settled(to)


@asynccontextmanager
async def mail_host(
    kind: str, folder: Path, declaration: Declaration, **deployed: Any
) -> AsyncIterator[MailHost]:
    """Start the rehearsed internet with one mail host in it, and end it again."""
    world = Surroundings(
        folder=folder,
        root=folder / "root",
        authority=CertificateAuthority(folder / "authority"),
        addresses=AddressBook(),
        config=declared(
            domain=declaration.domain,
            host={"address": declaration.host.address},
            smarthost=declaration.smarthost.model_dump(mode="json", by_alias=True),
            # The zone of another domain: the declared records are published beside it.
            zone={"name": "other.example"},
        ),
        secrets={"smarthostPassword": SECRET},
    )
    around: list[Service] = [Dns(), People(declaration), Smarthost(), Receiver()]
    mail = GenuineMail() if kind == "genuine" else MailServer()
    try:
        for service in around:
            await service.start(world)
            world.services[service.name] = service
        # Known before it starts, so that a start that fails is cleaned up as well.
        world.services["mail"] = mail
        host = (GenuineHost if kind == "genuine" else StandInHost)(world, declaration)
        host.publish()
        host.deploy(**deployed)
        await mail.start(world)
        yield host
        for listener in host.listeners:
            await listener.stop()
    finally:
        for service in reversed(list(world.services.values())):
            await service.stop()


def as_bytes(message: EmailMessage) -> bytes:
    """Return a message as SMTP carries it."""
    return message.as_bytes(policy=SMTP)
