"""The published zone: the world's DNS answers every question as NSD does with the same zone."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.zone
import pytest

from components.cloudflare_zone import cloudflare_shape
from declaration.model import Declaration
from declaration.reading import load_values, read
from declaration.records import Record
from declaration.zone_records import records
from rehearsal.parts import need
from rehearsal.world import zone_file
from rehearsal.world.dns import Dns
from rehearsal.world.service import LOOPBACK
from rehearsal.world.zone_store import Zone, ZoneStore
from tests.conftest import FACTS, PROJECT
from tests.real.both import BOTH
from tests.real.server_process import free_port, running
from tests.world.host_neighbourhood import CONFIG, started

Ask = Callable[..., dns.message.Message]
"""Asks the server: name, type, and options of the question."""

SECONDS = 5.0
CHAIN = "autoconfig-alias"
EXTRA: tuple[dict[str, Any], ...] = (
    {"type": "CAA", "name": "@", "data": {"flags": 0, "tag": "issue", "value": "example.org"}},
    {"type": "AAAA", "name": "six", "content": "2001:db8::7"},
    {"type": "TLSA", "name": "_25._tcp.six",
     "data": {"usage": 3, "selector": 1, "matching_type": 1, "certificate": "ab" * 32}},
    {"type": "CNAME", "name": CHAIN, "content": "six.{domain}"},
    {"type": "CNAME", "name": "leads-nowhere", "content": "nobody.{domain}"},
    {"type": "A", "name": "*.wild", "content": "192.0.2.9"},
    {"type": "A", "name": "near.wild", "content": "192.0.2.10"},
    {"type": "A", "name": "deep.empty", "content": "192.0.2.11"},
    {"type": "TXT", "name": "odd", "content": r'"a\"b\\c;d" "second  string"'},
    {"type": "TXT", "name": "accents", "content": "e\u0301t\u00e9"},
    *({"type": "TXT", "name": "big", "content": f'"{letter * 250}"'} for letter in "abcdefgh"),
    *({"type": "TXT", "name": "middling", "content": f'"{letter * 250}"'} for letter in "abc"),
    {"type": "A", "name": "twice", "content": "192.0.2.12", "ttl": 120},
    {"type": "A", "name": "twice", "content": "192.0.2.13", "ttl": 600},
    {"type": "MX", "name": "null", "content": ".", "priority": 0},
    {"type": "NS", "name": "elsewhere", "content": "ns.outside.example"},
)  # fmt: skip
"""What no declaration of ours asks for today, but a zone may hold."""


@pytest.fixture(scope="module")
def declaration() -> Declaration:
    values = load_values(PROJECT / "Pulumi.qual.yaml") | FACTS
    return read(values, source="Pulumi.qual.yaml")


def given(record: Record, declaration: Declaration) -> dict[str, Any]:
    """Return a record as the deployment sends it to Cloudflare."""
    shape = cloudflare_shape(record) | {"ttl": declaration.zone.ttl}
    if "data" in shape and not isinstance(record.value, str):
        shape["data"] = asdict(record.value)
    return shape


def publish(store: ZoneStore, declaration: Declaration) -> Zone:
    """Write the declared zone, and the rest, through the account's own checks."""
    zone = store.open_zone(declaration.domain)
    for record in records(declaration):
        store.add(zone.id, given(record, declaration))
    for item in EXTRA:
        whole = item | {"content": str(item.get("content", "")).format(domain=declaration.domain)}
        store.add(zone.id, whole)
    return zone


@pytest.fixture(scope="module")
def zone(declaration: Declaration, tmp_path_factory: pytest.TempPathFactory) -> Zone:
    return publish(ZoneStore(tmp_path_factory.mktemp("zone") / "zones.json"), declaration)


@contextmanager
def _genuine(folder: Path, zone: Zone) -> Iterator[int]:
    port = free_port()
    (folder / "zone").write_text(zone_file.render(zone))
    (folder / "nsd.conf").write_text(f"""\
server:
    ip-address: {LOOPBACK}@{port}
    server-count: 1
    username: ""
    chroot: ""
    database: ""
    zonesdir: "{folder}"
    pidfile: "{folder}/pid"
    xfrdfile: "{folder}/xfrd"
    xfrdir: "{folder}"
    zonelistfile: "{folder}/zone.list"
    hide-version: yes
    # As a large provider of DNS answers: no more than was asked for.
    minimal-responses: yes
    ipv4-edns-size: 1232
    rrl-ratelimit: 0
remote-control:
    control-enable: no
zone:
    name: "{zone.name}"
    zonefile: "zone"
""")

    def ready() -> bool:
        query = dns.message.make_query(zone.name, "SOA")
        try:
            return bool(dns.query.udp(query, LOOPBACK, 0.5, port).answer)
        except (dns.exception.DNSException, OSError):
            return False

    command = [str(need("nsd")), "-d", "-c", str(folder / "nsd.conf")]
    with running(command, folder=folder, ready=ready):
        yield port


