"""The same rehearsal on the genuine engine: Pulumi's CLI with the policies as its pack.

The program, the world and the state are those of the rehearsal's own engine; only who deploys
differs. Either goes on from the state that the other left.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from declaration.mistakes import PREFIX
from rehearsal.genuine.cli import Cli, Outcome, Step
from rehearsal.genuine.programs import Programs, lay
from rehearsal.parts.commands import InstallError
from rehearsal.parts.lock import BusyError
from rehearsal.private_file import write_private
from rehearsal.rehearse import (
    mail_flows,
    say_parts,
    say_world,
)
from rehearsal.report import Report
from rehearsal.stage import Stage, StageError, refusals
from rehearsal.world.client import WorldClient

PROJECT = PREFIX.rstrip(":")
"""Name of the project: the namespace of its configuration."""


class GenuineEngine:
    """Pulumi's CLI on the stage's own state."""

    def __init__(self, stage: Stage, world: WorldClient, programs: Programs) -> None:
        """Lay what the CLI needs to find: the configuration, and a state that is empty at first."""
        stage.backend.mkdir(parents=True, exist_ok=True)
        self._stack = stage.stack
        self._file = _configured(stage, world)
        environment = programs.environment(
            backend_url=stage.backend.as_uri(), config_passphrase=stage.passphrase()
        )
        self.cli = Cli(programs.pulumi, stage.project, environment)
        self._policies = ("--policy-pack", str(stage.project / "policies"))

    @property
    def _where(self) -> tuple[str, ...]:
        return ("--stack", self._stack, "--config-file", str(self._file))

    def preview(self, *words: str) -> Outcome:
        """Plan, and let the policies judge."""
        return self.cli.deploy("preview", *self._where, *self._policies, *words)

    def up(self, *words: str, on_step: Callable[[Step], None] | None = None) -> Outcome:
        """Deploy, and let the policies judge again."""
        decided = ("--yes", "--skip-preview")
        return self.cli.deploy(
            "up", *self._where, *self._policies, *decided, *words, on_step=on_step
        )

    def refresh(self, *words: str) -> Outcome:
        """Take into the state what became of the resources."""
        return self.cli.deploy("refresh", *self._where, "--yes", "--skip-preview", *words)

    def destroy(self, *words: str) -> Outcome:
        """Remove every resource."""
        return self.cli.deploy("destroy", *self._where, "--yes", "--skip-preview", *words)

    def adopt(self, file: Path) -> Outcome:
        """Take resources that are there into the state, by an import file."""
        words = ("--file", str(file), "--yes", "--skip-preview", "--generate-code=false")
        return self.cli.deploy("import", *self._where, *words)

    def cancel(self) -> None:
        """Take the lock that a killed run left.

        Raises:
            StageError: the CLI refuses.
        """
        self._answer("cancel", self._stack, "--yes")

    def export(self) -> dict[str, Any]:
        """Return the deployment as `pulumi stack export` tells it, secrets sealed.

        Raises:
            StageError: the CLI refuses.
        """
        exported: dict[str, Any] = json.loads(self._answer("stack", "export", *self._where[:2]))
        return exported

    def _answer(self, *words: str) -> str:
        done = self.cli.run(*words)
        if done.returncode:
            raise StageError(f"pulumi {words[0]}: {done.stderr.strip()}")
        return done.stdout


def _configured(stage: Stage, world: WorldClient) -> Path:
    """Write the stack's configuration, secrets sealed, and an empty state where there is none.

    Both lie in the stage's folder: the declaration in the project stays as it is. `pulumi stack
    init` would write its salt there.
    """
    from rehearsal.engine.backend import Backend  # noqa: PLC0415  # only a deployment needs it
    from rehearsal.engine.sealing import Sealer  # noqa: PLC0415  # as above

    backend = Backend(stage.backend, PROJECT, stage.stack)
    sealer = Sealer(stage.passphrase(), backend.salt())
    if not backend.load(sealer):
        backend.save([], sealer)
    plain, secret_keys = stage.configuration(world)
    values = {**stage.values(), **world.overlay}
    config: dict[str, Any] = {f"{PREFIX}{key}": value for key, value in values.items()}
    for key in sorted(secret_keys):
        config[key] = {"secure": sealer.seal(plain[key])}
    file = stage.folder / f"Pulumi.{stage.stack}.yaml"
    document = {"encryptionsalt": sealer.salt, "config": config}
    write_private(file, yaml.safe_dump(document, sort_keys=False))
    return file


def programs_of(stage: Stage, report: Report) -> Programs:
    """Bring the programs of a stage, and say which they are.

    Raises:
        StageError: the CLI cannot be built.
    """
    try:
        programs = lay(stage.folder, stage.project, lambda line: report.line("engine", line))
    except (InstallError, BusyError) as error:
        raise StageError(str(error)) from None
    report.line("engine", str(programs))
    report.put("engine", programs.as_dict())
    return programs


def _counted(changes: dict[str, int]) -> str:
    return ", ".join(f"{count} to {op}" for op, count in changes.items()) or "nothing changes"


def _said(report: Report, label: str, outcome: Outcome) -> bool:
    """Say what became of a step; return whether it went well."""
    report.put(label, {"changes": dict(outcome.changes), "errors": list(outcome.errors)})
    if outcome.ok:
        report.line(label, _counted(outcome.changed), "ok" if outcome.changed else "same")
    else:
        report.line(label, f"{len(outcome.errors)} errors", "failed")
        for error in outcome.errors:
            report.detail(error, style="red")
    if outcome.advice:
        rules = {advice.partition(":")[0] for advice in outcome.advice}
        report.detail(f"{len(rules)} rules wait for values that are not known yet; judged on up")
    return outcome.ok


def rehearse_genuinely(stage: Stage, report: Report, *, parent: int | None) -> int:
    """Take every step after the check of the declaration, and return the exit code."""
    try:
        programs = programs_of(stage, report)
        world = say_world(stage, report, parent=parent)
        engine = GenuineEngine(stage, world, programs)
        plan = engine.preview()
        if _said(report, "plan", plan) and _deployed(engine, report, sum(plan.changed.values())):
            mail_flows(stage, world, report)
        say_parts(world, report)
    except refusals() as error:
        report.fail(str(error))
    return report.finish()


def _deployed(engine: GenuineEngine, report: Report, total: int) -> bool:
    with report.progress("deploy", total) as steps:
        outcome = engine.up(on_step=lambda step: steps.done(step.name))
    return _said(report, "deploy", outcome)
