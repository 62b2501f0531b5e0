"""What every stand-in provider shares: one small class per resource type, and the dispatch to it.

A `Kind` knows one resource type: how it is created, read, updated and deleted through the official
client of its service, all in plain values. The provider around it does the rest as the official
plugins do: schema checks, defaults, notes, diffs, previews, secrets, errors.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, ClassVar, Generic, TypeVar

from pulumi.provider.experimental.provider import (
    CheckRequest,
    CheckResponse,
    ConfigureRequest,
    ConfigureResponse,
    CreateRequest,
    CreateResponse,
    DeleteRequest,
    DiffRequest,
    DiffResponse,
    InvokeRequest,
    InvokeResponse,
    PropertyDiffKind,
    Provider,
    ReadRequest,
    ReadResponse,
    UpdateRequest,
    UpdateResponse,
)

from pulumi_kit import differences
from pulumi_kit.checking import mistakes
from pulumi_kit.differences import Changes, is_blank
from pulumi_kit.failures import ProviderError, refused
from pulumi_kit.scrubbing import Scrubber
from pulumi_kit.values import (
    UNKNOWN,
    Plain,
    Properties,
    Wire,
    has_unknown,
    plain,
    plain_map,
    secret_texts,
    with_marks,
    wrapped,
    wrapped_map,
)
from rehearsal.standins import notes, schema
from rehearsal.standins.schema import Schema

Account = TypeVar("Account")
_ENGINES_OWN = frozenset({"version", "pluginDownloadURL", "pluginChecksums"})
"""Keys of a provider's configuration that are for the engine."""


class Kind(ABC, Generic[Account]):
    """One resource type of a stand-in, in plain values throughout.

    `Account` is what the provider's configuration opens: a client of the service.
    """

    token: ClassVar[str]
    """Type token, as in the SDK."""
    sdk: ClassVar[str]
    """Class of the SDK as `package.module:Class`, from which the schema is read."""
    taught: ClassVar[frozenset[str]]
    """Inputs of the plugin that the stand-in knows what to do with; it refuses the others."""
    replaces: ClassVar[frozenset[str]] = frozenset()
    """Inputs whose change forces a replacement."""
    defaults: ClassVar[Mapping[str, Any]] = {}
    """Values that the plugin fills in for inputs left out, by name; for those inside objects, by
    the name of the object as well."""
    secrets: ClassVar[frozenset[str]] = frozenset()
    """Outputs that are secret whatever the inputs were."""
    named: ClassVar[str | None] = None
    """Input that names the thing: a replacement of the same name must wait for the deletion."""
    yielding: ClassVar[frozenset[str]] = frozenset()
    """Further inputs that the service decides when they are left out, unknown to the schema."""
    bridged: ClassVar[bool] = False
    """Whether the plugin wraps a provider of Terraform's older kind, and notes what those do."""
    meta: ClassVar[str | None] = None
    """What the plugin notes for itself in the state."""
    absent: ClassVar[frozenset[str]] = frozenset()
    """Outputs of the schema that the plugin does not even leave as null."""

    @property
    def schema(self) -> Schema:
        """Schema of the type."""
        return schema.of(self.sdk)

    @property
    def _plain_defaults(self) -> Plain:
        """Defaults of the resource itself, without those inside its objects."""
        return {key: it for key, it in self.defaults.items() if not isinstance(it, Mapping)}

    def mistakes(self, inputs: Plain) -> list[tuple[str, str]]:
        """Return (path, reason) of mistakes that only the plugin knows of."""
        del inputs
        return []

    def completed(self, inputs: Properties) -> Properties:
        """Return the inputs with defaults filled in, and with the plugin's notes."""
        return notes.noted(inputs, self.schema.inputs, self.defaults) if self.bridged else inputs

    def imported(self, inputs: Plain) -> Plain:
        """Return the inputs of an import as a program could declare them."""
        return inputs

    def comparable(self, name: str, value: Any, state: Plain) -> Any:
        """Return an input or state value in the form in which equal things are equal."""
        del name, state
        return value

    @abstractmethod
    async def create(self, account: Account, inputs: Plain) -> tuple[str, Plain]:
        """Create the resource; return its id and its state."""

    @abstractmethod
    async def read(self, account: Account, identity: str, state: Plain) -> tuple[str, Plain] | None:
        """Return id and state as they are now, None if it is gone; an import has no `state`."""

    @abstractmethod
    async def update(self, account: Account, identity: str, old: Plain, new: Plain) -> Plain:
        """Change the resource from state `old` to inputs `new`; return its state."""

    @abstractmethod
    async def delete(self, account: Account, identity: str, state: Plain) -> None:
        """Delete the resource."""

    def whole(self, state: Plain) -> Plain:
        """Return a state as the plugin leaves it: null for what nobody said, and its notes."""
        if self.bridged:
            nothing = dict.fromkeys(self.schema.outputs - self.absent)
            state = {**nothing, **self._plain_defaults, **state}
        return state if self.meta is None else {"__meta": self.meta, **state}

    def changes(self, state: Plain, inputs: Plain, ignored: list[str]) -> Changes:
        """Return the differing paths by property."""
        changed: dict[str, list[tuple[str, PropertyDiffKind]]] = {}
        known = self.schema
        decided = known.always | self.yielding
        for name in sorted(known.inputs.names):
            if name in ignored:
                continue
            old, new = state.get(name), inputs.get(name, self._plain_defaults.get(name))
            if new is None and (name in decided or name not in state):
                continue
            if differing := self._differing(name, old, new, state):
                changed[name] = differing
        return changed

    def _differing(
        self, name: str, old: Any, new: Any, state: Plain
    ) -> list[tuple[str, PropertyDiffKind]]:
        old, new = self.comparable(name, old, state), self.comparable(name, new, state)
        return list(differences.paths(old, new, name))

    def declared(self, state: Plain, before: Wire) -> Properties:
        """Return the inputs that a state stands for.

        After a refresh: those that were given, with what they are now, so that drift shows. For an
        import: every input that the state knows and that is not the default.
        """
        known = self.schema
        if not before:
            told = {
                name: value
                for name, value in state.items()
                if name in self.taught
                and (name in known.inputs.required or not is_blank(value))
                and value != self._plain_defaults.get(name)
            }
            inputs = wrapped_map(self.imported(told))
            return notes.noted(inputs, known.inputs, {}) if self.bridged else inputs
        inputs = {}
        for name, value in before.items():
            given = plain(value)
            now = state.get(name, given if name not in known.outputs else None)
            if name.startswith("__") or not self._differing(name, now, given, state):
                inputs[name] = value
            elif now is not None:
                inputs[name] = with_marks(wrapped(now), value)
        return notes.noted(inputs, known.inputs, {}) if self.bridged else inputs


