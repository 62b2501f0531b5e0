"""Between Pulumi's property values and the plain ones that objects work with."""

from collections.abc import Iterable
from typing import Final

from pulumi.provider.experimental.property_value import PropertyValue

from pulumi_kit import values as kit
from pulumi_kit.values import Properties, Wire, plain, wrapped
from pulumi_mailcow.describe import Kind, Property, Values

UNKNOWN: Final = wrapped(kit.UNKNOWN)
"""Stands for a value that a preview cannot know."""


def is_unknown(value: PropertyValue | None) -> bool:
    """Return whether a value, or anything inside it, is not known yet."""
    return value is not None and kit.has_unknown(plain(value))


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


def wire_values(properties: Iterable[Property], values: Values, *marked: Wire) -> Properties:
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
