"""The provider: what the engine asks, answered by the two resources over one connection."""

from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any, TypeVar

from pulumi.provider.experimental.property_value import PropertyValue
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
    GetSchemaRequest,
    GetSchemaResponse,
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
from pulumi_host.values import number, path_mistake, text
from pulumi_kit import differences
from pulumi_kit.failures import refused
from pulumi_kit.values import Properties, Wire, is_unknown, plain

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


def _known_path(inputs: Wire, urn: str) -> str:
    path = text(inputs, "path")
    if path is None:
        raise HostError(f"{urn}: the path is not known")
    return path


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
        found = [
            (key, "is required, as text")
            for key in ("address", "user", "privateKey", "hostKey")
            if not is_unknown(inputs.get(key)) and not text(inputs, key)
        ]
        port = inputs.get("port")
        if port is not None and not is_unknown(port):
            value = number(inputs, "port")
            if value is None or not 1 <= value <= 65535:
                found.append(("port", "must be a TCP port, 1 to 65535"))
        parsers: dict[str, Callable[[str], object]] = {
            "privateKey": parse_private_key,
            "hostKey": parse_host_key,
        }
        for key, parse in parsers.items():
            if material := text(inputs, key):
                try:
                    parse(material)
                except HostError as error:
                    found.append((key, str(error)))
        failures = refused(found, inputs, frozenset({"privateKey"}))
        return CheckResponse(inputs=inputs, failures=failures)

    async def diff_config(self, request: DiffRequest) -> DiffResponse:
        """Compare configurations. Another way to the host is not another host: no replacement."""
        changed = [
            key
            for key in _SETTINGS
            if is_unknown(request.new_inputs.get(key))
            or _as_text(request.old_state.get(key)) != _as_text(request.new_inputs.get(key))
        ]
        return DiffResponse(changes=bool(changed), diffs=changed)

    async def configure(self, request: ConfigureRequest) -> ConfigureResponse:
        """Prepare the connection. What is unknown in a preview leaves the provider without one."""
        args = request.args
        await self.cancel()
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
        inputs, found = _resource(request.type).check(request.new_inputs)
        return CheckResponse(inputs=inputs, failures=refused(found, inputs))

    async def diff(self, request: DiffRequest) -> DiffResponse:
        """Compare what was last seen with what is declared; needs no connection."""
        resource = _resource(request.type)
        changes = {
            key: paths
            for key, paths in resource.diff(request.old_state, request.new_inputs).items()
            if key not in request.ignore_changes
        }
        return differences.response(changes, resource.REPLACING, computed=resource.COMPUTED)

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
        resource = _resource(request.type)
        if request.preview:
            return UpdateResponse(properties=resource.planned(request.news, request.olds))
        properties = await self._on_host(
            lambda host: resource.update(host, request.news, request.olds),
            f"update {request.name}",
        )
        return UpdateResponse(properties=properties)

    async def read(self, request: ReadRequest) -> ReadResponse:
        """Look at the host: for a refresh with the old state, for an import without."""
        resource = _resource(request.type)
        mistake = path_mistake(request.resource_id)
        if mistake:
            raise HostError(f"{request.resource_id}: the id is the path, which {mistake}")
        found: tuple[Properties, Properties] | None
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
        resource = _resource(request.type)
        await self._on_host(
            lambda host: resource.delete(host, request.resource_id), f"delete {request.name}"
        )

    async def cancel(self) -> None:
        """Give up the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _on_host(self, act: Callable[[Connection], Awaitable[T]], purpose: str) -> T:
        if self._connection is None:
            raise HostError(f"cannot {purpose}: how the host is reached is not known yet")
        return await act(self._connection)


def _as_text(value: PropertyValue | None) -> str | None:
    # A port may be stored as a number or as text; both mean the same.
    return None if value is None else str(plain(value))
