"""The provider: what the engine asks, answered by the two resources over one connection."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import ModuleType
from typing import Any, TypeVar

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
    GetSchemaRequest,
    GetSchemaResponse,
    PropertyDiffKind,
    Provider,
    ReadRequest,
    ReadResponse,
    UpdateRequest,
    UpdateResponse,
)

from pulumi_host import file, secret
from pulumi_host.connection import Account, Connection, parse_host_key, parse_private_key
from pulumi_host.errors import HostError
from pulumi_host.schema import schema
from pulumi_host.values import Values, is_unknown, number, path_mistake, text

T = TypeVar("T")

_RESOURCES: dict[str, ModuleType] = {"host:index:File": file, "host:index:Secret": secret}
_SETTINGS = ("address", "port", "user", "privateKey", "hostKey")
_DEFAULT_PORT = 22


def _resource(kind: str) -> Any:
    try:
        # Inside a component the type carries those of the parents: `mail:components:Host$...`.
        return _RESOURCES[kind.rpartition("$")[2]]
    except KeyError:
        raise HostError(f"{kind} is not a resource of the package host") from None


def _known_path(inputs: Values, urn: str) -> str:
    path = text(inputs, "path")
    if path is None:
        raise HostError(f"{urn}: the path is not known")
    return path


def _without_values(
    inputs: Mapping[str, PropertyValue], failures: Iterable[CheckFailure]
) -> list[CheckFailure]:
    """Return failures such that the engine repeats no secret.

    It prints the value of the property that a failure names, marked secret or not.
    """
    return [
        CheckFailure("", f"{one.property} {one.reason}")
        if one.property == "privateKey"
        or (one.property in inputs and inputs[one.property].is_secret)
        else one
        for one in failures
    ]


class HostProvider(Provider):
    """Files and secrets on one host."""

    def __init__(self) -> None:
        """Make a provider that is still to be configured."""
        self._connection: Connection | None = None

    async def get_schema(self, request: GetSchemaRequest) -> GetSchemaResponse:
        """Return the package schema."""
        del request  # there is one schema only
        return GetSchemaResponse(schema=schema())

    async def check_config(self, request: CheckRequest) -> CheckResponse:
        """Check how the host is to be reached, as far as that is known."""
        inputs = {k: v for k, v in request.new_inputs.items() if v.value is not None}
        failures = [
            CheckFailure(key, "is required, as text")
            for key in ("address", "user", "privateKey", "hostKey")
            if not is_unknown(inputs.get(key)) and not text(inputs, key)
        ]
        port = inputs.get("port")
        if port is not None and not is_unknown(port):
            found = number(inputs, "port")
            if found is None or not 1 <= found <= 65535:
                failures.append(CheckFailure("port", "must be a TCP port, 1 to 65535"))
        parsers: dict[str, Callable[[str], object]] = {
            "privateKey": parse_private_key,
            "hostKey": parse_host_key,
        }
        for key, parse in parsers.items():
            value = text(inputs, key)
            if value:
                try:
                    parse(value)
                except HostError as error:
                    failures.append(CheckFailure(key, str(error)))
        return CheckResponse(inputs=inputs, failures=_without_values(inputs, failures))

    async def diff_config(self, request: DiffRequest) -> DiffResponse:
        """Compare configurations. Another way to the host is not another host: no replacement."""
        changed = [
            key
            for key in _SETTINGS
            if is_unknown(request.new_inputs.get(key))
            or _plain(request.old_state.get(key)) != _plain(request.new_inputs.get(key))
        ]
        return DiffResponse(changes=bool(changed), diffs=changed)

    async def configure(self, request: ConfigureRequest) -> ConfigureResponse:
        """Prepare the connection. What is unknown in a preview leaves the provider without one."""
        args = request.args
        self._connection = None
        if not any(is_unknown(args.get(key)) for key in _SETTINGS):
            self._connection = Connection(
                Account(
                    address=text(args, "address") or "",
                    port=number(args, "port") or _DEFAULT_PORT,
                    user=text(args, "user") or "",
                    private_key=text(args, "privateKey") or "",
                    host_key=text(args, "hostKey") or "",
                )
            )
        return ConfigureResponse(accept_secrets=True, supports_preview=True)

    async def check(self, request: CheckRequest) -> CheckResponse:
        """Check the inputs of a resource; needs no connection."""
        inputs, failures = _resource(request.type).check(request.new_inputs)
        return CheckResponse(inputs=inputs, failures=_without_values(inputs, failures))

    async def diff(self, request: DiffRequest) -> DiffResponse:
        """Compare what was last seen with what is declared; needs no connection."""
        found = _resource(request.type).diff(
            request.old_state, request.new_inputs, request.ignore_changes
        )
        return DiffResponse(
            changes=bool(found),
            diffs=list(found),
            replaces=[k for k, v in found.items() if v.kind is PropertyDiffKind.UPDATE_REPLACE],
            stables=["path"] if "path" not in found else [],
            detailed_diff=found,
        )

    async def create(self, request: CreateRequest) -> CreateResponse:
        """Make the resource, or say what it will be."""
        resource = _resource(request.type)
        if request.preview:
            return CreateResponse(resource_id="", properties=resource.planned(request.properties))
        path = _known_path(request.properties, request.urn)
        properties = await self._on_host(
            lambda host: resource.create(host, request.properties), f"create {request.name}"
        )
        return CreateResponse(resource_id=path, properties=properties)

    async def update(self, request: UpdateRequest) -> UpdateResponse:
        """Bring the host to what is declared, or say what it will be."""
        is_file = _resource(request.type) is file
        if request.preview:
            planned = (
                file.planned(request.news)
                if is_file
                else secret.planned(request.news, request.olds)
            )
            return UpdateResponse(properties=planned)
        properties = await self._on_host(
            lambda host: (
                file.update(host, request.news)
                if is_file
                else secret.update(host, request.news, request.olds)
            ),
            f"update {request.name}",
        )
        return UpdateResponse(properties=properties)

    async def read(self, request: ReadRequest) -> ReadResponse:
        """Look at the host: for a refresh with the old state, for an import without."""
        resource = _resource(request.type)
        mistake = path_mistake(request.resource_id)
        if mistake:
            raise HostError(f"{request.resource_id}: the id is the path, which {mistake}")
        found: tuple[dict[str, PropertyValue], dict[str, PropertyValue]] | None
        found = await self._on_host(
            lambda host: resource.read(
                host, request.resource_id, request.properties, request.inputs
            ),
            f"read {request.name}",
        )
        if found is None:
            return ReadResponse(resource_id="")
        properties, inputs = found
        return ReadResponse(resource_id=request.resource_id, properties=properties, inputs=inputs)

    async def delete(self, request: DeleteRequest) -> None:
        """Remove a file; a secret stays on the host."""
        if _resource(request.type) is file:
            await self._on_host(
                lambda host: file.delete(host, request.resource_id), f"delete {request.name}"
            )

    async def cancel(self) -> None:
        """Give up the connection."""
        if self._connection is not None:
            await self._connection.close()

    async def _on_host(self, act: Callable[[Connection], Awaitable[T]], purpose: str) -> T:
        if self._connection is None:
            raise HostError(f"cannot {purpose}: how the host is reached is not known yet")
        return await act(self._connection)


def _plain(value: PropertyValue | None) -> object:
    # A port may be stored as a number or as text; both mean the same.
    if value is None:
        return None
    return str(int(value.value)) if isinstance(value.value, float) else value.value
