"""Brings the state to what the program asks for, one registration at a time."""

import asyncio
from typing import Any

from pulumi.provider.experimental.provider import CheckFailure

from rehearsal.engine import deletion
from rehearsal.engine.hooks import HookFailedError
from rehearsal.engine.model import LEFT_OUT, Goal, Registered, ResourceState
from rehearsal.engine.providers import ProviderFailedError
from rehearsal.engine.run import Run
from rehearsal.engine.steps import RefusedError, Standing, Steps, Task
from rehearsal.engine.urn import PROVIDER_PREFIX, Names, package_of
from rehearsal.engine.values import (
    SENTINEL,
    Properties,
    ValueRefusedError,
    has_unknown,
    refuse_uncarried,
    same_properties,
)


class Deployment:
    """Serves the registrations of one run of the program."""

    def __init__(self, run: Run, names: Names, config: Properties) -> None:
        """Take up the state of the run.

        Args:
            run: The run.
            names: Builds the stack's URNs.
            config: The stack's configuration by full key; default providers take theirs from it.
        """
        self._run = run
        self._names = names
        self._config = config
        self._defaults: dict[str, asyncio.Task[str]] = {}
        live = [state for state in run.table.states() if not state.delete]
        self._standing = Standing({state.urn: state for state in live})
        self._steps = Steps(run, self._standing)
        self._started: set[str] = set()
        self._at_work: set[asyncio.Task[Any]] = set()

    @property
    def steps(self) -> Steps:
        """What carries the registrations out."""
        return self._steps

    async def register(self, goal: Goal) -> Registered:
        """Bring one resource to what the program asks for.

        A failure is reported and answered as such; it does not raise. What depends on something
        that failed is skipped. A step that was begun comes to its end, also when the program that
        asked for it ends before.
        """
        task = asyncio.create_task(self._register(goal))
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)
        return await asyncio.shield(task)

    async def settle(self) -> None:
        """Wait until every step that was begun is over."""
        while self._at_work:
            await asyncio.gather(*self._at_work, return_exceptions=True)

    async def _register(self, goal: Goal) -> Registered:
        urn = goal.state.urn
        if urn in self._started:
            return self.refuse(urn, f"the program registers {urn} twice")
        self._started.add(urn)
        old = self._find_old(goal)
        below = sorted(self._standing.failed.intersection(goal.state.needs()))
        if below:
            self._standing.failed.add(urn)
            self._run.report.skip(urn, f"it stands on {below[0]}, which failed")
            return Registered(urn, failed=True)
        try:
            refuse_uncarried(goal.state.inputs)
            provider = None
            if goal.state.managed:
                token, named = goal.state.type, goal.state.provider
                goal.state.provider = await self._reference(token, named, goal.version)
                provider = await self._run.pool.get(goal.state.provider)
            state = await self._steps.carry_out(Task(goal, old, goal.state, provider))
        except ValueRefusedError as error:
            return self.refuse(urn, f"{error}; {LEFT_OUT}")
        except (ProviderFailedError, RefusedError, HookFailedError, ValueError) as error:
            return self.refuse(urn, str(error))
        self._standing.news[urn] = state
        self._run.learn(state)
        # A component's outputs are those that it is about to register, not those of last time.
        return Registered(urn, state.id, state.outputs if state.custom else {})

    async def _reference(self, token: str, named: str, version: str) -> str:
        """Return the provider that is named, or the default one of the package."""
        if named:
            return named
        key = f"{package_of(token)}@{version}"
        if key not in self._defaults:
            default = self._default_provider(package_of(token), version)
            self._defaults[key] = asyncio.create_task(default)
        return await self._defaults[key]

    async def _default_provider(self, package: str, version: str) -> str:
        name = f"default_{version.replace('.', '_')}" if version else "default"
        token = f"{PROVIDER_PREFIX}{package}"
        inputs = {
            key.removeprefix(f"{package}:"): value
            for key, value in self._config.items()
            if key.startswith(f"{package}:")
        }
        state = ResourceState(self._names.urn("", token, name), token, custom=True, inputs=inputs)
        made = await self._register(Goal(state, version=version))
        if made.failed:
            raise ProviderFailedError(f"the default provider of {package} is not configured")
        return f"{made.urn}::{made.id or SENTINEL}"

    def refuse(self, urn: str, message: str) -> Registered:
        """Let a registration fail."""
        self._standing.failed.add(urn)
        self._run.report.fail(urn, None, message)
        return Registered(urn, failed=True)

    def _find_old(self, goal: Goal) -> ResourceState | None:
        """Find the old state, which counts as wanted whatever comes next."""
        wanted, standing = goal.state, self._standing
        aliases = self._names.aliases(goal.aliases, wanted, standing.was.get(wanted.parent))
        for candidate in (wanted.urn, *aliases):
            old = standing.old.get(candidate)
            if old is not None and old.serial not in standing.claimed:
                standing.claimed.add(old.serial)
                if candidate != wanted.urn:
                    standing.was[wanted.urn] = candidate
                return old
        return None

    def register_outputs(self, urn: str, outputs: Properties) -> None:
        """Record what a component, or the stack, gives out.

        Raises:
            RefusedError: there is no such component.
            ValueRefusedError: it gives out what the state cannot hold.
        """
        if urn in self._standing.failed:
            # Said already; a second complaint would hide the first.
            return
        state = self._standing.news.get(urn)
        if state is None:
            raise RefusedError(f"outputs for {urn}, which is not registered")
        refuse_uncarried(outputs)
        if not self._run.preview:
            # Something failed, and what comes of it is not known: that is not written.
            outputs = {key: value for key, value in outputs.items() if not has_unknown(value)}
        if not same_properties(outputs, state.outputs):
            state.outputs = outputs
            self._run.learn(state)
            self._run.table.put(state)

    async def invoke(
        self, token: str, arguments: Properties, provider: str, version: str
    ) -> tuple[Properties, list[CheckFailure]] | None:
        """Call a provider's function; None where its configuration is not known yet.

        Raises:
            ProviderFailedError: it failed.
        """
        instance = await self._run.pool.get(await self._reference(token, provider, version))
        async with self._run.slots:
            return await instance.invoke(token, arguments)

    async def finish(self) -> None:
        """Delete what the program no longer registers; called once it has ended well."""
        await self.settle()
        if self._run.report.failed:
            return
        gone = [
            state
            for state in self._run.table.states()
            if state.delete or state.serial not in self._standing.claimed
        ]
        await deletion.delete(self._run, gone)

    def repair_references(self) -> None:
        """Let what was not registered follow its kin to their new URNs, so that the state holds."""
        moved = {old: new for new, old in self._standing.was.items()}
        for state in self._run.table.states():
            unclaimed = state.delete or state.serial not in self._standing.claimed
            if unclaimed and moved.keys() & set(state.needs()):
                self._run.table.put(state.with_references(moved))
