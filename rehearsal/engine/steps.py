"""Carries one registration out: same, create, update, replace."""

import uuid
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace

from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.provider import CheckFailure

from rehearsal.engine import deletion, plan
from rehearsal.engine.checkpoint import now
from rehearsal.engine.hooks import Hooks
from rehearsal.engine.model import (
    LEFT_OUT,
    Goal,
    Kind,
    Op,
    PropertyChange,
    ResourceState,
    Severity,
)
from rehearsal.engine.plan import Difference
from rehearsal.engine.providers import Instance, PartlyDoneError
from rehearsal.engine.run import Run
from rehearsal.engine.urn import name_of, split_reference
from rehearsal.engine.values import SENTINEL, Properties


class RefusedError(Exception):
    """A registration that cannot be carried out; the message is for the operator."""


@dataclass
class Task:
    """One registration on its way."""

    goal: Goal
    old: ResourceState | None
    new: ResourceState
    provider: Instance | None


@dataclass
class Standing:
    """What stands while the program registers.

    Attributes:
        old: What the state held at the beginning, by URN.
        claimed: Serials of states that the program still wants.
        news: What it has registered so far, by URN.
        was: The URN that a resource had before, by its present one.
        failed: URNs of what failed.
    """

    old: dict[str, ResourceState]
    claimed: set[int] = field(default_factory=set)
    news: dict[str, ResourceState] = field(default_factory=dict)
    was: dict[str, str] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)


