"""Mail between the rehearsed host, the smarthost and the receiver, over real SMTP and IMAP."""

import asyncio
import errno
import os
import smtplib
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any, ClassVar

import pytest

from rehearsal.mail_program import MailProgram
from rehearsal.world.authority import CertificateAuthority, self_signed
from rehearsal.world.dns import Dns
from rehearsal.world.handover import Envelope
from rehearsal.world.mail.server import MailServer
from rehearsal.world.receiver import Receiver
from rehearsal.world.service import AddressBook, Service, Surroundings
from rehearsal.world.smarthost import Smarthost
from tests.world.declared import declared

DOMAIN = "company.example"
HOST = "192.0.2.7"
PASSWORD = "correct horse"


class People(Service):
    """Two mailboxes and an alias, in place of Mailcow's API."""

    name: ClassVar[str] = "mailcow"
    stands_for: ClassVar[str] = "Mailcow's API"
    known: ClassVar[dict[str, list[str]]] = {
        f"info@{DOMAIN}": [f"info@{DOMAIN}"],
        f"ana@{DOMAIN}": [f"ana@{DOMAIN}"],
        f"hello@{DOMAIN}": [f"info@{DOMAIN}"],
        f"postmaster@{DOMAIN}": [f"info@{DOMAIN}"],
        f"press@{DOMAIN}": ["agency@outside.example"],
    }

    async def start(self, world: Surroundings) -> None:
        """Need nothing."""

    async def stop(self) -> None:
        """Leave nothing."""

    def check_password(self, address: str, password: str) -> bool:
        return address in {f"info@{DOMAIN}", f"ana@{DOMAIN}"} and password == PASSWORD

    def resolve_recipients(self, address: str) -> list[str]:
        return self.known.get(address, [])

    def domains(self) -> list[str]:
        return [DOMAIN]


class Host:
    """What a test does with the rehearsed host and its correspondents."""

    def __init__(self, world: Surroundings) -> None:
        self.world = world
        self.directory = world.root / "opt/po-mail/mailcow"
        self.mail = world.services["mail"]
        self.smarthost = world.services["smarthost"]
        self.receiver = world.services["receiver"]

    def publish(self, *, dmarc: str = "v=DMARC1; p=reject; aspf=r") -> None:
        """Publish what the declaration would."""
        dns = self.world.services["dns"]
        assert isinstance(dns, Dns)
        records = [
            (f"mx.{DOMAIN}", "A", HOST),
            (DOMAIN, "MX", f"10 mx.{DOMAIN}."),
            (f"send.{DOMAIN}", "TXT", "v=spf1 include:amazonses.com ~all"),
            (f"resend._domainkey.{DOMAIN}", "TXT", self.smarthost.overlay()["dkimPublicKey"]),
            (f"_dmarc.{DOMAIN}", "TXT", dmarc),
        ]
        for record in records:
            dns.add_outside(*record)

    def write_relay(
        self,
        *,
        password: str | None = None,
        tls: str = "secure",
        host: str = "smtp.resend.com",
        user: str = "resend",
        more: str = "",
    ) -> None:
        """Write the files that send mail through the smarthost."""
        folder = self.directory / "data/conf/postfix"
        folder.mkdir(parents=True, exist_ok=True)
        password = password or self.world.secrets["smarthostPassword"]
        (folder / "extra.cf").write_text(
            f"myhostname = mx.{DOMAIN}\nmyorigin = {DOMAIN}\n{more}"
            f"relayhost = [{host}]:587\n"
            "smtp_sasl_password_maps = texthash:/opt/postfix/conf/smarthost_passwd,\n"
            "  proxy:mysql:/opt/postfix/conf/sql/mysql_sasl_passwd_maps_sender_dependent.cf\n"
            "smtp_tls_policy_maps = texthash:/opt/postfix/conf/smarthost_tls\n"
            "inet_protocols = ipv4\n"
        )
        (folder / "smarthost_passwd").write_text(f"[{host}]:587 {user}:{password}\n")
        (folder / "smarthost_tls").write_text(f"[{host}]:587 {tls}\n")

    def deploy_certificate(self) -> None:
        """Put a certificate of the world's authority where the release looks for it."""
        folder = self.directory / "data/assets/ssl"
        folder.mkdir(parents=True, exist_ok=True)
        issued = self.world.authority.issue([f"mx.{DOMAIN}"])
        (folder / "cert.pem").write_bytes(issued.chain)
        (folder / "key.pem").write_bytes(issued.key)

    def program(self, address: str) -> MailProgram:
        """Set up the mail program of one person."""
        return MailProgram(
            address,
            PASSWORD,
            server=(f"mx.{DOMAIN}", HOST),
            reach=self.world.addresses.reach,
            authority=self.world.authority.bundle,
        )

    async def submit(
        self, recipient: str, *, sender: str = f"ana@{DOMAIN}", login: str = f"ana@{DOMAIN}"
    ) -> None:
        """Send one message as a person's mail program would."""
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = sender, recipient, "A test"
        message.set_content("Bom dia.")
        await asyncio.to_thread(self.program(login).send, message)

    async def settled(self) -> dict[str, Any]:
        """Wait for the last queued message's first attempt and return it."""
        assert isinstance(self.mail, MailServer)
        queued = self.mail.queue.messages[-1]
        await asyncio.wait_for(queued.changed.wait(), 10)
        return queued.as_dict()

    def inbox(self, address: str, folder: str = "INBOX") -> list[bytes]:
        """Read a mailbox over IMAPS with the person's password."""
        return self.program(address).read(folder)

    async def receive(self, recipient: str, **asked: Any) -> dict[str, Any]:
        """Let the correspondent write to `recipient` and return the host's answer."""
        assert isinstance(self.receiver, Receiver)
        return await self.receiver.write(to=recipient, subject="Reservation", **asked)


