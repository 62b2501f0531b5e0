"""What every stand-in provider shares: one small class per resource type, and the dispatch to it.

A `Kind` knows one resource type: how it is created, read, updated and deleted through the official
client of its service, all in plain values. The provider around it does the rest as the official
plugins do: schema checks, defaults, names, diffs, previews, secrets, errors.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, ClassVar, Generic, TypeVar

from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.provider import (
    CheckFailure,
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

from rehearsal.standins import difference, naming, schema
from rehearsal.standins.failure import OperationError, redacted
from rehearsal.standins.schema import Schema
from rehearsal.standins.values import (
    UNKNOWN,
    Plain,
    Properties,
    has_unknown,
    plain_map,
    secret_texts,
    wrapped_map,
)

Account = TypeVar("Account")
_ENGINES_OWN = frozenset({"version", "pluginDownloadURL", "pluginChecksums"})
"""Keys of a provider's configuration that are for the engine."""
Changes = Mapping[str, list[tuple[str, PropertyDiffKind]]]


class Kind(ABC, Generic[Account]):
    """One resource type of a stand-in, in plain values throughout.

    `Account` is what the provider's configuration opens: a client of the service.
    """

    token: ClassVar[str]
    """Type token, as in the SDK."""
    sdk: ClassVar[str]
    """Class of the SDK as `package.module:Class`, from which the schema is read."""
    replaces: ClassVar[frozenset[str]] = frozenset()
    """Inputs whose change forces a replacement."""
    defaults: ClassVar[Mapping[str, Any]] = {}
    """Values that the plugin fills in for inputs left out."""
    secrets: ClassVar[frozenset[str]] = frozenset()
    """Outputs that are secret whatever the inputs were."""
    autonamed: ClassVar[str | None] = None
    """Input that gets a name from the resource's own when it is left out."""
    conflicts: ClassVar[tuple[frozenset[str], ...]] = ()
    """Sets of inputs of which at most one may be given."""

    yielding: ClassVar[frozenset[str]] = frozenset()
    """Further inputs that the service decides when they are left out, unknown to the schema."""
    untaught: ClassVar[frozenset[str]] = frozenset()
    """Inputs of the plugin that the stand-in does not know what to do with, and refuses."""

    @property
    def schema(self) -> Schema:
        """Schema of the type."""
        return schema.of(self.sdk)

    def mistakes(self, inputs: Plain) -> list[tuple[str, str]]:
        """Return (path, reason) of mistakes that only the plugin knows of."""
        del inputs
        return []

    def completed(self, inputs: Properties) -> Properties:
        """Return the inputs with defaults inside nested objects filled in."""
        return inputs

    def imported(self, inputs: Plain) -> Plain:
        """Return the inputs of an import as a program could declare them."""
        return {name: value for name, value in inputs.items() if name not in self.untaught}

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
        """Delete the resource. One that is gone already is no error."""

    def changes(self, state: Plain, inputs: Plain, ignored: list[str]) -> Changes:
        """Return the differing paths by property."""
        found: dict[str, list[tuple[str, PropertyDiffKind]]] = {}
        known = self.schema
        decided = known.always | self.yielding
        for name in sorted(known.inputs.names):
            if name in ignored:
                continue
            old, new = state.get(name), inputs.get(name, self.defaults.get(name))
            if new is None and (name in decided or name not in state):
                continue
            old, new = self.comparable(name, old, state), self.comparable(name, new, state)
            if differing := list(difference.paths(old, new, name)):
                found[name] = differing
        return found


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
        self._secrets: frozenset[str] = frozenset()
        self._account: Account | None = None
        self._opening = asyncio.Lock()
        self._places = asyncio.Semaphore(self.concurrency)

    @abstractmethod
    def open(self, configuration: Plain) -> Account:
        """Return the client of the service for a configuration without unknown values.

        Raises:
            OperationError: the configuration lacks something, or contradicts itself.
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
        given = plain_map(request.new_inputs)
        given = {key: item for key, item in given.items() if key not in _ENGINES_OWN}
        found = schema.mistakes(given, schema.of_provider(self.sdk))
        failures = [CheckFailure(path, reason) for path, reason in found]
        return CheckResponse(inputs=request.new_inputs, failures=failures)

    async def diff_config(self, request: DiffRequest) -> DiffResponse:
        """A changed configuration never replaces what was made with the old one."""
        old, new = plain_map(request.old_state), plain_map(request.new_inputs)
        names = sorted(
            key
            for key in old.keys() | new.keys()
            # What begins with two underscores is a plugin's own note, left by the genuine one.
            if not key.startswith("__") and old.get(key) != new.get(key)
        )
        return DiffResponse(changes=bool(names), diffs=names)

    async def configure(self, request: ConfigureRequest) -> ConfigureResponse:
        """Take the configuration; connect to nothing yet."""
        await self.cancel()
        self._configuration = plain_map(request.args)
        values = request.args.values()
        self._secrets = frozenset(text for value in values for text in secret_texts(value))
        return ConfigureResponse(
            accept_secrets=True, supports_preview=True, accept_resources=True, accept_outputs=True
        )

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Account]:
        async with self._opening:
            if self._account is None:
                if has_unknown(self._configuration):
                    raise OperationError("the provider's configuration is not known yet")
                self._account = self.open(self._configuration)
            account = self._account
        async with self._places:
            yield account

    @contextmanager
    def _told_plainly(self, *properties: Properties) -> Iterator[None]:
        """Turn every failure into one line without secrets, and without the chain behind it."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - any client error may quote a secret
            values = [value for item in properties for value in item.values()]
            own = {text for value in values for text in secret_texts(value)}
            message = redacted(str(error) or type(error).__name__, self._secrets | own)
            raise OperationError(message) from None

    def _kind(self, token: str) -> Kind[Account]:
        try:
            # Inside a component the type carries those of the parents: `mail:...:Host$...`.
            return self._kinds[token.rpartition("$")[2]]
        except KeyError:
            known = ", ".join(sorted(self._kinds))
            raise OperationError(f"{token} has no stand-in; there are {known}") from None

    # Resources

    async def check(self, request: CheckRequest) -> CheckResponse:
        """Check inputs against the schema; fill in the name and the defaults."""
        kind = self._kind(request.type)
        with self._told_plainly(request.new_inputs):
            inputs = {
                key: value
                for key, value in request.new_inputs.items()
                if value.value is not None or value.is_secret
            }
            if kind.autonamed and kind.autonamed not in inputs:
                inputs[kind.autonamed] = naming.automatic(kind.autonamed, request)
            for name, default in kind.defaults.items():
                if name not in inputs:
                    inputs[name] = PropertyValue(
                        float(default) if type(default) is int else default
                    )
            inputs = kind.completed(inputs)
            values = plain_map(inputs)
            found = list(schema.mistakes(values, kind.schema.inputs, kind.schema.computed))
            for group in kind.conflicts:
                if len(given := sorted(group & values.keys())) > 1:
                    found += [(given[0], f"conflicts with {given[1]}; give one of them")]
            found += [(name, "has no stand-in") for name in sorted(kind.untaught & values.keys())]
            found += kind.mistakes(values)
            return CheckResponse(inputs, [CheckFailure(path, reason) for path, reason in found])

    async def diff(self, request: DiffRequest) -> DiffResponse:
        """Compare inputs with the state, property by property."""
        kind = self._kind(request.type)
        with self._told_plainly(request.old_state, request.new_inputs):
            old, new = plain_map(request.old_state), plain_map(request.new_inputs)
            changes = kind.changes(old, new, request.ignore_changes)
            replaces = kind.replaces & changes.keys()
            return DiffResponse(
                changes=bool(changes),
                replaces=sorted(replaces),
                delete_before_replace=bool(replaces) and naming.is_taken(kind.autonamed, request),
                diffs=sorted(changes),
                detailed_diff=difference.detailed(changes, kind.replaces),
            )

    async def create(self, request: CreateRequest) -> CreateResponse:
        """Create the resource; in a preview say what is known of it."""
        kind = self._kind(request.type)
        if request.preview:
            missing = kind.schema.always - request.properties.keys()
            unknown = wrapped_map(dict.fromkeys(sorted(missing), UNKNOWN))
            return CreateResponse(None, {**request.properties, **unknown})
        with self._told_plainly(request.properties):
            async with self._connected() as account:
                identity, state = await kind.create(account, plain_map(request.properties))
            return CreateResponse(identity, self._sealed(kind, state, request.properties))

    async def update(self, request: UpdateRequest) -> UpdateResponse:
        """Change the resource; in a preview say what is known of it."""
        kind = self._kind(request.type)
        if request.preview:
            kept = {key: value for key, value in request.olds.items() if key in kind.schema.always}
            return UpdateResponse({**kept, **request.news})
        with self._told_plainly(request.olds, request.news):
            async with self._connected() as account:
                old, new = plain_map(request.olds), plain_map(request.news)
                state = await kind.update(account, request.resource_id, old, new)
            return UpdateResponse(self._sealed(kind, state, request.news))

    async def read(self, request: ReadRequest) -> ReadResponse:
        """Read the resource as it is now; an empty id says that it is gone."""
        kind = self._kind(request.type)
        with self._told_plainly(request.properties, request.inputs):
            before = plain_map(request.properties)
            async with self._connected() as account:
                found = await kind.read(account, request.resource_id, before)
            if found is None:
                return ReadResponse(resource_id="")
            identity, state = found
            inputs = self._inputs(kind, state, plain_map(request.inputs))
            return ReadResponse(
                identity,
                self._sealed(kind, state, request.properties, request.inputs),
                self._sealed(kind, inputs, request.properties, request.inputs),
            )

    async def delete(self, request: DeleteRequest) -> None:
        """Delete the resource."""
        kind = self._kind(request.type)
        with self._told_plainly(request.properties):
            async with self._connected() as account:
                await kind.delete(account, request.resource_id, plain_map(request.properties))

    async def invoke(self, request: InvokeRequest) -> InvokeResponse:
        """Call a function; with unknown arguments its result is unknown too."""
        if request.tok not in self.functions:
            raise OperationError(f"{request.tok} has no stand-in")
        arguments = {key: item for key, item in plain_map(request.args).items() if item is not None}
        if has_unknown(arguments) or has_unknown(self._configuration):
            return InvokeResponse({})
        with self._told_plainly(request.args):
            async with self._connected() as account:
                result = await self.functions[request.tok](account, arguments)
            return InvokeResponse(wrapped_map(result))

    @staticmethod
    def _sealed(kind: Kind[Account], state: Plain, *marks: Properties) -> Properties:
        """Return the state as properties, with the secret marks of the inputs and of the type.

        Dependencies belong to the inputs of a program; a state has none.
        """
        sealed = wrapped_map(state, *marks, secret=kind.secrets & state.keys())
        return {key: value.with_dependencies(()) for key, value in sealed.items()}

    @staticmethod
    def _inputs(kind: Kind[Account], state: Plain, before: Plain) -> Plain:
        """Return the inputs that a state stands for.

        After a refresh: those that were given, with what they are now, so that drift shows. For an
        import: every input that the state knows and that is not the default.
        """
        if before:
            inputs: Plain = {}
            for name, value in before.items():
                now = state.get(name, value if name not in kind.schema.outputs else None)
                same = not list(
                    difference.paths(
                        kind.comparable(name, now, state), kind.comparable(name, value, state), name
                    )
                )
                if same:
                    inputs[name] = value
                elif now is not None:
                    inputs[name] = now
            return inputs
        found = {
            name: value
            for name, value in state.items()
            if name in kind.schema.inputs.names
            and (name in kind.schema.inputs.required or not difference.is_blank(value))
            and value != kind.defaults.get(name)
        }
        return kind.imported(found)
