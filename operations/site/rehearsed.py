"""The rehearsed site: a world on loopback, and the rehearsal's engine."""

import json
import os
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from declaration.reading import load_values, read
from operations.site.editing import edited
from operations.site.model import Deployer, Plan, PlannedStep, Site, SiteError, Sketch
from rehearsal.private_file import write_private
from rehearsal.stage import Stage
from rehearsal.world.client import WorldClient

if TYPE_CHECKING:
    from operations.prove.net import Net
    from rehearsal.engine.model import Event, Outcome


class RehearsedSite(Site):
    """A stack in its world."""

    live = False

    def __init__(self, stage: Stage, world: WorldClient) -> None:
        """Take a stage and its running world, with what was changed in it so far."""
        copy = _copy_of(stage)
        if _since(copy) > max(_since(stage.file), _since(world.folder / "order.json")):
            stage.file = copy
        super().__init__(stage.stack, stage.declaration(world), world.secrets)
        self.stage = stage
        self._running = world

    @property
    def world(self) -> WorldClient:
        """The rehearsed world."""
        return self._running

    @property
    def place(self) -> str:
        """Where this is, in words."""
        return "the rehearsed world"

    @property
    def file(self) -> Path:
        """The stack's declaration."""
        return self.stage.file

    @property
    def evidence(self) -> Path:
        """A place of the rehearsal's own: what was rehearsed proves nothing of the real stack."""
        return self.stage.folder / "evidence" / self.stack

    def declare(self, changes: Mapping[str, Any]) -> None:
        """Change a copy of the declaration, from which this world is deployed from now on."""
        text = edited(self.stage.file.read_text("utf-8"), changes)
        before = self.stage.file
        copy = _copy_of(self.stage)
        copy.parent.mkdir(parents=True, exist_ok=True)
        draft = copy.with_suffix(".new")
        draft.write_text(text, "utf-8")
        # What only the accounts can tell may have changed, too, such as a DKIM key.
        self._running = WorldClient.find(self._running.folder)
        values = load_values(draft) | self._running.overlay
        declaration = read(values, source=before.name)
        draft.replace(copy)
        self.stage.file = copy
        self.reload(declaration, self._running.secrets)

    @cached_property
    def deployer(self) -> Deployer:
        """The rehearsal's engine."""
        return _Engine(self)

    @property
    def net(self) -> "Net":
        """The rehearsed internet."""
        from operations.prove.net import WorldNet  # noqa: PLC0415  # only a proof needs it

        return WorldNet(self.world)


def _copy_of(stage: Stage) -> Path:
    """Return where a changed declaration is kept, for as long as its world stands."""
    return stage.folder / "changed" / f"Pulumi.{stage.stack}.yaml"


def _since(file: Path) -> float:
    return file.stat().st_mtime if file.exists() else 0.0


class _Engine:
    """The engine of the rehearsal, on the site's declaration as it stands at each call."""

    def __init__(self, site: RehearsedSite) -> None:
        self._site = site

    def preview(self) -> Plan:
        """Return what a deployment would do."""
        return plan_of(self._site.stage.engine(self._site.world).preview())

    def up(self, on_step: Callable[[str], None] | None = None) -> Plan:
        """Deploy, and return what was done."""

        def on_event(event: "Event") -> None:
            if on_step and event.kind == "end" and event.op is not None and event.op.changes:
                on_step(event.name)

        site = self._site
        outcome = site.stage.engine(site.world, on_event=on_event).up()
        site.reload(site.stage.declaration(site.world), site.world.secrets)
        return plan_of(outcome)

    def sketch(self) -> Sketch:
        """Return what a deployment would make that the state does not hold."""
        stage = self._site.stage
        engine = stage.engine(self._site.world)
        outcome = engine.preview()
        plan = plan_of(outcome)
        if not plan.ok:
            return Sketch({}, {}, plan.unchanged, plan.errors)
        stage.keep_salt(engine)
        inputs = {(resource.type, resource.name): resource.inputs for resource in outcome.resources}
        return Sketch(engine.skeleton(outcome), inputs, plan.unchanged)

    def seal(self, text: str) -> str:
        """Return a text sealed as the rehearsal's state is."""
        stage = self._site.stage
        engine = stage.engine(self._site.world)
        stage.keep_salt(engine)
        return engine.seal(text)

    def set_secret(self, key: str, value: str) -> None:
        """Keep another value of a secret in the world."""
        file = self._site.world.folder / "secrets.json"
        kept = json.loads(file.read_text()) | {key: value}
        write_private(file, json.dumps(kept))
        self._site.reload(self._site.declaration, kept)


def plan_of(outcome: "Outcome") -> Plan:
    """Return an engine's outcome in the words that both engines share."""
    steps = tuple(
        PlannedStep(
            op=step.op.value,
            type=step.type,
            name=step.name,
            properties=tuple(change.path for change in step.diff),
        )
        for step in outcome.steps
        if step.op.changes
    )
    errors = tuple(
        f"{error.urn.rpartition('::')[2]}: {error.message}" if error.urn else error.message
        for error in outcome.errors
    )
    if not outcome.ok and not errors:
        errors = ("the deployment failed; its log says why",)
    unchanged = sum(count for op, count in outcome.changes.items() if not op.changes)
    return Plan(steps, unchanged, errors)


def deploy_afresh(stage: Stage) -> WorldClient:
    """Start a world and deploy to it.

    Raises:
        SiteError: the deployment failed.
    """
    world = stage.start_world(parent=os.getpid())
    plan = plan_of(stage.engine(world).up())
    if not plan.ok:
        raise SiteError(f"the rehearsed deployment failed: {'; '.join(plan.errors)}")
    return world
