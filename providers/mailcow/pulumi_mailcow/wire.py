"""Between Pulumi's property values and the plain ones that objects work with."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pulumi.provider.experimental.property_value import Computed, PropertyValue
from pulumi.runtime.rpc import UNKNOWN as SENTINEL

from pulumi_mailcow.describe import Kind, Property, Values

Wire = Mapping[str, PropertyValue]
UNKNOWN: Final = PropertyValue(SENTINEL)
"""Stands for a value that a preview cannot know. The SDK's server can only send it this way."""


def is_unknown(value: PropertyValue | None) -> bool:
    """Return whether a value, or anything inside it, is not known yet."""
    if value is None:
        return False
    inner = value.value
    if isinstance(inner, Computed) or inner == SENTINEL:
        return True
    return isinstance(inner, tuple) and any(is_unknown(one) for one in inner)


def plain(value: PropertyValue | None) -> Any:
    """Return a value without its wrapping; whole numbers as such."""
    inner = None if value is None else value.value
    if isinstance(inner, float) and inner.is_integer():
        return int(inner)
    if isinstance(inner, tuple):
        return [plain(one) for one in inner]
    if isinstance(inner, Mapping):
        return {key: plain(one) for key, one in inner.items()}
    return inner


def plain_values(properties: Iterable[Property], wire: Wire) -> Values:
    """Return the known values of an object's properties by their name in snake case."""
    values: Values = {}
    for item in properties:
        value = wire.get(item.wire)
        if value is None or value.value is None or is_unknown(value):
            continue
        found = plain(value)
        values[item.name] = float(found) if item.kind is Kind.NUMBER else found
    return values


def wrapped(value: Any, *, secret: bool = False) -> PropertyValue:
    """Return a plain value as Pulumi carries it."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return PropertyValue(value, is_secret=secret)
    if isinstance(value, int | float):
        return PropertyValue(float(value), is_secret=secret)
    return PropertyValue([wrapped(one) for one in value], is_secret=secret)


def wire_values(
    properties: Iterable[Property], values: Values, *marked: Wire
) -> dict[str, PropertyValue]:
    """Return values as Pulumi carries them, secret where they are described or were marked so."""
    found = {}
    for item in properties:
        value = values.get(item.name)
        if value is None:
            continue
        secret = item.secret or any(
            item.wire in wire and wire[item.wire].contains_secret() for wire in marked
        )
        found[item.wire] = wrapped(value, secret=secret)
    return found
