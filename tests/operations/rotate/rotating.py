"""Rotations in a deployed world: begun, stopped, resumed, watched."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar

from operations.rotate.catalogue import ROTATIONS
from operations.rotate.given import Asking
from operations.rotate.memory import Memory, Progress
from operations.rotate.model import Options, Step, Work
from operations.rotate.running import Ending, abandon, carry_out
from operations.site import Site, open_site
from rehearsal.stage import Stage
from tests.conftest import PROJECT

T = TypeVar("T")


class NoTerminal:
    """A standard input that was closed."""

    def isatty(self) -> bool:
        return False

    def readline(self) -> str:
        return ""


@dataclass
class Told:
    """What a run of a rotation said.

    Attributes:
        ending: How it ended.
        steps: Name and standing of each step that was done.
        words: What was said of each.
    """

    ending: Ending | None = None
    steps: list[tuple[str, str]] = field(default_factory=list)
    words: dict[str, str] = field(default_factory=dict)


class World:
    """The stack `qual`, deployed to a world of its own."""

    def __init__(self, runs: Path) -> None:
        self.runs = runs
        self.stage = Stage(PROJECT, "qual", runs)
        self.world = self.stage.start_world(parent=os.getpid())
        outcome = self.stage.engine(self.world).up()
        assert outcome.ok, [error.message for error in outcome.errors]

    def close(self) -> None:
        self.stage.stop_world()

    @property
    def root(self) -> Path:
        """The host's files."""
        return self.world.folder / "root"

    def on_site(self, act: Callable[[Site], Any]) -> Any:
        """Run a coroutine on the site."""

        async def there() -> Any:
            async with open_site("qual", live=False, runs=self.runs) as site:
                return await act(site)

        return asyncio.run(there())

    def rotate(self, what: str, new: str = "", *, today: date | None = None, **said: Any) -> Told:
        """Carry a rotation out as far as it goes."""
        told = Told()
        options = Options(**said)
        rotation = ROTATIONS[what]

        def say(step: Step, words: str, status: str) -> None:
            told.steps.append((step.name, status))
            told.words[step.name] = words

        async def act(site: Site) -> None:
            work = await self.work(site, what, new, options, today)
            told.ending = await carry_out(rotation, work, say)

        self.last = told
        self.on_site(act)
        return told

    def abandon(self, what: str, **said: Any) -> str:
        """Put the old one back."""

        async def act(site: Site) -> str:
            work = await self.work(site, what, "", Options(**said), None)
            return await abandon(ROTATIONS[what], work)

        return str(self.on_site(act))

    async def work(
        self, site: Site, what: str, new: str, options: Options, today: date | None
    ) -> Work:
        """Recall a rotation, or begin one."""
        name = ROTATIONS[what].name(options)
        memory = Memory(site.host, name)
        asking = Asking(stdin=NoTerminal(), rehearsed=True)  # type: ignore[arg-type]  # two methods do
        day = today or datetime.now(UTC).date()
        progress = await memory.recall() or Progress(name, day.isoformat())
        return Work(site, memory, progress, options, lambda where: new or asking(where), day)

    def preview(self) -> list[str]:
        """Return what a deployment would change."""

        async def act(site: Site) -> list[str]:
            plan = await asyncio.to_thread(site.deployer.preview)
            assert plan.ok, plan.errors
            return [step.name for step in plan.steps]

        return list(self.on_site(act))
