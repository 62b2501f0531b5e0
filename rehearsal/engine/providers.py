"""Providers: one instance for each reference, configured once, spoken to in Pulumi's own terms."""

import json
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from pulumi.provider.experimental import provider as p
from pulumi.provider.experimental.property_value import PropertyValue

from rehearsal.engine import plan
from rehearsal.engine.model import ResourceState
from rehearsal.engine.plan import Difference
from rehearsal.engine.urn import package_of, split_reference
from rehearsal.engine.values import (
    Properties,
    Sealed,
    has_unknown,
    plain_all,
    tidy_all,
    with_marks,
)

Factory: TypeAlias = Callable[[], p.Provider]

Answer = TypeVar("Answer")

INTERNAL_KEYS = frozenset({"__internal", "version"})
"""Inputs of a provider resource that are the engine's own business."""


def _without_notes(properties: Properties) -> Properties:
    """Return a configuration without what genuine plugins note in it for themselves."""
    return {key: value for key, value in properties.items() if not key.startswith("__")}


class ProviderFailedError(Exception):
    """A provider refused or failed; the message is its own, without a traceback."""


class PartlyDoneError(ProviderFailedError):
    """A resource is there, or may be, but not as it was asked for.

    Attributes:
        resource_id: Under which it is found again; may be empty.
        inputs: What the provider would remember as its inputs; may be empty.
        outputs: What it is like.
        reasons: What is not as asked.
    """

    def __init__(
        self, resource_id: str, inputs: Properties, outputs: Properties, reasons: Sequence[str]
    ) -> None:
        super().__init__("it is there, but not as asked: " + "; ".join(reasons))
        self.resource_id = resource_id
        self.inputs = inputs
        self.outputs = outputs
        self.reasons = tuple(reasons)

    @classmethod
    def of(cls, error: BaseException) -> "PartlyDoneError | None":
        """Return what a provider's exception tells, None where it is an ordinary failure.

        A provider behind gRPC would answer with the message `ErrorResourceInitFailed`; one in
        this process raises what has the fields of that message.
        """
        resource_id = getattr(error, "resource_id", None)
        properties, reasons = getattr(error, "properties", None), getattr(error, "reasons", None)
        if resource_id is None or not isinstance(properties, Mapping) or not reasons:
            return None
        inputs = getattr(error, "inputs", None) or {}
        return cls(str(resource_id), tidy_all(inputs), tidy_all(properties), list(reasons))


@dataclass(frozen=True)
class Found:
    """What a provider sees of a resource; `id` is empty where there is nothing."""

    id: str
    inputs: Properties
    outputs: Properties
    reasons: Sequence[str] = ()
    """What is wrong with it, as far as the provider says so."""


class Instance:
    """One provider with its configuration."""

    def __init__(self, package: str, provider: p.Provider) -> None:
        self.package = package
        self._provider = provider
        self._known = False
        self._previews = True

    async def check_config(
        self, urn: str, old: Properties, new: Properties
    ) -> tuple[Properties, list[p.CheckFailure]]:
        """Let the provider look at its configuration; returns it as the provider wants it."""
        request = p.CheckRequest(urn, _public(old), _public(new), b"")
        answer = await _call(self._provider.check_config(request))
        checked = _public(new) if answer.inputs is None else tidy_all(answer.inputs)
        kept = {key: value for key, value in new.items() if key in INTERNAL_KEYS}
        return with_marks(checked, new, ()) | kept, list(answer.failures or ())

    async def diff_config(self, state: ResourceState, new: Properties) -> Difference:
        """Ask whether another configuration makes another provider."""
        request = p.DiffRequest(state.urn, state.id, _public(state.outputs), _public(new), [])
        answer = await _call(self._provider.diff_config(request))
        if answer.changes is None and not answer.replaces:
            return plan.structural(_without_notes(state.inputs), _without_notes(new))
        return plan.from_provider(answer, state, new)

    async def configure(self, inputs: Properties) -> None:
        """Configure the provider, unless something in its configuration is not known yet."""
        public = _public(inputs)
        self._known = not any(has_unknown(value) for value in public.values())
        if not self._known:
            return
        variables = {
            f"{self.package}:config:{key}": value.value
            if isinstance(value.value, str)
            else json.dumps(plain_all({"v": value})["v"], default=_opened)
            for key, value in public.items()
        }
        request = p.ConfigureRequest(variables, public, accept_secrets=True, accept_resources=True)
        answer = await _call(self._provider.configure(request))
        self._previews = answer.supports_preview

    async def check(
        self, urn: str, old: Properties, new: Properties
    ) -> tuple[Properties, list[p.CheckFailure]]:
        """Let the provider look at inputs; returns them with its defaults."""
        if not self._known:
            return new, []
        answer = await _call(self._provider.check(p.CheckRequest(urn, old, new, os.urandom(32))))
        checked = new if answer.inputs is None else tidy_all(answer.inputs)
        return with_marks(checked, new, ()), list(answer.failures or ())

    async def diff(
        self, state: ResourceState, new: Properties, ignored: Sequence[str] = ()
    ) -> Difference:
        """Ask what differs between a resource and what is asked of it."""
        if not self._known:
            return plan.structural(state.inputs, new)
        request = p.DiffRequest(state.urn, state.id, state.outputs, new, list(ignored))
        answer = await _call(self._provider.diff(request))
        return plan.from_provider(answer, state, new)

    async def create(self, state: ResourceState, *, preview: bool) -> tuple[str, Properties]:
        """Create a resource; returns its id and outputs, both possibly empty in a preview.

        Raises:
            PartlyDoneError: it was created, but is not as asked.
            ProviderFailedError: it was not created.
        """
        if preview and not (self._previews and self._known):
            return "", {}
        request = p.CreateRequest(state.urn, state.inputs, 0, preview)
        answer = await _write(self._provider.create(request), state)
        if not preview and not answer.resource_id:
            message = f"the provider of {self.package} returned no id"
            raise ProviderFailedError(message)
        return "" if preview else str(answer.resource_id), _answered(answer.properties, state)

    async def update(self, old: ResourceState, new: ResourceState, *, preview: bool) -> Properties:
        """Change a resource where it stands; returns its outputs.

        Raises:
            PartlyDoneError: it was changed, but is not as asked.
            ProviderFailedError: it was not changed.
        """
        if preview and not (self._previews and self._known):
            return {}
        request = p.UpdateRequest(new.urn, old.id, old.outputs, new.inputs, 0, [], preview)
        answer = await _write(self._provider.update(request), new)
        return _answered(answer.properties, new)

    async def delete(self, state: ResourceState) -> None:
        """Delete a resource.

        Raises:
            ProviderFailedError: it stands still.
        """
        request = p.DeleteRequest(state.urn, state.id, state.outputs, 0)
        await _call(self._provider.delete(request))

    async def read(self, state: ResourceState) -> Found | None:
        """Look at a resource; None where the configuration is not known yet."""
        if not self._known:
            return None
        request = p.ReadRequest(state.urn, state.id, state.outputs, state.inputs)
        reasons: Sequence[str] = ()
        try:
            answer = await _call(self._provider.read(request))
        except PartlyDoneError as error:
            answer = p.ReadResponse(error.resource_id, error.outputs, error.inputs)
            reasons = error.reasons
        if not answer.resource_id:
            return Found("", {}, {})
        outputs = tidy_all(answer.properties)
        # The state's own marks are kept: a read sees values, not what was secret in the program.
        outputs = with_marks(outputs, state.outputs, ())
        outputs = with_marks(outputs, state.inputs, state.additional_secret_outputs)
        inputs = with_marks(tidy_all(answer.inputs), state.inputs, ()) or state.inputs
        return Found(answer.resource_id, inputs, outputs, reasons)

    async def invoke(
        self, token: str, arguments: Properties
    ) -> tuple[Properties, list[p.CheckFailure]] | None:
        """Call a function of the provider; None where its configuration is not known yet."""
        if not self._known:
            return None
        answer = await _call(self._provider.invoke(p.InvokeRequest(token, arguments)))
        return tidy_all(answer.return_value), list(answer.failures or ())

    async def cancel(self) -> None:
        """Let the provider end what it holds open."""
        await _call(self._provider.cancel())


