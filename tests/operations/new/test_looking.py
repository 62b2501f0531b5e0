"""What the DNS knows of a company is taken from it; what it does not say stays open."""

import asyncio

import pytest

from operations.new.looking import Sight, look
from operations.prove.net import LiveNet
from rehearsal.stage import Stage
from tests.conftest import FACTS, PROJECT
from tests.operations.prove.fake_net import FakeNet

NORD = {
    "haus-nord.de NS": ["ada.ns.cloudflare.com", "bob.ns.cloudflare.com"],
    "haus-nord.de MX": ["10 mail.haus-nord.de"],
    "mail.haus-nord.de A": ["88.99.10.1"],
    "1.10.99.88.in-addr.arpa PTR": ["mail.haus-nord.de"],
    "send.haus-nord.de MX": ["10 feedback-smtp.eu-west-1.amazonses.com"],
    "resend._domainkey.haus-nord.de TXT": [FACTS["dkimPublicKey"]],
}


def seen(domain: str = "haus-nord.de", *, silent: str = "") -> Sight:
    return asyncio.run(look(FakeNet(NORD, silent=frozenset({silent})), domain))


def with_records(changed: dict[str, list[str]]) -> Sight:
    return asyncio.run(look(FakeNet(NORD | changed), "haus-nord.de"))


def test_what_is_published_is_taken() -> None:
    sight = seen()
    assert sight.values == {
        "zone.mxLabel": "mail", "host.address": "88.99.10.1", "smarthost.region": "eu-west-1",
        "smarthost.provider": "resend", "dkimPublicKey": FACTS["dkimPublicKey"],
    }  # fmt: skip
    assert not sight.unseen
    assert sight.notes == ["the DKIM key is the published one: compare it with the account's"]


def test_a_domain_below_a_zone_names_it() -> None:
    assert seen("mail.haus-nord.de").values["zone.name"] == "haus-nord.de"


def test_a_domain_that_nobody_serves_is_told() -> None:
    assert "has no name servers" in seen("other.example").notes[0]


def test_a_zone_that_is_not_at_cloudflare_is_told() -> None:
    sight = with_records({"haus-nord.de NS": ["ns1.elsewhere.example", "ns2.elsewhere.example"]})
    assert "move it to Cloudflare" in sight.notes[0]


@pytest.mark.parametrize(
    "targets",
    [["1 aspmx.l.google.com"], ["10 mail.haus-nord.de", "20 backup.haus-nord.de"],
     ["10 a.b.haus-nord.de"]],
)  # fmt: skip
def test_mail_that_goes_elsewhere_names_no_host(targets: list[str]) -> None:
    sight = with_records({"haus-nord.de MX": targets})
    assert "host.address" not in sight.values
    assert "until the first `up` moves it" in sight.notes[0]


@pytest.mark.parametrize("targets", [[], ["0 ."]])
def test_a_domain_without_mail_is_told(targets: list[str]) -> None:
    assert "has no MX record" in with_records({"haus-nord.de MX": targets}).notes[0]


@pytest.mark.parametrize("addresses", [[], ["104.16.0.1"], ["88.99.10.1", "88.99.10.2"]])
def test_an_address_that_may_be_another_hosts_is_not_taken(addresses: list[str]) -> None:
    sight = with_records({"mail.haus-nord.de A": addresses})
    assert "host.address" not in sight.values
    assert "tells no address of a host" in sight.notes[0]


@pytest.mark.parametrize("names", [[], ["vps7.elsewhere.example"]])
def test_a_reverse_name_that_is_not_the_mail_hosts_is_told(names: list[str]) -> None:
    sight = with_records({"1.10.99.88.in-addr.arpa PTR": names})
    assert "set mail.haus-nord.de at its provider" in sight.notes[0]


@pytest.mark.parametrize("texts", [[], ["p="], [FACTS["dkimPublicKey"], "p=AAAA"]])
def test_a_dkim_key_that_is_none_is_not_taken(texts: list[str]) -> None:
    sight = with_records({"resend._domainkey.haus-nord.de TXT": texts})
    assert not {"dkimPublicKey", "smarthost.provider"} & set(sight.values)


def test_a_policy_that_is_published_is_told() -> None:
    sight = with_records({"_dmarc.haus-nord.de TXT": ["v=DMARC1; p=quarantine"]})
    assert "p=quarantine" in sight.notes[-1]
    assert "the first `up` sets p=none" in sight.notes[-1]


@pytest.mark.parametrize(
    "question",
    ["haus-nord.de NS", "haus-nord.de MX", "send.haus-nord.de MX", "_dmarc.haus-nord.de TXT"],
)
def test_a_question_without_an_answer_is_left_open(question: str) -> None:
    sight = seen(silent=question)
    assert len(sight.unseen) == 1
    assert question in sight.unseen[0]


def test_a_genuine_resolver_is_asked(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The rehearsed world's name server, over the network."""
    stage = Stage(PROJECT, "qual", tmp_path_factory.mktemp("runs"))
    world = stage.start_world()
    try:
        port = next(service.port for service in world.services if service.name == "dns")
        sight = asyncio.run(look(LiveNet(f"127.0.0.1#{port}"), "portugalodyssey.pt"))
    finally:
        stage.stop_world()
    assert not sight.unseen
    assert any("has no MX record" in note for note in sight.notes)
