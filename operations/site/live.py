"""The real stack: its secrets from Pulumi's configuration, deployments by the genuine CLI."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from declaration.mistakes import PREFIX, DeclarationError
from declaration.model import Declaration
from declaration.reading import read_file
from operations.site.editing import edit
from operations.site.model import (
    PROJECT,
    Deployer,
    Plan,
    PlannedStep,
    Site,
    SiteError,
    Sketch,
)
from rehearsal.engine.values import UNKNOWN, Sealed
from rehearsal.genuine.cli import Cli, Outcome, Step

if TYPE_CHECKING:
    from operations.prove.net import Net

CONFIGURATION_SECONDS = 120.0
"""How long the CLI may take to open the configuration; a key service may be far away."""


_POLICIES = ("--policy-pack", "policies")

_SEALED = f"{PREFIX}sealed"
"""Key of a copy of the configuration under which the CLI leaves what it sealed."""


class LiveSite(Site):
    """A stack on its real host."""

    live = True

    def __init__(self, stack: str, project: Path = PROJECT, *, resolver: str | None = None) -> None:
        """Read the declaration, and the secrets through the CLI.

        Args:
            stack: Name of the stack.
            project: Folder of `Pulumi.yaml`.
            resolver: Resolver for the proof; the system's if None.

        Raises:
            DeclarationError: the declaration has mistakes.
            SiteError: the CLI is not there or cannot open the configuration.
        """
        self._project = project
        self._resolver = resolver
        super().__init__(stack, self._declared(stack), read_secrets(stack, project))

    def _declared(self, stack: str) -> Declaration:
        return read_file(self._project / f"Pulumi.{stack}.yaml")

    @property
    def place(self) -> str:
        """Where this is, in words."""
        return f"the real stack at {self.declaration.host.address}"

    @property
    def file(self) -> Path:
        """The stack's declaration."""
        return self._project / f"Pulumi.{self.stack}.yaml"

    @property
    def evidence(self) -> Path:
        """Where it is committed with the declaration."""
        return self._project / "evidence" / self.stack

    def declare(self, changes: Mapping[str, Any]) -> None:
        """Change the stack's file, for the operator to commit."""
        before = self.file.read_text("utf-8")
        edit(self.file, changes)
        try:
            self.reload(self._declared(self.stack), self._secrets)
        except DeclarationError:
            self.file.write_text(before, "utf-8")
            raise

    @cached_property
    def deployer(self) -> Deployer:
        """The genuine CLI."""
        return _Cli(self, self._project)

    @property
    def net(self) -> "Net":
        """The live internet."""
        from operations.prove.net import LiveNet  # noqa: PLC0415  # only a proof needs it

        return LiveNet(self._resolver)

    def refresh(self) -> None:
        """Read declaration and secrets again."""
        self.reload(self._declared(self.stack), read_secrets(self.stack, self._project))