class Pool:
    """All instances of one run."""

    def __init__(self, factories: Mapping[str, Factory]) -> None:
        self._factories = factories
        self._instances: dict[str, Instance] = {}
        self._known_states: dict[str, ResourceState] = {}

    def know(self, state: ResourceState) -> None:
        """Remember a provider of the state; it is configured when something needs it."""
        self._known_states[state.reference] = state

    def make(self, resource_type: str) -> Instance:
        """Return a new instance, not yet configured.

        Raises:
            ProviderFailedError: nobody provides the package.
        """
        package = package_of(resource_type)
        factory = self._factories.get(package)
        if factory is None:
            known = ", ".join(sorted(self._factories)) or "none"
            message = f"no provider stands in for the package {package!r} (there are: {known})"
            raise ProviderFailedError(message)
        return Instance(package, factory())

    def install(self, reference: str, instance: Instance) -> None:
        """Let a reference stand for a configured instance."""
        self._instances[reference] = instance

    async def get(self, reference: str) -> Instance:
        """Return the instance that a reference stands for.

        Raises:
            ProviderFailedError: the reference is to nothing that is known.
        """
        instance = self._instances.get(reference)
        if instance is None:
            state = self._known_states.get(reference)
            if state is None:
                urn, _ = split_reference(reference)
                message = f"the provider {urn} is not known"
                raise ProviderFailedError(message)
            instance = self.make(state.type)
            self._instances[reference] = instance
            await instance.configure(state.inputs)
        return instance

    async def close(self) -> None:
        """Let every provider end."""
        for instance in list(dict.fromkeys(self._instances.values())):
            await instance.cancel()
        self._instances.clear()


async def _call(awaitable: Awaitable[Answer]) -> Answer:
    try:
        return await awaitable
    except ProviderFailedError:
        raise
    except Exception as error:
        partly = PartlyDoneError.of(error)
        if partly is not None:
            raise partly from error
        # What a provider raises is its answer to the operator; where it was raised is not.
        message = str(error) or type(error).__name__
        raise ProviderFailedError(message) from error


async def _write(awaitable: Awaitable[Answer], state: ResourceState) -> Answer:
    """Wait for a write; what it left half done is marked secret like any other answer."""
    try:
        return await _call(awaitable)
    except PartlyDoneError as error:
        error.outputs = _answered(error.outputs, state)
        raise


def _answered(properties: Mapping[str, PropertyValue] | None, state: ResourceState) -> Properties:
    return with_marks(tidy_all(properties), state.inputs, state.additional_secret_outputs)


def _public(inputs: Mapping[str, PropertyValue]) -> Properties:
    return {key: value for key, value in inputs.items() if key not in INTERNAL_KEYS}


def _opened(value: object) -> object:
    if isinstance(value, Sealed):
        return value.open()
    message = f"a {type(value).__name__} in a provider's configuration"
    raise TypeError(message)
