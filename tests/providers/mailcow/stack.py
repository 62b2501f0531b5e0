"""The little of an engine that a provider is driven by: state, and check, diff, create, ..."""

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any

from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.provider import (
    CheckRequest,
    ConfigureRequest,
    CreateRequest,
    DeleteRequest,
    DiffRequest,
    DiffResponse,
    ReadRequest,
    UpdateRequest,
)

from pulumi_kit.values import plain, plain_map, wrapped
from pulumi_mailcow.catalogue import Row
from pulumi_mailcow.errors import PartlyDoneError
from pulumi_mailcow.objects import BY_TOKEN
from pulumi_mailcow.provider import MailcowProvider
from pulumi_mailcow.session import Session
from pulumi_mailcow.testing import API_KEY, Mailcow
from tests.providers.mailcow.samples import Need, Sample

Wire = dict[str, PropertyValue]
Declared = tuple[str, Mapping[str, Any]]


def wire(values: Mapping[str, Any]) -> Wire:
    return {
        name: value if isinstance(value, PropertyValue) else wrapped(value)
        for name, value in values.items()
    }


def urn(token: str, name: str) -> str:
    return f"urn:pulumi:test::project::mailcow:index:{token}::{name}"


@dataclass
class State:
    """What the engine remembers of one resource."""

    token: str
    id: str
    inputs: Wire
    outputs: Wire
    init_errors: tuple[str, ...] = ()


class DeclarationRefusedError(Exception):
    """Check found mistakes."""


@dataclass
class Stack:
    """A program's resources and what was deployed of them."""

    endpoint: str
    provider: MailcowProvider = field(default_factory=MailcowProvider)
    states: dict[str, State] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    def copied(self) -> dict[str, State]:
        """Return the state, to begin with it again."""
        return {name: replace(state) for name, state in self.states.items()}

    async def configure(self, **settings: Any) -> None:
        """Begin a run."""
        self.settings = {"endpoint": self.endpoint, "apiKey": API_KEY, **self.settings, **settings}
        args = wire(self.settings)
        await self.provider.configure(
            ConfigureRequest({}, args, accept_secrets=True, accept_resources=True)
        )

    @property
    def session(self) -> Session:
        assert self.provider.session is not None
        return self.provider.session

    async def check(self, token: str, name: str, inputs: Mapping[str, Any]) -> Wire:
        answer = await self.provider.check(CheckRequest(urn(token, name), {}, wire(inputs), b""))
        if answer.failures:
            reasons = "; ".join(
                f"{failure.property} {failure.reason}" for failure in answer.failures
            )
            raise DeclarationRefusedError(reasons)
        assert answer.inputs is not None
        return answer.inputs

    async def diff(self, name: str, inputs: Wire) -> DiffResponse:
        state = self.states[name]
        return await self.provider.diff(
            DiffRequest(urn(state.token, name), state.id, state.outputs, inputs, [])
        )

    async def up(self, program: Mapping[str, Declared]) -> dict[str, str]:
        """Deploy, and return what was done to each resource.

        The first failure is raised once the state holds what is to be remembered of it.
        """
        done = {}
        old: list[tuple[str, State]] = []
        for name, (token, declared) in program.items():
            inputs = await self.check(token, name, declared)
            if name not in self.states:
                await self._create(token, name, inputs)
                done[name] = "create"
                continue
            state = self.states[name]
            diff = await self.diff(name, inputs)
            if diff.replaces:
                if diff.delete_before_replace:
                    await self._delete(name, state)
                    del self.states[name]
                else:
                    old.append((name, state))
                await self._create(token, name, inputs)
                done[name] = "replace"
            elif diff.changes or state.init_errors:
                await self._update(name, inputs)
                done[name] = "update"
            else:
                state.inputs = inputs
                done[name] = "same"
        for name, state in reversed(old):
            await self._delete(name, state)
        for name in reversed([state for state in self.states if state not in program]):
            await self._delete(name, self.states[name])
            del self.states[name]
            done[name] = "delete"
        return done

    async def preview(self, token: str, inputs: Mapping[str, Any]) -> Wire:
        checked = await self.check(token, "previewed", inputs)
        answer = await self.provider.create(
            CreateRequest(urn(token, "previewed"), checked, 0, preview=True)
        )
        return answer.properties

    async def _create(self, token: str, name: str, inputs: Wire) -> None:
        try:
            answer = await self.provider.create(
                CreateRequest(urn(token, name), inputs, 0, preview=False)
            )
        except PartlyDoneError as error:
            self.states[name] = State(
                token, error.resource_id, inputs, error.properties, error.reasons
            )
            raise
        assert answer.resource_id
        self.states[name] = State(token, answer.resource_id, inputs, answer.properties)

    async def _update(self, name: str, inputs: Wire) -> None:
        state = self.states[name]
        request = UpdateRequest(
            urn(state.token, name), state.id, state.outputs, inputs, 0, [], preview=False
        )
        try:
            answer = await self.provider.update(request)
        except PartlyDoneError as error:
            self.states[name] = State(
                state.token, error.resource_id, inputs, error.properties, error.reasons
            )
            raise
        self.states[name] = State(state.token, state.id, inputs, answer.properties)

    async def _delete(self, name: str, state: State) -> None:
        await self.provider.delete(
            DeleteRequest(urn(state.token, name), state.id, state.outputs, 0)
        )

    async def refresh(self) -> dict[str, set[str]]:
        """Read everything; return what differs, by resource; `{"gone"}` for what is."""
        differing: dict[str, set[str]] = {}
        names = list(self.states)
        answers = await asyncio.gather(*(self._read(name) for name in names))
        for name, found in zip(names, answers, strict=True):
            state = self.states[name]
            if found is None:
                differing[name] = {"gone"}
                del self.states[name]
                continue
            differing[name] = {
                key
                for new, before in ((found.outputs, state.outputs), (found.inputs, state.inputs))
                for key in {*new, *before}
                if new.get(key) != before.get(key)
            }
            self.states[name] = found
        return {name: keys for name, keys in differing.items() if keys}

    async def _read(self, name: str) -> State | None:
        state = self.states[name]
        request = ReadRequest(urn(state.token, name), state.id, state.outputs, state.inputs)
        try:
            answer = await self.provider.read(request)
        except PartlyDoneError as error:
            return State(
                state.token, error.resource_id, error.inputs, error.properties, error.reasons
            )
        if not answer.resource_id:
            return None
        return State(
            state.token, answer.resource_id, answer.inputs, answer.properties, state.init_errors
        )

    async def take_over(self, name: str, token: str, resource_id: str) -> None:
        """Import, as `pulumi import` does: read, then check what was read."""
        answer = await self.provider.read(ReadRequest(urn(token, name), resource_id, {}, {}))
        if not answer.resource_id:
            msg = f"{resource_id} does not exist"
            raise LookupError(msg)
        inputs = await self.check(token, name, answer.inputs)
        self.states[name] = State(token, answer.resource_id, inputs, answer.properties)

    def value(self, name: str, key: str) -> Any:
        return plain_map(self.states[name].outputs).get(key)

    def in_clear(self) -> str:
        """Return the state as text, with what is marked secret left out."""

        def shown(value: PropertyValue) -> Any:
            return "[secret]" if value.is_secret else plain(value)

        return json.dumps(
            [
                {key: shown(one) for key, one in part.items()}
                for state in self.states.values()
                for part in (state.inputs, state.outputs)
            ]
        )