@asynccontextmanager
async def rehearsed(folder: Path, smarthost: dict[str, Any] | None = None) -> AsyncIterator[Host]:
    world = Surroundings(
        folder=folder,
        root=folder / "root",
        authority=CertificateAuthority(folder / "authority"),
        addresses=AddressBook(),
        # The zone of another domain, so that the test can publish this one record by record.
        config=declared(
            domain=DOMAIN,
            host={"address": HOST},
            smarthost=smarthost or {},
            zone={"name": "other.example"},
        ),
        secrets={"smarthostPassword": "re_rehearsal"},
    )
    services: tuple[Service, ...] = (Dns(), People(), Smarthost(), Receiver(), MailServer())
    for service in services:
        await service.start(world)
        world.services[service.name] = service
    try:
        host = Host(world)
        host.publish()
        host.deploy_certificate()
        yield host
    finally:
        for service in reversed(list(world.services.values())):
            await service.stop()


def received(host: Host) -> dict[str, Any]:
    assert isinstance(host.receiver, Receiver)
    return host.receiver.received[-1]


def test_a_message_leaves_through_the_smarthost_signed_and_aligned(tmp_path: Path) -> None:
    async def flow() -> None:
        async with rehearsed(tmp_path) as host:
            host.write_relay()
            await host.submit("guest@outside.example")
            queued = await host.settled()
            assert (queued["state"], queued["relay"]) == ("delivered", "smtp.resend.com:587")
            assert queued["tls"].startswith("TLSv1.")
            seen = received(host)
            verdict = seen["verdict"]
            assert (verdict["spf"], verdict["spf_domain"]) == ("pass", f"send.{DOMAIN}")
            assert verdict["signatures"] == (
                {"domain": DOMAIN, "selector": "resend", "result": "pass"},
            )
            assert (verdict["dkim"], verdict["dmarc"]) == ("pass", "pass")
            assert seen["envelope"].endswith(f"@send.{DOMAIN}")

    asyncio.run(flow())


def test_without_the_relay_files_mail_does_not_leave(tmp_path: Path) -> None:
    async def flow() -> None:
        async with rehearsed(tmp_path) as host:
            await host.submit("guest@outside.example")
            queued = await host.settled()
            assert queued["state"] == "deferred"
            assert "timed out" in queued["reason"]
            assert isinstance(host.receiver, Receiver)
            assert not host.receiver.received

    asyncio.run(flow())


def test_a_wrong_credential_is_named_in_the_queue_and_bounces(tmp_path: Path) -> None:
    async def flow() -> None:
        async with rehearsed(tmp_path) as host:
            host.write_relay(password="re_wrong")
            await host.submit("guest@outside.example")
            queued = await host.settled()
            assert queued["state"] == "bounced"
            assert "said: 535" in queued["reason"]
            returned = await asyncio.to_thread(host.inbox, f"ana@{DOMAIN}")
            assert b"Undelivered Mail" in returned[0]

    asyncio.run(flow())


def test_a_smarthost_that_answers_4xx_keeps_the_message_in_the_queue(tmp_path: Path) -> None:
    async def flow() -> None:
        async with rehearsed(tmp_path) as host:
            host.write_relay()
            host.smarthost.faults["data"] = "451 4.3.0 Try again later"
            await host.submit("guest@outside.example")
            assert (await host.settled())["state"] == "deferred"
            host.smarthost.faults.clear()
            assert isinstance(host.mail, MailServer)
            await host.mail.queue.flush()
            assert host.mail.queue.messages[-1].state == "delivered"

    asyncio.run(flow())


