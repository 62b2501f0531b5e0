"""Property values as plain Python, and back, without losing what is secret or unknown."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias, cast

from pulumi import Archive, Asset
from pulumi.provider.experimental.property_value import Computed, PropertyValue, ResourceReference

Properties: TypeAlias = dict[str, PropertyValue]
Wire: TypeAlias = Mapping[str, PropertyValue]
"""Properties that are only read."""
Plain: TypeAlias = dict[str, Any]


class Unknown:
    """The one value that stands for "not known before the deployment"."""

    def __repr__(self) -> str:
        return "<unknown>"


UNKNOWN: Final = Unknown()
"""Equal to nothing but itself."""

_ON_THE_WIRE: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What stands for it in a property; the SDK's `Computed` cannot be sent."""
_SENTINELS: Final = frozenset(
    {
        _ON_THE_WIRE,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # a flag
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # a number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # a list
        "030794c1-ac77-496b-92df-f27374a8bd58",  # an asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # an archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # an object
    }
)
"""All that engines send for it (pulumi/pulumi, sdk/go/common/resource/plugin/rpc.go)."""


# From properties


def is_unknown(value: PropertyValue | None) -> bool:
    """Say whether a value is not known yet."""
    inner: Any = None if value is None else value.value
    return isinstance(inner, Computed) or (isinstance(inner, str) and inner in _SENTINELS)


def plain(value: PropertyValue) -> Any:
    """Return the value alone: no secret marks, whole numbers as `int`, unknown as `UNKNOWN`."""
    inner: Any = value.value
    if is_unknown(value):
        return UNKNOWN
    if isinstance(inner, ResourceReference):
        return inner.urn
    if isinstance(inner, Mapping):
        return {key: plain(item) for key, item in inner.items() if not key.startswith("__")}
    if isinstance(inner, tuple):
        return [plain(item) for item in inner]
    if isinstance(inner, float) and inner.is_integer():
        return int(inner)
    return inner


def plain_map(properties: Wire) -> Plain:
    """Return every property as `plain` does; what begins with `__` is a note of engine or plugin.

    Such notes (`__defaults`, `__meta`, `__internal`) are left out at every depth.
    """
    return {key: plain(value) for key, value in properties.items() if not key.startswith("__")}


def has_unknown(value: object) -> bool:
    """Say whether anything inside a plain value is unknown."""
    if isinstance(value, Mapping):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return isinstance(value, Unknown)


def secret_texts(*properties: Wire) -> Iterator[str]:
    """Yield every text that is secret, or lies inside something secret."""
    for item in properties:
        for value in item.values():
            yield from _secret_texts(value, inside=False)


def _secret_texts(value: PropertyValue, *, inside: bool) -> Iterator[str]:
    inside = inside or value.is_secret
    inner: Any = value.value
    if isinstance(inner, Mapping | tuple):
        for item in inner.values() if isinstance(inner, Mapping) else inner:
            yield from _secret_texts(item, inside=inside)
    elif inside and isinstance(inner, str) and inner not in _SENTINELS:
        yield inner


# To properties


def wrapped(value: object, *, secret: bool = False) -> PropertyValue:
    """Return a plain value as a property value; numbers become floats, as on the wire.

    What is a property value already, also inside, stays as it is.

    Args:
        value: The value.
        secret: Whether it is marked as a secret.

    Raises:
        TypeError: the value is nothing that a property can hold.
    """
    if isinstance(value, PropertyValue):
        return value.with_secret(is_secret=True) if secret else value
    inner: Any
    if isinstance(value, Unknown):
        inner = _ON_THE_WIRE
    elif isinstance(value, Mapping):
        inner = {str(key): wrapped(item) for key, item in value.items()}
    elif isinstance(value, list | tuple):
        inner = [wrapped(item) for item in value]
    elif isinstance(value, int) and not isinstance(value, bool):
        inner = float(value)
    elif value is None or isinstance(value, bool | float | str | Asset | Archive):
        inner = cast("Any", value)
    else:
        raise TypeError(f"{type(value).__name__} is no property value")
    return PropertyValue(inner, is_secret=secret)


def wrapped_map(
    values: Mapping[str, object], *marks: Wire, secret: frozenset[str] = frozenset()
) -> Properties:
    """Return plain values as properties, keeping secret what was secret before.

    Args:
        values: The values.
        marks: Earlier properties of the same resource; what is secret in any of them stays so.
        secret: Names of properties that are secret whatever they were.
    """
    result: Properties = {}
    for key, item in values.items():
        value = wrapped(item, secret=key in secret)
        for like in marks:
            value = with_marks(value, like.get(key))
        result[key] = value
    return result


def with_marks(value: PropertyValue, like: PropertyValue | None) -> PropertyValue:
    """Return `value`, secret wherever `like` is.

    In a list whose length changed it is not known which item is which: if one of them was secret,
    the whole list is.
    """
    if like is None or not like.contains_secret():
        return value
    inner: Any = value.value
    other: Any = like.value
    if like.is_secret or type(inner) is not type(other):
        return value.with_secret(is_secret=True)
    if isinstance(inner, Mapping):
        return value.with_value(
            {key: with_marks(item, other.get(key)) for key, item in inner.items()}
        )
    if len(inner) != len(other):
        return value.with_secret(is_secret=True)
    return value.with_value([with_marks(*pair) for pair in zip(inner, other, strict=True)])