class Steps:
    """Brings what is out there, and the state, to what is asked."""

    def __init__(self, run: Run, standing: Standing) -> None:
        """Work on a run and on what stands."""
        self._run = run
        self._standing = standing
        self._checked: dict[str, Instance] = {}
        self.hooks = Hooks()
        """What the program wants to be asked first."""

    async def carry_out(self, task: Task) -> ResourceState:
        """Bring one resource to what is asked, and return it as it is then.

        Raises:
            HookFailedError: the program's hook stopped it.
            ProviderFailedError: its provider failed.
            RefusedError: it must not, or cannot, be done.
        """
        old = task.old
        compared = old.inputs if old is not None and not old.pending_replacement else {}
        asked = _as_it_was(task.new.inputs, compared, task.new.ignore_changes)
        task.new.inputs = await self._checked_inputs(task, compared, asked)
        if old is None:
            return await self._create(task, Op.CREATE)
        task.new.created = old.created
        if old.pending_replacement:
            task.new.serial = old.serial
            return await self._create(task, Op.REPLACE)
        difference = await self._difference(task, old)
        if difference.op is Op.REPLACE:
            # The new one must not inherit names that the provider made up for the old one.
            task.new.inputs = await self._checked_inputs(task, {}, asked)
            return await self._replace(task, old, difference)
        task.new.serial = old.serial
        if difference.op is Op.UPDATE:
            return await self._update(task, old, difference)
        return await self._same(task, old)

    # --- decisions ----------------------------------------------------------------------------

    async def _checked_inputs(self, task: Task, old: Properties, inputs: Properties) -> Properties:
        """Return the inputs as the provider wants them, its defaults added."""
        new = task.new
        failures: Iterable[CheckFailure] = ()
        if new.is_provider:
            instance = self._checked[new.urn] = self._run.pool.make(new.type)
            noted = _with_version(inputs, task.goal)
            inputs, failures = await instance.check_config(new.urn, old, noted)
        elif task.provider is not None:
            inputs, failures = await task.provider.check(new.urn, old, inputs)
        if failures:
            name = f"{new.type} {name_of(new.urn)!r}"
            raise RefusedError(f"{name} is refused: {listed(failures)}")
        return inputs

    async def _difference(self, task: Task, old: ResourceState) -> Difference:
        """Return what differs between a resource and what is asked of it."""
        new = task.new
        if await self._provider_moved(old, new):
            change = PropertyChange(
                "provider", Kind.UPDATE, old.provider, new.provider, replaces=True
            )
            return Difference((change,), differs=True, replaces=True)
        if new.is_provider:
            difference = await self._checked[new.urn].diff_config(old, new.inputs)
        elif task.provider is None:
            return plan.structural(old.inputs, new.inputs)
        else:
            difference = await task.provider.diff(old, new.inputs, new.ignore_changes)
        difference = plan.with_replace_on_changes(difference, new.replace_on_changes)
        if old.init_errors:
            # Otherwise an update without any difference would be a riddle.
            reasons = "; ".join(old.init_errors)
            message = f"an earlier run left it not as asked, so it is tried again: {reasons}"
            self._run.report.say(Severity.INFO, message, new.urn)
            return replace(difference, differs=True)
        return difference

    async def _provider_moved(self, old: ResourceState, new: ResourceState) -> bool:
        """Return whether the resource has come to a provider that is not its old one's heir."""
        if old.provider == new.provider:
            return False
        before, _ = split_reference(old.provider)
        after, _ = split_reference(new.provider)
        if self._standing.was.get(after) == before:
            return False
        old_provider = self._standing.old.get(before)
        new_provider = self._standing.news.get(after)
        if old_provider is None or new_provider is None:
            return True
        instance = await self._run.pool.get(new.provider)
        return (await instance.diff_config(old_provider, new_provider.inputs)).replaces

    # --- steps --------------------------------------------------------------------------------

    async def _same(self, task: Task, old: ResourceState) -> ResourceState:
        new = task.new
        new.id, new.outputs, new.modified = old.id, old.outputs, old.modified
        if new.is_provider:
            # As the genuine engine: who says that nothing changed goes on with what it had.
            await self._configure(new, old.inputs)
        if plan.state_differs(old, new):
            new.modified = now()
            self._run.table.put(new)
        else:
            new = old
        self._run.report.step(Op.SAME, new.urn)
        return new

    async def _configure(self, new: ResourceState, inputs: Properties) -> None:
        instance = self._checked[new.urn]
        await instance.configure(inputs)
        self._run.pool.install(f"{new.urn}::{new.id or SENTINEL}", instance)

    async def _create(
        self,
        task: Task,
        op: Op,
        difference: Difference = plan.NONE,
        replaced: ResourceState | None = None,
    ) -> ResourceState:
        new = task.new
        new.created = new.modified = now()
        async with self._change(op, task, difference):
            try:
                if new.is_provider:
                    new.id = "" if self._run.preview else str(uuid.uuid4())
                    new.outputs = given_out(new.inputs)
                    await self._configure(new, new.inputs)
                elif task.provider is not None:
                    preview = self._run.preview
                    new.id, new.outputs = await task.provider.create(new, preview=preview)
            except PartlyDoneError as error:
                if error.resource_id:
                    new.id = error.resource_id
                    self._note_undone(new, error)
                    self._put(new, replaced)
                raise
            self._put(new, replaced)
        return new

    def _put(self, new: ResourceState, replaced: ResourceState | None = None) -> None:
        """Note a state, and the one that waits for its end now that its replacement is there."""
        if replaced is not None:
            self._run.table.put(replace(replaced, delete=True))
        self._run.table.put(new)
        self._standing.claimed.add(new.serial)

    async def _update(
        self, task: Task, old: ResourceState, difference: Difference
    ) -> ResourceState:
        new = task.new
        new.id, new.modified = old.id, now()
        if new.resource_hooks:
            self._run.learn(new)
            await self.hooks.before_update(old, new)
        async with self._change(Op.UPDATE, task, difference):
            if new.is_provider:
                new.outputs = given_out(new.inputs)
                await self._configure(new, new.inputs)
            elif task.provider is None:
                new.outputs = old.outputs
            else:
                try:
                    preview = self._run.preview
                    new.outputs = await task.provider.update(old, new, preview=preview)
                except PartlyDoneError as error:
                    self._note_undone(new, error)
                    # As the genuine engine: it was not updated to the new inputs, so the old
                    # ones stand, and the next run sees what differs.
                    new.inputs = old.inputs
                    self._put(new)
                    raise
            self._put(new)
        return new

    def _change(
        self, op: Op, task: Task, difference: Difference
    ) -> AbstractAsyncContextManager[None]:
        """Report a step around its work, which touches something unless no provider is asked."""
        report = self._run.report
        if task.provider is None:
            return report.timed(op, task.new.urn, difference.changes)
        return self._run.change(op, task.new.urn, difference.changes)

    def _note_undone(self, new: ResourceState, error: PartlyDoneError) -> None:
        """Let a state tell what became of a write that was half done."""
        new.outputs = error.outputs
        self._run.learn(new)
        # They stand in the state in clear.
        new.init_errors = [self._run.report.scrubber.scrub(reason) for reason in error.reasons]

    async def _replace(
        self, task: Task, old: ResourceState, difference: Difference
    ) -> ResourceState:
        if old.protect:
            raise RefusedError(
                f"{old.urn} is protected and is not replaced; take `protect` off first"
            )
        wish = task.goal.delete_before_replace
        if not (difference.delete_before_replace if wish is None else wish) or old.is_provider:
            return await self._create(task, Op.REPLACE, difference, replaced=old)
        self._refuse_made_from(old)
        await deletion.remove(self._run, old, Op.DELETE_REPLACED)
        self._run.table.put(replace(old, pending_replacement=True))
        task.new.serial = old.serial
        return await self._create(task, Op.REPLACE, difference)

    def _refuse_made_from(self, old: ResourceState) -> None:
        """Refuse to delete first what others are made from: they would have to fall with it.

        What the program has registered already does not stand on it any more: it could not have
        been registered before it.
        """
        dependents = [
            state.urn
            for state in self._run.table.states()
            if state.serial not in self._standing.claimed
            and not state.delete
            and any(old.urn in urns for urns in state.property_dependencies.values())
        ]
        if dependents:
            raise RefusedError(
                f"{old.urn} is deleted before its replacement stands, and "
                f"{', '.join(dependents)} would fall with it; {LEFT_OUT}"
            )


def listed(failures: Iterable[CheckFailure]) -> str:
    """Return what a provider has against some inputs, in one line."""
    return "; ".join(
        f"{failure.property}: {failure.reason}" if failure.property else failure.reason
        for failure in failures
    )


def given_out(inputs: Properties) -> Properties:
    """Return a provider's outputs: its inputs without what is the engine's own."""
    return {key: value for key, value in inputs.items() if key != "__internal"}


def _as_it_was(inputs: Properties, old: Properties, ignored: Sequence[str]) -> Properties:
    """Return inputs whose ignored properties stay as they were; a new resource has none."""
    if not old:
        return dict(inputs)
    kept = {key: old[key] for key in ignored if key in old}
    return {key: value for key, value in inputs.items() if key not in ignored} | kept


def _with_version(inputs: Properties, goal: Goal) -> Properties:
    """Return a provider's inputs with the version as the genuine engine notes it."""
    if not goal.version and not goal.download_url:
        return inputs
    internal: Properties = {}
    if goal.download_url:
        internal["pluginDownloadURL"] = PropertyValue(goal.download_url)
    noted = {**inputs, "__internal": PropertyValue(internal)}
    if goal.version:
        noted["version"] = PropertyValue(goal.version)
    return noted
