"""Mail through the rendered files: the stand-in's queue and the genuine Postfix do the same.

The genuine one is set up in postfix_instance.py, which says what of Mailcow is not there.
"""

import asyncio
import json
import re
import smtplib
import ssl
import time
from collections.abc import Awaitable, Callable
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from components.onhost import queue_metrics
from declaration.model import Declaration
from declaration.reading import read
from operations.prove.model import Station
from operations.rotate.departure import smarthost_answers
from operations.site.model import Site
from rehearsal.world.authority import self_signed
from tests.real import postfix_instance
from tests.real.both import BOTH
from tests.real.mail_world import (
    PASSWORD,
    SECRET,
    GenuineHost,
    MailHost,
    mail_host,
    need_mail_parts,
)

Body = Callable[[MailHost], Awaitable[None]]
Run = Callable[..., None]

RELAY = "smtp.resend.com"
_LIMIT = 60.0


def _runner(kind: str, folder: Path, qual: Declaration) -> Run:
    def run(body: Body, **deployed: Any) -> None:
        async def flow() -> None:
            async with asyncio.timeout(_LIMIT), mail_host(kind, folder, qual, **deployed) as host:
                await body(host)

        asyncio.run(flow())

    return run


@pytest.fixture(params=BOTH)
def run(request: pytest.FixtureRequest, tmp_path: Path, qual: Declaration) -> Run:
    """Run a test's body on a rehearsed internet with one of the two mail hosts in it."""
    if request.param == "genuine":
        need_mail_parts()
    return _runner(request.param, tmp_path, qual)


@pytest.fixture
def genuine(tmp_path: Path, qual: Declaration) -> Run:
    """Run a test's body on the genuine one alone."""
    need_mail_parts()
    return _runner("genuine", tmp_path, qual)


# What is rendered


@pytest.mark.real
def test_postfix_has_nothing_to_say_against_the_rendered_files(genuine: Run) -> None:
    async def body(host: MailHost) -> None:
        assert isinstance(host, GenuineHost)
        conf = ("-c", postfix_instance.CONF)
        _, shown, complaints = await host.mail.enclosure.run("postconf", *conf, "-n")
        extra = (host.release / "data/conf/postfix/extra.cf").read_text()
        ours = dict(re.findall(r"(?m)^(\w+) = (.*)$", extra))
        for name, value in ours.items():
            assert f"{name} = {value}\n" in shown
        # It does say which of Mailcow's own settings are overridden: nothing but what is meant.
        told = [line for line in complaints.splitlines() if "unused parameter: dbpath" not in line]
        overridden = {re.split(r"overriding earlier entry: (\w+)=", entry)[1] for entry in told}
        assert overridden == {
            "inet_protocols", "relayhost", "smtp_sasl_auth_enable", "smtp_sasl_auth_soft_bounce",
            "smtp_sasl_password_maps", "smtp_tls_policy_maps",
        } - _said_alike(ours)  # fmt: skip
        _, _, complaints = await host.mail.enclosure.run("postfix", *conf, "check")
        known = re.compile(postfix_instance.UNSAID)
        assert [line for line in complaints.splitlines() if not known.search(line)] == []

    genuine(body)


def _said_alike(ours: dict[str, str]) -> set[str]:
    """Return what extra.cf says again with the value that main.cf has."""
    return {name for name, value in ours.items() if f"\n{name} = {value}\n" in _MAIN}


_MAIN = postfix_instance.MAIN_CF


@pytest.mark.real
def test_the_password_is_in_no_listing_no_log_and_no_process_list(genuine: Run) -> None:
    async def body(host: MailHost) -> None:
        assert isinstance(host, GenuineHost)
        inside = host.mail.enclosure
        host.smarthost.faults["login"] = "535 5.7.8 Authentication credentials invalid"
        assert (await host.submit())["state"] == "deferred"
        _, shown, complaints = await inside.run("postconf", "-c", postfix_instance.CONF, "-n")
        _, processes, _ = await inside.run("ps", "axeww", "-o", "args")
        everything = [shown, complaints, processes, await host.listing(), *await host.log()]
        assert [entry for entry in everything if SECRET in entry] == []
        assert "smarthost_passwd" in shown

    genuine(body)


