"""A small world for the tests of the rehearsed host: chosen services, their loop in a thread."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from rehearsal.world.authority import CertificateAuthority
from rehearsal.world.service import AddressBook, Service, Surroundings
from tests.world.declared import declared

HOST = "198.51.100.7"
CONFIG = declared(
    domain="example.org", host={"address": HOST}, backup={"server": "storage.example.org:443"}
)
T = TypeVar("T")


class Neighbourhood:
    """Started services, and a way to run coroutines in their loop."""

    def __init__(self, world: Surroundings, loop: asyncio.AbstractEventLoop) -> None:
        self.world = world
        self._loop = loop

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)


@contextmanager
def started(
    folder: Path,
    *services: Service,
    secrets: dict[str, str] | None = None,
    config: dict[str, Any] | None = None,
) -> Iterator[Neighbourhood]:
    """Run `services` in a loop of their own until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    root = folder / "root"
    root.mkdir(exist_ok=True)
    authority = CertificateAuthority(folder / "authority")
    world = Surroundings(folder, root, authority, AddressBook(), config or CONFIG, secrets or {})
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    neighbourhood = Neighbourhood(world, loop)
    try:
        for service in services:
            world.services[service.name] = service
            neighbourhood.run(service.start(world))
        yield neighbourhood
    finally:
        for service in reversed(services):
            neighbourhood.run(service.stop())
        neighbourhood.run(loop.shutdown_default_executor())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
