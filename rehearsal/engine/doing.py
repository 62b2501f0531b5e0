"""Carries one registration out: same, create, update, replace, import."""

import uuid

from rehearsal.engine import paths, plan
from rehearsal.engine.checkpoint import now
from rehearsal.engine.deciding import Decider
from rehearsal.engine.falling import Falling
from rehearsal.engine.hooks import HookFailedError, Moment
from rehearsal.engine.model import Op, ResourceState
from rehearsal.engine.plan import Difference
from rehearsal.engine.providers import Instance, PartlyDoneError, ProviderFailedError
from rehearsal.engine.standing import RefusedError, Standing, Task, refuse_protected, retired
from rehearsal.engine.values import SENTINEL, Properties


class Doer:
    """Brings what is out there, and the state, to what is asked."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self._run = standing.run
        self._decider = Decider(standing)
        self._falling = Falling(standing)

    async def carry_out(self, task: Task) -> ResourceState:
        """Bring one resource to what is asked, and return it as it is then.

        Raises:
            HookFailedError: the program's hook stopped it.
            ProviderFailedError: its provider failed.
            RefusedError: it must not, or cannot, be done.
        """
        if task.goal.import_id and _to_import(task):
            await self._import(task)
        elif task.old is not None and task.old.external:
            # Looked up so far, managed from now on: there is nothing to compare with.
            task.new.serial = task.old.serial
            task.old = None
        await self._decider.check(task)
        old = task.old
        if old is None:
            return await self._create(task, Op.CREATE)
        if old.pending_replacement:
            task.new.serial = old.serial
            return await self._create(task, Op.REPLACE)
        difference = await self._decider.difference(task, old)
        if difference.op is Op.REPLACE:
            return await self._replace(task, old, difference)
        task.new.serial = old.serial
        if difference.op is Op.UPDATE:
            return await self._update(task, old, difference)
        return await self._same(task, old)

    async def _same(self, task: Task, old: ResourceState) -> ResourceState:
        new = task.new
        new.id = old.id
        new.outputs = old.outputs
        new.modified = old.modified
        if new.is_provider:
            await self._configure(task, new)
        if plan.state_differs(old, new):
            new.modified = now()
            await self._run.ledger.put(new)
        else:
            new = old
        self._run.report.step(Op.SAME, task.urn)
        return new

    async def _configure(self, task: Task, new: ResourceState) -> None:
        instance = self._standing.checked[task.urn]
        await instance.configure(new.inputs)
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
        async with (
            self._run.slots,
            self._run.report.timed(op, task.urn, difference.changes),
        ):
            await self._ask(Moment.BEFORE_CREATE, None, new)
            if new.is_provider:
                new.id = "" if self._run.preview else str(uuid.uuid4())
                new.outputs = _given_out(new.inputs)
                await self._configure(task, new)
            if task.provider is not None:
                await self._create_out_there(task.provider, new, replaced)
            else:
                await self._run.ledger.put(*retired(replaced), new)
        self._standing.claimed.add(new.serial)
        await self._tell_when_done(Moment.AFTER_CREATE, None, new)
        return new

    async def _create_out_there(
        self, provider: Instance, new: ResourceState, replaced: ResourceState | None
    ) -> None:
        token = None if self._run.preview else await self._run.ledger.begin("creating", new)
        try:
            new.id, new.outputs = await provider.create(new, preview=self._run.preview)
        except ProviderFailedError as error:
            if isinstance(error, PartlyDoneError) and error.resource_id:
                new.id = error.resource_id
                self._note_undone(new, error)
                await self._run.ledger.put(*retired(replaced), new, token=token)
                self._standing.claimed.add(new.serial)
                raise
            if token is not None:
                await self._run.ledger.end(token)
            raise
        await self._run.ledger.put(*retired(replaced), new, token=token)

    async def _update(
        self, task: Task, old: ResourceState, difference: Difference
    ) -> ResourceState:
        new = task.new
        new.id = old.id
        new.modified = now()
        async with (
            self._run.slots,
            self._run.report.timed(Op.UPDATE, task.urn, difference.changes),
        ):
            await self._ask(Moment.BEFORE_UPDATE, old, new)
            if new.is_provider:
                new.outputs = _given_out(new.inputs)
                await self._configure(task, new)
            if task.provider is not None:
                await self._update_out_there(task.provider, old, new)
            else:
                new.outputs = new.outputs or old.outputs
                await self._run.ledger.put(new)
        await self._tell_when_done(Moment.AFTER_UPDATE, old, new)
        return new

    async def _update_out_there(
        self, provider: Instance, old: ResourceState, new: ResourceState
    ) -> None:
        token = None if self._run.preview else await self._run.ledger.begin("updating", new)
        try:
            new.outputs = await provider.update(old, new, preview=self._run.preview)
        except ProviderFailedError as error:
            if isinstance(error, PartlyDoneError):
                self._note_undone(new, error)
                # As the genuine engine: it was not updated to the new inputs, so the old ones
                # stand, and the next run sees what differs.
                new.inputs = old.inputs
                await self._run.ledger.put(new, token=token)
                raise
            if token is not None:
                await self._run.ledger.end(token)
            raise
        await self._run.ledger.put(new, token=token)

    def _note_undone(self, new: ResourceState, error: PartlyDoneError) -> None:
        """Let a state tell what became of a write that was half done."""
        new.outputs = error.outputs
        self._run.learn(new)
        # They stand in the state in clear.
        new.init_errors = [self._run.report.scrubber.scrub(one) for one in error.reasons]

    async def _ask(self, moment: Moment, old: ResourceState | None, new: ResourceState) -> None:
        """Call the hooks before a step; one that fails stops it."""
        if new.resource_hooks:
            self._run.learn(new)
            await self._run.hooks.call(moment, old=old, new=new)

    async def _tell_when_done(
        self, moment: Moment, old: ResourceState | None, new: ResourceState
    ) -> None:
        """Call the hooks after a step; a component's step ends with its outputs."""
        if new.custom:
            await self.tell(moment, old, new)
        elif new.resource_hooks:
            self._standing.to_tell[new.urn] = (moment, old)

    async def tell(self, moment: Moment, old: ResourceState | None, new: ResourceState) -> None:
        """Call the hooks after a step; one that fails leaves it done, but not what builds on it."""
        if not new.resource_hooks:
            return
        self._run.learn(new)
        try:
            await self._run.hooks.call(moment, old=old, new=new)
        except HookFailedError as error:
            self._standing.fail(new.urn, None, str(error))

    async def _replace(
        self, task: Task, old: ResourceState, difference: Difference
    ) -> ResourceState:
        refuse_protected(old)
        self._standing.replaced.add(task.urn)
        # The new one must not inherit names that the provider made up for the old one.
        task.new.inputs = await self._decider.checked_inputs(task, {}, self._goal_inputs(task, old))
        wish = task.goal.delete_before_replace
        if not (difference.delete_before_replace if wish is None else wish) or old.is_provider:
            return await self._create(task, Op.REPLACE, difference, replaced=old)
        await self._falling.delete_with_dependents(old)
        task.new.serial = old.serial
        return await self._create(task, Op.REPLACE, difference)

    def _goal_inputs(self, task: Task, old: ResourceState) -> Properties:
        return paths.keep_old(dict(task.goal.inputs), old.inputs, task.goal.ignore_changes)

    async def _import(self, task: Task) -> None:
        """Take a resource over as it stands; the program's wishes are compared with it after."""
        if task.provider is None:
            message = f"{task.goal.type} has no provider to import it with"
            raise RefusedError(message)
        new = task.new.copy(id=task.goal.import_id, inputs={}, import_id=task.goal.import_id)
        if task.goal.import_id == SENTINEL:
            raise RefusedError("the id to import is not known before the deployment")
        async with self._run.slots, self._run.report.timed(Op.IMPORT, task.urn):
            found = await task.provider.read(new)
            if found is None or not found.id:
                message = f"there is no {task.goal.type} with the id {new.id!r} to import"
                raise RefusedError(message)
            new = new.copy(id=found.id, inputs=found.inputs, outputs=found.outputs)
            new.created = new.modified = now()
            new.serial = task.old.serial if task.old is not None and task.old.external else -1
            await self._run.ledger.put(*retired(task.old), new)
        self._standing.claimed.add(new.serial)
        task.old = new
        task.new = task.new.copy(created=new.created, import_id=new.import_id)


def _to_import(task: Task) -> bool:
    """Return whether the resource to import is not the one that the state has already."""
    old = task.old
    wanted = task.goal.import_id
    return old is None or old.external or wanted not in {old.id, old.import_id}


def _given_out(inputs: Properties) -> Properties:
    """Return a provider's outputs: its inputs without what is the engine's own."""
    return {key: value for key, value in inputs.items() if key != "__internal"}
