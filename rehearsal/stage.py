"""One stack on this machine: its declaration, its world, its state, all below one folder."""

import json
import re
import secrets
import shutil
import threading
from collections.abc import Callable, Mapping
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from declaration import reading
from declaration.mistakes import PREFIX
from declaration.model import Declaration
from declaration.resolved import resolve
from rehearsal.engine.lock import StackLock
from rehearsal.private_file import write_private
from rehearsal.world.client import WorldClient, WorldUnreachableError

if TYPE_CHECKING:
    from pulumi.provider.experimental.provider import Provider

    from rehearsal.engine import Engine
    from rehearsal.engine.backend import Backend
    from rehearsal.engine.model import Event

RUNS = ".rehearsal"
"""The one folder, ignored by git, that holds whatever runs leave behind."""

_OWN = {
    "host": ("pulumi_host.provider", "HostProvider"),
    "mailcow": ("pulumi_mailcow.provider", "MailcowProvider"),
}

_STACK_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")
"""Pulumi's own rule, without names that begin with a period: they would be hidden folders."""


class StageError(Exception):
    """A step cannot be taken; the message says why and what to do."""


def _text(value: object) -> str:
    """Return a configuration value as Pulumi's runtime hands it to a program."""
    return value if isinstance(value, str) else json.dumps(value)


