"""What every service of the world is, and what it may ask of the world it stands in."""

import asyncio
import json
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from aiohttp import web

from rehearsal.world.authority import CertificateAuthority

LOOPBACK = "127.0.0.1"
"""The only address that anything in the world listens on."""

_CHOICES = 20
"""How many ports are looked at before loopback counts as full."""


@dataclass
class AddressBook:
    """Where the public addresses of the rehearsed internet are found on loopback.

    Names are not in it: a name is resolved by the world's DNS first, as on the real internet.
    """

    _places: dict[tuple[str, int], int] = field(default_factory=dict)
    _origins: dict[int, str] = field(default_factory=dict)

    def publish(self, address: str, port: int, local_port: int) -> None:
        """Let `address:port` of the rehearsed internet be reached at `local_port` of loopback."""
        self._places[address, port] = local_port

    def places(self) -> list[tuple[str, int, int]]:
        """Return every published address and port, with the port of loopback behind it."""
        return [(address, port, local) for (address, port), local in self._places.items()]

    def withdraw(self, address: str, port: int) -> None:
        """Close `address:port` again; connecting to it is then refused."""
        self._places.pop((address, port), None)

    def reach(self, address: str, port: int) -> tuple[str, int]:
        """Return the loopback address and port behind `address:port`.

        Raises:
            ConnectionRefusedError: nothing in the world listens there.
        """
        try:
            return LOOPBACK, self._places[address, port]
        except KeyError:
            msg = f"nothing listens on {address} port {port}"
            raise ConnectionRefusedError(msg) from None

    async def connect(self, address: str, port: int, *, origin: str) -> socket.socket:
        """Connect to `address:port` as a host whose public address is `origin`.

        Every host of the rehearsed internet shares one loopback address; the local port tells
        the other side, through `origin_of`, who is calling.

        Raises:
            ConnectionRefusedError: nothing listens there.
        """
        place = self.reach(address, port)
        caller = self.caller(origin)
        try:
            await asyncio.get_running_loop().sock_connect(caller, place)
        except BaseException:
            caller.close()
            raise
        return caller

    def caller(self, origin: str) -> socket.socket:
        """Return a socket, not connected yet, that calls as the host with address `origin`."""
        caller = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        caller.settimeout(0)
        caller.bind((LOOPBACK, 0))
        self._origins[caller.getsockname()[1]] = origin
        return caller

    def origin_of(self, local_port: int) -> str:
        """Return the public address behind a caller's local port; loopback for anyone else."""
        return self._origins.get(local_port, LOOPBACK)


@dataclass
class Surroundings:
    """What a service may know of the world: its folder, its certificate authority, its neighbours.

    Attributes:
        folder: Folder of this world; whatever a service keeps lies below it.
        root: Scratch root of the rehearsed host: what would be `/` there.
        authority: Issues the certificates that the world's own public would trust.
        addresses: The address book of the rehearsed internet.
        config: The stack's declaration, by key with the `mail:` prefix left off, before overlay.
        secrets: Secrets invented for this world, by name, the same for as long as it stands.
        services: The running services by name.
    """

    folder: Path
    root: Path
    authority: CertificateAuthority
    addresses: AddressBook
    config: dict[str, Any]
    secrets: dict[str, str]
    services: dict[str, "Service"] = field(default_factory=dict)

    def port(self, key: str) -> int:
        """Return a free port of loopback for `key`, the same one at every start of this world.

        A stack remembers where it was deployed to; a service that moved would look changed. If
        another program has taken the port meanwhile, there is a new one. Between this and the
        service's own use of it the port is nobody's: the world starts a service again, on another
        port, that finds it taken by then.
        """
        file = self.folder / "ports.json"
        known: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
        others = {port for name, port in known.items() if name != key}
        for wanted in (known.get(key, 0), *(0 for _ in range(_CHOICES))):
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((LOOPBACK, wanted))
                    # Two sockets may be bound to one port; only one can listen.
                    probe.listen()
                except OSError:
                    continue
                found = int(probe.getsockname()[1])
            if found in others:
                continue
            if known.get(key) != found:
                file.write_text(json.dumps({**known, key: found}, indent=1))
            return found
        msg = "loopback has no free port"
        raise OSError(msg)


class Service(ABC):
    """One service of the world: small, speaking the real protocol, able to fail when told.

    `faults` is set through the world's control address (`PUT /<name>/faults`); each service says
    in its docstring which faults it knows.
    """

    name: ClassVar[str]
    """Short name, as in the report: `cloudflare`, `smarthost`, ..."""
    stands_for: ClassVar[str]
    """What stands there in reality, in a few words."""
    genuine: bool = False
    """True where the real thing runs instead of a stand-in."""

    def __init__(self) -> None:
        self.faults: dict[str, Any] = {}
        self.overlay_changed: Callable[[], None] = lambda: None
        """To be called when `overlay` says something else than before: the world tells it on."""

    @abstractmethod
    async def start(self, world: Surroundings) -> None:
        """Listen on free ports of loopback, and publish them in the address book."""

    @abstractmethod
    async def stop(self) -> None:
        """Close every port and end every task and child process."""

    def overlay(self) -> dict[str, Any]:
        """Return configuration that the program needs to find this service.

        By key without `mail:`; values under `endpoints` are merged.
        """
        return {}

    def control(self) -> Iterable[web.RouteDef]:
        """Return further control routes: what a test or the report wants to see or do.

        They are mounted below `/<name>/`.
        """
        return ()
