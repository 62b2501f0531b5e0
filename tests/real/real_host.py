"""A real host that lies on loopback: set up and deployed as README.md says, word for word.

What stands in for what: the world for the providers and the host, to which `mail:endpoints` leads
(no real declaration has it); a temporary HOME for the operator's; PULUMI_SKIP_CONFIRMATIONS for the
"yes" that a person answers; the secrets that the world invented for those of the accounts.
"""

import asyncio
import os
import re
import shutil
import subprocess
import sysconfig
import venv
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import yaml

from operations.prove.net import Net, WorldNet
from operations.site.editing import edit
from operations.site.live import LiveSite
from rehearsal.genuine.cli import Cli, Outcome
from rehearsal.genuine.programs import lay
from rehearsal.stage import Stage
from rehearsal.world.client import WorldClient
from tests.rehearsal.rehearsed import copy_project

PASSPHRASE = "a passphrase of the test's own"
LOGIN, SETUP, INIT, LIST, PREVIEW, UP = (
    "pulumi login file://$HOME/pulumi-state",
    "make setup",
    "pulumi stack init qual",
    "pulumi preview --stack qual",
    "make preview",
    "make up",
)
"""What the chapter "A real host" of README.md has a person type."""

_SETTING = re.compile(r"pulumi config set (--secret )?(?:--path ')?mail:([\w.]+)")


def own_environment(folder: Path) -> None:
    """Make a virtual environment that has what this one has, and into which `make setup` installs.

    A link to this one would be one: the copy's providers would take the place of this project's.
    """
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n")


class RealHost:
    """The project of an operator, and the stack `qual` of it."""

    def __init__(self, folder: Path) -> None:
        """Copy the project and start what stands in for providers and host; nothing is set up."""
        self.folder = folder
        self.project = copy_project(folder / "project")
        own_environment(self.project / ".venv")
        self.file = self.project / "Pulumi.qual.yaml"
        self._stage = Stage(self.project, "qual", folder / "runs")
        self.world: WorldClient = self._stage.start_world(parent=os.getpid())
        self.programs = lay(self._stage.folder, self.project, print)
        self.environment = self.programs.environment(config_passphrase=PASSPHRASE)
        self.environment |= {"HOME": str(folder), "PULUMI_SKIP_CONFIRMATIONS": "true"}
        self.cli = Cli(self.programs.pulumi, self.project, self.environment)

    def close(self) -> None:
        """Stop what stands in."""
        self._stage.stop_world()

    def type(self, command: str, text: str = "") -> "subprocess.CompletedProcess[str]":
        """Type a command line in the project's folder, as the documents print it."""
        return subprocess.run(
            command, shell=True, cwd=self.project, env=self.environment, input=text,
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def set_what_is_missing(self, listed: str) -> list[str]:
        """Type each command of the list of what is missing, with its value; return the keys.

        Args:
            listed: What the preview says.
        """
        values = {**self.world.secrets, **self.world.overlay}
        keys = []
        for secret, key in dict.fromkeys(_SETTING.findall(listed)):
            value = values[key]
            if isinstance(value, list):
                commands = {
                    f"pulumi config set --path 'mail:{key}[{index}]'": str(item)
                    for index, item in enumerate(value)
                }
            else:
                commands = {f"pulumi config set {secret}mail:{key}": str(value)}
            for command, text in commands.items():
                typed = self.type(f"{command} --stack qual", text)
                assert typed.returncode == 0, typed.stderr
            keys.append(key)
        return keys

    def lead_to_loopback(self) -> None:
        """Set where the providers and the host are reached: the one thing that stands in."""
        edit(self.file, {"endpoints": self.world.overlay["endpoints"]})

    def deploy(self, command: str, *words: str, **how: Any) -> Outcome:
        """Run the CLI on the stack, with the policies where they judge."""
        policies = ("--policy-pack", "policies") if command in ("preview", "up") else ()
        decided = () if command == "preview" else ("--yes", "--skip-preview")
        return self.cli.deploy(command, "--stack", "qual", *policies, *decided, *words, **how)

    def exported(self) -> str:
        """Return what `pulumi stack export` tells."""
        answer = self.cli.run("stack", "export", "--stack", "qual")
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    @contextmanager
    def declared(self, changes: Mapping[str, Any]) -> Iterator[None]:
        """Let the declaration say something else for a while."""
        before = self.file.read_text("utf-8")
        edit(self.file, changes)
        try:
            yield
        finally:
            self.file.write_text(before, "utf-8")

    def on_site(self, act: Callable[["LoopbackSite"], Any]) -> Any:
        """Run a coroutine on the site that `--live` opens."""
        with mock.patch.dict(os.environ, self.environment, clear=True):
            site = LoopbackSite("qual", self.project, self.world)

            async def there() -> Any:
                try:
                    return await act(site)
                finally:
                    await site.close()

            return asyncio.run(there())

    def own_engine(self) -> Any:
        """Return the rehearsal's own engine on the very state that the CLI keeps."""
        stage = Stage(self.project, "qual", self.folder / "own")
        stage.backend = self.backend
        stage.file = self.folder / "Pulumi.qual.yaml"
        config = yaml.safe_load(self.file.read_text())["config"]
        plain = {key: value for key, value in config.items() if "secure" not in str(value)[:12]}
        overlay = {f"mail:{key}" for key in self.world.overlay}
        kept = {key: value for key, value in plain.items() if key not in overlay}
        stage.file.write_text(yaml.safe_dump({"config": kept}))
        with mock.patch.object(Stage, "passphrase", return_value=PASSPHRASE):
            return stage.engine(self.world)

    @property
    def backend(self) -> Path:
        """The folder that the operator logged in to."""
        return self.folder / "pulumi-state"


class LoopbackSite(LiveSite):
    """What `--live` opens, with loopback in place of the internet and of the accounts' pages."""

    def __init__(self, stack: str, project: Path, world: WorldClient) -> None:
        """Open the real stack of a project whose host is a world."""
        self._world = world
        super().__init__(stack, project)

    @property
    def net(self) -> Net:
        """The rehearsed internet."""
        return WorldNet(self._world)

    @property
    def world(self) -> WorldClient:
        """Whose pages make and revoke credentials."""
        return self._world


@contextmanager
def real_host(folder: Path) -> Iterator[RealHost]:
    """Give a real host that is set up and not deployed to yet, as README.md says."""
    folder.mkdir(parents=True, exist_ok=True)
    host = RealHost(folder)
    try:
        host.backend.mkdir()
        host.lead_to_loopback()
        for command in (LOGIN, SETUP, INIT):
            typed = host.type(command)
            assert typed.returncode == 0, typed.stderr
        yield host
    finally:
        host.close()
        shutil.rmtree(folder / "runs", ignore_errors=True)
