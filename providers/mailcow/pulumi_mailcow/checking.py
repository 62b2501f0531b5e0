"""Say what is wrong with a declaration before Mailcow is asked anything."""

from collections.abc import Callable, Iterable
from typing import Any

from pulumi_kit.values import Properties, Wire, plain, wrapped
from pulumi_mailcow.describe import Kind, Property, Values
from pulumi_mailcow.wire import is_unknown

Mistake = tuple[str, str]
"""A property's name in Pulumi and what is wrong with it."""
TYPES: dict[Kind, Callable[[Any], bool]] = {
    Kind.TEXT: lambda value: isinstance(value, str),
    Kind.WHOLE: lambda value: isinstance(value, int) and not isinstance(value, bool),
    Kind.NUMBER: lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    Kind.FLAG: lambda value: isinstance(value, bool),
    Kind.TEXTS: lambda value: (
        isinstance(value, list) and all(isinstance(item, str) for item in value)
    ),
}
SAID = {
    Kind.TEXT: "text",
    Kind.WHOLE: "a whole number",
    Kind.NUMBER: "a number",
    Kind.FLAG: "true or false",
    Kind.TEXTS: "a list of texts",
}


def checked(properties: Iterable[Property], wire: Wire) -> tuple[Properties, Values]:
    """Return a declaration with its defaults, and as far as it is known in plain values.

    Secrets are marked, whether they came so or not. Nothing is judged yet.
    """
    complete: Properties = {}
    for item in properties:
        given = wire.get(item.wire)
        if given is None or given.value is None:
            if item.default is not None and not item.output:
                complete[item.wire] = wrapped(item.default, secret=item.secret)
            continue
        complete[item.wire] = given.with_secret(is_secret=True) if item.secret else given
    known = {
        item.name: plain(complete[item.wire])
        for item in properties
        if item.wire in complete and not is_unknown(complete[item.wire])
    }
    return complete, known


def mistakes(properties: Iterable[Property], wire: Wire, known: Values) -> Iterable[Mistake]:
    """Return what the properties' own descriptions say against a declaration."""
    properties = tuple(properties)
    inputs = {item.wire for item in properties if not item.output}
    for name in wire:
        if name not in inputs and not name.startswith("__") and wire[name].value is not None:
            yield name, f"is not a property; these are: {', '.join(sorted(inputs))}"
    for item in properties:
        if item.name in known:
            reason = wrong(item, known[item.name])
            if reason:
                yield item.wire, reason
        elif item.required and not is_unknown(wire.get(item.wire)):
            yield item.wire, "is required"


def wrong(item: Property, value: Any) -> str | None:
    """Return what is wrong with a value by itself. A secret is never repeated."""
    if not TYPES[item.kind](value):
        return f"must be {SAID[item.kind]}"
    each = value if isinstance(value, list) else [value]
    if item.choices and not set(each) <= set(item.choices):
        return "must be one of " + ", ".join(map(str, item.choices))
    if item.least is not None and value < item.least:
        return f"must not be less than {item.least}"
    return None
