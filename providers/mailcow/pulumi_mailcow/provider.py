"""The one generic provider: Pulumi's operations, for every object by its description."""

from typing import Any

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
    PropertyDiffKind,
    Provider,
    ReadRequest,
    ReadResponse,
    UpdateRequest,
    UpdateResponse,
)

from pulumi_kit import differences
from pulumi_kit.failures import refused
from pulumi_kit.values import Properties, Wire, plain, wrapped
from pulumi_mailcow.checking import checked, mistakes
from pulumi_mailcow.client import Settings
from pulumi_mailcow.configuration import CONFIGURATION
from pulumi_mailcow.describe import Kind, Property, Values, defaults
from pulumi_mailcow.driver import UNRESOLVED, Driver, Found
from pulumi_mailcow.errors import MailcowError, PartlyDoneError
from pulumi_mailcow.objects import BY_TOKEN
from pulumi_mailcow.objects.base import MailcowObject
from pulumi_mailcow.schema import schema
from pulumi_mailcow.session import Session
from pulumi_mailcow.wire import UNKNOWN, is_unknown, plain_values, wire_values

_SECRET_SETTINGS = frozenset({"apiKey"})
"""Settings that are secret whether or not the engine says so."""


def _object(type_token: str) -> MailcowObject:
    token = type_token.rpartition(":")[2]
    if token not in BY_TOKEN:
        msg = f"{type_token} is not a resource of this provider"
        raise MailcowError(msg)
    return BY_TOKEN[token]


def _inputs(item: MailcowObject) -> tuple[Property, ...]:
    return tuple(property_ for property_ in item.properties if not property_.output)


