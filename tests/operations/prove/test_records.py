"""The checks on records, each against a zone that says something wrong."""

import asyncio
from typing import Any

import pytest

from declaration.model import Declaration
from declaration.reading import read
from declaration.records import RecordType
from declaration.zone_records import records
from operations.prove.checks.names import written
from operations.prove.model import Finding, Status
from operations.prove.net import Net, Port
from operations.prove.registry import checks
from operations.prove.run import prove
from operations.prove.subject import Subject
from tests.operations.prove.fake_net import FakeNet

DOMAIN = "portugalodyssey.pt"
HOST = f"mx.{DOMAIN}"
REVERSE = "7.159.97.31.in-addr.arpa PTR"


@pytest.fixture
def zone(qual: Declaration) -> dict[str, list[str]]:
    """Return the zone as it should be published, with what others publish for us."""
    published: dict[str, list[str]] = {
        REVERSE: [HOST],
        f"{DOMAIN} NS": ["ada.ns.cloudflare.com", "bob.ns.cloudflare.com"],
        "amazonses.com TXT": ["v=spf1 ip4:198.51.100.0/24 -all"],
    }
    for record in records(qual):
        published.setdefault(f"{record.name} {record.type.value}", []).append(written(record))
    return published


def run(declaration: Declaration, net: Net, check: str) -> Finding:
    """Return what one check finds."""
    only = [entry for entry in checks() if entry.id == check]
    assert only
    proof = asyncio.run(prove(Subject(declaration, net), stack="test", only=only))
    return proof.results[0].finding


@pytest.mark.parametrize(
    "check",
    ["mx-record", "mx-address", "mx-alias", "mx-ipv6", "web-names", "service-records",
     "bounce-record", "name-servers", "spf-envelope", "spf-apex", "spf-lookups", "dkim-record",
     "dmarc-record", "dmarc-reports", "reverse-name"],
)  # fmt: skip
def test_a_zone_as_declared_passes(
    qual: Declaration, zone: dict[str, list[str]], check: str
) -> None:
    assert run(qual, FakeNet(zone), check).status is Status.PASS


@pytest.mark.parametrize(
    ("check", "question", "answer"),
    [
        ("mx-record", f"{DOMAIN} MX", ["10 mail.elsewhere.example"]),
        ("mx-record", f"{DOMAIN} MX", [f"10 {HOST}", "20 backup.elsewhere.example"]),
        ("mx-record", f"{DOMAIN} MX", []),
        ("mx-address", f"{HOST} A", ["192.0.2.1"]),
        ("mx-address", f"{HOST} A", []),
        ("mx-alias", f"{HOST} CNAME", ["elsewhere.example"]),
        ("mx-ipv6", f"{HOST} AAAA", ["2001:db8::1"]),
        ("web-names", f"webmail.{DOMAIN} A", []),
        ("service-records", f"_imaps._tcp.{DOMAIN} SRV", [f"0 1 143 {HOST}"]),
        ("name-servers", f"{DOMAIN} NS", ["ada.ns.cloudflare.com"]),
        ("spf-envelope", f"send.{DOMAIN} TXT", ["v=spf1 -all"]),
        ("spf-apex", f"{DOMAIN} TXT", ["v=spf1 mx -all", "v=spf1 include:old.example -all"]),
        ("dkim-record", f"resend._domainkey.{DOMAIN} TXT", []),
        ("dkim-record", f"resend._domainkey.{DOMAIN} TXT", ["p="]),
        ("dkim-record", f"resend._domainkey.{DOMAIN} TXT", ["p=QUJD"]),
        ("dmarc-record", f"_dmarc.{DOMAIN} TXT", []),
        ("dmarc-record", f"_dmarc.{DOMAIN} TXT", ["v=DMARC1; p=none", "v=DMARC1; p=reject"]),
        ("reverse-name", REVERSE, []),
        ("reverse-name", REVERSE, ["static.provider.example"]),
        ("reverse-name", f"{HOST} A", ["192.0.2.1"]),
    ],
)
def test_a_zone_that_says_something_else_fails(
    qual: Declaration, zone: dict[str, list[str]], check: str, question: str, answer: list[str]
) -> None:
    finding = run(qual, FakeNet(zone | {question: answer}), check)

    assert finding.status is Status.FAIL
    assert finding.seen
    assert finding.expected


def test_a_proxied_mx_is_told_by_its_address(qual: Declaration, zone: dict[str, list[str]]) -> None:
    finding = run(qual, FakeNet(zone | {f"{HOST} A": ["104.21.7.9"]}), "mx-address")

    assert finding.facts == {"proxied": HOST}


def test_a_txt_name_may_be_shared_with_records_of_others(
    qual: Declaration, zone: dict[str, list[str]]
) -> None:
    zone[f"{DOMAIN} TXT"] = [*zone[f"{DOMAIN} TXT"], "google-site-verification=abc"]

    assert run(qual, FakeNet(zone), "spf-apex").status is Status.PASS