# The way out


def test_a_message_leaves_with_a_login_over_verified_tls(run: Run) -> None:
    async def body(host: MailHost) -> None:
        taken = await host.submit()
        assert (taken["state"], taken["relay"]) == ("delivered", f"{RELAY}:587")
        assert taken["tls"] in {"TLSv1.2", "TLSv1.3"}
        assert taken["reason"].startswith("250 2.0.0 Ok: queued as ")
        accepted = host.smarthost._accepted[-1]
        assert (accepted["from"], accepted["to"]) == (host.writer, [host.guest])
        seen = host.receiver.received[-1]
        assert seen["envelope"].endswith(f"@send.{host.domain}")
        assert (seen["verdict"]["dkim"], seen["verdict"]["dmarc"]) == ("pass", "pass")
        assert "\nReceived: " in seen["message"].replace("\r\n", "\n")
        assert await host.listing() == ""

    run(body)


@pytest.mark.parametrize("kind", BOTH)
def test_a_message_leaves_over_tls_from_the_first_byte(
    kind: str, tmp_path: Path, qual_values: dict[str, Any]
) -> None:
    if kind == "genuine":
        need_mail_parts()
    declared = read(qual_values | {"smarthost": {"port": 2465}}, source="Pulumi.qual.yaml")

    async def body(host: MailHost) -> None:
        taken = await host.submit()
        assert (taken["state"], taken["relay"]) == ("delivered", f"{RELAY}:2465"), taken
        assert taken["tls"] in {"TLSv1.2", "TLSv1.3"}
        assert len(host.smarthost._accepted) == 1
        proof = await host.prove(Station.RELAY)
        assert [cause.id for cause in proof.causes] == []
        # A rotation logs in at the smarthost itself.
        site = cast("Site", SimpleNamespace(declaration=declared, net=host.net()))
        assert await smarthost_answers(site, SECRET)
        assert not await smarthost_answers(site, "re_another")

    _runner(kind, tmp_path, declared)(body)


_KEPT = {"apexSpf": "v=spf1 mx include:spf.example.net -all"}
_OTHERS: dict[str, dict[str, Any]] = {
    "keeps the envelope": {
        "smarthost": {
            "provider": "other", "host": "relay.example.net", "user": "company", "region": "DE",
            "spfInclude": "spf.example.net", "port": 465, "selector": "k1",
        },
        "zone": _KEPT,
    },
    "writes its own, and keeps the key": {
        "smarthost": {
            "provider": "brevo", "user": "x@smtp-brevo.com", "region": "FR", "port": 2525,
            "selector": "brevo1", "dkimNames": {"brevo1": "b1.company.dkim.brevo.com"},
        },
        "dkimPublicKey": "",
    },
    "has two exchangers": {
        "smarthost": {"provider": "mailgun", "user": "postmaster@send", "selector": "s1"},
    },
}  # fmt: skip


@pytest.mark.parametrize("what", _OTHERS)
def test_a_message_leaves_through_another_smarthost(
    what: str, tmp_path: Path, qual_values: dict[str, Any]
) -> None:
    values = {key: value for key, value in (qual_values | _OTHERS[what]).items() if value != ""}
    declared = read(values, source="Pulumi.qual.yaml")
    nexthop = declared.names.nexthop

    async def body(host: MailHost) -> None:
        taken = await host.submit()
        assert (taken["state"], taken["relay"]) == (
            "delivered", f"{nexthop.host}:{nexthop.port}",
        ), taken  # fmt: skip
        seen = host.receiver.received[-1]
        envelope = declared.names.envelope or f"bounces.{nexthop.host}"
        assert seen["envelope"].endswith(f"@{envelope}")
        verdict = seen["verdict"]
        assert (verdict["spf"], verdict["dkim"], verdict["dmarc"]) == ("pass",) * 3, verdict

    _runner("stand-in", tmp_path, declared)(body)