def test_an_unsigned_message_under_a_foreign_envelope_is_refused_under_reject(
    tmp_path: Path,
) -> None:
    async def flow() -> None:
        async with rehearsed(tmp_path) as host:
            host.write_relay()
            host.smarthost.faults.update(unsigned=True, envelope="bounces.example.net")
            await host.submit("guest@outside.example")
            queued = await host.settled()
            assert queued["state"] == "bounced"
            assert received(host)["folder"] == "refused"
            assert received(host)["verdict"]["dmarc"] == "fail"

    asyncio.run(flow())


def test_a_foreign_sender_is_refused_at_submission(tmp_path: Path) -> None:
    async def flow() -> None:
        async with rehearsed(tmp_path) as host:
            host.write_relay()
            with pytest.raises(smtplib.SMTPRecipientsRefused, match="not owned by user"):
                await host.submit("guest@outside.example", sender=f"info@{DOMAIN}")

    asyncio.run(flow())


def test_mail_from_outside_reaches_the_inbox_behind_an_alias(tmp_path: Path) -> None:
    async def flow() -> None:
        async with rehearsed(tmp_path) as host:
            answer = await host.receive(f"hello@{DOMAIN}", text="Two nights in May.")
            assert answer["code"] == 250
            assert answer["tls"].startswith("TLSv1.")
            messages = await asyncio.to_thread(host.inbox, f"info@{DOMAIN}")
            assert len(messages) == 1
            assert b"Two nights in May." in messages[0]
            assert b"spf=pass" in messages[0]

    asyncio.run(flow())


def test_mail_is_read_where_the_folder_for_temporary_files_is_on_another_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def across_file_systems(source: Any, target: Any) -> None:
        if Path(source).parent != Path(target).parent and "Maildir" not in str(source):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        real_rename(source, target)

    real_rename = os.rename
    monkeypatch.setattr(os, "rename", across_file_systems)

    async def flow() -> None:
        async with rehearsed(tmp_path) as host:
            await host.receive(f"hello@{DOMAIN}", text="Two nights in May.")
            messages = await asyncio.to_thread(host.inbox, f"info@{DOMAIN}")
            assert b"Two nights in May." in messages[0]

    asyncio.run(flow())


def test_relaying_and_unknown_people_are_refused(tmp_path: Path) -> None:
    async def flow() -> None:
        async with rehearsed(tmp_path) as host:
            assert (await host.receive(f"nobody@{DOMAIN}"))["code"] == 550
            dns = host.world.services["dns"]
            assert isinstance(dns, Dns)
            dns.add_outside("third.example", "MX", f"10 mx.{DOMAIN}.")
            assert (await host.receive("x@third.example"))["code"] == 454

    asyncio.run(flow())


def test_the_spam_test_message_goes_to_junk(tmp_path: Path) -> None:
    gtube = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"

    async def flow() -> None:
        async with rehearsed(tmp_path) as host:
            await host.receive(f"info@{DOMAIN}", text=gtube)
            assert await asyncio.to_thread(host.inbox, f"info@{DOMAIN}") == []
            assert len(await asyncio.to_thread(host.inbox, f"info@{DOMAIN}", "Junk")) == 1

    asyncio.run(flow())


def test_tls_to_the_smarthost_is_not_given_up_for_a_wrong_certificate(tmp_path: Path) -> None:
    async def flow() -> None:
        async with rehearsed(tmp_path) as host:
            host.write_relay()
            dns = host.world.services["dns"]
            assert isinstance(dns, Dns)
            file = host.directory / "data/conf/postfix/extra.cf"
            for suffix in ("smarthost_passwd", "smarthost_tls"):
                path = file.with_name(suffix)
                path.write_text(path.read_text().replace("smtp.resend.com", "smtp.rogue.example"))
            file.write_text(file.read_text().replace("smtp.resend.com", "smtp.rogue.example"))
            dns.add_outside("smtp.rogue.example", "A", "198.51.100.25")
            await host.submit("guest@outside.example")
            queued = await host.settled()
            assert queued["state"] == "deferred"
            assert queued["reason"] == "Server certificate not verified"

    asyncio.run(flow())


SES = {"provider": "ses", "region": "eu-central-1", "user": "AKIAIOSFODNN7EXAMPLE"}
SES_RELAY = {"host": "email-smtp.eu-central-1.amazonaws.com", "user": "AKIAIOSFODNN7EXAMPLE"}
TELL_POSTMASTER = "notify_classes = resource, software, 2bounce\n"


async def all_settled(host: Host, count: int) -> list[dict[str, Any]]:
    """Wait for the first attempt of `count` messages and return them."""
    assert isinstance(host.mail, MailServer)
    queue = host.mail.queue
    async with asyncio.timeout(10):
        while len(queue.messages) < count:  # noqa: ASYNC110 - the queue has no event for it
            await asyncio.sleep(0.05)
        for queued in queue.messages:
            await queued.changed.wait()
    return [queued.as_dict() for queued in queue.messages]