@contextmanager
def _stand_in(folder: Path, declaration: Declaration) -> Iterator[int]:
    service = Dns()
    with started(folder, service) as neighbourhood:
        assert CONFIG["domain"] != declaration.domain
        publish(service.store, declaration)
        assert neighbourhood.world.services["dns"] is service
        yield service.port


@pytest.fixture(scope="module", params=BOTH)
def ask(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, zone: Zone,
    declaration: Declaration,
) -> Iterator[Ask]:  # fmt: skip
    folder = tmp_path_factory.mktemp("dns")
    genuine = request.param == "genuine"
    with _genuine(folder, zone) if genuine else _stand_in(folder, declaration) as port:

        def ask(name: str, kind: str, *, over: str = "udp", **options: Any) -> dns.message.Message:
            full = name if name.endswith(".") else f"{name}.{zone.name}."
            query = dns.message.make_query(full, kind, **options)
            way = dns.query.udp if over == "udp" else dns.query.tcp
            return way(query, LOOPBACK, SECONDS, port)

        yield ask


def shown(sets: list[dns.rrset.RRset]) -> list[tuple[str, int, str, frozenset[str]]]:
    """Return sets of records so that they can be compared: the order within a set is nobody's."""
    return [
        (str(rrset.name).lower(), rrset.ttl, dns.rdatatype.to_text(rrset.rdtype),
         frozenset(str(data) for data in rrset))
        for rrset in sets
    ]  # fmt: skip


def loaded(zone: Zone) -> dns.zone.Zone:
    text = zone_file.render(zone)
    return dns.zone.from_text(text, origin=f"{zone.name}.", relativize=False)


def soa(zone: Zone) -> list[tuple[str, int, str, frozenset[str]]]:
    data = zone_file.soa()
    return shown([dns.rrset.from_text(f"{zone.name}.", zone_file.SOA_TTL, "IN", "SOA", data)])