@asynccontextmanager
async def standing(needs: tuple[Need, ...] = (), **settings: Any) -> Any:
    """Yield a Mailcow and a stack, with what is needed deployed.

    Its clock ticks a second whenever it is looked at: no test waits for one.
    """
    async with Mailcow() as mailcow:
        ticks = itertools.count()
        start = datetime(2026, 11, 28, tzinfo=UTC)
        mailcow.api.store.clock = lambda: start + timedelta(seconds=next(ticks))
        stack = Stack(mailcow.url)
        try:
            await stack.configure(**settings)
            await stack.up(program_of(needs))
            yield mailcow, stack
        finally:
            await mailcow.api.lift()
            await stack.provider.cancel()


def kept(mailcow: Mailcow, table: str) -> list[Row]:
    """Return the rows of a table, whose name may go on with a condition."""
    return mailcow.api.store.rows(f"SELECT * FROM {table}")


def program_of(needs: tuple[Need, ...], *more: tuple[str, Sample, Mapping[str, Any]]) -> Any:
    """Return a program of what is needed and of samples, each with some values changed."""
    program: dict[str, Declared] = {name: (token, inputs) for name, token, inputs in needs}
    for name, sample, changes in more:
        program[name] = (sample.token, {**sample.inputs, **changes})
    return program


async def click(stack: Stack, name: str, write: tuple[str, Any]) -> None:
    """Do in Mailcow what a person would do, behind Pulumi's back."""
    state = stack.states[name]
    item = BY_TOKEN[state.token]
    session = Session(stack.session.client.settings)
    try:
        row: Row = await item.find(session, state.id) or {}
        number = str(row.get("id", row.get("prefid", "")))
        text = json.dumps(write[1])
        text = text.replace("{id}", number).replace("{key}", state.id)
        body = json.loads(text.replace("{name}", str(row.get("name"))))
        await session.client.write(write[0], body)
    finally:
        await session.close()


def in_loop(scenario: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an asynchronous test."""

    @wraps(scenario)
    def test(*args: Any, **named: Any) -> None:
        asyncio.run(asyncio.wait_for(scenario(*args, **named), 240))

    return test
