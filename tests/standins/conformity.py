"""The circle that every resource type of a stand-in goes through, driven as an engine would."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.provider import (
    CheckFailure,
    CheckRequest,
    ConfigureRequest,
    CreateRequest,
    DeleteRequest,
    DiffRequest,
    DiffResponse,
    InvokeRequest,
    Provider,
    ReadRequest,
    UpdateRequest,
)

from pulumi_kit.values import Plain, Properties, plain_map, wrapped


def properties(values: Mapping[str, object]) -> Properties:
    """Plain values as properties; those that are properties already stay as they are."""
    return {key: wrapped(value) for key, value in values.items()}


def secret(value: object) -> PropertyValue:
    """A value marked as secret."""
    return wrapped(value, secret=True)


async def configured(provider: Provider, values: Mapping[str, object]) -> Provider:
    """The provider with its configuration."""
    await provider.configure(
        ConfigureRequest({}, properties(values), accept_secrets=True, accept_resources=True)
    )
    return provider


@dataclass
class Deployed:
    """One resource as an engine holds it: its inputs, its id and its state."""

    provider: Provider
    token: str
    name: str = "thing"
    inputs: Properties = field(default_factory=dict)
    state: Properties = field(default_factory=dict)
    identity: str = ""

    @property
    def urn(self) -> str:
        return f"urn:pulumi:qual::mail::{self.token}::{self.name}"

    @property
    def plain(self) -> Plain:
        """The state in plain values."""
        return plain_map(self.state)

    async def check(self, values: Mapping[str, object]) -> tuple[Properties, list[CheckFailure]]:
        request = CheckRequest(self.urn, self.inputs, properties(values), b"seed")
        response = await self.provider.check(request)
        return response.inputs or {}, response.failures or []

    async def failures(self, values: Mapping[str, object]) -> dict[str, str]:
        """Reasons of refused inputs by path."""
        _, failures = await self.check(values)
        # The engine would print the value of a secret property that a failure names.
        return {it.property or it.reason.split()[0]: it.reason for it in failures}

    async def create(self, values: Mapping[str, object], *, preview: bool = False) -> "Deployed":
        inputs, failures = await self.check(values)
        assert not failures, [(failure.property, failure.reason) for failure in failures]
        response = await self.provider.create(CreateRequest(self.urn, inputs, 60, preview))
        self.inputs, self.state = inputs, response.properties
        self.identity = response.resource_id or ""
        return self

    async def diff(self, values: Mapping[str, object], ignore: Iterable[str] = ()) -> DiffResponse:
        """Compare; for an ignored input the engine gives back what it had before."""
        ignored = {name: self.inputs[name] for name in ignore if name in self.inputs}
        inputs, failures = await self.check({**values, **ignored})
        assert not failures, [(failure.property, failure.reason) for failure in failures]
        request = DiffRequest(self.urn, self.identity, self.state, inputs, list(ignore))
        return await self.provider.diff(request)

    async def update(self, values: Mapping[str, object], *, preview: bool = False) -> None:
        inputs, _ = await self.check(values)
        request = UpdateRequest(self.urn, self.identity, self.state, inputs, 60, [], preview)
        self.state = (await self.provider.update(request)).properties
        self.inputs = inputs

    async def refresh(self) -> bool:
        """Read the resource; whether it is still there."""
        response = await self.provider.read(
            ReadRequest(self.urn, self.identity, self.state, self.inputs)
        )
        if not response.resource_id:
            return False
        self.state, self.inputs = response.properties, response.inputs
        return True

    async def adopt(self, identity: str) -> "Deployed":
        """Import by id."""
        response = await self.provider.read(ReadRequest(self.urn, identity, {}, {}))
        self.identity = response.resource_id or ""
        self.state, self.inputs = response.properties, response.inputs
        return self

    async def delete(self) -> None:
        await self.provider.delete(DeleteRequest(self.urn, self.identity, self.state, 60))


async def invoke(provider: Provider, token: str, arguments: Mapping[str, object]) -> dict[str, Any]:
    """What a function returns, in plain values."""
    response = await provider.invoke(InvokeRequest(token, properties(arguments)))
    assert response.return_value is not None
    return plain_map(response.return_value)
