"""A deployed world to upgrade, and what can be planted in it."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

from operations.prove.model import Proof, Station
from operations.prove.registry import checks
from operations.site import Site, open_site
from operations.update import journal
from operations.update.action import Action, Order, carry_out
from operations.update.journal import Journal
from rehearsal.report import Report
from rehearsal.stage import Stage
from tests.rehearsal.rehearsed import copy_project

T = TypeVar("T")

OLD, NEW, LARGE = "2026-07a", "2026-07b", "2026-08"
NEW_POSTFIX = "ghcr.io/mailcow/postfix:3.10.13-1"


class Deployed:
    """A copy of the project, its stack `qual` deployed to a world of its own."""

    def __init__(self, folder: Path) -> None:
        """Start the world below `folder` and deploy to it; `close` ends it."""
        self.project = copy_project(folder / "project")
        self.runs = folder / "runs"
        self.stage = Stage(self.project, "qual", runs=self.runs)
        self.world = self.stage.start_world(parent=os.getpid())
        outcome = self.stage.engine(self.world).up()
        assert outcome.ok, [error.message for error in outcome.errors]

    def close(self) -> None:
        """Stop the world."""
        self.stage.stop_world()

    def act(self, act: Callable[[Site], Awaitable[T]]) -> T:
        """Do something on the site."""

        async def there() -> T:
            async with open_site("qual", live=False, project=self.project, runs=self.runs) as site:
                return await act(site)

        return asyncio.run(there())

    def order(
        self, action: Action = Action.APPLY, *, whole: bool = False, **words: Any
    ) -> tuple[int, dict[str, Any]]:
        """Carry an order out; return its exit code and what it said to a machine.

        The proof is cut down to handing a message in, unless it shall be the whole one.
        """
        report = Report(as_json=True)

        async def there(site: Site) -> int:
            genuine = site.prove
            few = [check for check in checks() if check.station is Station.SUBMISSION]

            async def prove() -> Proof:
                return await genuine(only=None if whole else few)

            with mock.patch.object(site, "prove", prove):
                return await carry_out(site, report, Order(action=action, **words))

        return self.act(there), json.loads(json.dumps(report.document, default=str))

    @contextmanager
    def faults(self, service: str, **faults: Any) -> Iterator[None]:
        """Let a service of the world show faults for a while."""
        self.world.set_faults(service, **faults)
        try:
            yield
        finally:
            self.world.clear_faults(service)

    def on_host(self, path: str) -> Path:
        """Return where a path of the host lies on this machine."""
        return self.world.folder / "root" / path.lstrip("/")

    def journal(self) -> Journal:
        """Return the journal on the host."""
        found = self.act(lambda site: journal.load(site.host))
        assert found is not None
        return found

    def images(self) -> dict[str, str]:
        """Return the image of each service that runs."""
        return {
            str(text["Labels"]["com.docker.compose.service"]): str(text["Image"])
            for text in self.world.ask("GET", "/docker/containers")
            if text["State"] == "running" and "com.docker.compose.service" in text["Labels"]
        }

    @property
    def schema(self) -> str:
        """Version of the database's schema."""
        return (self.world.folder / "host/schema").read_text().strip()

    def tag_in_place(self) -> str:
        """Return the release in place, by what Mailcow's own page would show."""
        text = self.on_host("/opt/po-mail/mailcow/data/web/inc/app_info.inc.php").read_text()
        return text.partition('GIT_VERSION="')[2].partition('"')[0]
