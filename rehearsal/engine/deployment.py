"""Brings the state to what the program asks for, one registration at a time."""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.provider import CheckFailure

from rehearsal.engine import deletion, paths, plan
from rehearsal.engine.checkpoint import now
from rehearsal.engine.hooks import HookFailedError, Hooks, Moment
from rehearsal.engine.model import (
    Goal,
    Kind,
    Op,
    PropertyChange,
    Registered,
    ResourceState,
    Severity,
)
from rehearsal.engine.order import transitive_dependents
from rehearsal.engine.plan import Difference
from rehearsal.engine.providers import Instance, PartlyDoneError, ProviderFailedError
from rehearsal.engine.run import Run
from rehearsal.engine.urn import Names, is_provider_type, package_of, split_reference
from rehearsal.engine.values import SENTINEL, Properties, has_unknown, same_properties


class RefusedError(Exception):
    """A registration that cannot be carried out; the message is for the operator."""


@dataclass
class _Task:
    """One registration on its way."""

    goal: Goal
    urn: str
    old: ResourceState | None
    new: ResourceState
    provider: Instance | None


class Deployment:
    """Serves the registrations of one run of the program."""

    def __init__(self, run: Run, names: Names, config: Mapping[str, PropertyValue]) -> None:
        """Take up the state of the run.

        Args:
            run: The run.
            names: Builds the stack's URNs.
            config: The stack's configuration by full key; default providers take theirs from it.
        """
        self._run = run
        self._names = names
        self._config = config
        self._old: dict[str, ResourceState] = {}
        for state in run.ledger.states():
            if not state.delete:
                self._old[state.urn] = state
            if state.is_provider:
                run.pool.know(state)
        self._claimed: set[int] = set()
        self._news: dict[str, ResourceState] = {}
        self._started: set[str] = set()
        self._was: dict[str, str] = {}
        self._failed: set[str] = set()
        self._replaced: set[str] = set()
        self._defaults: dict[str, asyncio.Task[str]] = {}
        self._checked: dict[str, Instance] = {}
        self._to_tell: dict[str, tuple[Moment, ResourceState | None]] = {}
        self._package_providers: dict[str, Mapping[str, str]] = {}
        self._deleting_first = asyncio.Lock()

    @property
    def hooks(self) -> Hooks:
        """What the program has registered to be called."""
        return self._run.hooks

    @property
    def root(self) -> ResourceState | None:
        """The stack's own resource, once it is registered."""
        return next((s for s in self._news.values() if s.type == "pulumi:pulumi:Stack"), None)

    async def register(self, goal: Goal) -> Registered:
        """Bring one resource to what the program asks for.

        A failure is reported and answered as such; it does not raise. What depends on something
        that failed is skipped.
        """
        urn = self._names.urn(goal.parent, goal.type, goal.name)
        if urn in self._started:
            self._fail(urn, None, f"the program registers {urn} twice")
            return Registered(urn, failed=True)
        self._started.add(urn)
        below = sorted(goal.needs() & self._failed)
        try:
            task = await self._prepare(goal, urn)
            if below:
                self._failed.add(urn)
                self._run.report.skip(urn, f"it stands on {below[0]}, which failed")
                return Registered(urn, skipped=True)
            state = await self._carry_out(task)
        except (ProviderFailedError, RefusedError, HookFailedError, ValueError) as error:
            self._fail(urn, None, str(error))
            return Registered(urn, failed=True)
        self._news[urn] = state
        self._run.learn(state)
        # A component's outputs are those that it is about to register, not those of last time.
        return Registered(urn, state.id, state.outputs if state.custom else {})

    async def register_outputs(self, urn: str, outputs: Properties) -> None:
        """Record what a component, or the stack, gives out."""
        if urn in self._failed:
            # Said already; a second complaint would hide the first.
            return
        state = self._news.get(urn)
        if state is None:
            message = f"outputs for {urn}, which is not registered"
            raise RefusedError(message)
        if not self._run.preview:
            # Something failed, and what comes of it is not known: that is not written.
            outputs = {key: value for key, value in outputs.items() if not has_unknown(value)}
        if not same_properties(outputs, state.outputs):
            state = state.copy(outputs=outputs)
            self._news[urn] = state
            self._run.learn(state)
            await self._run.ledger.put(state)
        moment, old = self._to_tell.pop(urn, (None, None))
        if moment is not None:
            await self._tell(moment, old, state)

    async def read(self, goal: Goal, resource_id: str) -> Registered:
        """Look a resource up that the program does not manage."""
        urn = self._names.urn(goal.parent, goal.type, goal.name)
        self._started.add(urn)
        try:
            reference = await self._provider_reference(goal)
            old = self._old.get(urn)
            state = _as_asked(goal, urn, reference, None)
            state = state.copy(id=resource_id, external=True, property_dependencies={})
            if old is not None:
                self._claimed.add(old.serial)
                state.serial = old.serial if old.external else -1
            if resource_id == SENTINEL:
                return Registered(urn)
            provider = await self._run.pool.get(reference)
            async with self._run.slots:
                found = await provider.read(state)
        except ProviderFailedError as error:
            self._fail(urn, Op.READ, str(error))
            return Registered(urn, failed=True)
        if found is None:
            return Registered(urn)
        if not found.id:
            self._fail(urn, Op.READ, f"there is no {goal.type} with the id {resource_id!r}")
            return Registered(urn, failed=True)
        state = state.copy(id=found.id, inputs={}, outputs=found.outputs)
        await self._settle_read(old, state)
        return Registered(urn, state.id, state.outputs)

    async def _settle_read(self, old: ResourceState | None, state: ResourceState) -> None:
        self._run.report.step(Op.READ, state.urn)
        self._run.learn(state)
        self._news[state.urn] = state
        if old is None or not old.external:
            await self._run.ledger.put(*_retired(old), state)
        elif plan.state_differs(old, state):
            await self._run.ledger.put(state)
        self._claimed.add(state.serial)

    async def invoke(
        self, token: str, arguments: Properties, provider: str, version: str
    ) -> tuple[Properties, list[CheckFailure]] | None:
        """Call a provider's function; None where its configuration is not known yet."""
        goal = Goal(token, "", custom=True, inputs={}, provider=provider, version=version)
        instance = await self._run.pool.get(await self._provider_reference(goal))
        async with self._run.slots:
            return await instance.invoke(token, arguments)

    async def finish(self) -> None:
        """Delete what the program no longer registers; called once it has ended well."""
        if self._run.report.failed:
            return
        for operation in self._run.ledger.left_over():
            if operation.kind != "creating" or operation.resource.urn in self._news:
                continue
            self._run.report.say(
                Severity.WARNING,
                "an earlier run was cut short here, and the program no longer asks for it: "
                "look whether it is there and delete it by hand",
                operation.resource.urn,
            )
        self._run.ledger.forget_left_over(creations=True)
        gone = [
            state
            for state in self._run.ledger.states()
            if state.delete or state.serial not in self._claimed
        ]
        await deletion.delete(self._run, gone)

    async def repair_references(self) -> None:
        """Let what was not registered follow its kin to their new URNs, so that the state holds."""
        moved = {old: new for new, old in self._was.items()}
        if not moved:
            return
        for state in self._run.ledger.states():
            if state.serial in self._claimed and not state.delete:
                continue
            fresh = _with_urns(state, moved)
            if fresh != state:
                await self._run.ledger.put(fresh)

    # --- what is asked, and what is there -----------------------------------------------------

    async def _prepare(self, goal: Goal, urn: str) -> _Task:
        """Find the old state, so that it counts as wanted whatever comes next."""
        old = self._find_old(goal, urn)
        if old is not None:
            self._claimed.add(old.serial)
            if old.urn != urn:
                self._was[urn] = old.urn
        if not goal.custom or is_provider_type(goal.type):
            self._package_providers[urn] = goal.providers
            return _Task(goal, urn, old, _as_asked(goal, urn, "", old), None)
        if goal.needs() & self._failed:
            return _Task(goal, urn, old, _as_asked(goal, urn, "", old), None)
        reference = await self._provider_reference(goal)
        provider = await self._run.pool.get(reference)
        return _Task(goal, urn, old, _as_asked(goal, urn, reference, old), provider)

    def _find_old(self, goal: Goal, urn: str) -> ResourceState | None:
        aliases = self._names.aliases(
            goal.aliases, goal.parent, goal.type, goal.name, self._was.get(goal.parent)
        )
        for candidate in (urn, *aliases):
            old = self._old.get(candidate)
            if old is not None and old.serial not in self._claimed:
                return old
        return None

    async def _provider_reference(self, goal: Goal) -> str:
        package = package_of(goal.type)
        if goal.provider:
            return goal.provider
        parent = goal.parent
        inherited = self._package_providers.get(parent, {})
        if package in inherited:
            return inherited[package]
        key = f"{package}@{goal.version}"
        if key not in self._defaults:
            self._defaults[key] = asyncio.create_task(self._default_provider(package, goal.version))
        return await self._defaults[key]

    async def _default_provider(self, package: str, version: str) -> str:
        prefix = f"{package}:"
        inputs = {
            key.removeprefix(prefix): value
            for key, value in self._config.items()
            if key.startswith(prefix)
        }
        name = f"default_{version.replace('.', '_')}" if version else "default"
        goal = Goal(
            f"pulumi:providers:{package}", name, custom=True, inputs=inputs, version=version
        )
        made = await self.register(goal)
        if made.failed or made.skipped:
            message = f"the default provider of {package} could not be configured"
            raise ProviderFailedError(message)
        return f"{made.urn}::{made.id or SENTINEL}"

    # --- deciding -----------------------------------------------------------------------------

    async def _carry_out(self, task: _Task) -> ResourceState:
        if task.goal.import_id and _to_import(task):
            await self._import(task)
        elif task.old is not None and task.old.external:
            # Looked up so far, managed from now on: there is nothing to compare with.
            task.new.serial = task.old.serial
            task.old = None
        await self._check(task)
        old = task.old
        if old is None:
            return await self._create(task, Op.CREATE)
        if old.pending_replacement:
            task.new.serial = old.serial
            return await self._create(task, Op.REPLACE)
        difference = await self._difference(task, old)
        if difference.op is Op.REPLACE:
            return await self._replace(task, old, difference)
        task.new.serial = old.serial
        if difference.op is Op.UPDATE:
            return await self._update(task, old, difference)
        return await self._same(task, old)

    async def _check(self, task: _Task) -> None:
        """Settle the inputs: what is ignored stays as it was, the provider adds its defaults."""
        old = task.old
        compared = old if old is not None and not old.pending_replacement else None
        inputs = task.new.inputs
        if compared is not None and task.goal.ignore_changes:
            inputs = paths.keep_old(inputs, compared.inputs, task.goal.ignore_changes)
        task.new.inputs = await self._checked_inputs(
            task, compared.inputs if compared is not None else {}, inputs
        )

    async def _checked_inputs(self, task: _Task, old: Properties, inputs: Properties) -> Properties:
        if is_provider_type(task.goal.type):
            instance = self._run.pool.make(task.goal.type)
            self._checked[task.urn] = instance
            inputs, failures = await instance.check_config(
                task.urn, old, _with_version(inputs, task.goal)
            )
        elif task.provider is not None:
            inputs, failures = await task.provider.check(task.urn, old, inputs)
        else:
            return inputs
        if failures:
            listed = "; ".join(
                f"{one.property}: {one.reason}" if one.property else one.reason for one in failures
            )
            message = f"{task.goal.type} {task.goal.name!r} is refused: {listed}"
            raise RefusedError(message)
        return inputs

    async def _difference(self, task: _Task, old: ResourceState) -> Difference:
        ignored = list(task.goal.ignore_changes)
        if await self._provider_moved(task, old):
            change = PropertyChange(
                "provider", Kind.UPDATE, old.provider, task.new.provider, replaces=True
            )
            return Difference((change,), differs=True, replaces=True)
        if self._replaced.intersection(task.goal.replace_with):
            return Difference(differs=True, replaces=True)
        if is_provider_type(task.goal.type):
            difference = await self._checked[task.urn].diff_config(old, task.new.inputs)
        elif task.provider is None:
            return plan.structural(old.inputs, task.new.inputs)
        else:
            difference = await task.provider.diff(old, task.new.inputs, ignored)
        difference = plan.with_replace_on_changes(difference, task.goal.replace_on_changes)
        return self._with_init_errors(task, old, difference)

    def _with_init_errors(
        self, task: _Task, old: ResourceState, difference: Difference
    ) -> Difference:
        if old.init_errors:
            # Otherwise an update without any difference would be a riddle.
            reasons = "; ".join(old.init_errors)
            message = f"an earlier run left it not as asked, so it is tried again: {reasons}"
            self._run.report.say(Severity.INFO, message, task.urn)
        return plan.with_init_errors(difference, old, task.goal.replace_on_changes)

    async def _provider_moved(self, task: _Task, old: ResourceState) -> bool:
        """Return whether the resource has come to a provider that is not its old one's heir."""
        before, after = old.provider, task.new.provider
        if before == after:
            return False
        if not before or not after:
            return True
        before_urn, _ = split_reference(before)
        after_urn, _ = split_reference(after)
        if self._was.get(after_urn) == before_urn:
            return False
        old_provider = self._old.get(before_urn)
        new_provider = self._news.get(after_urn)
        if old_provider is None or new_provider is None:
            return True
        instance = await self._run.pool.get(after)
        return (await instance.diff_config(old_provider, new_provider.inputs)).replaces

    # --- doing --------------------------------------------------------------------------------

    async def _same(self, task: _Task, old: ResourceState) -> ResourceState:
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

    async def _configure(self, task: _Task, new: ResourceState) -> None:
        instance = self._checked[task.urn]
        await instance.configure(new.inputs)
        self._run.pool.install(f"{new.urn}::{new.id or SENTINEL}", instance)

    async def _create(
        self,
        task: _Task,
        op: Op,
        difference: Difference = plan.NONE,
        replaced: ResourceState | None = None,
    ) -> ResourceState:
        new = task.new
        new.created = new.modified = now()
        async with self._run.slots, self._run.report.timed(op, task.urn, difference.changes):
            await self._ask(Moment.BEFORE_CREATE, None, new)
            if new.is_provider:
                new.id = "" if self._run.preview else str(uuid.uuid4())
                new.outputs = _given_out(new.inputs)
                await self._configure(task, new)
            if task.provider is not None:
                await self._create_out_there(task.provider, new, replaced)
            else:
                await self._run.ledger.put(*_retired(replaced), new)
        self._claimed.add(new.serial)
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
                await self._run.ledger.put(*_retired(replaced), new, token=token)
                self._claimed.add(new.serial)
                raise
            if token is not None:
                await self._run.ledger.end(token)
            raise
        await self._run.ledger.put(*_retired(replaced), new, token=token)

    async def _update(
        self, task: _Task, old: ResourceState, difference: Difference
    ) -> ResourceState:
        new = task.new
        new.id = old.id
        new.modified = now()
        async with self._run.slots, self._run.report.timed(Op.UPDATE, task.urn, difference.changes):
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

    # --- asking and telling the program -------------------------------------------------------

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
            await self._tell(moment, old, new)
        elif new.resource_hooks:
            self._to_tell[new.urn] = (moment, old)

    async def _tell(self, moment: Moment, old: ResourceState | None, new: ResourceState) -> None:
        """Call the hooks after a step; one that fails leaves it done, but not what builds on it."""
        if not new.resource_hooks:
            return
        self._run.learn(new)
        try:
            await self._run.hooks.call(moment, old=old, new=new)
        except HookFailedError as error:
            self._fail(new.urn, None, str(error))

    async def _replace(
        self, task: _Task, old: ResourceState, difference: Difference
    ) -> ResourceState:
        _refuse_protected(old)
        self._replaced.add(task.urn)
        # The new one must not inherit names that the provider made up for the old one.
        task.new.inputs = await self._checked_inputs(task, {}, self._goal_inputs(task, old))
        wish = task.goal.delete_before_replace
        if not (difference.delete_before_replace if wish is None else wish) or old.is_provider:
            return await self._create(task, Op.REPLACE, difference, replaced=old)
        async with self._deleting_first:
            await self._delete_with_dependents(old)
        task.new.serial = old.serial
        return await self._create(task, Op.REPLACE, difference)

    def _goal_inputs(self, task: _Task, old: ResourceState) -> Properties:
        return paths.keep_old(dict(task.goal.inputs), old.inputs, task.goal.ignore_changes)

    async def _import(self, task: _Task) -> None:
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
            await self._run.ledger.put(*_retired(task.old), new)
        self._claimed.add(new.serial)
        task.old = new
        task.new = task.new.copy(created=new.created, import_id=new.import_id)

    # --- delete before replace ----------------------------------------------------------------

    async def _delete_with_dependents(self, root: ResourceState) -> None:
        dependents = await self._fallen_dependents(root)
        for state in dependents:
            _refuse_protected(state)
        for state in [*reversed(dependents), root]:
            await self._delete_for_replacement(state)

    async def _delete_for_replacement(self, state: ResourceState) -> None:
        waiting = state.copy(pending_replacement=True)
        await self._run.hooks.call(Moment.BEFORE_DELETE, old=state)
        if self._run.preview or state.retain_on_delete or not state.managed:
            self._run.report.step(Op.DELETE_REPLACED, state.urn)
            await self._run.ledger.put(waiting)
        else:
            async with self._run.slots, self._run.report.timed(Op.DELETE_REPLACED, state.urn):
                await deletion.remove(self._run, state, dropped=False)
        await deletion.told(self._run, state, Op.DELETE_REPLACED)
        self._old[state.urn] = waiting

    async def _fallen_dependents(self, root: ResourceState) -> list[ResourceState]:
        """Return what has to be replaced along with `root`, what is needed first.

        What the program has registered already does not stand on `root` any more: it could not
        have been registered before it.
        """
        replaced = {root.urn}
        fallen: list[ResourceState] = []
        standing = [
            state
            for state in self._run.ledger.states()
            if state is root or not (state.delete or state.serial in self._claimed)
        ]
        for state in transitive_dependents(root, standing):
            if not state.custom or state.external or state.pending_replacement:
                continue
            if plan.must_go_along(state, replaced) or await self._would_be_replaced(
                state, replaced
            ):
                replaced.add(state.urn)
                fallen.append(state)
        return fallen

    async def _would_be_replaced(self, state: ResourceState, replaced: set[str]) -> bool:
        inputs = plan.unknown_where_replaced(state, replaced)
        if inputs is None or state.is_provider:
            return False
        provider = await self._run.pool.get(state.provider)
        difference = await provider.diff(state, inputs, state.ignore_changes)
        return plan.with_replace_on_changes(difference, state.replace_on_changes).replaces

    def _fail(self, urn: str, op: Op | None, message: str) -> None:
        self._failed.add(urn)
        self._run.report.fail(urn, op, message)