class _Cli:
    """The genuine CLI, with the policies, on the stack as it stands."""

    def __init__(self, site: LiveSite, project: Path) -> None:
        self._site = site
        self._project = project

    def preview(self) -> Plan:
        """Return what a deployment would do."""
        return plan_of(self._deploy("preview", *_POLICIES))

    def up(self, on_step: Callable[[str], None] | None = None) -> Plan:
        """Deploy, and return what was done, with why it failed if it did.

        The policies judge the plan first: at the end of a deployment it is done already.
        """
        plan = self.preview()
        if not plan.ok:
            return Plan((), plan.unchanged, plan.errors)

        def ended(step: Step) -> None:
            if on_step is not None:
                on_step(step.name)

        done = self._deploy("up", "--yes", "--skip-preview", *_POLICIES, on_step=ended)
        self._site.refresh()
        return plan_of(done)

    def sketch(self) -> Sketch:
        """Return what a deployment would make that the state does not hold."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "import.json"
            outcome = self._deploy("preview", "--import-file", str(file))
            plan = plan_of(outcome)
            if not plan.ok:
                return Sketch({}, {}, plan.unchanged, plan.errors)
            document = json.loads(file.read_text()) if file.exists() else {}
        return Sketch(document, inputs_of(outcome), plan.unchanged)

    def _deploy(
        self, command: str, *words: str, on_step: Callable[[Step], None] | None = None
    ) -> Outcome:
        cli = Cli(_program(), self._project)
        return cli.deploy(command, "--stack", self._site.stack, *words, on_step=on_step)

    def seal(self, text: str) -> str:
        """Return a text sealed as the stack's state is.

        The CLI seals only into a configuration, so it is given a copy; the stack's own file stays
        as it is.
        """
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / self._site.file.name
            copy.write_text(self._site.file.read_text("utf-8"), "utf-8")
            done = _pulumi(
                self._project, "config", "set", "--secret", _SEALED, "--stack", self._site.stack,
                "--config-file", str(copy), text=text,
            )  # fmt: skip
            if done.returncode:
                raise SiteError(f"the CLI cannot seal a secret: {done.stderr.strip()}")
            sealed: str = yaml.safe_load(copy.read_text("utf-8"))["config"][_SEALED]["secure"]
        return sealed

    def set_secret(self, key: str, value: str) -> None:
        """Seal another value; it goes over standard input, so that no process list shows it."""
        done = _pulumi(
            self._project, "config", "set", "--secret", PREFIX + key, "--stack", self._site.stack,
            text=value,
        )  # fmt: skip
        if done.returncode:
            raise SiteError(f"pulumi config set {PREFIX}{key} failed: {done.stderr.strip()}")
        self._site.refresh()


def _program() -> Path:
    program = shutil.which("pulumi")
    if program is None:
        raise SiteError(
            "there is no pulumi on PATH; without --live the rehearsed world is used, and `make "
            "doctor` says what else is missing"
        )
    return Path(program)


def _pulumi(project: Path, *words: str, text: str = "") -> "subprocess.CompletedProcess[str]":
    try:
        return Cli(_program(), project).run(*words, text=text, timeout=CONFIGURATION_SECONDS)
    except subprocess.TimeoutExpired:
        # Raised without the words of the process: they could hold what it was opening.
        seconds = f"{CONFIGURATION_SECONDS:.0f} s"
        raise SiteError(f"pulumi {words[0]} did not end within {seconds}") from None


def read_secrets(stack: str, project: Path = PROJECT) -> dict[str, str]:
    """Return the secrets of a stack by key, without `mail:`.

    Raises:
        SiteError: the CLI is not there, or cannot open the configuration.
    """
    done = _pulumi(project, "config", "--show-secrets", "--json", "--stack", stack)
    if done.returncode:
        words = done.stderr.strip() or "no reason given"
        raise SiteError(f"the configuration of {stack} cannot be opened: {words}")
    return secrets_of(json.loads(done.stdout))


def secrets_of(configuration: dict[str, Any]) -> dict[str, str]:
    """Return the secret values of what `pulumi config --show-secrets --json` says."""
    return {
        key.removeprefix(PREFIX): str(entry["value"])
        for key, entry in configuration.items()
        if key.startswith(PREFIX) and entry.get("secret") and "value" in entry
    }


def inputs_of(outcome: Outcome) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the declared inputs in what a preview says, by type and name.

    It tells no secret: they are known to be there, and nothing more. What the SDK adds for the
    plugin alone, such as `__defaults`, was declared by nobody.
    """
    return {
        (step.type, step.name): {
            key: _declared(value) for key, value in step.inputs.items() if not key.startswith("__")
        }
        for step in outcome.steps
    }


def _declared(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _declared(inner) for key, inner in value.items() if not key.startswith("__")}
    if isinstance(value, list):
        return [_declared(item) for item in value]
    if value == "[secret]":
        return Sealed(UNKNOWN)
    return UNKNOWN if value == UNKNOWN else value


def plan_of(outcome: Outcome) -> Plan:
    """Return what the CLI did, or would do, in the words that both engines share."""
    steps = tuple(
        PlannedStep(op=step.op, type=step.type, name=step.name, properties=step.properties)
        for step in outcome.steps
        if step.changes
    )
    return Plan(steps, outcome.changes.get("same", 0), outcome.errors)
