"""DNS of the rehearsed internet: the account's zones as written, and the names outside them."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.resolver
import dns.reversename
import dns.rrset
from aiohttp import web

from rehearsal.world import zone_file
from rehearsal.world.faults import due
from rehearsal.world.service import LOOPBACK, Service, Surroundings
from rehearsal.world.zone_store import Record, Zone, ZoneStore, split_strings

SMARTHOST_ADDRESS = "198.51.100.25"
"""Address of the rehearsed smarthost (RFC 5737), unless it registers another one."""
FEEDBACK_ADDRESS = "198.51.100.26"
"""Address that takes bounces for the smarthost's envelope domain."""
RECEIVER_DOMAIN = "outside.example"
"""Domain of the rehearsed correspondent (RFC 2606)."""
RECEIVER_ADDRESS = "203.0.113.25"
"""Address of the correspondent's mail server (RFC 5737)."""

_PROXY_ADDRESSES = {"A": ("104.21.0.1", "172.67.0.1"), "AAAA": ("2606:4700::1",)}
_OUTSIDE_TTL = 300
_CHAIN_LIMIT = 8
_BLOCK_LIST = "zen.spamhaus.org"
_DATAGRAM_LIMIT = 1232
"""Bytes of the longest datagram that is sent, whatever the other side would take."""
_STREAM_LIMIT = 65535

RdataType = dns.rdatatype.RdataType


@dataclass
class Found:
    """What a question finds.

    Attributes:
        rcode: NOERROR, NXDOMAIN, SERVFAIL, ...
        sets: Answers in order, the CNAMEs on the way first; empty for NODATA.
        authoritative: What belongs into the authority section: the SOA of a negative answer, the
            NS records of a name that others answer for.
    """

    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    sets: list[dns.rrset.RRset] = field(default_factory=list)
    authoritative: dns.rrset.RRset | None = None


def _set(name: str, ttl: int, kind: str, rdatas: Iterable[str]) -> dns.rrset.RRset:
    return dns.rrset.from_text(f"{name}.", ttl, "IN", kind, *rdatas)


