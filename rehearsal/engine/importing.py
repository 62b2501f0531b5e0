"""Takes over what is there already: reads each resource, writes the state, changes nothing else.

It follows `pulumi import`: what the state has already stays, providers of the file are made from
their inputs, parents come before their children, what cannot be read as asked fails by itself and
takes its children along.
"""

import asyncio
import uuid
from collections.abc import Mapping

from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.provider import CheckFailure

from rehearsal.engine.checkpoint import now
from rehearsal.engine.import_file import Import, ImportRefusedError
from rehearsal.engine.model import Op, ResourceState, Severity
from rehearsal.engine.providers import Found, Instance, ProviderFailedError
from rehearsal.engine.run import Run
from rehearsal.engine.urn import ROOT_TYPE, Names, is_provider_type, package_of
from rehearsal.engine.values import SENTINEL, Properties, secret, with_marks


class Importing:
    """One import."""

    def __init__(
        self,
        run: Run,
        names: Names,
        config: Mapping[str, PropertyValue],
        *,
        protect: bool,
    ) -> None:
        """Take up the state.

        Args:
            run: The run.
            names: Builds the stack's URNs.
            config: The stack's configuration by full key, for default providers.
            protect: Whether what is imported is protected from deletion, until the program says
                otherwise in its next deployment.
        """
        self._run = run
        self._names = names
        self._config = config
        self._protect = protect
        self._there = {state.urn: state for state in run.ledger.states() if not state.delete}
        for state in self._there.values():
            if state.is_provider:
                run.pool.know(state)
        self._references = {
            state.urn: state.reference for state in self._there.values() if state.is_provider
        }

    async def carry_out(self, imports: list[Import]) -> None:
        """Import everything; what fails is reported, and the rest goes on."""
        self._refuse_strangers(imports)
        root = await self._root()
        for one in imports:
            if is_provider_type(one.type):
                await self._provide(one, one.inputs)
        for one in imports:
            if one.component or is_provider_type(one.type):
                continue
            if not one.provider:
                await self._provide_by_default(one)
        waiting = [one for one in imports if not is_provider_type(one.type)]
        while waiting:
            names = {one.urn for one in waiting}
            ready = [one for one in waiting if one.parent not in names]
            await asyncio.gather(*(self._take(one, root) for one in ready))
            waiting = [one for one in waiting if one.parent in names]

    def _refuse_strangers(self, imports: list[Import]) -> None:
        """Refuse what the state holds under another id, before anything is written."""
        taken = [
            f"{one.name} ({one.type}) is in the state already, as {held.id}"
            for one in imports
            if (held := self._there.get(one.urn)) is not None
            and one.id
            and one.id not in {held.id, held.import_id}
        ]
        if taken:
            raise ImportRefusedError(taken)

    async def _root(self) -> str:
        found = next((one.urn for one in self._there.values() if one.type == ROOT_TYPE), None)
        if found is not None:
            return found
        name = f"{self._names.project}-{self._names.stack}"
        urn = self._names.urn("", ROOT_TYPE, name)
        state = ResourceState(urn, ROOT_TYPE, custom=False, created=now(), modified=now())
        await self._record(state)
        return urn

    # --- providers ----------------------------------------------------------------------------

    async def _provide_by_default(self, one: Import) -> None:
        package = package_of(one.type)
        prefix = f"{package}:"
        inputs = {
            key.removeprefix(prefix): value
            for key, value in self._config.items()
            if key.startswith(prefix)
        }
        made = Import(
            urn=self._default_urn(one),
            type=f"pulumi:providers:{package}",
            name="",
            id="",
            parent="",
            provider="",
            version=one.version,
            download_url=one.download_url,
            component=False,
        )
        await self._provide(made, inputs)

    def _default_urn(self, one: Import) -> str:
        name = f"default_{one.version.replace('.', '_')}" if one.version else "default"
        return self._names.urn("", f"pulumi:providers:{package_of(one.type)}", name)

    async def _provide(self, one: Import, given: Properties) -> None:
        """Make a provider, unless it is there."""
        if one.urn in self._references:
            return
        instance = self._run.pool.make(one.type)
        inputs: Properties = dict(given)
        if one.version:
            inputs.setdefault("version", PropertyValue(one.version))
            inputs.setdefault("__internal", PropertyValue({}))
        try:
            inputs, failures = await instance.check_config(one.urn, {}, inputs)
        except ProviderFailedError as error:
            self._run.report.fail(one.urn, Op.CREATE, str(error))
            return
        if failures:
            self._run.report.fail(one.urn, Op.CREATE, f"it is refused: {_listed(failures)}")
            return
        await instance.configure(inputs)
        state = ResourceState(
            one.urn,
            one.type,
            custom=True,
            id=SENTINEL if self._run.preview else str(uuid.uuid4()),
            inputs=inputs,
            outputs={key: value for key, value in inputs.items() if key != "__internal"},
            parent=one.parent,
            created=now(),
            modified=now(),
        )
        self._references[one.urn] = state.reference
        self._run.pool.install(state.reference, instance)
        await self._record(state)
        self._run.report.step(Op.CREATE, one.urn)

    # --- resources ----------------------------------------------------------------------------

    async def _take(self, one: Import, root: str) -> None:
        """Import one resource; what the state has already stays as it is."""
        if one.urn in self._there:
            self._run.report.step(Op.SAME, one.urn)
            return
        parent = one.parent or root
        if parent not in self._there:
            self._run.report.skip(one.urn, "what it belongs to was not imported")
            return
        state = ResourceState(
            one.urn,
            one.type,
            custom=not one.component,
            parent=parent,
            protect=self._protect,
            created=now(),
            modified=now(),
        )
        try:
            async with self._run.slots, self._run.report.timed(Op.IMPORT, one.urn):
                if state.custom:
                    await self._look(one, state)
                else:
                    state.inputs = dict(one.inputs)
                await self._record(state)
        except ProviderFailedError as error:
            self._run.report.fail(one.urn, Op.IMPORT, str(error))

    async def _look(self, one: Import, state: ResourceState) -> None:
        """Read a resource, or believe what was supplied of it.

        Raises:
            ProviderFailedError: it is not there, or cannot be read.
        """
        reference = self._references.get(one.provider or self._default_urn(one))
        if reference is None:
            raise ProviderFailedError("its provider is neither in the file nor in the state")
        state.provider = reference
        provider = await self._run.pool.get(reference)
        if one.outputs:
            found: Found | None = Found(one.id, dict(one.inputs), dict(one.outputs))
        else:
            found = await provider.read(state.copy(id=one.id))
        if found is None:
            raise ProviderFailedError("its provider's configuration is not complete")
        if not found.id:
            raise ProviderFailedError(f"there is no {one.type} with the id {one.id!r}")
        state.id = found.id
        state.inputs = _filled(found.inputs, one.inputs)
        state.outputs = with_marks(found.outputs, state.inputs, ())
        state.init_errors = [self._run.report.scrubber.scrub(reason) for reason in found.reasons]
        self._run.learn(state)
        await self._judge(provider, state)

    async def _judge(self, provider: Instance, state: ResourceState) -> None:
        """Let the provider check what it read; what it refuses is worth a warning, no more."""
        _, failures = await provider.check(state.urn, state.inputs, state.inputs)
        if failures:
            message = f"what was read is not what may be declared: {_listed(failures)}"
            self._run.report.say(Severity.WARNING, message, state.urn)

    async def _record(self, state: ResourceState) -> None:
        self._run.learn(state)
        await self._run.ledger.put(state)
        self._there[state.urn] = state


def _filled(read: Properties, supplied: Properties) -> Properties:
    """Return what was read, its gaps filled, and secret what was supplied as a secret."""
    filled = dict(read)
    for key, value in supplied.items():
        here = read.get(key)
        if here is None or here.value is None:
            filled[key] = value
        elif value.is_secret:
            filled[key] = secret(here)
    return filled


def _listed(failures: list[CheckFailure]) -> str:
    return "; ".join(
        f"{one.property}: {one.reason}" if one.property else one.reason for one in failures
    )
