"""The network as the proof sees it: names, ports, and the conversations that mail is made of.

One class does the talking. What differs between the live internet and a rehearsed one is which
resolver is asked, where an address is found, whose certificates are trusted, and whether one may
look inside; `LiveNet` and `WorldNet` say just that.
"""

import asyncio
import imaplib
import smtplib
import socket
import ssl
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.rdatatype
import dns.resolver
import httpx
from cryptography import x509

from readers.dns import Resolver
from rehearsal.mail_program import HELO, context_for
from rehearsal.world.client import WorldClient, WorldUnreachableError
from rehearsal.world.service import LOOPBACK

TIMEOUT = 10.0
"""Seconds for one step of a conversation."""

_T = TypeVar("_T")


class UnseenError(Exception):
    """Something could not be seen from here; the message says why."""


@dataclass(frozen=True)
class Answer:
    """What the DNS answered.

    Attributes:
        values: Data as a zone file writes it, host names without the final dot; the text of a
            TXT in one piece.
        exists: False where the name itself does not exist.
        authenticated: Whether the resolver vouches for it by DNSSEC (RFC 4035).
    """

    values: tuple[str, ...]
    exists: bool = True
    authenticated: bool = False


class Port(StrEnum):
    """What a port does when somebody knocks."""

    OPEN = "open"
    CLOSED = "closed"
    """The host refuses."""
    SILENT = "silent"
    """Nothing answers: filtered, by the host or somewhere on the way."""


