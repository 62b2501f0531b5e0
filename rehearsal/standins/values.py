"""Property values as plain Python, and back, without losing what is secret or unknown."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from pulumi import Archive, Asset
from pulumi.provider.experimental.property_value import Computed, PropertyValue, ResourceReference

Properties = dict[str, PropertyValue]
Plain = dict[str, Any]


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


def plain(value: PropertyValue) -> Any:
    """Return the value alone: no secret marks, whole numbers as `int`, unknown as `UNKNOWN`."""
    inner: Any = value.value
    if isinstance(inner, Computed) or (isinstance(inner, str) and inner in _SENTINELS):
        return UNKNOWN
    if isinstance(inner, ResourceReference):
        return inner.urn
    if isinstance(inner, Mapping):
        return {key: plain(item) for key, item in inner.items()}
    if isinstance(inner, tuple):
        return [plain(item) for item in inner]
    if isinstance(inner, float) and inner.is_integer():
        return int(inner)
    return inner


def plain_map(properties: Mapping[str, PropertyValue]) -> Plain:
    """Return every property as `plain` does, leaving out keys that engines keep for themselves."""
    return {key: plain(value) for key, value in properties.items() if not key.startswith("__")}


def wrapped(value: object) -> PropertyValue:
    """Return a plain value as a property value; numbers become floats, as on the wire.

    What is a property value already, also inside, stays as it is.

    Raises:
        TypeError: the value is nothing that a property can hold.
    """
    if isinstance(value, PropertyValue):
        return value
    if isinstance(value, Unknown):
        return PropertyValue(_ON_THE_WIRE)
    if isinstance(value, Mapping):
        return PropertyValue({str(key): wrapped(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return PropertyValue([wrapped(item) for item in value])
    if isinstance(value, int) and not isinstance(value, bool):
        return PropertyValue(float(value))
    if value is None or isinstance(value, bool | float | str | Asset | Archive):
        return PropertyValue(cast("Any", value))
    raise TypeError(f"{type(value).__name__} is no property value")


def with_marks(value: PropertyValue, like: PropertyValue | None) -> PropertyValue:
    """Return `value`, secret wherever `like` is secret, and dependent on what `like` depends on."""
    if like is None:
        return value
    inner: Any = value.value
    other: Any = like.value
    if isinstance(inner, Mapping) and isinstance(other, Mapping):
        inner = {key: with_marks(item, other.get(key)) for key, item in inner.items()}
    elif isinstance(inner, tuple) and isinstance(other, tuple):
        padded = (*other, *([None] * max(0, len(inner) - len(other))))
        inner = [with_marks(item, mark) for item, mark in zip(inner, padded, strict=False)]
    return PropertyValue(
        inner,
        is_secret=value.is_secret or like.is_secret,
        dependencies=value.dependencies | like.dependencies,
    )


def wrapped_map(
    values: Plain, *marks: Properties, secret: frozenset[str] = frozenset()
) -> Properties:
    """Return plain values as properties, secret where any of `marks` is, or named in `secret`."""
    result: Properties = {}
    for key, item in values.items():
        value = wrapped(item)
        for like in marks:
            value = with_marks(value, like.get(key))
        result[key] = value.with_secret(is_secret=True) if key in secret else value
    return result


def has_unknown(value: object) -> bool:
    """Say whether anything inside a plain value is unknown."""
    if isinstance(value, Mapping):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return isinstance(value, Unknown)


def secret_texts(value: PropertyValue, *, inside_secret: bool = False) -> Iterator[str]:
    """Yield every text that is secret, or lies inside something secret."""
    secret = inside_secret or value.is_secret
    inner: Any = value.value
    if isinstance(inner, Mapping):
        for item in inner.values():
            yield from secret_texts(item, inside_secret=secret)
    elif isinstance(inner, tuple):
        for item in inner:
            yield from secret_texts(item, inside_secret=secret)
    elif secret and isinstance(inner, str):
        yield inner