def _as_asked(goal: Goal, urn: str, provider: str, old: ResourceState | None) -> ResourceState:
    """Return the resource as the program asks for it, before its provider has seen it."""
    return ResourceState(
        urn=urn,
        type=goal.type,
        custom=goal.custom,
        inputs=dict(goal.inputs),
        parent=goal.parent,
        dependencies=list(goal.dependencies),
        property_dependencies={key: list(urns) for key, urns in goal.property_dependencies.items()},
        provider=provider,
        protect=bool(goal.protect),
        retain_on_delete=bool(goal.retain_on_delete),
        additional_secret_outputs=list(goal.additional_secret_outputs),
        aliases=[spec.urn for spec in goal.aliases if spec.urn],
        custom_timeouts=dict(goal.custom_timeouts),
        import_id=goal.import_id,
        deleted_with=goal.deleted_with,
        replace_with=list(goal.replace_with),
        resource_hooks={moment: list(names) for moment, names in goal.resource_hooks.items()},
        ignore_changes=list(goal.ignore_changes),
        replace_on_changes=list(goal.replace_on_changes),
        created=old.created if old is not None else "",
        source_position=goal.source_position,
    )


def _to_import(task: _Task) -> bool:
    """Return whether the resource to import is not the one that the state has already."""
    old = task.old
    wanted = task.goal.import_id
    return old is None or old.external or wanted not in {old.id, old.import_id}