@dataclass(frozen=True)
class Handshake:
    """What a TLS server showed.

    Attributes:
        protocol: Such as `TLSv1.3`.
        cipher: Cipher suite.
        certificate: Its certificate.
        problem: Why a mail program would not trust it; empty if it would.
    """

    protocol: str
    cipher: str
    certificate: x509.Certificate
    problem: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The host names that the certificate covers."""
        try:
            extension = self.certificate.extensions.get_extension_for_class(
                x509.SubjectAlternativeName
            )
        except x509.ExtensionNotFound:
            return ()
        return tuple(str(item) for item in extension.value.get_values_for_type(x509.DNSName))


@dataclass(frozen=True)
class Reply:
    """What a web server answered."""

    status: int
    headers: Mapping[str, str]
    text: str


class Inside(Protocol):
    """What can be seen only where the other side belongs to us as well."""

    async def queue(self) -> list[dict[str, Any]]:
        """Return the outbound messages of the mail host."""

    async def received(self) -> list[dict[str, Any]]:
        """Return what the receiver took, with its verdicts."""

    async def write(self, **message: str) -> dict[str, Any]:
        """Let somebody outside write to us; return the answer of our mail host."""


class Net(ABC):
    """The network. Blocking conversations run in threads, each step bounded in time."""

    place: ClassVar[str]
    """Where this is, in words for the report."""
    authority: Path | None = None
    """Certificate authorities (PEM) to trust; the system's if None."""
    inside: Inside | None = None
    """A look inside, where there is one."""
    resolver: dns.asyncresolver.Resolver
    """Who is asked for names."""

    @abstractmethod
    def locate(self, address: str, port: int) -> tuple[str, int]:
        """Return where `address:port` is really reached.

        Raises:
            ConnectionRefusedError: nowhere.
        """

    def context(self, name: str) -> ssl.SSLContext:
        """Return a TLS context that expects a trusted certificate for `name`."""
        return context_for(name, self.authority)

    # Names

    async def resolve(self, name: str, rdtype: str) -> Answer:
        """Ask the DNS.

        Raises:
            UnseenError: the DNS does not answer, or fails.
        """
        try:
            answer = await self.resolver.resolve(name, rdtype, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            return Answer((), exists=False)
        except dns.exception.DNSException as error:
            words = str(error).splitlines()[0][:200]
            raise UnseenError(f"{name} {rdtype}: the DNS does not answer: {words}") from None
        signed = bool(answer.response.flags & dns.flags.AD)
        values = tuple(sorted(_written(item) for item in answer.rrset or ()))
        return Answer(values, authenticated=signed)

    async def asking(self, question: Callable[[Resolver], _T]) -> _T:
        """Ask a reader that looks names up of its own accord.

        Args:
            question: Is called in a thread with who answers.

        Raises:
            UnseenError: the DNS does not answer, or fails.
        """
        loop = asyncio.get_running_loop()

        def ask(name: str, kind: str, /) -> tuple[str, ...]:
            return asyncio.run_coroutine_threadsafe(self.resolve(name, kind), loop).result().values

        return await asyncio.to_thread(question, ask)

    async def addresses(self, name: str) -> tuple[str, ...]:
        """Return the IPv4 addresses of `name`.

        Raises:
            UnseenError: the DNS does not answer, or fails.
        """
        return (await self.resolve(name, "A")).values

    # Ports and TLS

    async def port(self, address: str, port: int) -> Port:
        """Knock at a port.

        Raises:
            UnseenError: the knock did not leave this machine, or did not reach the host.
        """
        return await asyncio.to_thread(self._knock, address, port)

    def _knock(self, address: str, port: int) -> Port:
        try:
            with socket.create_connection(self.locate(address, port), TIMEOUT / 2):
                return Port.OPEN
        except TimeoutError:
            return Port.SILENT
        except ConnectionError:
            return Port.CLOSED
        except OSError as error:
            # No route, no network, no descriptor left: this says nothing of the host.
            raise UnseenError(f"{address} port {port}: {_words(error)}") from None

    async def handshake(
        self, address: str, port: int, name: str, *, starttls: str = ""
    ) -> Handshake:
        """Look at the certificate that is shown for `name`.

        Args:
            address: Address of the server.
            port: TCP port.
            name: Name asked for, and expected in the certificate.
            starttls: `smtp` or `sieve` where TLS begins later.

        Raises:
            UnseenError: there was no handshake.
        """
        return await asyncio.to_thread(self._handshake, address, port, name, starttls)

    def _handshake(self, address: str, port: int, name: str, starttls: str) -> Handshake:
        anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        anyone.check_hostname = False
        anyone.verify_mode = ssl.CERT_NONE
        with self._wrapped(anyone, (address, port), name, starttls) as shown:
            encoded = shown.getpeercert(binary_form=True) or b""
            protocol, cipher = shown.version() or "", (shown.cipher() or ("",))[0]
        problem = ""
        try:
            self._wrapped(self.context(name), (address, port), name, starttls).close()
        except ssl.SSLCertVerificationError as error:
            problem = error.verify_message or str(error)
        return Handshake(protocol, cipher, x509.load_der_x509_certificate(encoded), problem)

    async def accepts(
        self, address: str, port: int, version: ssl.TLSVersion, *, starttls: str = ""
    ) -> bool:
        """Return whether a server still speaks an old version of TLS.

        Raises:
            UnseenError: the server was not reached.
        """
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname = False
        old.verify_mode = ssl.CERT_NONE
        # Without this, our own library would refuse before the server is asked.
        old.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            # That these versions are deprecated is the very question.
            warnings.simplefilter("ignore", DeprecationWarning)
            old.minimum_version = old.maximum_version = version
        try:
            (await asyncio.to_thread(self._wrapped, old, (address, port), None, starttls)).close()
        except (ssl.SSLError, ConnectionResetError):
            return False
        return True

    def _wrapped(
        self, context: ssl.SSLContext, where: tuple[str, int], name: str | None, starttls: str
    ) -> ssl.SSLSocket:
        try:
            raw = socket.create_connection(self.locate(*where), TIMEOUT)
        except OSError as error:
            raise UnseenError(f"{where[0]} port {where[1]}: {_words(error)}") from None
        try:
            if starttls:
                _begin_tls(raw, starttls)
            return context.wrap_socket(raw, server_hostname=name)
        except ssl.SSLError:
            raw.close()
            raise
        except OSError as error:
            raw.close()
            raise UnseenError(f"{where[0]} port {where[1]}: {_words(error)}") from None

    # Conversations

    async def smtp(
        self,
        address: str,
        port: int,
        name: str,
        act: Callable[[smtplib.SMTP], _T],
        *,
        tls: bool = True,
        implicit_tls: bool | None = None,
    ) -> _T:
        """Connect, say EHLO, begin TLS, and let `act` talk.

        Args:
            address: Address of the server.
            port: Its port.
            name: Name expected in the certificate.
            act: Talks; runs in a thread.
            tls: Whether to begin TLS.
            implicit_tls: Whether TLS begins with the first byte, otherwise by STARTTLS; on port 465
                alone where it is not said.

        Raises:
            UnseenError: the server was not reached.
            smtplib.SMTPException: it refused, or broke off.
            ssl.SSLError: TLS failed.
        """

        def converse() -> _T:
            wrapped = port == 465 if implicit_tls is None else implicit_tls
            with self._smtp_client(address, port, name, wrapped=wrapped) as client:
                client.ehlo()
                if tls and not wrapped:
                    client.starttls(context=self.context(name))
                    client.ehlo()
                return act(client)

        return await asyncio.to_thread(converse)

    def _smtp_client(self, address: str, port: int, name: str, *, wrapped: bool) -> smtplib.SMTP:
        options: dict[str, Any] = {"local_hostname": HELO, "timeout": TIMEOUT}
        try:
            host, local = self.locate(address, port)
            if wrapped:
                return smtplib.SMTP_SSL(host, local, context=self.context(name), **options)
            return smtplib.SMTP(host, local, **options)
        except ssl.SSLError:
            raise
        except OSError as error:
            raise UnseenError(f"{address} port {port}: {_words(error)}") from None

    async def imap(self, address: str, name: str, act: Callable[[imaplib.IMAP4_SSL], _T]) -> _T:
        """Connect to port 993 and let `act` talk; it runs in a thread.

        Raises:
            UnseenError: the server was not reached.
            imaplib.IMAP4.error: it refused.
            ssl.SSLError: TLS failed.
        """

        def converse() -> _T:
            try:
                host, port = self.locate(address, 993)
                client = imaplib.IMAP4_SSL(
                    host, port, ssl_context=self.context(name), timeout=TIMEOUT
                )
            except ssl.SSLError:
                raise
            except (OSError, imaplib.IMAP4.abort) as error:
                raise UnseenError(f"{address} port 993: {_words(error)}") from None
            with client:
                return act(client)

        return await asyncio.to_thread(converse)

    async def sieve(self, address: str, port: int, name: str) -> str:
        """Begin TLS with a ManageSieve server and return what it offers then (RFC 5804).

        Raises:
            UnseenError: the server was not reached, or did not speak ManageSieve.
            ssl.SSLError: TLS failed.
        """

        def converse() -> str:
            with self._wrapped(self.context(name), (address, port), name, "sieve") as shown:
                try:
                    return _until_ok(shown)
                except OSError as error:
                    raise UnseenError(f"{address} port {port}: {_words(error)}") from None

        return await asyncio.to_thread(converse)

    async def https(
        self,
        host: str,
        path: str,
        *,
        method: str = "GET",
        body: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Ask a web server, at the first address that its name has. No redirect is followed.

        Raises:
            UnseenError: the name has no address, or the server was not reached.
            ssl.SSLError: TLS failed.
        """
        found = await self.addresses(host)
        if not found:
            raise UnseenError(f"{host} has no address")
        try:
            where, port = self.locate(found[0], 443)
        except OSError as error:
            raise UnseenError(f"{found[0]} port 443: {_words(error)}") from None
        try:
            async with httpx.AsyncClient(
                verify=self.web_context, trust_env=False, timeout=TIMEOUT
            ) as client:
                answer = await client.request(
                    method,
                    f"https://{where}:{port}{path}",
                    content=body,
                    headers={**(headers or {}), "Host": host},
                    extensions={"sni_hostname": host},
                )
        except httpx.ConnectError as error:
            cause = _tls_cause(error)
            if cause is not None:
                raise cause from None
            raise UnseenError(f"https://{host}: {_words(error)}") from None
        except httpx.HTTPError as error:
            raise UnseenError(f"https://{host}: {_words(error)}") from None
        return Reply(answer.status_code, dict(answer.headers), answer.text)

    @cached_property
    def web_context(self) -> ssl.SSLContext:
        """The TLS context of a browser."""
        return ssl.create_default_context(cafile=self.authority and str(self.authority))


class LiveNet(Net):
    """The live internet, as seen from this machine."""

    place = "the live internet"

    def __init__(self, resolver: str | None = None) -> None:
        """Ask `resolver` (an IP address, with `#port` where it is not 53), or the system's."""
        self.resolver = dns.asyncresolver.Resolver(configure=resolver is None)
        if resolver is not None:
            address, _, port = resolver.partition("#")
            self.resolver.nameservers = [address]
            self.resolver.port = int(port or 53)
        _tune(self.resolver)

    def locate(self, address: str, port: int) -> tuple[str, int]:
        """Return the address and port themselves."""
        return address, port


class WorldNet(Net):
    """A rehearsed internet on loopback."""

    place = "the rehearsed world"

    def __init__(self, world: WorldClient) -> None:
        """See `world` as somebody outside the rehearsed host would."""
        self._places = {(address, port): at for address, port, at in world.status()["addresses"]}
        self.authority = world.folder / "authority" / "authority.pem"
        self.inside = _InsideWorld(world)
        self.resolver = dns.asyncresolver.Resolver(configure=False)
        self.resolver.nameservers = [LOOPBACK]
        self.resolver.port = next(
            service.port or 53 for service in world.services if service.name == "dns"
        )
        _tune(self.resolver)

    def locate(self, address: str, port: int) -> tuple[str, int]:
        """Return the port of loopback behind a public address and port.

        Raises:
            ConnectionRefusedError: nothing in the world listens there.
        """
        if (address, port) not in self._places:
            raise ConnectionRefusedError("connection refused")
        return LOOPBACK, int(self._places[address, port])


class _InsideWorld:
    """What a world shows of its mail host's queue and of its receiver."""

    def __init__(self, world: WorldClient) -> None:
        self._world = world

    async def _ask(self, method: str, path: str, body: object = None) -> Any:
        try:
            return await asyncio.to_thread(self._world.ask, method, path, body)
        except WorldUnreachableError as error:
            raise UnseenError(str(error)) from None

    async def queue(self) -> list[dict[str, Any]]:
        return list(await self._ask("GET", "/mail/queue"))

    async def received(self) -> list[dict[str, Any]]:
        return list(await self._ask("GET", "/receiver/messages"))

    async def write(self, **message: str) -> dict[str, Any]:
        return dict(await self._ask("POST", "/receiver/send", message))


def _tune(resolver: dns.asyncresolver.Resolver) -> None:
    """Ask for DNSSEC's verdict, and do not wait for ever."""
    resolver.lifetime = 8.0
    resolver.timeout = 3.0
    resolver.use_edns(0, dns.flags.DO, 1232)
    resolver.flags = dns.flags.RD | dns.flags.AD


def _written(rdata: Any) -> str:
    if rdata.rdtype == dns.rdatatype.TXT:
        return b"".join(rdata.strings).decode("utf-8", "replace")
    text = str(rdata.to_text())
    return text if text.endswith(" .") else text.removesuffix(".").lower()


def _words(error: BaseException) -> str:
    """Return what an error of the network says, without Python's dressing."""
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return "no answer in time"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).lower() if str(text).startswith("Connection") else str(text)


def _tls_cause(error: BaseException) -> ssl.SSLError | None:
    """Return the TLS error at the bottom of another one, if there is one."""
    bottom: BaseException | None = error
    while bottom is not None and not isinstance(bottom, ssl.SSLError):
        bottom = bottom.__cause__ or bottom.__context__
    return bottom


def _begin_tls(raw: socket.socket, kind: str) -> None:
    """Talk in clear up to where TLS begins.

    Raises:
        UnseenError: the server does not offer TLS.
    """
    if kind == "sieve":
        _until_ok(raw)
        raw.sendall(b"STARTTLS\r\n")
        _until_ok(raw)
        return
    for said in (b"", f"EHLO {HELO}\r\n".encode(), b"STARTTLS\r\n"):
        if said:
            raw.sendall(said)
        answer = _smtp_reply(raw)
        if answer[:1] != "2":
            word = said.split()[0].decode() if said else "the greeting"
            raise UnseenError(f"the server answers {word} with {answer.strip()[:200]}")


def _smtp_reply(raw: socket.socket) -> str:
    text = ""
    while True:
        more = raw.recv(4096)
        if not more:
            raise ConnectionResetError("the connection was dropped")
        text += more.decode("utf-8", "replace")
        last = text.rstrip("\r\n").rpartition("\n")[2]
        if text.endswith("\n") and last[3:4] != "-":
            return text


def _until_ok(raw: socket.socket) -> str:
    text = ""
    while True:
        more = raw.recv(4096)
        if not more:
            raise ConnectionResetError("the connection was dropped")
        text += more.decode("utf-8", "replace")
        last = text.rstrip("\r\n").rpartition("\n")[2].upper()
        if text.endswith("\n") and last.startswith(("OK", "NO", "BYE")):
            if not last.startswith("OK"):
                raise UnseenError(f"the server answers {last[:200]}")
            return text
