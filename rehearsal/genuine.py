"""The same rehearsal on the genuine engine: Pulumi's CLI with the official provider plugins.

The program, the world and the state are those of the rehearsal's own engine; only who deploys
differs. Pulumi's Automation API drives the CLI.
"""

import os
import shutil
from pathlib import Path
from typing import Any

import yaml
from pulumi import automation

from components.mistakes import PREFIX
from rehearsal.rehearse import (
    mail_flows,
    say_parts,
    say_world,
)
from rehearsal.report import Report
from rehearsal.stage import Stage, StageError
from rehearsal.world.client import WorldClient, WorldUnreachableError

PROJECT = PREFIX.rstrip(":")
"""Name of the project: the namespace of its configuration."""

_CHANGES = ("create", "update", "replace", "delete", "import", "create-replacement",
            "delete-replaced")  # fmt: skip


def _prepare(stage: Stage, world: WorldClient) -> Path:
    """Write what the CLI needs to find: the stack's state, and its configuration.

    Both lie in the stage's folder: the declaration in the project stays as it is. `pulumi stack
    init` would write its salt there, so an empty state is laid instead.

    Returns:
        The configuration file, its secrets sealed.
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
    file.touch(mode=0o600)
    file.write_text(
        yaml.safe_dump({"encryptionsalt": sealer.salt, "config": config}, sort_keys=False)
    )
    return file


class GenuineEngine:
    """Pulumi's CLI on the stage's own state."""

    def __init__(self, stage: Stage, world: WorldClient) -> None:
        """Select the stack, made if it is not there yet.

        Raises:
            StageError: there is no `pulumi` on PATH, or it refuses.
        """
        if shutil.which("pulumi") is None:
            raise StageError("there is no pulumi on PATH; leave ENGINE=pulumi out, or install it")
        stage.backend.mkdir(parents=True, exist_ok=True)
        self._file = _prepare(stage, world)
        self._policies = [str(stage.project / "policies")]
        environment = {
            "PULUMI_BACKEND_URL": stage.backend.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": stage.passphrase(),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_SKIP_CONFIRMATIONS": "true",
        }
        # The folder of plugins stays the user's own, so that what is installed is found.
        workspace = automation.LocalWorkspace(
            work_dir=str(stage.project), env_vars={**environment, "PATH": os.environ["PATH"]}
        )
        self._stack = automation.Stack.select(stage.stack, workspace)

    def preview(self) -> dict[str, int]:
        """Plan, and return how often each operation occurs.

        Raises:
            StageError: the plan cannot be made; the message is the CLI's.
        """
        try:
            result = self._stack.preview(
                config_file=str(self._file), policy_packs=self._policies, color="never"
            )
        except automation.CommandError as error:
            raise StageError(str(error)) from None
        return {str(operation): count for operation, count in result.change_summary.items()}

    def up(self) -> dict[str, int]:
        """Deploy, and return how often each operation occurred.

        Raises:
            StageError: the deployment failed; the message is the CLI's.
        """
        try:
            result = self._stack.up(
                config_file=str(self._file),
                policy_packs=self._policies,
                color="never",
                show_secrets=False,
            )
        except automation.CommandError as error:
            raise StageError(str(error)) from None
        done = result.summary.resource_changes or {}
        return {str(operation): count for operation, count in done.items()}


def _counted(changes: dict[str, int]) -> str:
    parts = [f"{changes[one]} to {one}" for one in _CHANGES if changes.get(one)]
    return ", ".join(parts) or "nothing changes"


def rehearse_genuinely(stage: Stage, report: Report, *, parent: int | None) -> int:
    """Take every step after the check of the declaration, and return the exit code."""
    try:
        world = say_world(stage, report, parent=parent)
        engine = GenuineEngine(stage, world)
        plan = engine.preview()
        report.line("plan", _counted(plan))
        report.put("plan", plan)
        done = engine.up()
        report.line("deploy", _counted(done), "ok")
        report.put("deploy", done)
        mail_flows(stage, world, report)
        say_parts(world, report)
    except (StageError, WorldUnreachableError) as error:
        report.fail(str(error))
    return report.finish()