class Dns(Service):
    """Authoritative for the account's zones and for the outside names, over UDP and TCP.

    Faults: `drop` (no answer at all), `servfail`, `slow` (`seconds`), `wrong` (an object of
    `"<name> <TYPE>": [data, ...]`, served instead of what the zone holds; an empty list makes
    NODATA), `spamhaus` (the code that the block list answers to every question, such as
    `127.255.255.254`). `drop`, `servfail` and `slow` take a `route` such as `mx.example.com A`.
    """

    name = "dns"
    stands_for = "the public DNS"

    def __init__(self) -> None:
        """Begin with no names."""
        super().__init__()
        self.port = 0
        self.store: ZoneStore
        self._outside: dict[tuple[str, str], list[str]] = {}
        self._defaults: dict[tuple[str, str], list[str]] = {}
        self._datagrams: asyncio.DatagramTransport | None = None
        self._streams: asyncio.Server | None = None

    async def start(self, world: Surroundings) -> None:
        """Open the declared zone and answer on one free port of loopback, UDP and TCP."""
        config = world.config
        settings = config["zone"]
        self.store = ZoneStore(
            zone_file.zones_in(world.folder),
            quota=int(settings["recordQuota"]),
        )
        self.store.open_zone(str(settings["name"] or config["domain"]))
        self._fill_outside(config)
        loop = asyncio.get_running_loop()
        self._streams = await asyncio.start_server(self._stream, LOOPBACK, 0)
        self.port = self._streams.sockets[0].getsockname()[1]
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(self), local_addr=(LOOPBACK, self.port)
        )
        self._datagrams = transport

    async def stop(self) -> None:
        """Close both ports."""
        if self._datagrams is not None:
            self._datagrams.close()
        if self._streams is not None:
            self._streams.close()
            await self._streams.wait_closed()

    def control(self) -> Iterable[web.RouteDef]:
        """`GET /lookup/{name}/{type}`: what a resolver would find."""
        return [web.get("/lookup/{name}/{type}", self._lookup_route)]

    async def _lookup_route(self, request: web.Request) -> web.Response:
        found = self.lookup(request.match_info["name"], request.match_info["type"])
        return web.json_response(
            {
                "rcode": dns.rcode.to_text(found.rcode),
                "answers": [str(rdata) for dns in found.sets for rdata in dns],
            }
        )

    def _fill_outside(self, config: dict[str, Any]) -> None:
        region, host = config["smarthost"]["region"], config["names"]["mail_host"]

        def known(name: str, kind: str, value: str) -> None:
            self._defaults.setdefault((name, kind), []).append(value)

        def reverse(address: str, name: str) -> None:
            known(self.reverse_name(address), "PTR", name + ".")

        reverse(str(config["host"]["address"]), host)
        if config["ipv6"]:
            reverse(str(config["ipv6"]["address"]), host)
        known("smtp.resend.com", "A", SMARTHOST_ADDRESS)
        reverse(SMARTHOST_ADDRESS, "smtp.resend.com")
        known(f"feedback-smtp.{region}.amazonses.com", "A", FEEDBACK_ADDRESS)
        known("amazonses.com", "TXT", f'"v=spf1 ip4:{SMARTHOST_ADDRESS}/32 -all"')
        known(RECEIVER_DOMAIN, "MX", f"10 mx.{RECEIVER_DOMAIN}.")
        known(RECEIVER_DOMAIN, "TXT", '"v=spf1 mx -all"')
        known(f"mx.{RECEIVER_DOMAIN}", "A", RECEIVER_ADDRESS)
        reverse(RECEIVER_ADDRESS, f"mx.{RECEIVER_DOMAIN}")

    @staticmethod
    def reverse_name(address: str) -> str:
        """Return the name under which the PTR of `address` stands, without the final dot."""
        return dns.reversename.from_address(address).to_text(omit_final_dot=True)

    def add_outside(self, name: str, rdtype: str, value: str) -> None:
        """Publish a name outside the account's zones.

        The first value for a name and type takes the place of what the world assumed; further
        ones are added.

        Args:
            name: Fully qualified, with or without the final dot.
            rdtype: Such as `A`.
            value: The data as a zone file writes it; a TXT may be given without quotes.
        """
        kind = rdtype.upper()
        if kind == "TXT" and not value.startswith('"'):
            value = zone_file.quoted(split_strings(value))
        values = self._outside.setdefault((name.lower().rstrip("."), kind), [])
        if value not in values:
            values.append(value)

    def resolve(self, name: str, rdtype: str | RdataType) -> list[dns.rdata.Rdata]:
        """Return the data that a resolver finds, CNAMEs followed; empty for NXDOMAIN and NODATA.

        Raises:
            dns.exception.Timeout: the fault `drop` strikes.
            dns.resolver.NoNameservers: the fault `servfail` strikes.
        """
        kind = dns.rdatatype.to_text(dns.rdatatype.RdataType.make(rdtype))
        question = f"{name.lower().rstrip('.')} {kind}"
        if due(self.faults, "drop", question) is not None:
            raise dns.exception.Timeout
        found = self.lookup(name, rdtype)
        if found.rcode == dns.rcode.SERVFAIL:
            raise dns.resolver.NoNameservers
        wanted = dns.rdatatype.from_text(kind)
        return [rdata for dns in found.sets if dns.rdtype == wanted for rdata in dns]

    def lookup(self, name: str, rdtype: str | RdataType) -> Found:
        """Return what the question finds, with the difference between NXDOMAIN and NODATA."""
        name = name.lower().rstrip(".")
        kind = dns.rdatatype.to_text(dns.rdatatype.RdataType.make(rdtype))
        if due(self.faults, "servfail", f"{name} {kind}") is not None:
            return Found(dns.rcode.SERVFAIL)
        found = Found()
        for _ in range(_CHAIN_LIMIT):
            step = self._one(name, kind)
            found.sets.extend(step.sets)
            found.rcode, found.authoritative = step.rcode, step.authoritative
            alias = next(
                (rrset for rrset in step.sets if rrset.rdtype == dns.rdatatype.CNAME), None
            )
            if alias is None or kind == "CNAME":
                return found
            name = str(cast("Any", alias[0]).target).lower().rstrip(".")
        return Found(dns.rcode.SERVFAIL)

    def _one(self, name: str, kind: str) -> Found:
        wrong = self.faults.get("wrong") or {}
        if f"{name} {kind}" in wrong:
            values = wrong[f"{name} {kind}"]
            return Found(sets=[_set(name, 60, kind, values)] if values else [])
        if name.endswith("." + _BLOCK_LIST):
            return self._block_list(name, kind)
        zone = self.store.zone_of(name)
        return self._in_zone(zone, name, kind) if zone else self._out_there(name, kind)

    def _block_list(self, name: str, kind: str) -> Found:
        code = self.faults.get("spamhaus")
        listed = name.startswith("2.0.0.127.")  # the test entry that every list carries
        if code is None and not listed:
            return Found(dns.rcode.NXDOMAIN)
        if kind != "A":
            return Found()
        return Found(sets=[_set(name, 60, "A", [str(code or "127.0.0.2")])])

    def _out_there(self, name: str, kind: str) -> Found:
        for aspect in (kind, "CNAME"):
            values = self._outside.get((name, aspect)) or self._defaults.get((name, aspect))
            if values:
                return Found(sets=[_set(name, _OUTSIDE_TTL, aspect, values)])
        names = {known for known, _ in (*self._outside, *self._defaults)}
        exists = any(known == name or known.endswith("." + name) for known in names)
        return Found(dns.rcode.NOERROR if exists else dns.rcode.NXDOMAIN)

    @staticmethod
    def _delegation(zone: Zone, name: str) -> dns.rrset.RRset | None:
        """Return the NS records of the part of a zone that others answer for."""
        while name != zone.name:
            records = [record for record in zone.at(name) if record.type == "NS"]
            if records:
                ttl = min(record.served_ttl for record in records)
                return _set(name, ttl, "NS", [zone_file.data(record) for record in records])
            name = name.partition(".")[2]
        return None

    def _in_zone(self, zone: Zone, name: str, kind: str) -> Found:
        elsewhere = self._delegation(zone, name)
        if elsewhere is not None:
            return Found(authoritative=elsewhere)
        records = zone.at(name) or self._wildcard(zone, name)
        served = self._served(zone, name, kind, records)
        if served is not None:
            return Found(sets=[served])
        exists = bool(records) or any(
            record.name == name or record.name.endswith("." + name)
            for record in zone.records.values()
        )
        rcode = dns.rcode.NOERROR if exists or name == zone.name else dns.rcode.NXDOMAIN
        return Found(rcode, authoritative=self._soa(zone))

    @staticmethod
    def _wildcard(zone: Zone, name: str) -> list[Record]:
        parent = name
        while parent != zone.name:
            parent = parent.partition(".")[2]
            if any(record.name == f"*.{parent}" for record in zone.records.values()):
                return zone.at(f"*.{parent}")
            if zone.at(parent):
                break
        return []

    def _served(
        self, zone: Zone, name: str, kind: str, records: list[Record]
    ) -> dns.rrset.RRset | None:
        if kind in _PROXY_ADDRESSES and any(record.proxied for record in records):
            return _set(name, 300, kind, _PROXY_ADDRESSES[kind])
        if name == zone.name and kind == "SOA":
            return self._soa(zone)
        if name == zone.name and kind == "NS":
            return _set(
                name, zone_file.NS_TTL, "NS", [host + "." for host in zone_file.NAME_SERVERS]
            )
        for aspect in (kind, "CNAME"):
            chosen = [record for record in records if record.type == aspect and not record.proxied]
            if chosen:
                ttl = min(rrset.served_ttl for rrset in chosen)
                return _set(name, ttl, aspect, [zone_file.data(rrset) for rrset in chosen])
        return None

    @staticmethod
    def _soa(zone: Zone) -> dns.rrset.RRset:
        return _set(zone.name, zone_file.SOA_TTL, "SOA", [zone_file.soa()])

    async def respond(self, wire: bytes, *, datagram: bool) -> bytes | None:
        """Return the answer to one message; None where none is to be sent."""
        try:
            query = dns.message.from_wire(wire)
            question = query.question[0]
        except (dns.exception.DNSException, IndexError):
            return None
        name = question.name.to_text(omit_final_dot=True).lower()
        asked = f"{name} {dns.rdatatype.to_text(question.rdtype)}"
        slow = due(self.faults, "slow", asked)
        if slow is not None:
            await asyncio.sleep(float(slow.get("seconds", 2)))
        if due(self.faults, "drop", asked) is not None:
            return None
        answer = dns.message.make_response(
            query, recursion_available=True, our_payload=_DATAGRAM_LIMIT
        )
        if query.edns > 0:
            answer.set_rcode(dns.rcode.BADVERS)
            return self._to_wire(query, answer, datagram=datagram)
        found = self.lookup(name, question.rdtype)
        if found.authoritative is None or found.authoritative.rdtype != dns.rdatatype.NS:
            answer.flags |= dns.flags.AA
        answer.set_rcode(found.rcode)
        answer.answer.extend(found.sets)
        if found.authoritative is not None:
            answer.authority.append(found.authoritative)
        return self._to_wire(query, answer, datagram=datagram)

    @staticmethod
    def _to_wire(
        query: dns.message.Message, answer: dns.message.Message, *, datagram: bool
    ) -> bytes:
        if not datagram:
            # What the question says of datagrams is none of a stream's business.
            return answer.to_wire(max_size=_STREAM_LIMIT)
        limit = min(max(query.payload, 512), _DATAGRAM_LIMIT) if query.edns >= 0 else 512
        try:
            return answer.to_wire(max_size=limit)
        except dns.exception.TooBig:
            answer.flags |= dns.flags.TC
            answer.answer.clear()
            answer.authority.clear()
            return answer.to_wire(max_size=limit)

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(2), "big")
                answer = await self.respond(await reader.readexactly(length), datagram=False)
                if answer is None:
                    break
                writer.write(len(answer).to_bytes(2, "big") + answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, service: Dns) -> None:
        self._service = service
        self._transport: asyncio.DatagramTransport | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        for task in self._under_way:
            task.cancel()

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(data, addr))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _answer(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        answer = await self._service.respond(data, datagram=True)
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, addr)