@pytest.mark.real
def test_the_exported_zone_is_one_that_nsd_loads(zone: Zone, tmp_path: Path) -> None:
    (tmp_path / "zone").write_text(zone_file.render(zone))
    done = subprocess.run(
        [need("nsd-checkzone"), zone.name, tmp_path / "zone"], capture_output=True, text=True,
        timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "is ok" in done.stdout


def test_every_published_record_is_answered_as_it_was_written(ask: Ask, zone: Zone) -> None:
    whole = loaded(zone)
    asked = [
        (name, rdataset)
        for name, node in whole.nodes.items()
        for rdataset in node.rdatasets
        if not name.is_wild() and not str(name).startswith("elsewhere.")
    ]
    kinds = {dns.rdatatype.to_text(one.rdtype) for _, one in asked}
    assert kinds >= {"A", "AAAA", "MX", "TXT", "SRV", "TLSA", "CAA", "CNAME", "SOA", "NS"}
    for name, one in asked:
        kind = dns.rdatatype.to_text(one.rdtype)
        answer = ask(str(name), kind, use_edns=0)
        if answer.flags & dns.flags.TC:
            answer = ask(str(name), kind, over="tcp")
        assert answer.rcode() == dns.rcode.NOERROR
        assert answer.flags & dns.flags.AA
        assert shown(answer.answer) == shown([dns.rrset.from_rdata_list(name, one.ttl, list(one))])
        assert (answer.authority, answer.additional) == ([], [])


@pytest.mark.parametrize("over", ["udp", "tcp"])
@pytest.mark.parametrize("kind", ["A", "TXT", "MX", "SOA", "TYPE65280"])
def test_a_name_that_is_not_there_is_told_with_the_zones_soa(
    ask: Ask, zone: Zone, kind: str, over: str
) -> None:
    answer = ask("nobody", kind, over=over)
    assert answer.rcode() == dns.rcode.NXDOMAIN
    assert answer.flags & dns.flags.AA
    assert (answer.answer, shown(answer.authority)) == ([], soa(zone))


@pytest.mark.parametrize(
    ("name", "kind"),
    [("mx", "TXT"), ("mx", "AAAA"), ("_tcp", "A"), ("empty", "A"), ("six", "A"),
     ("mx", "TYPE65280"), ("_dmarc", "CNAME"), ("any.wild", "TXT"), ("wild", "A"), ("null", "A")],
)  # fmt: skip
def test_a_name_without_that_type_is_there_but_has_no_data(
    ask: Ask, zone: Zone, name: str, kind: str
) -> None:
    answer = ask(name, kind)
    assert answer.rcode() == dns.rcode.NOERROR
    assert (answer.answer, shown(answer.authority)) == ([], soa(zone))


def test_an_alias_is_followed_within_the_zone(ask: Ask, zone: Zone) -> None:
    answer = ask(CHAIN, "AAAA")
    assert [text[2:] for text in shown(answer.answer)] == [
        ("CNAME", frozenset({f"six.{zone.name}."})),
        ("AAAA", frozenset({"2001:db8::7"})),
    ]
    assert answer.authority == []
    only = ask(CHAIN, "CNAME")
    assert [text[2] for text in shown(only.answer)] == ["CNAME"]


def test_an_alias_whose_target_lacks_the_type_or_is_not_there_says_so(ask: Ask, zone: Zone) -> None:
    lacking, dangling = ask(CHAIN, "A"), ask("leads-nowhere", "A")
    assert lacking.rcode() == dns.rcode.NOERROR
    assert dangling.rcode() == dns.rcode.NXDOMAIN
    for answer in (lacking, dangling):
        assert [text[2] for text in shown(answer.answer)] == ["CNAME"]
        assert shown(answer.authority) == soa(zone)


@pytest.mark.parametrize(
    ("name", "found"),
    [("any.wild", {"192.0.2.9"}), ("deep.any.wild", {"192.0.2.9"}), ("near.wild", {"192.0.2.10"}),
     ("below.near.wild", set())],
)  # fmt: skip
def test_a_wildcard_stands_for_names_that_nothing_nearer_covers(
    ask: Ask, name: str, found: set[str]
) -> None:
    answer = ask(name, "A")
    assert {str(data) for rrset in answer.answer for data in rrset} == found
    assert answer.rcode() == (dns.rcode.NOERROR if found else dns.rcode.NXDOMAIN)
    assert all(str(rrset.name).startswith(name) for rrset in answer.answer)


def test_capitals_make_no_difference_and_come_back_as_they_were_sent(ask: Ask, zone: Zone) -> None:
    answer = ask("mX", "A")
    assert shown(answer.answer) == shown(ask("mx", "A").answer)
    assert str(answer.question[0].name) == f"mX.{zone.name}."
    assert str(answer.answer[0].name) == f"mX.{zone.name}."


def test_strings_come_as_they_were_split(ask: Ask) -> None:
    for name, strings in {
        "odd": (b'a"b\\c;d', b"second  string"),
        "accents": ("e\u0301t\u00e9".encode(),),
    }.items():
        (data,) = ask(name, "TXT").answer[0]
        assert data.strings == strings


def test_a_long_key_comes_in_two_strings(ask: Ask, declaration: Declaration) -> None:
    selector = f"{declaration.smarthost.selector}._domainkey"
    (data,) = ask(selector, "TXT", use_edns=0).answer[0]
    assert len(data.strings) >= 1
    assert all(len(string) <= 255 for string in data.strings)
    assert declaration.dkim_public_key.split("p=")[1] in b"".join(data.strings).decode()


@pytest.mark.parametrize(
    ("name", "options", "truncated"),
    [("big", {}, True), ("middling", {}, True), ("big", {"use_edns": 0, "payload": 4096}, True),
     ("middling", {"use_edns": 0, "payload": 1232}, False),
     ("middling", {"use_edns": 0, "payload": 512}, True),
     ("middling", {"use_edns": 0, "payload": 100}, True)],
)  # fmt: skip
def test_a_datagram_holds_no_more_than_was_agreed(
    ask: Ask, name: str, options: dict[str, Any], *, truncated: bool
) -> None:
    answer = ask(name, "TXT", **options)
    assert bool(answer.flags & dns.flags.TC) == truncated
    limit = 1232 if options.get("payload", 0) > 512 else 512
    assert len(answer.to_wire()) <= limit
    whole = ask(name, "TXT", over="tcp", **options)
    assert len(whole.answer[0]) == (8 if name == "big" else 3)
    assert not whole.flags & dns.flags.TC


def test_extensions_are_spoken_to_who_speaks_them(ask: Ask) -> None:
    plain, extended = ask("mx", "A"), ask("mx", "A", use_edns=0, payload=4096)
    assert plain.edns == -1
    assert (extended.edns, extended.payload) == (0, 1232)
    assert ask("mx", "A", use_edns=1).rcode() == dns.rcode.BADVERS


def test_what_belongs_to_other_name_servers_is_referred_to_them(ask: Ask, zone: Zone) -> None:
    for name in ("elsewhere", "below.elsewhere"):
        answer = ask(name, "A")
        assert (answer.rcode(), answer.answer) == (dns.rcode.NOERROR, [])
        assert not answer.flags & dns.flags.AA
        (others,) = shown(answer.authority)
        assert others[2:] == ("NS", frozenset({"ns.outside.example."}))


def test_questions_of_one_connection_are_answered_in_turn(ask: Ask, zone: Zone) -> None:
    first, second = ask("mx", "A", over="tcp"), ask(f"{zone.name}.", "MX", over="tcp")
    assert first.answer
    assert second.answer