def test_a_dkim_key_split_and_tagged_otherwise_is_the_same_key(
    qual: Declaration, zone: dict[str, list[str]]
) -> None:
    name = f"resend._domainkey.{DOMAIN} TXT"
    key = qual.dkim_public_key.removeprefix("p=")

    net = FakeNet(zone | {name: [f"v=DKIM1; k=rsa; p={key[:100]} {key[100:]}"]})
    assert run(qual, net, "dkim-record").status is Status.PASS


@pytest.mark.parametrize("check", ["mx-record", "spf-envelope", "dkim-record", "dmarc-record"])
def test_what_the_dns_does_not_answer_is_unknown(
    qual: Declaration, zone: dict[str, list[str]], check: str
) -> None:
    finding = run(qual, FakeNet(zone, silent=frozenset(zone)), check)

    assert finding.status is Status.UNKNOWN
    assert "does not answer" in finding.seen


def test_every_optional_record_is_checked_once_it_is_declared(
    qual_values: dict[str, Any], zone: dict[str, list[str]]
) -> None:
    qual_values["zone"] |= {"caa": ["letsencrypt.org"], "tlsRpt": True, "mtaSts": {}}
    declaration = read(qual_values, source="test")
    wanted = {"caa": RecordType.CAA, "tls-reports": "tls-rpt", "mta-sts-record": "mta-sts"}

    for check in wanted:
        assert run(declaration, FakeNet(zone), check).status is Status.FAIL
    for record in records(declaration):
        zone[f"{record.name} {record.type.value}"] = [written(record)]
    for check in wanted:
        assert run(declaration, FakeNet(zone), check).status is Status.PASS


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        (["127.255.255.252"], Status.UNKNOWN),
        (["127.255.255.254"], Status.UNKNOWN),
        (["127.255.255.255"], Status.UNKNOWN),
        (["127.0.0.4"], Status.FAIL),
        ([], Status.PASS),
    ],
)
def test_answers_of_block_lists_are_read_rightly(
    qual: Declaration, zone: dict[str, list[str]], answers: list[str], status: Status
) -> None:
    for block_list in ("zen.spamhaus.org", "bl.spamcop.net", "psbl.surriel.com"):
        zone[f"2.0.0.127.{block_list} A"] = ["127.0.0.2"]
    zone["7.159.97.31.zen.spamhaus.org A"] = answers

    assert run(qual, FakeNet(zone), "block-lists").status is status


def test_a_list_that_does_not_know_its_test_entry_is_not_believed(
    qual: Declaration, zone: dict[str, list[str]]
) -> None:
    assert run(qual, FakeNet(zone), "block-lists").status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("keys", "authenticated", "status"),
    [
        (["257 3 13 AAAA"], True, Status.PASS),
        (["257 3 13 AAAA"], False, Status.UNKNOWN),
        ([], False, Status.WARN),
    ],
)
def test_dnssec_counts_only_when_the_resolver_vouches_for_it(
    qual: Declaration,
    zone: dict[str, list[str]],
    keys: list[str],
    authenticated: bool,  # noqa: FBT001 - a parameter of the table above
    status: Status,
) -> None:
    net = FakeNet(zone | {f"{DOMAIN} DNSKEY": keys}, authenticated=authenticated)

    assert run(qual, net, "dnssec").status is status


@pytest.mark.parametrize(
    ("record", "seen"),
    [
        ("v=spf1 mx ip4:203.0.113.300 -all", "term 2"),
        ("v=spf1 mx include:gone.example -all", "gone.example has no SPF record"),
        ("v=spf1 mx include:circle.example -all", "circle"),
        ("v=spf1 " + "mx " * 11 + "-all", "11 look-ups"),
        ("v=spf1 mx a:x.example a:y.example a:z.example -all", "in vain over IPv4"),
        ("v=spf1 mx +all", "refuses nobody"),
    ],
)
def test_a_record_that_receivers_give_up_on_fails(
    qual: Declaration, zone: dict[str, list[str]], record: str, seen: str
) -> None:
    zone["circle.example TXT"] = ["v=spf1 redirect=circle.example"]

    finding = run(qual, FakeNet(zone | {f"{DOMAIN} TXT": [record]}), "spf-lookups")

    assert finding.status is Status.FAIL
    assert seen in finding.seen


def test_a_port_25_that_is_silent_to_everybody_is_our_networks_doing(
    qual: Declaration, zone: dict[str, list[str]]
) -> None:
    ports = dict.fromkeys((443, 465, 587, 993, 4190), Port.OPEN) | {25: Port.SILENT}
    net = FakeNet(zone | {"smtp.resend.com A": ["198.51.100.25"]}, ports=ports)

    assert run(qual, net, "ports-open").status is Status.UNKNOWN
    closed = FakeNet(zone, ports=ports | {25: Port.CLOSED})
    assert run(qual, closed, "ports-open").status is Status.FAIL


def test_a_web_port_that_is_reached_past_traefik_fails(
    qual: Declaration, zone: dict[str, list[str]]
) -> None:
    finding = run(qual, FakeNet(zone, ports={9443: Port.OPEN}), "ports-behind-traefik")

    assert finding.status is Status.FAIL
    assert "9443" in finding.seen