def _merged(values: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """Return the declaration with what the world adds; the world never overrides a setting."""
    clash = sorted(set(values) & set(overlay) - {"hostKey", "dkimPublicKey", "exporterDigest",
                                                 "operatorAddresses"})  # fmt: skip
    if clash:
        keys = ", ".join(f"{PREFIX}{key}" for key in clash)
        msg = f"{keys} is set by a rehearsal; take it out of the declaration"
        raise StageError(msg)
    return {**values, **overlay}


class Stage:
    """Where one stack is rehearsed."""

    def __init__(self, project: Path, stack: str, runs: Path | None = None) -> None:
        """Look at `Pulumi.<stack>.yaml` in `project`; nothing is read or started yet.

        Args:
            project: Folder of `Pulumi.yaml`.
            stack: Name of the stack.
            runs: Folder for whatever runs leave behind; `.rehearsal` of the project if None.

        Raises:
            StageError: no stack can have that name.
        """
        if not _STACK_NAME.fullmatch(stack):
            msg = f'"{stack}" is no name of a stack: letters, digits, hyphens, underscores, periods'
            raise StageError(msg)
        self.project = project.resolve()
        self.stack = stack
        self.file = self.project / f"Pulumi.{stack}.yaml"
        self.folder = (runs or self.project / RUNS).resolve() / "stacks" / stack
        self.backend = self.folder / "state"
        self.logs = self.folder / "logs"
        self._salt = self.folder / "salt"

    @cached_property
    def lock(self) -> StackLock:
        """The stack's lock: held by who changes its world or its state, until all is done."""
        return StackLock(self.folder / "lock", self.stack)

    # The declaration

    def values(self) -> dict[str, Any]:
        """Read the declaration as it stands in the file.

        Raises:
            DeclarationError: the file cannot be read.
        """
        return reading.load_values(self.file)

    def check(self) -> reading.Reading:
        """Return the reading of the declaration, as it stood when first asked for.

        What only the operator's accounts can tell may be missing: the world supplies it.

        Raises:
            DeclarationError: there are mistakes.
        """
        return self._checked

    @cached_property
    def _checked(self) -> reading.Reading:
        return reading.check(self.values(), self.file)

    def declaration(self, world: WorldClient) -> Declaration:
        """Return the declaration as the program reads it in `world`."""
        merged = _merged(self.values(), world.overlay)
        return reading.read(merged, source=self.file.name, file=self.file)

    # The world

    def world(self) -> WorldClient:
        """Return the running world.

        Raises:
            WorldUnreachableError: none runs.
        """
        world = WorldClient.find(self.folder / "world")
        if not world.answers():
            msg = f"the world of {self.stack} does not answer; start it with `world start`"
            raise WorldUnreachableError(msg)
        return world

    def start_world(self, *, parent: int | None = None) -> WorldClient:
        """Start the world, or return the one that runs already."""
        from rehearsal.world import process  # noqa: PLC0415  # only starting needs the services

        try:
            return self.world()
        except WorldUnreachableError:
            order = process.Order(resolve(self._checked), self.stack, parent=parent)
            return process.start(self.folder / "world", order)

    def stop_world(self) -> bool:
        """Stop the world; return whether one ran."""
        from rehearsal.world import process  # noqa: PLC0415  # only stopping needs the services

        return process.stop(self.folder / "world")

    def cut_short(self) -> str:
        """Return which run did not come to its end, in words; empty where none is open.

        What it left in world and state is not known: who holds the lock makes both anew.
        """
        return self._state().cut_short()

    def clear(self) -> None:
        """Stop the world, and remove it, its state, and what was changed while it stood."""
        self.stop_world()
        for name in ("world", "changed"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        # In one step, and last of all: until then it says that a run was cut short.
        aside = self.backend.with_name("state.cleared")
        shutil.rmtree(aside, ignore_errors=True)
        if self.backend.exists():
            self.backend.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)

    # The engine

    def _state(self) -> "Backend":
        from rehearsal.engine.backend import Backend  # noqa: PLC0415  # as `engine`
        from rehearsal.engine.engine import Project  # noqa: PLC0415  # as above

        return Backend(self.backend, Project.read(self.project).name, self.stack)

    def passphrase(self) -> str:
        """Return the passphrase that seals the secrets in the state, invented at the first call."""
        file = self.folder / "passphrase"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            write_private(file, secrets.token_urlsafe(24))
        return file.read_text()

    def configuration(self, world: WorldClient) -> tuple[dict[str, str], frozenset[str]]:
        """Return the whole configuration of the program in `world`, and which keys are secret."""
        plain = _merged(self.values(), world.overlay)
        config = {f"{PREFIX}{key}": _text(value) for key, value in plain.items()}
        sealed = {f"{PREFIX}{key}": value for key, value in world.secrets.items()}
        return {**config, **sealed}, frozenset(sealed)

    def engine(
        self, world: WorldClient, *, on_event: "Callable[[Event], None] | None" = None
    ) -> "Engine":
        """Return the engine, ready to run the program in `world`."""
        from rehearsal.engine import Engine  # noqa: PLC0415  # a declaration is checked without it

        threading.Thread(target=_import_ahead, name="providers", daemon=True).start()
        config, secret_keys = self.configuration(world)
        return Engine(
            project=self.project,
            stack=self.stack,
            backend=self.backend,
            passphrase=self.passphrase(),
            config=config,
            secret_keys=secret_keys,
            providers=providers(),
            on_event=on_event,
            log_folder=self.logs,
            encryption_salt=self._salt.read_text() if self._salt.exists() else None,
            lock=self.lock,
        )

    def keep_salt(self, engine: "Engine") -> None:
        """Let later states be sealed as this engine seals, so that an import file opens again.

        The genuine CLI keeps its salt in the declaration, which a rehearsal leaves as it is.
        """
        self._salt.parent.mkdir(parents=True, exist_ok=True)
        write_private(self._salt, engine.encryption_salt)


def refusals() -> tuple[type[Exception], ...]:
    """Return the errors that a person can mend: each says in its message what is wrong."""
    from rehearsal import engine  # noqa: PLC0415  # only asked for when something went wrong
    from rehearsal.world.world import WorldError  # noqa: PLC0415  # as above

    return (
        StageError,
        WorldUnreachableError,
        WorldError,
        engine.CutShortError,
        engine.ImportRefusedError,
        engine.LockedError,
        engine.ProjectRefusedError,
        engine.StateNotWrittenError,
        engine.StateRefusedError,
        engine.WrongPassphraseError,
    )


def providers() -> "dict[str, Callable[[], Provider]]":
    """Return the providers of a rehearsal by package: stand-ins, and the project's own two."""
    from rehearsal.standins import PROVIDERS  # noqa: PLC0415  # a declaration is checked without it

    own = {package: _lazily(*place) for package, place in _OWN.items()}
    return {**PROVIDERS, **own}


def _lazily(module: str, name: str) -> "Callable[[], Provider]":
    """Import a provider only when it is asked for."""

    def build() -> "Provider":
        provider: Provider = getattr(import_module(module), name)()
        return provider

    return build


def _import_ahead() -> None:
    """Import every provider, while the program's process imports the SDKs."""
    from rehearsal.standins import PROVIDERS  # noqa: PLC0415  # as above

    standins = (f"rehearsal.standins.{package}" for package in PROVIDERS)
    for module in (*standins, *(place[0] for place in _OWN.values())):
        import_module(module)
