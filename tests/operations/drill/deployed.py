"""A deployed world with mail in it, for backup and drill."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from operations.site import Site, open_site
from rehearsal.stage import Stage
from rehearsal.world.client import WorldClient
from rehearsal.world.mail.store import MailStore
from tests.conftest import PROJECT

T = TypeVar("T")
VOLUMES = "var/lib/docker/volumes"


class Deployed:
    """The world, its host's disk, and what is done on its site."""

    def __init__(self, runs: Path, stage: Stage, world: WorldClient) -> None:
        self.runs = runs
        self.stage = stage
        self.world = world
        self.root = world.folder / "root"

    def on_site(self, act: Callable[[Site], Awaitable[T]]) -> T:
        """Run something on the site and return its result."""

        async def work() -> T:
            async with open_site("qual", live=False, runs=self.runs) as site:
                return await act(site)

        return asyncio.run(work())

    def volume(self, name: str) -> Path:
        return self.root / VOLUMES / f"po-mail_{name}-vol-1" / "_data"

    def deliver(self, local: str, text: str, *, junk: bool = False) -> None:
        store = MailStore(self.volume("vmail"))
        store.deliver(f"{local}@portugalodyssey.pt", text.encode(), junk=junk)

    def metrics(self, name: str) -> dict[str, float]:
        folder = self.root / "var/lib/node_exporter/textfile_collector"
        lines = (folder / f"po_mail_{name}.prom").read_text().splitlines()
        return {
            one: float(value)
            for one, value in (line.split() for line in lines if not line.startswith("#"))
        }

    def state(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.root / f"opt/po-mail/state/{name}").read_text())
        return found


@contextmanager
def deployed(runs: Path) -> Iterator[Deployed]:
    """Yield a deployed world with three messages in it."""
    stage = Stage(PROJECT, "qual", runs)
    world = stage.start_world(parent=os.getpid())
    try:
        assert stage.engine(world).up().ok
        found = Deployed(runs, stage, world)
        found.deliver("info", "Subject: one\r\n\r\nfirst\r\n")
        found.deliver("info", "Subject: two\r\n\r\nsecond\r\n", junk=True)
        found.deliver("cristina", "Subject: three\r\n\r\nthird\r\n")
        yield found
    finally:
        stage.stop_world()