def test_a_bounce_to_somebody_outside_leaves_through_the_smarthost_too(run: Run) -> None:
    async def body(host: MailHost) -> None:
        taken = await host.notify(host.guest)
        assert (taken["state"], taken["sender"]) == ("delivered", ""), taken
        assert taken["relay"] == f"{RELAY}:587"
        # The smarthost takes mail of the verified domain alone: not of the mail host's name.
        seen = host.receiver.received[-1]
        assert f"MAILER-DAEMON@{host.domain}" in seen["message"]
        assert seen["verdict"]["dmarc"] == "pass"

    run(body)


def test_a_refused_login_makes_mail_wait_until_it_is_mended(run: Run) -> None:
    async def body(host: MailHost) -> None:
        waiting = await host.submit()
        assert waiting["state"] == "deferred"
        assert _spoken(waiting["reason"]) == (
            f"SASL authentication failed; server {RELAY}[] said: "
            "535 5.7.8 Authentication credentials invalid"
        )
        assert host.smarthost._accepted == []
        host.deploy()
        await host.reload()
        await host.flush()
        await host.becomes("delivered")
        assert await host.read(host.writer, count=0) == []

    run(body, password="re_not_the_one")


def test_what_the_smarthost_puts_off_is_delivered_later(run: Run) -> None:
    async def body(host: MailHost) -> None:
        host.smarthost.faults["data"] = "451 4.3.0 Try again later"
        waiting = await host.submit()
        assert waiting["state"] == "deferred"
        assert _spoken(waiting["reason"]) == (
            f"host {RELAY}[] said: 451 4.3.0 Try again later (in reply to end of DATA command)"
        )
        listed = [json.loads(line) for line in (await host.listing()).splitlines()]
        assert [entry["queue_name"] for entry in listed] == ["deferred"]
        assert listed[0]["recipients"] == [
            {"address": host.guest, "delay_reason": waiting["reason"]}
        ]
        host.smarthost.faults.clear()
        await host.flush()
        await host.becomes("delivered")
        assert len(host.receiver.received) == 1

    run(body)


def test_a_dropped_connection_loses_nothing(run: Run) -> None:
    async def body(host: MailHost) -> None:
        host.smarthost.faults["drop"] = True
        waiting = await host.submit()
        assert waiting["state"] == "deferred"
        assert _spoken(waiting["reason"]) == (
            f"lost connection with {RELAY}[] while sending end of data -- "
            "message may be sent more than once"
        )
        host.smarthost.faults.clear()
        await host.flush()
        await host.becomes("delivered")
        assert len(host.receiver.received) == 1

    run(body)


def test_what_the_smarthost_refuses_for_good_goes_back_with_its_words(run: Run) -> None:
    async def body(host: MailHost) -> None:
        host.smarthost.faults["data"] = "550 5.7.1 The domain is not verified"
        refused = await host.submit()
        assert refused["state"] == "bounced"
        report = message_from_bytes((await host.read(host.writer))[0])
        assert report["Return-Path"] == "<>"
        assert f"MAILER-DAEMON@{host.domain}" in report["From"]
        assert report["Subject"] == "Undelivered Mail Returned to Sender"
        assert (report["Auto-Submitted"], report["To"]) == ("auto-replied", host.writer)
        assert report.get_content_type() == "multipart/report"
        words, status, returned = _parts(report)
        told = " ".join(str(words.get_payload()).split())
        assert f"This is the mail system at host {host.name}." in told
        assert "said: 550 5.7.1 The domain is not verified" in told
        facts = str(status).replace("\r\n", "\n")
        for line in (f"Reporting-MTA: dns; {host.name}", f"Final-Recipient: rfc822; {host.guest}",
                     "Action: failed", "Status: 5.7.1", f"Remote-MTA: dns; {RELAY}",
                     "Diagnostic-Code: smtp; 550 5.7.1 The domain is not verified"):  # fmt: skip
            assert f"\n{line}\n" in facts
        assert "Bom dia." in str(returned)
        assert await host.listing() == ""

    run(body)


