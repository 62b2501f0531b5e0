"""Reading mail: what mail programs and the proof ask is answered alike by stand-in and Dovecot.

The genuine one is set up in dovecot_instance.py; mail reaches it through a genuine Postfix. What
the stand-in does not do, nothing relies on: it keeps filter rules without reading them, gives a
stored message back with the line ends of its file, and words a refusal in its own way.
"""

import asyncio
import base64
import imaplib
import re
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from declaration.model import Declaration
from operations.prove.model import Station, Status
from rehearsal.mail_program import context_for
from tests.real.both import BOTH
from tests.real.mail_world import PASSWORD, MailHost, mail_host, need_mail_parts

Body = Callable[[MailHost], Awaitable[None]]
Run = Callable[[Body], None]
_T = TypeVar("_T")

_LIMIT = 60.0
_LAST = re.compile(rb"(?m)^(?P<word>OK|NO|BYE)\b[^\r\n]*?(?:\{(?P<length>\d+)\})?\r\n")
"""The end of an answer of ManageSieve; its words may follow as a literal."""
_SCRIPT = 'require ["fileinto"];\r\nkeep;\r\n'


@pytest.fixture(params=BOTH)
def run(request: pytest.FixtureRequest, tmp_path: Path, qual: Declaration) -> Run:
    """Run a test's body on a rehearsed internet with one of the two mail hosts in it."""
    if request.param == "genuine":
        need_mail_parts()

    def run(body: Body) -> None:
        async def flow() -> None:
            async with asyncio.timeout(_LIMIT), mail_host(request.param, tmp_path, qual) as host:
                await body(host)

        asyncio.run(flow())

    return run


async def _imap(host: MailHost, act: Callable[[imaplib.IMAP4_SSL], _T]) -> _T:
    """Connect to IMAPS and talk."""

    def talk() -> _T:
        where = host.world.addresses.reach(host.declaration.host.address, 993)
        context = context_for(host.name, host.world.authority.bundle)
        with imaplib.IMAP4_SSL(*where, ssl_context=context, timeout=15) as client:
            return act(client)

    return await asyncio.to_thread(talk)


def test_a_person_logs_in_finds_a_message_and_reads_it(run: Run) -> None:
    async def body(host: MailHost) -> None:
        await host.write(host.writer, text="Two nights in May.")
        await host.read(host.writer)

        def act(client: imaplib.IMAP4_SSL) -> None:
            assert "IMAP4REV1" in client.capabilities
            assert client.login(host.writer, PASSWORD)[0] == "OK"
            status, folders = client.list()
            assert status == "OK"
            assert any(isinstance(folder, bytes) and b"INBOX" in folder for folder in folders)
            assert client.select("INBOX", readonly=True) == ("OK", [b"1"])
            assert client.search(None, "SUBJECT", '"Reservation"') == ("OK", [b"1"])
            assert client.search(None, "SUBJECT", '"nothing of it"') == ("OK", [b""])
            status, data = client.fetch("1", "(RFC822)")
            assert status == "OK"
            assert isinstance(data[0], tuple)
            assert b"Two nights in May." in data[0][1]
            assert client.select("NoSuchFolder", readonly=True)[0] == "NO"

        await _imap(host, act)

    run(body)


def test_a_wrong_password_and_an_unknown_person_get_the_same_answer(run: Run) -> None:
    async def body(host: MailHost) -> None:
        said = []
        for address in (host.writer, f"nobody-of-this-name@{host.domain}"):

            def act(client: imaplib.IMAP4_SSL, address: str = address) -> str:
                with pytest.raises(imaplib.IMAP4.error) as refusal:
                    client.login(address, "not the password")
                return str(refusal.value)

            said.append(await _imap(host, act))
        assert said[0] == said[1]
        assert "AUTHENTICATIONFAILED" in said[0]

    run(body)


def test_plus_addresses_and_aliases_lead_to_the_inbox(run: Run) -> None:
    async def body(host: MailHost) -> None:
        await host.write(host.writer.replace("@", "+tag@"), text="one")
        found = await host.read(host.writer)
        assert len(found) == 1
        assert found[0].rstrip().endswith(b"one")

    run(body)


class _Sieve:
    """A ManageSieve client, as small as one can be (RFC 5804)."""

    def __init__(self, host: MailHost) -> None:
        where = host.world.addresses.reach(host.declaration.host.address, 4190)
        self._socket = socket.create_connection(where, timeout=15)
        self._context = context_for(host.name, host.world.authority.bundle)
        self._name = host.name

    def answer(self) -> tuple[str, str]:
        """Return the last word of an answer and all of it."""
        text = b""
        while (found := _LAST.search(text)) is None:
            more = self._socket.recv(4096)
            assert more, text
            text += more
        while found["length"] and len(text) - found.end() < int(found["length"]) + 2:
            text += self._socket.recv(4096)
        return found["word"].decode(), text.decode()

    def say(self, line: str) -> tuple[str, str]:
        """Send a line and return the answer."""
        self._socket.sendall(line.encode() + b"\r\n")
        return self.answer()

    def begin_tls(self) -> str:
        """Begin TLS and return what is offered then."""
        assert self.say("STARTTLS")[0] == "OK"
        self._socket = self._context.wrap_socket(self._socket, server_hostname=self._name)
        return self.answer()[1]

    def login(self, address: str, password: str) -> str:
        """Log in and return the last word."""
        token = base64.b64encode(f"\0{address}\0{password}".encode()).decode()
        return self.say(f'AUTHENTICATE "PLAIN" "{token}"')[0]

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def test_filter_rules_are_kept_behind_tls_and_a_login(run: Run) -> None:
    async def body(host: MailHost) -> None:
        def talk() -> None:
            client = _Sieve(host)
            offered = client.answer()[1]
            assert '"STARTTLS"' in offered
            assert "PLAIN" in client.begin_tls()
            assert client.say("LISTSCRIPTS")[0] == "NO"
            assert client.login(host.writer, PASSWORD) == "OK"
            put = f'PUTSCRIPT "rules" {{{len(_SCRIPT)}+}}\r\n{_SCRIPT}'
            assert client.say(put)[0] == "OK"
            client.close()
            again = _Sieve(host)
            again.answer()
            again.begin_tls()
            assert again.login(host.writer, "not the password") == "NO"
            again.close()

        await asyncio.to_thread(talk)

    run(body)


def test_the_certificate_is_the_deployed_one_on_every_port_of_people(run: Run) -> None:
    async def body(host: MailHost) -> None:
        def shown() -> bytes:
            where = host.world.addresses.reach(host.declaration.host.address, 993)
            context = ssl.create_default_context(cafile=str(host.world.authority.bundle))
            with (
                socket.create_connection(where, timeout=15) as raw,
                context.wrap_socket(raw, server_hostname=host.name) as wrapped,
            ):
                assert wrapped.version() == "TLSv1.3"
                return wrapped.getpeercert(binary_form=True) or b""

        deployed = (host.release / "data/assets/ssl/cert.pem").read_text()
        assert await asyncio.to_thread(shown) == ssl.PEM_cert_to_DER_cert(
            deployed[: deployed.index("-----END CERTIFICATE-----") + 26]
        )

    run(body)


def test_a_sound_host_passes_what_the_proof_asks_of_reading(run: Run) -> None:
    async def body(host: MailHost) -> None:
        proof = await host.prove(Station.READING)
        found = {result.check.id: result.finding.status for result in proof.results}
        # Nothing of the web stands in this world.
        seen = {id_: status for id_, status in found.items() if id_ != "certificate-days"}
        assert set(seen.values()) == {Status.PASS}, proof.results

    run(body)
