"""The world's DNS: the zone exactly as the API wrote it, and the names outside it."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import pytest

from rehearsal.world.dns import Dns
from rehearsal.world.world import World
from rehearsal.world.zone_store import Zone
from tests.world.declared import declared

CONFIG = declared()
Scenario = Callable[[Dns, Zone], Awaitable[None]]


def in_a_world(folder: Path, scenario: Scenario) -> None:
    async def whole() -> None:
        world = World(folder, CONFIG, stack="test", services=("dns",))
        await world.start()
        try:
            service = world.services["dns"]
            assert isinstance(service, Dns)
            await scenario(service, service.store.open_zone("example.com"))
        finally:
            await world.stop()

    asyncio.run(whole())


def texts(service: Dns, name: str, rdtype: str) -> list[str]:
    return [str(text) for text in service.resolve(name, rdtype)]


def test_every_record_type_is_served_as_it_was_written(tmp_path: Path) -> None:
    async def scenario(service: Dns, zone: Zone) -> None:
        def add(**record: Any) -> None:
            service.store.add(zone.id, record)

        add(type="A", name="mx", content="192.0.2.7", ttl=120)
        add(type="MX", name="@", content="mx.example.com", priority=10)
        add(type="CNAME", name="autoconfig", content="mx.example.com")
        data = {"priority": 0, "weight": 1, "port": 443, "target": "mx.example.com"}
        add(type="SRV", name="_autodiscover._tcp", data=data)
        add(type="CAA", name="@", data={"flags": 0, "tag": "issue", "value": "letsencrypt.org"})
        digest = "ab" * 32
        tlsa = {"usage": 3, "selector": 1, "matching_type": 1, "certificate": digest}
        add(type="TLSA", name="_25._tcp.mx", data=tlsa)
        assert texts(service, "MX.example.com.", "A") == ["192.0.2.7"]
        assert texts(service, "example.com", "MX") == ["10 mx.example.com."]
        assert texts(service, "autoconfig.example.com", "A") == ["192.0.2.7"]
        assert texts(service, "_autodiscover._tcp.example.com", "SRV") == [
            "0 1 443 mx.example.com."
        ]
        assert texts(service, "example.com", "CAA") == ['0 issue "letsencrypt.org"']
        assert texts(service, "_25._tcp.mx.example.com", "TLSA") == [f"3 1 1 {digest}"]
        assert service.lookup("mx.example.com", "A").sets[0].ttl == 120

    in_a_world(tmp_path, scenario)


def test_txt_strings_are_served_exactly_as_they_were_split(tmp_path: Path) -> None:
    async def scenario(service: Dns, zone: Zone) -> None:
        key = '"v=DKIM1; p=' + "A" * 200 + '" "' + "B" * 100 + '"'
        service.store.add(zone.id, {"type": "TXT", "name": "s._domainkey", "content": key})
        service.store.add(zone.id, {"type": "TXT", "name": "long", "content": "C" * 300})
        service.store.add(zone.id, {"type": "TXT", "name": "odd", "content": r'"a\"b\\c;d"'})
        (answer,) = service.resolve("s._domainkey.example.com", "TXT")
        assert [len(string) for string in answer.strings] == [211, 100]  # type: ignore[attr-defined]  # TXT
        (answer,) = service.resolve("long.example.com", "TXT")
        assert [len(string) for string in answer.strings] == [255, 45]  # type: ignore[attr-defined]  # TXT
        (answer,) = service.resolve("odd.example.com", "TXT")
        assert answer.strings == (b'a"b\\c;d',)  # type: ignore[attr-defined]  # TXT

    in_a_world(tmp_path, scenario)


def test_a_missing_name_and_a_missing_type_are_told_apart(tmp_path: Path) -> None:
    async def scenario(service: Dns, zone: Zone) -> None:
        service.store.add(zone.id, {"type": "A", "name": "a.b", "content": "192.0.2.9"})
        assert service.lookup("nobody.example.com", "A").rcode == dns.rcode.NXDOMAIN
        assert service.lookup("a.b.example.com", "TXT").rcode == dns.rcode.NOERROR
        assert service.lookup("b.example.com", "A").rcode == dns.rcode.NOERROR
        assert service.lookup("example.com", "TXT").rcode == dns.rcode.NOERROR
        assert service.lookup("nobody.invalid", "A").rcode == dns.rcode.NXDOMAIN
        assert service.lookup("resend.com", "A").rcode == dns.rcode.NOERROR

    in_a_world(tmp_path, scenario)


def test_a_proxied_name_answers_the_proxy_and_not_the_host(tmp_path: Path) -> None:
    async def scenario(service: Dns, zone: Zone) -> None:
        record = {"type": "A", "name": "mx", "content": "192.0.2.7", "proxied": True}
        service.store.add(zone.id, record)
        answers = texts(service, "mx.example.com", "A")
        assert answers
        assert "192.0.2.7" not in answers

    in_a_world(tmp_path, scenario)


def test_the_rehearsed_internet_has_its_names(tmp_path: Path) -> None:
    async def scenario(service: Dns, _zone: Zone) -> None:
        assert texts(service, "7.2.0.192.in-addr.arpa", "PTR") == ["mx.example.com."]
        (smarthost,) = texts(service, "smtp.resend.com", "A")
        assert texts(service, "amazonses.com", "TXT") == [f'"v=spf1 ip4:{smarthost}/32 -all"']
        assert texts(service, "feedback-smtp.eu-west-1.amazonses.com", "A")
        assert texts(service, "outside.example", "MX") == ["10 mx.outside.example."]

    in_a_world(tmp_path, scenario)


def test_what_a_service_registers_takes_the_place_of_what_was_assumed(tmp_path: Path) -> None:
    async def scenario(service: Dns, _zone: Zone) -> None:
        service.add_outside("smtp.resend.com.", "A", "198.51.100.77")
        service.add_outside("smtp.resend.com", "A", "198.51.100.78")
        assert texts(service, "smtp.resend.com", "A") == ["198.51.100.77", "198.51.100.78"]
        service.add_outside("other.example", "TXT", "v=spf1 -all")
        assert texts(service, "other.example", "TXT") == ['"v=spf1 -all"']

    in_a_world(tmp_path, scenario)


def test_the_block_list_lists_its_test_entry_only_until_it_refuses_the_resolver(
    tmp_path: Path,
) -> None:
    async def scenario(service: Dns, _zone: Zone) -> None:
        assert texts(service, "2.0.0.127.zen.spamhaus.org", "A") == ["127.0.0.2"]
        assert texts(service, "7.2.0.192.zen.spamhaus.org", "A") == []
        service.faults["spamhaus"] = "127.255.255.254"
        assert texts(service, "7.2.0.192.zen.spamhaus.org", "A") == ["127.255.255.254"]

    in_a_world(tmp_path, scenario)


def test_it_answers_over_udp_and_tcp(tmp_path: Path) -> None:
    async def scenario(service: Dns, zone: Zone) -> None:
        service.store.add(zone.id, {"type": "A", "name": "mx", "content": "192.0.2.7"})
        query = dns.message.make_query("mx.example.com", "A")
        for ask in (dns.asyncquery.udp, dns.asyncquery.tcp):
            answer = await ask(query, "127.0.0.1", port=service.port, timeout=2)
            assert str(answer.answer[0][0]) == "192.0.2.7"
            assert answer.flags & dns.flags.AA
        missing = dns.message.make_query("no.example.com", "A")
        answer = await dns.asyncquery.udp(missing, "127.0.0.1", port=service.port, timeout=2)
        assert answer.rcode() == dns.rcode.NXDOMAIN
        assert answer.authority

    in_a_world(tmp_path, scenario)


def test_an_answer_too_long_for_a_datagram_is_truncated_and_whole_over_tcp(tmp_path: Path) -> None:
    async def scenario(service: Dns, zone: Zone) -> None:
        for letter in "abcdefgh":
            record = {"type": "TXT", "name": "big", "content": f'"{letter * 250}"'}
            service.store.add(zone.id, record)
        query = dns.message.make_query("big.example.com", "TXT")
        short = await dns.asyncquery.udp(query, "127.0.0.1", port=service.port, timeout=2)
        assert short.flags & dns.flags.TC
        whole = await dns.asyncquery.tcp(query, "127.0.0.1", port=service.port, timeout=2)
        assert len(whole.answer[0]) == 8

    in_a_world(tmp_path, scenario)


def test_it_can_lie_fail_and_fall_silent(tmp_path: Path) -> None:
    async def scenario(service: Dns, zone: Zone) -> None:
        service.store.add(zone.id, {"type": "A", "name": "mx", "content": "192.0.2.7"})
        service.faults["wrong"] = {"mx.example.com A": ["203.0.113.9"]}
        assert texts(service, "mx.example.com", "A") == ["203.0.113.9"]
        service.faults.clear()
        service.faults["servfail"] = {"route": "mx.example.com A", "times": 1}
        assert service.lookup("mx.example.com", "A").rcode == dns.rcode.SERVFAIL
        assert texts(service, "mx.example.com", "A") == ["192.0.2.7"]
        service.faults["drop"] = True
        with pytest.raises(dns.exception.Timeout):
            service.resolve("mx.example.com", "A")
        query = dns.message.make_query("mx.example.com", "A")
        with pytest.raises(dns.exception.Timeout):
            await dns.asyncquery.udp(query, "127.0.0.1", port=service.port, timeout=0.1)

    in_a_world(tmp_path, scenario)


def test_rubbish_is_not_answered_and_does_no_harm(tmp_path: Path) -> None:
    async def scenario(service: Dns, _zone: Zone) -> None:
        assert await service.respond(b"rubbish", datagram=True) is None
        assert await service.respond(b"", datagram=False) is None

    in_a_world(tmp_path, scenario)


def test_a_wildcard_answers_where_nothing_nearer_stands(tmp_path: Path) -> None:
    async def scenario(service: Dns, zone: Zone) -> None:
        service.store.add(zone.id, {"type": "A", "name": "*", "content": "192.0.2.1"})
        service.store.add(zone.id, {"type": "A", "name": "near", "content": "192.0.2.2"})
        assert texts(service, "any.example.com", "A") == ["192.0.2.1"]
        assert texts(service, "near.example.com", "A") == ["192.0.2.2"]
        assert texts(service, "below.near.example.com", "A") == []

    in_a_world(tmp_path, scenario)