def _parts(report: Message) -> list[Message]:
    found = report.get_payload()
    assert isinstance(found, list)
    assert [entry.get_content_type() for entry in found if isinstance(entry, Message)] == [
        "text/plain", "message/delivery-status", "message/rfc822",
    ]  # fmt: skip
    return [entry for entry in found if isinstance(entry, Message)]


def _spoken(reason: str) -> str:
    """Return a verdict without the address, which differs: genuine Postfix sees loopback."""
    return re.sub(r"\[[\d.]+\]", "[]", reason)


# TLS or nothing


def _own_certificate(host: MailHost) -> ssl.SSLContext:
    made, file = self_signed(RELAY), host.world.folder / "imposter.pem"
    file.write_bytes(made.chain + made.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def _another_name(host: MailHost) -> ssl.SSLContext:
    folder = host.world.folder / "imposter"
    return host.world.authority.server_context(["smtp.elsewhere.example"], folder)


def _no_tls(_host: MailHost) -> None:
    return None


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        (_no_tls, f"TLS is required, but was not offered by host {RELAY}[]"),
        (_own_certificate, "Server certificate not verified"),
        (_another_name, "Server certificate not verified"),
    ],
    ids=["without STARTTLS", "self-signed", "of another name"],
)
def test_an_imposter_gets_neither_message_nor_login(
    run: Run, certificate: Callable[[MailHost], ssl.SSLContext | None], words: str
) -> None:
    async def body(host: MailHost) -> None:
        imposter = await host.imposter(certificate(host))
        waiting = await host.submit()
        assert (waiting["state"], _spoken(waiting["reason"])) == ("deferred", words)
        assert (imposter.logins, imposter.messages) == ([], [])
        proof = await host.prove(Station.RELAY)
        assert [cause.id for cause in proof.causes] == ["smarthost-tls"]

    run(body)


# Mailcow's own look-ups go on working


@pytest.mark.real
def test_a_relayhost_of_a_senders_own_comes_before_ours(genuine: Run) -> None:
    async def body(host: MailHost) -> None:
        assert isinstance(host, GenuineHost)
        tls = host.world.authority.server_context(["relay.own.example"], host.world.folder / "own")
        imposter = await host.imposter(tls)
        host.dns.faults.clear()
        host.dns.add_outside("relay.own.example", "A", "198.51.100.66")
        own = f"{host.declaration.mailboxes[1].name}@{host.domain}"
        database = host.mail.database
        database.change(
            "sender_dependent_default_transport_maps", own, "smtp:[relay.own.example]:587"
        )
        database.put("sasl_passwd_maps_sender_dependent", own, "own:word")
        taken = await host.submit(author=own)
        assert (taken["state"], taken["relay"]) == ("delivered", "relay.own.example:587")
        assert len(imposter.messages) == 1
        assert "own" in str(imposter.logins[0])
        assert SECRET not in str(imposter.logins)
        # Everybody else's mail goes the declared way, and nobody is asked for a policy for it.
        host.mail.policies.asked.clear()
        assert (await host.submit())["relay"] == f"{RELAY}:587"
        assert host.mail.policies.asked == []

    genuine(body)


@pytest.mark.real
def test_the_names_are_asked_for_ipv4_alone(genuine: Run) -> None:
    async def body(host: MailHost) -> None:
        assert isinstance(host, GenuineHost)
        assert (await host.submit())["state"] == "delivered"
        asked = [kind for name, kind in host.mail.ways.questions if name == RELAY]
        assert set(asked) == {"A"}

    genuine(body)


# The ways in

Talk = Callable[[smtplib.SMTP], tuple[int, bytes]]