class MailcowProvider(Provider):
    """Provider of the package `mailcow`."""

    def __init__(self) -> None:
        self._session: Session | None = None
        self._unknown: list[str] = []

    async def get_schema(self, request: GetSchemaRequest) -> GetSchemaResponse:
        """Return the schema, generated from the objects."""
        del request
        return GetSchemaResponse(schema=schema())

    # --- configuration -----------------------------------------------------------------------

    async def check_config(self, request: CheckRequest) -> CheckResponse:
        """Check the provider's settings; they may hold values that are not known yet."""
        settings = _settings(request.new_inputs)
        complete, known = checked(CONFIGURATION, settings)
        wrong = mistakes(CONFIGURATION, {}, known) if complete else ()
        wrong = [mistake for mistake in wrong if not is_unknown(settings.get(mistake[0]))]
        return CheckResponse(
            inputs={**request.new_inputs, **complete},
            failures=refused(wrong, settings, _SECRET_SETTINGS),
        )

    async def diff_config(self, request: DiffRequest) -> DiffResponse:
        """Compare settings. Another key or address is not another Mailcow: nothing is replaced.

        What is not known yet is no difference yet: in a preview Mailcow still answers as before,
        and a provider whose settings are not known could compare none of its objects.
        """
        old, new = _settings(request.old_state), _settings(request.new_inputs)
        changed = [
            item.wire
            for item in CONFIGURATION
            if not is_unknown(new.get(item.wire))
            and _said(old.get(item.wire), item) != _said(new.get(item.wire), item)
        ]
        return DiffResponse(changes=bool(changed), diffs=changed)

    async def configure(self, request: ConfigureRequest) -> ConfigureResponse:
        """Take the settings. Nothing is connected before something is asked of Mailcow."""
        settings = _settings(request.args)
        self._unknown = [item.name for item in CONFIGURATION if is_unknown(settings.get(item.wire))]
        complete, known = checked(CONFIGURATION, settings)
        del complete
        await self._close()
        if not self._unknown and known.get("endpoint") and known.get("api_key"):
            self._session = Session(Settings(**known))
        return ConfigureResponse(
            accept_secrets=True,
            supports_preview=True,
            accept_outputs=False,
            accept_resources=False,
        )

    async def cancel(self) -> None:
        """Close the connections; what is under way fails and says so."""
        await self._close()

    async def _close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _driver(self) -> Driver:
        if self._session is None:
            missing = ", ".join(self._unknown) or "endpoint and api_key"
            msg = f"Mailcow cannot be asked: the provider's {missing} is not known yet"
            raise MailcowError(msg)
        return Driver(self._session)

    @property
    def session(self) -> Session | None:
        """The run against one Mailcow, once it is configured."""
        return self._session

    # --- resources ---------------------------------------------------------------------------

    async def check(self, request: CheckRequest) -> CheckResponse:
        """Check a declaration and fill in its defaults. Mailcow is not asked."""
        item = _object(request.type)
        complete, known = checked(_inputs(item), request.new_inputs)
        wrong = list(mistakes(_inputs(item), request.new_inputs, known))
        if not wrong:
            known = plain_values(_inputs(item), complete)
            wrong = [(item.named(name).wire, reason) for name, reason in item.mistakes(known)]
        return CheckResponse(inputs=complete, failures=refused(wrong, complete))

    async def diff(self, request: DiffRequest) -> DiffResponse:
        """Compare a declaration with the state, in the form in which Mailcow would."""
        item = _object(request.type)
        if request.resource_id.startswith(UNRESOLVED):
            # Its number could not be learnt: what may be there is removed, and it is made anew.
            return DiffResponse(changes=True, replaces=["id"], delete_before_replace=True)
        changes = {
            input_.wire: [(input_.wire, kind)]
            for input_ in _inputs(item)
            if input_.wire not in request.ignore_changes and not input_.only_at_creation
            if (kind := _change(input_, request.old_state, request.new_inputs))
        }
        replacing = frozenset(property_.wire for property_ in item.properties if property_.replaces)
        # Compared with what was read, not with what was declared before.
        return differences.response(
            changes, replacing, delete_first=item.delete_first, computed=frozenset(changes)
        )

    async def create(self, request: CreateRequest) -> CreateResponse:
        """Create an object and return it as it was read back."""
        item = _object(request.type)
        values = plain_values(_inputs(item), request.properties)
        if request.preview:
            return CreateResponse(
                resource_id=None, properties=_foreseen(item, request.properties, values)
            )
        self._require_known(item, request.properties)
        try:
            found = await self._driver().create(item, values, request.name)
        except PartlyDoneError as error:
            raise _as_wire(error, item, request.properties) from None
        return CreateResponse(
            resource_id=found.identity,
            properties=wire_values(item.properties, found.values, request.properties),
        )

    async def read(self, request: ReadRequest) -> ReadResponse:
        """Return an object as it is, for a refresh or an import; no id if it is gone."""
        item = _object(request.type)
        remembered = plain_values(item.properties, {**request.inputs, **request.properties})
        try:
            found = await self._driver().read(item, request.resource_id, remembered)
        except PartlyDoneError as error:
            raise _as_wire(error, item, request.inputs) from None
        if found is None:
            return ReadResponse(resource_id="", properties={}, inputs={})
        marked = (request.properties, request.inputs)
        if not remembered:
            # Of what was imported and cannot be seen, the default is the best that can be said.
            unseen = {name: value for name, value in found.values.items() if value is not None}
            found = Found(found.identity, {**defaults(item.properties), **unseen})
        return ReadResponse(
            resource_id=found.identity,
            properties=wire_values(item.properties, found.values, *marked),
            inputs=_read_inputs(item, found.values, *marked),
        )

    async def update(self, request: UpdateRequest) -> UpdateResponse:
        """Bring an object to what is declared and return it as it was read back."""
        item = _object(request.type)
        values = plain_values(_inputs(item), request.news)
        if request.preview:
            return UpdateResponse(
                properties=_foreseen(item, {**request.olds, **request.news}, values, request.olds)
            )
        self._require_known(item, request.news)
        remembered = plain_values(item.properties, request.olds)
        try:
            found = await self._driver().update(item, request.resource_id, remembered, values)
        except PartlyDoneError as error:
            raise _as_wire(error, item, request.news) from None
        return UpdateResponse(properties=wire_values(item.properties, found, request.news))

    async def delete(self, request: DeleteRequest) -> None:
        """Remove an object, and see that it is gone."""
        item = _object(request.type)
        remembered = plain_values(item.properties, request.properties)
        await self._driver().delete(item, request.resource_id, remembered)

    def _require_known(self, item: MailcowObject, wire: Wire) -> None:
        unknown = [input_.name for input_ in _inputs(item) if is_unknown(wire.get(input_.wire))]
        if unknown:
            msg = f"{item.noun}: {', '.join(unknown)} is not known"
            raise MailcowError(msg)


