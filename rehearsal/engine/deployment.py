"""Brings the state to what the program asks for, one registration at a time."""

import asyncio
from collections.abc import Mapping

from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.provider import CheckFailure

from rehearsal.engine import deletion, plan
from rehearsal.engine.doing import Doer
from rehearsal.engine.hooks import HookFailedError, Hooks
from rehearsal.engine.model import (
    Goal,
    Op,
    Registered,
    ResourceState,
    Severity,
)
from rehearsal.engine.providers import ProviderFailedError
from rehearsal.engine.run import Run
from rehearsal.engine.standing import RefusedError, Standing, Task, retired
from rehearsal.engine.urn import Names, is_provider_type, package_of, split_reference
from rehearsal.engine.values import SENTINEL, Properties, has_unknown, same_properties


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
        self._standing = Standing(run)
        self._doer = Doer(self._standing)
        self._names = names
        self._config = config
        for state in run.ledger.states():
            if not state.delete:
                self._standing.old[state.urn] = state
            if state.is_provider:
                run.pool.know(state)
        self._started: set[str] = set()
        self._defaults: dict[str, asyncio.Task[str]] = {}
        self._package_providers: dict[str, Mapping[str, str]] = {}

    @property
    def hooks(self) -> Hooks:
        """What the program has registered to be called."""
        return self._run.hooks

    @property
    def root(self) -> ResourceState | None:
        """The stack's own resource, once it is registered."""
        return next(
            (s for s in self._standing.news.values() if s.type == "pulumi:pulumi:Stack"), None
        )

    async def register(self, goal: Goal) -> Registered:
        """Bring one resource to what the program asks for.

        A failure is reported and answered as such; it does not raise. What depends on something
        that failed is skipped.
        """
        urn = self._names.urn(goal.parent, goal.type, goal.name)
        if urn in self._started:
            self._standing.fail(urn, None, f"the program registers {urn} twice")
            return Registered(urn, failed=True)
        self._started.add(urn)
        below = sorted(goal.needs() & self._standing.failed)
        try:
            task = await self._prepare(goal, urn)
            if below:
                self._standing.failed.add(urn)
                self._run.report.skip(urn, f"it stands on {below[0]}, which failed")
                return Registered(urn, skipped=True)
            state = await self._doer.carry_out(task)
        except (ProviderFailedError, RefusedError, HookFailedError, ValueError) as error:
            self._standing.fail(urn, None, str(error))
            return Registered(urn, failed=True)
        self._standing.news[urn] = state
        self._run.learn(state)
        # A component's outputs are those that it is about to register, not those of last time.
        return Registered(urn, state.id, state.outputs if state.custom else {})

    async def register_outputs(self, urn: str, outputs: Properties) -> None:
        """Record what a component, or the stack, gives out."""
        if urn in self._standing.failed:
            # Said already; a second complaint would hide the first.
            return
        state = self._standing.news.get(urn)
        if state is None:
            message = f"outputs for {urn}, which is not registered"
            raise RefusedError(message)
        if not self._run.preview:
            # Something failed, and what comes of it is not known: that is not written.
            outputs = {key: value for key, value in outputs.items() if not has_unknown(value)}
        if not same_properties(outputs, state.outputs):
            state = state.copy(outputs=outputs)
            self._standing.news[urn] = state
            self._run.learn(state)
            await self._run.ledger.put(state)
        moment, old = self._standing.to_tell.pop(urn, (None, None))
        if moment is not None:
            await self._doer.tell(moment, old, state)

    async def read(self, goal: Goal, resource_id: str) -> Registered:
        """Look a resource up that the program does not manage."""
        urn = self._names.urn(goal.parent, goal.type, goal.name)
        self._started.add(urn)
        try:
            reference = await self._provider_reference(goal)
            old = self._standing.old.get(urn)
            state = _as_asked(goal, urn, reference, None)
            state = state.copy(id=resource_id, external=True, property_dependencies={})
            if old is not None:
                self._standing.claimed.add(old.serial)
                state.serial = old.serial if old.external else -1
            if resource_id == SENTINEL:
                return Registered(urn)
            provider = await self._run.pool.get(reference)
            async with self._run.slots:
                found = await provider.read(state)
        except ProviderFailedError as error:
            self._standing.fail(urn, Op.READ, str(error))
            return Registered(urn, failed=True)
        if found is None:
            return Registered(urn)
        if not found.id:
            self._standing.fail(
                urn, Op.READ, f"there is no {goal.type} with the id {resource_id!r}"
            )
            return Registered(urn, failed=True)
        state = state.copy(id=found.id, inputs={}, outputs=found.outputs)
        await self._settle_read(old, state)
        return Registered(urn, state.id, state.outputs)

    async def _settle_read(self, old: ResourceState | None, state: ResourceState) -> None:
        self._run.report.step(Op.READ, state.urn)
        self._run.learn(state)
        self._standing.news[state.urn] = state
        if old is None or not old.external:
            await self._run.ledger.put(*retired(old), state)
        elif plan.state_differs(old, state):
            await self._run.ledger.put(state)
        self._standing.claimed.add(state.serial)

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
            if operation.kind != "creating" or operation.resource.urn in self._standing.news:
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
            if state.delete or state.serial not in self._standing.claimed
        ]
        await deletion.delete(self._run, gone)

    async def repair_references(self) -> None:
        """Let what was not registered follow its kin to their new URNs, so that the state holds."""
        moved = {old: new for new, old in self._standing.was.items()}
        if not moved:
            return
        for state in self._run.ledger.states():
            if state.serial in self._standing.claimed and not state.delete:
                continue
            fresh = _with_urns(state, moved)
            if fresh != state:
                await self._run.ledger.put(fresh)

    async def _prepare(self, goal: Goal, urn: str) -> Task:
        """Find the old state, so that it counts as wanted whatever comes next."""
        old = self._find_old(goal, urn)
        if old is not None:
            self._standing.claimed.add(old.serial)
            if old.urn != urn:
                self._standing.was[urn] = old.urn
        if not goal.custom or is_provider_type(goal.type):
            self._package_providers[urn] = goal.providers
            return Task(goal, urn, old, _as_asked(goal, urn, "", old), None)
        if goal.needs() & self._standing.failed:
            return Task(goal, urn, old, _as_asked(goal, urn, "", old), None)
        reference = await self._provider_reference(goal)
        provider = await self._run.pool.get(reference)
        return Task(goal, urn, old, _as_asked(goal, urn, reference, old), provider)

    def _find_old(self, goal: Goal, urn: str) -> ResourceState | None:
        aliases = self._names.aliases(
            goal.aliases, goal.parent, goal.type, goal.name, self._standing.was.get(goal.parent)
        )
        for candidate in (urn, *aliases):
            old = self._standing.old.get(candidate)
            if old is not None and old.serial not in self._standing.claimed:
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