def _tried(sender: str, recipient: str, login: str = "") -> Talk:
    """Return what begins a message and gives up; the answer is the one to RCPT."""

    def act(client: smtplib.SMTP) -> tuple[int, bytes]:
        if login:
            client.login(login, PASSWORD)
        assert client.mail(sender)[0] in {250, 530}
        return client.rcpt(recipient)

    return act


def test_what_is_not_for_us_is_not_taken_on_port_25(run: Run) -> None:
    async def body(host: MailHost) -> None:
        ours, guest = host.writer, host.guest
        nobody = f"nobody-of-this-name@{host.domain}"
        unknown = "User unknown in virtual mailbox table"
        for sender, recipient, code, words in (
            (guest, ours, 250, "2.1.5 Ok"),
            ("", ours, 250, "2.1.5 Ok"),
            (guest, ours.replace("@", "+tag@"), 250, "2.1.5 Ok"),
            (guest, "x@third.example", 454, "4.7.1 <x@third.example>: Relay access denied"),
            (guest, nobody, 550, f"5.1.1 <{nobody}>: Recipient address rejected: {unknown}"),
            (nobody, ours, 550, f"5.1.0 <{nobody}>: Sender address rejected: {unknown}"),
            ("a@no.invalid", ours, 450,
             "4.1.8 <a@no.invalid>: Sender address rejected: Domain not found"),
        ):  # fmt: skip
            answer = await host.converse(25, _tried(sender, recipient), tls=False)
            assert answer == (code, words.encode()), (sender, recipient)

    run(body)


def test_submission_is_refused_in_clear_without_login_and_as_somebody_else(run: Run) -> None:
    async def body(host: MailHost) -> None:
        ours, guest = host.writer, host.guest
        other = f"{host.declaration.mailboxes[1].name}@{host.domain}"
        clear = await host.converse(587, _tried(ours, guest), tls=False)
        assert clear == (530, b"5.7.0 Must issue a STARTTLS command first")
        assert not await host.converse(587, lambda client: client.has_extn("auth"), tls=False)
        for port in (465, 587):
            code, words = await host.converse(port, _tried(ours, guest))
            assert (code, words[:6]) == (554, b"5.7.1 ")
            assert words.endswith(b": Client host rejected: Access denied")
            for sender in (other, "ceo@outside.example"):
                code, words = await host.converse(port, _tried(sender, guest, login=ours))
                owner = f"Sender address rejected: not owned by user {ours}"
                assert (code, words.decode()) == (553, f"5.7.1 <{sender}>: {owner}")
            assert (await host.converse(port, _tried(ours, guest, login=ours)))[0] == 250

    run(body)


@pytest.mark.real
def test_mailcows_containers_send_without_a_login_and_their_gateway_does_not(
    tmp_path: Path, qual: Declaration
) -> None:
    need_mail_parts()
    # The compose network lies on loopback, where every address is this machine's own.
    mailcow = qual.mailcow.model_copy(update={"ipv4_network": "127.0.77"})
    declared = qual.model_copy(update={"mailcow": mailcow})
    gateway, container = "127.0.77.1", "127.0.77.250"

    async def body(host: MailHost) -> None:
        ours, guest = host.writer, host.guest
        for port in (25, 465, 587):
            assert (await host.converse(port, _tried(ours, guest), source=container))[0] == 250
            code, words = await host.converse(port, _tried(ours, guest), source=gateway)
            assert (code, words.endswith(b"ccess denied")) == (454 if port == 25 else 554, True)
        # Who comes by Docker's proxy still writes to us, and sends with a login.
        answer = await host.converse(25, _tried(guest, ours), source=gateway)
        assert answer == (250, b"2.1.5 Ok")
        login = _tried(ours, guest, login=ours)
        assert (await host.converse(587, login, source=gateway))[0] == 250

    _runner("genuine", tmp_path, declared)(body)