def _settings(wire: Wire) -> Properties:
    """Return the provider's settings; in its own configuration they may all be texts."""
    settings = {}
    for item in CONFIGURATION:
        value = wire.get(item.wire)
        if value is None:
            continue
        text = plain(value)
        if item.kind is Kind.WHOLE and isinstance(text, str) and text.isdigit():
            value = wrapped(int(text), secret=value.is_secret)
        settings[item.wire] = value
    return settings


def _said(value: PropertyValue | None, item: Property) -> Any:
    """Return a setting in plain, its default where it is left out."""
    return item.default if value is None or value.value is None else plain(value)


def _change(item: Property, old: Wire, new: Wire) -> PropertyDiffKind | None:
    """Return how a property changes; None for not at all."""
    wanted, present = new.get(item.wire), old.get(item.wire)
    if wanted is None or wanted.value is None:
        return None
    if present is None or present.value is None:
        return PropertyDiffKind.ADD
    known = not (is_unknown(wanted) or is_unknown(present))
    if known and item.canonical(plain(wanted)) == item.canonical(plain(present)):
        return None
    return PropertyDiffKind.UPDATE


def _foreseen(
    item: MailcowObject, wire: Wire, values: Values, olds: Wire | None = None
) -> Properties:
    """Return what a preview can say of an object."""
    implied = item.implied(values)
    foreseen = {input_.wire: wire[input_.wire] for input_ in _inputs(item) if input_.wire in wire}
    for property_ in item.properties:
        if not property_.output:
            continue
        if property_.name in implied:
            foreseen |= wire_values((property_,), implied)
        else:
            foreseen[property_.wire] = (olds or {}).get(property_.wire, UNKNOWN)
    return foreseen


def _read_inputs(item: MailcowObject, values: Values, state: Wire, inputs: Wire) -> Properties:
    """Return the declaration that stands for what was read.

    In a refresh these are the properties that are declared, in their own spelling unless they are
    not so any more. In an import they are those that are not what they would be undeclared.
    """
    if not inputs:
        kept = [
            input_ for input_ in _inputs(item) if _worth_declaring(input_, values.get(input_.name))
        ]
        return wire_values(kept, values, state)
    declared = plain_values(_inputs(item), inputs)
    changed = [
        input_
        for input_ in _inputs(item)
        if input_.name in declared
        and not input_.only_at_creation
        and values.get(input_.name) is not None
        and input_.canonical(values[input_.name]) != input_.canonical(declared[input_.name])
    ]
    return {**inputs, **wire_values(changed, values, state, inputs)}


def _worth_declaring(item: Property, value: Any) -> bool:
    if item.required:
        return True
    if item.default is None:
        return value not in (None, "")
    return bool(item.canonical(value) != item.canonical(item.default))


def _as_wire(error: PartlyDoneError, item: MailcowObject, inputs: Wire) -> PartlyDoneError:
    return PartlyDoneError(
        error.resource_id,
        wire_values(item.properties, error.properties, inputs),
        error.reasons,
        dict(inputs),
    )
