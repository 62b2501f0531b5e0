"""A rehearsal in a temporary folder: a copy of the project, its world, and the engine upon it."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from pulumi_mailcow.client import Client, Settings
from rehearsal.engine import Outcome, ResourceView
from rehearsal.stage import Stage
from rehearsal.world import process
from rehearsal.world.client import WorldClient
from tests.conftest import PROJECT

Values = dict[str, Any]
Properties = dict[str, set[str]]
"""What changes of a resource, by `sign name`: the paths of its properties."""

_LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", ".rehearsal", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"
)


def copy_project(folder: Path) -> Path:
    """Copy the project as it stands, without what runs left, as a fresh clone would hold it."""
    shutil.copytree(PROJECT, folder, ignore=_LEFT_OUT)
    return folder


def change_declaration(
    project: Path, change: Callable[[Values], object], stack: str = "qual"
) -> str:
    """Change the values of a stack's declaration, keys without `mail:`; return the file as it was.

    Args:
        project: Folder of the project.
        change: Changes the values in place.
        stack: Name of the stack.
    """
    file = project / f"Pulumi.{stack}.yaml"
    before = file.read_text()
    values = {
        key.removeprefix("mail:"): one for key, one in yaml.safe_load(before)["config"].items()
    }
    change(values)
    config = {f"mail:{key}": one for key, one in values.items()}
    file.write_text(yaml.safe_dump({"config": config}, sort_keys=False))
    return before


class Rehearsed:
    """One stack in a world of its own, driven from within the test's process.

    The program runs in a thread: importing the official SDKs anew takes seconds each time.
    """

    def __init__(self, folder: Path, plant: Callable[[Path], None] | None = None) -> None:
        """Copy the project and start its world; `close` ends it.

        Args:
            folder: Gets the copy and what runs leave.
            plant: Puts things into the world's folder before it starts.
        """
        self.project = copy_project(folder / "project")
        self.runs = folder / "runs"
        self.stage = Stage(self.project, "qual", runs=self.runs)
        if plant is not None:
            place = self.stage.folder / "world"
            place.mkdir(parents=True, mode=0o700)
            plant(place)
        self.world: WorldClient = self.stage.start_world(parent=os.getpid())

    def close(self) -> None:
        """Stop the world."""
        self.stage.stop_world()

    def restart_world(self) -> None:
        """Stop the world and start it again, on what it kept."""
        self.stage.stop_world()
        self.world = self.stage.start_world(parent=os.getpid())

    @contextmanager
    def declared(self, change: Callable[[Values], None]) -> Iterator[None]:
        """Let the declaration say something else for a while."""
        before = change_declaration(self.project, change)
        try:
            yield
        finally:
            (self.project / "Pulumi.qual.yaml").write_text(before)

    def _run(self, kind: str) -> Outcome:
        outcome: Outcome = getattr(self.stage.engine(self.world), kind)()
        self.last = outcome
        return outcome

    def preview(self, change: Callable[[Values], None] | None = None) -> Outcome:
        """Plan, with another declaration if one is given."""
        if change is None:
            return self._run("preview")
        with self.declared(change):
            return self._run("preview")

    def up(self) -> Outcome:
        """Deploy."""
        return self._run("up")

    def refresh(self) -> Outcome:
        """Let the state follow what is found."""
        return self._run("refresh")

    def destroy(self) -> Outcome:
        """Take everything down."""
        return self._run("destroy")

    def on_host(self, path: str) -> Path:
        """Return where a path of the host lies on this machine."""
        return self.world.folder / "root" / path.lstrip("/")

    def files_below(self, path: str) -> dict[str, bytes]:
        """Return the files below a path of the host with their contents, without git's own."""
        top = self.on_host(path)
        return {
            str(file.relative_to(top)): file.read_bytes()
            for file in top.rglob("*")
            if file.is_file() and ".git" not in file.relative_to(top).parts
        }

    def resources(self, kind: str) -> list[ResourceView]:
        """Return the resources of the last run whose type contains `kind`."""
        return [resource for resource in self.last.resources if kind in resource.type]

    def services(self) -> list[str]:
        """Return the services of the compose project whose containers run."""
        return [
            str(text["Labels"]["com.docker.compose.service"])
            for text in self.world.ask("GET", "/docker/containers")
            if text["State"] == "running" and "com.docker.compose.service" in text["Labels"]
        ]

    def events(self, action: str) -> list[str]:
        """Return to which services of the compose project a Docker event happened, in order.

        A container of no compose project is an empty name.
        """
        return [
            str(text["Actor"]["Attributes"].get("com.docker.compose.service", ""))
            for text in self.world.ask("GET", "/docker/events")
            if text["Action"] == action
        ]

    def mailcow(self, path: str, body: object) -> None:
        """Write through Mailcow's API, as its administrator would."""
        overlay = self.world.overlay["endpoints"]
        settings = Settings(
            endpoint=f"https://mail-admin.{self.stage.values()['domain']}",
            api_key=self.on_host("/opt/po-mail/secrets/api-key").read_text().strip(),
            connect_to=overlay["web"],
            ca_bundle=overlay["caBundle"],
        )

        async def write() -> None:
            async with Client(settings) as client:
                await client.write(path, body)

        asyncio.run(write())


@contextmanager
def nothing_stays(folder: Path) -> Iterator[None]:
    """End, at the latest afterwards, every process of every world below `folder`."""
    try:
        yield
    finally:
        for order in folder.rglob("order.json"):
            process.sweep(order.parent)


def changes(outcome: Outcome) -> Properties:
    """Return what an outcome changes, such as `{"update dmarc": {"content"}}`.

    When something was changed, which an API notes by itself, is left out.
    """
    return {
        f"{step.op} {step.name}": {
            change.path for change in step.diff if not change.path.lower().endswith("modifiedon")
        }
        for step in outcome.steps
        if step.op.changes
    }


def errors(outcome: Outcome) -> str:
    """Return the errors of an outcome as one text."""
    return "\n".join(error.message for error in outcome.errors)


def command_line(
    project: Path, *words: str, environment: Mapping[str, str] | None = None, seconds: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run `python -m rehearsal` of a copied project as a person would, from its folder."""
    return subprocess.run(
        [sys.executable, "-m", "rehearsal", *words],
        cwd=project,
        env=clean_environment() | dict(environment or {}),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def clean_environment() -> dict[str, str]:
    """Return this process' environment, with nothing in it that steers a rehearsal."""
    left_out = ("PYTEST", "REHEARSAL", "PULUMI", "COVERAGE")
    return {key: one for key, one in os.environ.items() if not key.startswith(left_out)}


def ssh_key() -> str:
    """Return a fresh private key in OpenSSH's format."""
    return (
        ed25519.Ed25519PrivateKey.generate()
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        )
        .decode()
    )


def processes_of(folder: Path) -> set[int]:
    """Return the processes of every world below `folder`."""
    worlds = (file.parent for file in folder.rglob("order.json"))
    return {pid for world in worlds for pid in process.members(world)}
