"""How a genuine Postfix finds the rehearsed internet, which stands on ports of 127.0.0.1.

Postfix asks the name server that its `resolv.conf` names, and connects to port 587, because the
rendered files say so. Linux lets a program listen on the whole of 127/8: each public address of
the rehearsed internet gets a loopback address of its own, on which its public ports are open. A
name server at port 53 of another one passes questions on to the world's DNS and puts the loopback
address in the place of the public one. Nothing else is changed on the way.
"""

import asyncio
import contextlib
import random
import socket
from typing import Any, cast

import dns.exception
import dns.message
import dns.rdatatype
import dns.rrset

from rehearsal.world.dns import Dns
from rehearsal.world.service import AddressBook

_TRIES = 50


def _free_network() -> str:
    """Return the first three numbers of a part of 127/8 that nobody uses for DNS now."""
    for _ in range(_TRIES):
        prefix = f"127.{random.randint(64, 250)}.{random.randint(0, 255)}"
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((f"{prefix}.53", 53))
            except OSError:
                continue
        return prefix
    raise OSError("no part of 127/8 is free")


class Ways:
    """Loopback addresses with the rehearsed internet behind them."""

    def __init__(self, dns_: Dns, addresses: AddressBook, *, origin: str) -> None:
        """Lead to what `addresses` knows; whoever comes this way comes from `origin`."""
        self._dns, self._book, self._origin = dns_, addresses, origin
        self._network = _free_network()
        self._known: dict[str, str] = {}
        self._extra: dict[str, str] = {}
        self._open: dict[tuple[str, int], asyncio.Server] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self._datagrams: asyncio.DatagramTransport | None = None
        self.questions: list[tuple[str, str]] = []
        """What was asked: name and type."""

    @property
    def name_server(self) -> str:
        """Address of the name server."""
        return f"{self._network}.53"

    def address(self, number: int) -> str:
        """Return one of the loopback addresses that are for whoever needs one."""
        assert 200 <= number < 255
        return f"{self._network}.{number}"

    def name(self, host: str, address: str) -> None:
        """Let a name of the containers' own network lead to a loopback address."""
        self._extra[host] = address

    async def start(self) -> None:
        """Answer questions."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Questions(self), local_addr=(self.name_server, 53)
        )
        self._datagrams = transport

    async def stop(self) -> None:
        """Close every way."""
        if self._datagrams is not None:
            self._datagrams.close()
        for server in self._open.values():
            server.close()
        for task in list(self._under_way):
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def spawn(self, work: Any) -> None:
        """Do something on the side; `stop` ends it."""
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def answer(self, wire: bytes) -> bytes | None:
        """Answer one question."""
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        self.questions.append((name, dns.rdatatype.to_text(question.rdtype)))
        if name in self._extra:
            return self._own(query, name)
        said = await self._dns.respond(wire, datagram=True)
        if said is None:
            return None
        message = dns.message.from_wire(said)
        for index, one in enumerate(message.answer):
            if one.rdtype == dns.rdatatype.A:
                places = [await self._way(str(record)) for record in one]
                message.answer[index] = dns.rrset.from_text(one.name, one.ttl, "IN", "A", *places)
        return message.to_wire()

    def _own(self, query: dns.message.Message, name: str) -> bytes:
        message = dns.message.make_response(query, recursion_available=True)
        if query.question[0].rdtype == dns.rdatatype.A:
            message.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "A", self._extra[name]))
        return message.to_wire()

    async def _way(self, address: str) -> str:
        """Return the loopback address for a public one, its ports open as they are now."""
        place = self._known.setdefault(address, f"{self._network}.{len(self._known) + 1}")
        for published, port, _ in self._book.places():
            # Hosting companies close port 25 outwards.
            if published == address and port != 25 and (address, port) not in self._open:
                self._open[address, port] = await asyncio.start_server(
                    self._passage(address, port), place, port
                )
        return place

    def _passage(self, address: str, port: int) -> Any:
        async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                caller = await self._book.connect(address, port, origin=self._origin)
                there, back = await asyncio.open_connection(sock=caller)
            except OSError:
                writer.transport.abort()
                return
            for source, sink in ((reader, back), (there, writer)):
                self.spawn(_pump(source, sink))

        return carry


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    sink.close()


class _Questions(asyncio.DatagramProtocol):
    def __init__(self, ways: Ways) -> None:
        self._ways = ways
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self._ways.spawn(self._reply(data, addr))

    async def _reply(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        with contextlib.suppress(dns.exception.DNSException):
            said = await self._ways.answer(data)
            if said is not None and self._transport is not None:
                self._transport.sendto(said, addr)


class PolicySocket:
    """Stands where Mailcow's postfix-tlspol stands: a socketmap that knows of no policy."""

    def __init__(self, address: str) -> None:
        """Listen at `address`, port 8642."""
        self._address = address
        self._server: asyncio.Server | None = None
        self.asked: list[str] = []

    async def start(self) -> None:
        """Answer look-ups."""
        self._server = await asyncio.start_server(self._serve, self._address, 8642)

    async def stop(self) -> None:
        """Close the port."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                length = int((await reader.readuntil(b":"))[:-1])
                asked = await reader.readexactly(length + 1)
                self.asked.append(asked[:-1].decode())
                writer.write(b"9:NOTFOUND ,")
                await writer.drain()
        writer.close()
