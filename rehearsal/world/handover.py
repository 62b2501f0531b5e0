"""Handing a message to the next host over SMTP, and saying truly what that host answered."""

import contextlib
import ssl
from dataclasses import dataclass

import aiosmtplib

from rehearsal.world.names import Names
from rehearsal.world.service import AddressBook

_TIMEOUT = 10.0


@dataclass(frozen=True)
class Answer:
    """What became of one attempt.

    Attributes:
        code: SMTP reply code; 0 where no reply came.
        text: The reply, or why there was none.
        tls: Protocol of the connection when the message was handed over, such as `TLSv1.3`.
    """

    code: int
    text: str
    tls: str = ""

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
    """

    host: str
    port: int
    tls: str = "may"
    login: tuple[str, str] | None = None


@dataclass(frozen=True)
class Envelope:
    """A message with its envelope: what SMTP carries."""

    sender: str
    recipients: tuple[str, ...]
    message: bytes


def _context(nexthop: Nexthop, trusted: ssl.SSLContext) -> ssl.SSLContext:
    if nexthop.tls == "secure":
        return trusted
    # Opportunistic TLS takes any certificate (RFC 7435): the choice is that or clear text.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _converse(
    client: aiosmtplib.SMTP, nexthop: Nexthop, trusted: ssl.SSLContext, envelope: Envelope
) -> Answer:
    await client.ehlo()
    tls = ""
    if nexthop.tls != "none":
        offered = client.supports_extension("starttls")
        if not offered and nexthop.tls != "may":
            return Answer(0, f"TLS is required, but was not offered by host {nexthop.host}")
        if offered:
            await client.starttls(
                server_hostname=nexthop.host, tls_context=_context(nexthop, trusted)
            )
            await client.ehlo()
            tls = str(client.get_transport_info("ssl_object").version())
    if nexthop.login:
        await client.login(*nexthop.login)
    errors, text = await client.sendmail(
        envelope.sender, list(envelope.recipients), envelope.message
    )
    if errors:
        code, reason = next(iter(errors.values()))
        return Answer(code, reason, tls)
    return Answer(250, text, tls)


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
        return Answer(0, f"Host or domain name not found: {nexthop.host} has no address")
    try:
        caller = await addresses.connect(found[0], nexthop.port, origin=origin)
    except OSError as error:
        where = f"{nexthop.host}[{found[0]}]:{nexthop.port}"
        return Answer(0, f"connect to {where}: {error}")
    client = aiosmtplib.SMTP(
        sock=caller, local_hostname=helo, timeout=_TIMEOUT, start_tls=False, use_tls=False
    )
    try:
        return await _attempt(client, nexthop, trusted, envelope)
    finally:
        client.close()


async def _attempt(
    client: aiosmtplib.SMTP, nexthop: Nexthop, trusted: ssl.SSLContext, envelope: Envelope
) -> Answer:
    try:
        await client.connect()
        answer = await _converse(client, nexthop, trusted, envelope)
    except aiosmtplib.SMTPResponseException as error:
        return Answer(error.code, error.message)
    except aiosmtplib.SMTPRecipientsRefused as error:
        first = error.recipients[0]
        return Answer(first.code, first.message)
    except ssl.SSLError as error:
        return Answer(0, f"TLS with {nexthop.host} failed: {error.reason}")
    except (aiosmtplib.SMTPException, OSError) as error:
        cause = error.__cause__ or error
        return Answer(0, f"conversation with {nexthop.host} failed: {cause}")
    if answer.delivered:
        # The message is theirs now; how the conversation ends changes nothing.
        with contextlib.suppress(aiosmtplib.SMTPException, OSError):
            await client.quit()
    return answer
