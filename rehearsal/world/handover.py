"""Handing a message to the next host over SMTP, and saying truly what that host answered."""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

import aiosmtplib

from rehearsal.world.names import Names
from rehearsal.world.service import AddressBook

_TIMEOUT = 10.0

_T = TypeVar("_T")


@dataclass(frozen=True)
class Answer:
    """What became of one attempt.

    Attributes:
        code: SMTP reply code; 0 where no reply came.
        text: The reply, or why there was none.
        tls: Protocol of the connection that TLS protected, such as `TLSv1.3`.
        verdict: The same as Postfix writes it into its log and its bounces.
        reached: The address that answered; empty where no connection came about.
    """

    code: int
    text: str
    tls: str = ""
    verdict: str = ""
    reached: str = ""

    @property
    def delivered(self) -> bool:
        """Whether the next host took responsibility for the message."""
        return 200 <= self.code < 300

    @property
    def permanent(self) -> bool:
        """Whether trying again is useless (RFC 5321 section 4.2.1)."""
        return self.code >= 500


@dataclass(frozen=True)
class Nexthop:
    """Where to hand a message to, and on what terms.

    Attributes:
        host: Name of the host; it is looked up in the DNS without MX.
        port: TCP port.
        tls: `none`, `may` (opportunistic), `encrypt` (mandatory) or `secure` (mandatory, with
            a certificate for `host` that the context trusts), as Postfix calls them.
        login: User and password, if the host asks for one.
        implicit_tls: Whether TLS begins with the first byte, without STARTTLS.
    """

    host: str
    port: int
    tls: str = "may"
    login: tuple[str, str] | None = None
    implicit_tls: bool = False


@dataclass(frozen=True)
class Envelope:
    """A message with its envelope: what SMTP carries."""

    sender: str
    recipients: tuple[str, ...]
    message: bytes


class _RefusedError(Exception):
    """A conversation that ended before the message was taken."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.text)
        self.answer = answer


def _context(nexthop: Nexthop, trusted: ssl.SSLContext) -> ssl.SSLContext:
    if nexthop.tls == "secure":
        return trusted
    # Opportunistic TLS takes any certificate (RFC 7435): the choice is that or clear text.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class _Conversation:
    """One connection to the next host; whatever goes wrong is told in Postfix's words."""

    def __init__(self, client: aiosmtplib.SMTP, nexthop: Nexthop, address: str) -> None:
        self._client, self._nexthop = client, nexthop
        self._where = f"{nexthop.host}[{address}]"
        self._address = address
        self._tls = ""

    def _ended(self, code: int, text: str, verdict: str = "") -> _RefusedError:
        return _RefusedError(Answer(code, text, self._tls, verdict or text, self._address))

    async def _step(self, work: Awaitable[_T], doing: str, command: str) -> _T:
        """Await a step; `doing` and `command` are Postfix's names for it."""
        try:
            return await work
        except aiosmtplib.SMTPResponseException as error:
            text = error.message.replace("\n", " ")
            said = f"said: {error.code} {text}"
            if command == "AUTH":
                verdict = f"SASL authentication failed; server {self._where} {said}"
            else:
                verdict = f"host {self._where} {said} (in reply to {command} command)"
            raise self._ended(error.code, error.message, verdict) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            if isinstance(error.__cause__, ssl.SSLCertVerificationError):
                raise self._ended(0, "Server certificate not verified") from error
            raise self._ended(0, f"lost connection with {self._where} while {doing}") from error

    async def _greet(self) -> None:
        await self._step(self._client.ehlo(), "performing the EHLO handshake", "EHLO")

    async def _encrypt(self, trusted: ssl.SSLContext) -> None:
        required = self._nexthop.tls != "may"
        if not self._client.supports_extension("starttls"):
            if required:
                raise self._ended(0, f"TLS is required, but was not offered by host {self._where}")
            return
        work = self._client.starttls(
            server_hostname=self._nexthop.host, tls_context=_context(self._nexthop, trusted)
        )
        try:
            await self._step(work, "sending the STARTTLS command", "STARTTLS")
        except _RefusedError as error:
            cause = error.__cause__
            if isinstance(cause, ssl.SSLCertVerificationError):
                raise self._ended(0, "Server certificate not verified") from cause
            if error.answer.code == 0:
                raise self._ended(0, "Cannot start TLS: handshake failure") from cause
            raise
        self._tls = str(self._client.get_transport_info("ssl_object").version())
        await self._greet()

    async def hand_over(self, trusted: ssl.SSLContext, envelope: Envelope) -> Answer:
        """Greet, encrypt, log in and hand the message over.

        Raises:
            _RefusedError: it did not come to the end.
        """
        await self._step(self._client.connect(), "receiving the initial server greeting", "CONNECT")
        if self._nexthop.implicit_tls:
            self._tls = str(self._client.get_transport_info("ssl_object").version())
        await self._greet()
        if self._nexthop.tls != "none" and not self._nexthop.implicit_tls:
            await self._encrypt(trusted)
        if self._nexthop.login:
            login = self._client.login(*self._nexthop.login)
            await self._step(login, "performing SASL authentication", "AUTH")
        sender, client = envelope.sender, self._client
        await self._step(client.mail(sender), "sending MAIL FROM", "MAIL FROM")
        for recipient in envelope.recipients:
            await self._step(client.rcpt(recipient), "sending RCPT TO", "RCPT TO")
        doing = "sending end of data -- message may be sent more than once"
        taken = await self._step(client.data(envelope.message), doing, "end of DATA")
        verdict = f"{taken.code} {taken.message}"
        return Answer(taken.code, taken.message, self._tls, verdict, self._address)


async def hand_over(
    envelope: Envelope,
    nexthop: Nexthop,
    *,
    helo: str,
    origin: str,
    names: Names,
    addresses: AddressBook,
    trusted: ssl.SSLContext,
) -> Answer:
    """Hand `envelope` to `nexthop` as the host `helo` whose public address is `origin`.

    Never raises for what the network or the other side does: that is the answer.
    """
    found = await names.addresses(nexthop.host)
    if not found:
        text = (
            "Host or domain name not found. Name service error for "
            f"name={nexthop.host} type=A: Host not found"
        )
        return Answer(0, text, verdict=text)
    try:
        caller = await addresses.connect(found[0], nexthop.port, origin=origin)
    except OSError as error:
        refused = isinstance(error, ConnectionRefusedError)
        words = "Connection refused" if refused else str(error)
        text = f"connect to {nexthop.host}[{found[0]}]:{nexthop.port}: {words}"
        return Answer(0, text, verdict=text)
    implicit = nexthop.implicit_tls
    client = aiosmtplib.SMTP(
        hostname=nexthop.host, sock=caller, local_hostname=helo, timeout=_TIMEOUT,
        start_tls=False, use_tls=implicit,
        tls_context=_context(nexthop, trusted) if implicit else None,
    )  # fmt: skip
    try:
        answer = await _Conversation(client, nexthop, found[0]).hand_over(trusted, envelope)
        # The message is theirs now; how the conversation ends changes nothing.
        with contextlib.suppress(aiosmtplib.SMTPException, OSError, asyncio.TimeoutError):
            await client.quit()
    except _RefusedError as error:
        return error.answer
    finally:
        client.close()
    return answer