def test_a_user_of_amazon_ses_logs_in_under_the_name_of_the_account(tmp_path: Path) -> None:
    async def flow() -> None:
        async with rehearsed(tmp_path, SES) as host:
            host.write_relay(**SES_RELAY)
            await host.submit("guest@outside.example")
            assert (await host.settled())["state"] == "delivered"
            host.write_relay(host=SES_RELAY["host"], user="resend")
            await host.submit("guest@outside.example")
            assert "said: 535" in (await host.settled())["reason"]

    asyncio.run(flow())


def test_what_a_stranger_writes_to_an_alias_outside_comes_back_to_him(tmp_path: Path) -> None:
    async def flow() -> None:
        async with rehearsed(tmp_path) as host:
            host.write_relay(more=TELL_POSTMASTER)
            assert (await host.receive(f"press@{DOMAIN}"))["code"] == 250
            forwarded, notice = await all_settled(host, 2)
            assert forwarded["state"] == "bounced"
            assert "550 The outside.example domain is not verified" in forwarded["reason"]
            assert (notice["sender"], notice["state"]) == ("", "delivered")
            assert received(host)["to"] == ["guest@outside.example"]

    asyncio.run(flow())


def test_what_our_people_write_to_an_alias_outside_is_handed_on(tmp_path: Path) -> None:
    async def flow() -> None:
        async with rehearsed(tmp_path) as host:
            host.write_relay()
            await host.submit(f"press@{DOMAIN}")
            assert (await host.settled())["state"] == "delivered"

    asyncio.run(flow())


@pytest.mark.parametrize("told", [True, False])
def test_ses_takes_no_notification_so_that_the_postmaster_must_be_told(
    tmp_path: Path, *, told: bool
) -> None:
    async def flow() -> None:
        async with rehearsed(tmp_path, SES) as host:
            host.write_relay(**SES_RELAY, more=TELL_POSTMASTER if told else "")
            await host.receive(f"press@{DOMAIN}")
            forwarded, notice = await all_settled(host, 2)
            assert "554 Message rejected: Email address is not verified" in forwarded["reason"]
            assert "501 Invalid MAIL FROM address provided" in notice["reason"]
            postmaster = await asyncio.to_thread(host.inbox, f"info@{DOMAIN}")
            assert [b"Undelivered Mail" in message for message in postmaster] == [True] * told

    asyncio.run(flow())


def test_a_smarthost_takes_so_many_recipients_and_no_more(tmp_path: Path) -> None:
    async def flow() -> None:
        async with rehearsed(tmp_path) as host:
            host.write_relay()
            many = tuple(f"guest{number}@outside.example" for number in range(51))
            assert isinstance(host.mail, MailServer)
            message = f"From: ana@{DOMAIN}\r\nSubject: x\r\n\r\nx\r\n".encode()
            host.mail.queue.enqueue(Envelope(f"ana@{DOMAIN}", many, message))
            assert "452 4.5.3 Too many recipients" in (await host.settled())["reason"]

    asyncio.run(flow())


def test_dovecot_shows_a_certificate_that_was_left_behind_to_who_names_the_host(
    tmp_path: Path,
) -> None:
    async def flow() -> None:
        async with rehearsed(tmp_path) as host:
            left = host.directory / f"data/assets/ssl/mx.{DOMAIN}"
            left.mkdir()
            old = self_signed(f"mx.{DOMAIN}")
            (left / "cert.pem").write_bytes(old.chain)
            (left / "key.pem").write_bytes(old.key)
            place = host.world.addresses.reach(HOST, 993)
            shown = await asyncio.to_thread(certificate_of, place, f"mx.{DOMAIN}")
            assert shown != ssl.PEM_cert_to_DER_cert(old.chain.decode())
            (left / "domains").write_text(f"mx.{DOMAIN}")
            shown = await asyncio.to_thread(certificate_of, place, f"mx.{DOMAIN}")
            assert shown == ssl.PEM_cert_to_DER_cert(old.chain.decode())
            assert await asyncio.to_thread(certificate_of, place, "imap.example") != shown
            # Postfix knows nothing of it.
            place = host.world.addresses.reach(HOST, 465)
            assert await asyncio.to_thread(certificate_of, place, f"mx.{DOMAIN}") != shown

    asyncio.run(flow())


def certificate_of(place: tuple[str, int], name: str) -> bytes:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(place, 10) as plain,
        context.wrap_socket(plain, server_hostname=name) as connection,
    ):
        connection.recv(1024)  # the greeting, so that nobody talks to a closed door
        return connection.getpeercert(binary_form=True) or b""