Function = Callable[[Any, Plain], Any]


class StandIn(Provider, Generic[Account]):
    """A provider that dispatches to its kinds by type token.

    Nothing is connected before an operation needs it, so that a preview with an unknown address or
    unknown credentials stays a preview.
    """

    sdk: ClassVar[str]
    """Package of the SDK."""
    kinds: ClassVar[tuple[type[Kind[Any]], ...]]
    """The resource types it knows."""
    functions: ClassVar[Mapping[str, Function]] = {}
    """Functions by token: `async (account, arguments) -> result`."""
    concurrency: ClassVar[int] = 8
    """Operations on the service at one time."""

    def __init__(self) -> None:
        self._kinds: dict[str, Kind[Account]] = {kind.token: kind() for kind in self.kinds}
        self._configuration: Plain = {}
        self._secrets: tuple[str, ...] = ()
        self._account: Account | None = None
        self._opening = asyncio.Lock()
        self._places = asyncio.Semaphore(self.concurrency)

    @abstractmethod
    def open(self, configuration: Plain) -> Account:
        """Return the client of the service for a configuration without unknown values.

        Raises:
            ProviderError: the configuration lacks something, or contradicts itself.
        """

    async def shut(self, account: Account) -> None:
        """Release the client's connections."""

    async def cancel(self) -> None:
        """Release what was opened; the engine calls it when it is done with the provider."""
        account, self._account = self._account, None
        if account is not None:
            await self.shut(account)

    # Configuration

    async def check_config(self, request: CheckRequest) -> CheckResponse:
        """Refuse unknown configuration keys."""
        inputs = plain_map(request.new_inputs)
        inputs = {key: item for key, item in inputs.items() if key not in _ENGINES_OWN}
        found = mistakes(inputs, schema.of_provider(self.sdk))
        failures = refused(found, request.new_inputs)
        return CheckResponse(inputs=request.new_inputs, failures=failures)

    async def diff_config(self, request: DiffRequest) -> DiffResponse:
        """A changed configuration never replaces what was made with the old one."""
        old, new = plain_map(request.old_state), plain_map(request.new_inputs)
        names = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
        return DiffResponse(changes=bool(names), diffs=names)

    async def configure(self, request: ConfigureRequest) -> ConfigureResponse:
        """Take the configuration; connect to nothing yet."""
        await self.cancel()
        self._configuration = plain_map(request.args)
        self._secrets = tuple(secret_texts(request.args))
        return ConfigureResponse(
            accept_secrets=True, supports_preview=True, accept_resources=False, accept_outputs=False
        )

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Account]:
        async with self._opening:
            if self._account is None:
                if has_unknown(self._configuration):
                    raise ProviderError("the provider's configuration is not known yet")
                self._account = self.open(self._configuration)
            account = self._account
        async with self._places:
            yield account

    @contextmanager
    def _told_plainly(self, *properties: Wire) -> Iterator[None]:
        """Turn every failure into one line without secrets, and without the chain behind it."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - any client error may quote a secret
            scrubber = Scrubber((*self._secrets, *secret_texts(*properties)))
            raise ProviderError(scrubber.line(str(error) or type(error).__name__)) from None

    def _kind(self, token: str) -> Kind[Account]:
        try:
            # Inside a component the type carries those of the parents: `mail:...:Host$...`.
            return self._kinds[token.rpartition("$")[2]]
        except KeyError:
            known = ", ".join(sorted(self._kinds))
            raise ProviderError(f"{token} has no stand-in; there are {known}") from None

    # Resources

    async def check(self, request: CheckRequest) -> CheckResponse:
        """Check inputs against the schema; fill in the defaults."""
        kind = self._kind(request.type)
        with self._told_plainly(request.new_inputs):
            inputs = kind.completed(
                {key: it for key, it in request.new_inputs.items() if it.value is not None}
            )
            values = plain_map(inputs)
            found = list(mistakes(values, kind.schema.inputs, kind.schema.computed))
            unknown = kind.schema.inputs.names & values.keys() - kind.taught
            found += [(name, "has no stand-in; take the plugin itself") for name in sorted(unknown)]
            found += kind.mistakes(values)
            return CheckResponse(inputs, refused(found, inputs))

    async def diff(self, request: DiffRequest) -> DiffResponse:
        """Compare inputs with the state, property by property."""
        kind = self._kind(request.type)
        with self._told_plainly(request.old_state, request.new_inputs):
            old, new = plain_map(request.old_state), plain_map(request.new_inputs)
            changes = kind.changes(old, new, request.ignore_changes)
            taken = kind.named is not None and old.get(kind.named) == new.get(kind.named)
            return differences.response(changes, kind.replaces, delete_first=taken)

    async def create(self, request: CreateRequest) -> CreateResponse:
        """Create the resource; in a preview say what is known of it."""
        kind = self._kind(request.type)
        inputs = plain_map(request.properties)
        if request.preview:
            unknown = dict.fromkeys(kind.schema.always, UNKNOWN)
            return CreateResponse(None, wrapped_map({**unknown, **inputs}, request.properties))
        with self._told_plainly(request.properties):
            async with self._connected() as account:
                identity, state = await kind.create(account, inputs)
            return CreateResponse(identity, self._sealed(kind, state, request.properties))

    async def update(self, request: UpdateRequest) -> UpdateResponse:
        """Change the resource; in a preview say what is known of it."""
        kind = self._kind(request.type)
        old, new = plain_map(request.olds), plain_map(request.news)
        if request.preview:
            kept = {key: value for key, value in old.items() if key in kind.schema.always}
            return UpdateResponse(wrapped_map({**kept, **new}, request.olds, request.news))
        with self._told_plainly(request.olds, request.news):
            async with self._connected() as account:
                state = await kind.update(account, request.resource_id, old, new)
            return UpdateResponse(self._sealed(kind, state, request.news))

    async def read(self, request: ReadRequest) -> ReadResponse:
        """Read the resource as it is now; an empty id says that it is gone."""
        kind = self._kind(request.type)
        marks = (request.properties, request.inputs)
        with self._told_plainly(*marks):
            async with self._connected() as account:
                found = await kind.read(account, request.resource_id, plain_map(request.properties))
            if found is None:
                return ReadResponse(resource_id="")
            identity, state = found
            inputs = kind.declared(state, request.inputs)
            return ReadResponse(identity, self._sealed(kind, state, *marks), inputs)

    async def delete(self, request: DeleteRequest) -> None:
        """Delete the resource."""
        kind = self._kind(request.type)
        with self._told_plainly(request.properties):
            async with self._connected() as account:
                await kind.delete(account, request.resource_id, plain_map(request.properties))

    async def invoke(self, request: InvokeRequest) -> InvokeResponse:
        """Call a function; with unknown arguments its result is unknown too."""
        if request.tok not in self.functions:
            raise ProviderError(f"{request.tok} has no stand-in")
        arguments = {key: item for key, item in plain_map(request.args).items() if item is not None}
        if has_unknown(arguments) or has_unknown(self._configuration):
            return InvokeResponse({})
        with self._told_plainly(request.args):
            async with self._connected() as account:
                result = await self.functions[request.tok](account, arguments)
            return InvokeResponse(wrapped_map(result))

    @staticmethod
    def _sealed(kind: Kind[Account], state: Plain, *marks: Wire) -> Properties:
        """Return the state as properties, with the secret marks of the inputs and of the type."""
        return wrapped_map(kind.whole(state), *marks, secret=kind.secrets & state.keys())