def test_a_message_from_outside_is_filed_behind_an_alias_with_its_trace(run: Run) -> None:
    async def body(host: MailHost) -> None:
        alias = host.declaration.aliases[0]
        box = f"{alias.to[0]}@{host.domain}"
        answer = await host.write(f"{alias.name}@{host.domain}", text="Two nights in May.")
        assert answer["code"] == 250
        assert re.match(r"2\.0\.0 Ok: queued as [0-9A-F]+$", answer["text"])
        assert answer["tls"] in {"TLSv1.2", "TLSv1.3"}
        filed = message_from_bytes((await host.read(box))[0])
        assert (filed["Return-Path"], filed["Delivered-To"]) == (f"<{host.guest}>", box)
        trace = " ".join(str(item) for item in filed.get_all("Received", []))
        assert f"by {host.name} (Postcow) with ESMTPS id" in trace
        assert "Two nights in May." in str(filed.get_payload())

    run(body)


# What the operator's metrics and the proof make of it

_PLANTED: dict[str, tuple[dict[str, Any], str, str | None]] = {
    "login": ({"login": "535 5.7.8 no"}, "smarthost-login", "authentication"),
    "putting off": ({"data": "451 4.3.0 later"}, "smarthost-defers", "postponed"),
    "refusing": ({"data": "550 5.7.1 not verified"}, "smarthost-refuses", "rejected"),
    "dropping": ({"drop": True}, "smarthost-drops", None),
    "losing": ({"lose": True}, "message-lost", None),
    "not signing": ({"unsigned": True}, "signature-absent", None),
    "another envelope": ({"envelope": "bounces.outside.example"}, "envelope-wrong", None),
}


@pytest.mark.parametrize("planted", _PLANTED)
def test_proof_and_metrics_name_the_cause_in_postfixs_own_words(run: Run, planted: str) -> None:
    faults, cause, reason = _PLANTED[planted]

    async def body(host: MailHost) -> None:
        host.smarthost.faults.update(faults)
        proof = await host.prove(Station.RELAY, Station.VERDICT)
        assert [cause.id for cause in proof.causes] == [cause], proof.causes
        assert SECRET not in json.dumps(proof.as_dict())
        sent = [entry for entry in await host.queue() if entry["state"] != "active"]
        counted = _counted(await host.log())
        expected = dict.fromkeys(queue_metrics.REASONS, 0)
        if reason:
            expected[reason] = len(sent)
        assert counted == expected
        listed, age = queue_metrics.read_queue(await host.listing(), time.time())
        waiting = [entry for entry in sent if entry["state"] == "deferred"]
        assert listed["deferred"] == len(waiting)
        assert 0 <= age < _LIMIT

    run(body)


def _counted(log: list[str]) -> dict[str, int]:
    begun = queue_metrics.Refusals(dict.fromkeys(queue_metrics.REASONS, 0), "2026-01-01T00:00:00Z")
    return queue_metrics.read_log(log, RELAY, begun).counts


@pytest.mark.parametrize("address", [["198.51.100.67"], []], ids=["shut", "without address"])
def test_a_smarthost_that_is_not_reached_is_told_from_a_missing_relayhost(
    run: Run, address: list[str]
) -> None:
    async def body(host: MailHost) -> None:
        host.dns.faults["wrong"] = {f"{RELAY} A": address}
        proof = await host.prove(Station.RELAY)
        assert [cause.id for cause in proof.causes] == ["smarthost-unreached"]

    run(body)


def test_a_missing_relayhost_is_named(run: Run) -> None:
    async def body(host: MailHost) -> None:
        (host.release / "data/conf/postfix/extra.cf").unlink()
        await host.reload()
        proof = await host.prove(Station.RELAY)
        assert [cause.id for cause in proof.causes] == ["relayhost-missing"]
        assert host.receiver.received == []

    run(body)


def test_a_sound_host_passes_what_the_proof_asks_of_a_mail_host(run: Run) -> None:
    async def body(host: MailHost) -> None:
        proof = await host.prove(Station.RELAY, Station.VERDICT, Station.SUBMISSION)
        bad = {
            result.check.id: result.finding.seen
            for result in proof.results
            if result.finding.status.value in {"fail", "unknown"}
        }
        assert bad == {}

    run(body)