def _retired(old: ResourceState | None) -> Sequence[ResourceState]:
    """Return the old state as it waits for its end, its replacement being there."""
    return () if old is None or old.external else (replace(old, delete=True),)


def _refuse_protected(state: ResourceState) -> None:
    if state.protect:
        message = f"{state.urn} is protected and is not replaced; take `protect` off first"
        raise RefusedError(message)


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


def _given_out(inputs: Properties) -> Properties:
    """Return a provider's outputs: its inputs without what is the engine's own."""
    return {key: value for key, value in inputs.items() if key != "__internal"}


def _with_urns(state: ResourceState, moved: Mapping[str, str]) -> ResourceState:
    """Return a state whose references follow what moved."""

    def follow(urn: str) -> str:
        return moved.get(urn, urn)

    provider = state.provider
    if provider:
        urn, provider_id = split_reference(provider)
        provider = f"{follow(urn)}::{provider_id}"
    return state.copy(
        parent=follow(state.parent),
        provider=provider,
        dependencies=[follow(urn) for urn in state.dependencies],
        property_dependencies={
            key: [follow(urn) for urn in urns] for key, urns in state.property_dependencies.items()
        },
        deleted_with=follow(state.deleted_with),
        replace_with=[follow(urn) for urn in state.replace_with],
    )
