"""Property values on their way between the program, the providers and the state.

Inside the engine every property is a `PropertyValue`, as providers take it: it is made once from
the program's message and once from the state. An unknown value is the protocol's own sentinel
string, which is what a provider behind the genuine engine sees as well.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from pulumi.provider.experimental.property_value import Computed, PropertyValue

Properties: TypeAlias = dict[str, PropertyValue]

SENTINEL = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""Stands for a value that a preview cannot know (Pulumi's SDKs, `rpc.UNKNOWN`)."""

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 (a signature, known to all)


class ValueRefusedError(ValueError):
    """A kind of value that this engine does not carry."""


@dataclass(frozen=True, repr=False)
class Sealed:
    """A secret value in a result; it shows nothing of itself unless opened."""

    _value: Any

    def open(self) -> Any:
        """Return the value in clear."""
        return self._value

    def __repr__(self) -> str:
        return "[secret]"

    __str__ = __repr__


class Unknown(StrEnum):
    """The one value of a preview that is not known yet."""

    UNKNOWN = SENTINEL

    def __repr__(self) -> str:
        return "[unknown]"


UNKNOWN = Unknown.UNKNOWN


# --- from and to the state -------------------------------------------------------------------


def to_json(value: PropertyValue, seal: Callable[[str], str]) -> Any:
    """Return the value as the checkpoint holds it, each secret sealed as a whole."""
    if value.is_secret:
        text = json.dumps(_bare(value), separators=(",", ":"), ensure_ascii=False)
        return {SIGNATURE: SECRET, "ciphertext": seal(text)}
    return _json(value.value, lambda item: to_json(item, seal))


def _bare(value: PropertyValue) -> Any:
    """Return the value without marks: what lies inside a seal needs none."""
    return _json(value.value, _bare)


def _json(value: Any, convert: Callable[[PropertyValue], Any]) -> Any:
    match value:
        case float():
            return int(value) if value.is_integer() and abs(value) < 1e21 else value
        case Mapping():
            return {key: convert(item) for key, item in sorted(value.items())}
        case tuple():
            return [convert(item) for item in value]
    return value


def from_json(thing: Any, unseal: Callable[[str], str]) -> PropertyValue:
    """Return the value that the checkpoint holds.

    Raises:
        ValueRefusedError: it is of a kind that this engine does not carry.
    """
    match thing:
        case list():
            return PropertyValue([from_json(item, unseal) for item in thing])
        case dict() if thing.get(SIGNATURE) == SECRET:
            text = thing["plaintext"] if "plaintext" in thing else unseal(thing["ciphertext"])
            return secret(from_json(json.loads(text), lambda sealed: sealed))
        case dict() if SIGNATURE in thing:
            raise ValueRefusedError("assets, archives and references are not carried")
        case dict():
            return PropertyValue({key: from_json(item, unseal) for key, item in thing.items()})
        case int() | float() if not isinstance(thing, bool):
            return PropertyValue(float(thing))
    return PropertyValue(thing)


def refuse_uncarried(properties: Mapping[str, PropertyValue]) -> None:
    """Refuse what the checkpoint could not hold.

    Raises:
        ValueRefusedError: there is such a value.
    """
    for leaf, _ in _leaves(PropertyValue(properties)):
        if not isinstance(leaf, str | float | bool | None):
            raise ValueRefusedError(f"a {type(leaf).__name__} is not carried")


# --- marks -----------------------------------------------------------------------------------


def secret(value: PropertyValue) -> PropertyValue:
    """Return the value marked as secret."""
    return value if value.is_secret else value.with_secret(is_secret=True)


def tidy(value: PropertyValue) -> PropertyValue:
    """Return what a provider answered in the engine's own form.

    Dependencies go (they are known from the registration) and a computed value becomes the
    sentinel. Values that are in form already are returned as they are.
    """
    inner: Any = value.value
    if isinstance(inner, Computed):
        return PropertyValue(SENTINEL, is_secret=value.is_secret)
    if isinstance(inner, tuple):
        items = [tidy(item) for item in inner]
        if value.dependencies or any(a is not b for a, b in zip(items, inner, strict=True)):
            return PropertyValue(items, is_secret=value.is_secret)
    elif isinstance(inner, Mapping):
        entries = {key: tidy(item) for key, item in inner.items()}
        if value.dependencies or any(entries[key] is not inner[key] for key in inner):
            return PropertyValue(entries, is_secret=value.is_secret)
    elif value.dependencies:
        return PropertyValue(inner, is_secret=value.is_secret)
    return value


def tidy_all(properties: Mapping[str, PropertyValue] | None) -> Properties:
    """Return a provider's whole answer in the engine's own form."""
    return {key: tidy(value) for key, value in (properties or {}).items()}


def with_marks(
    outputs: Properties, inputs: Mapping[str, PropertyValue], secret_keys: Iterable[str]
) -> Properties:
    """Return outputs marked secret where the input of that name is, or where it was asked for.

    A provider that drops a mark would otherwise put the value into the state in clear.
    """
    marked = dict(outputs)
    for key, value in outputs.items():
        given = inputs.get(key)
        if given is not None and given is not value:
            marked[key] = _marked_like(value, given)
    for key in secret_keys:
        if key in marked:
            marked[key] = secret(marked[key])
    return marked


def _marked_like(value: PropertyValue, pattern: PropertyValue) -> PropertyValue:
    if pattern.is_secret:
        return secret(value)
    inner: Any = value.value
    given: Any = pattern.value
    if isinstance(inner, Mapping) and isinstance(given, Mapping):
        return value.with_value(
            {k: _marked_like(v, given[k]) if k in given else v for k, v in inner.items()}
        )
    if isinstance(inner, tuple) and isinstance(given, tuple) and len(inner) == len(given):
        return value.with_value([_marked_like(a, b) for a, b in zip(inner, given, strict=True)])
    return value


def _leaves(value: PropertyValue, *, hidden: bool = False) -> Iterator[tuple[Any, bool]]:
    """Yield every value that holds no others, and whether it stands under a secret mark."""
    hidden = hidden or value.is_secret
    inner: Any = value.value
    if isinstance(inner, Mapping | tuple):
        for item in inner.values() if isinstance(inner, Mapping) else inner:
            yield from _leaves(item, hidden=hidden)
    else:
        yield inner, hidden


def has_unknown(value: PropertyValue) -> bool:
    """Return whether the value or anything in it is not known."""
    return any(leaf == SENTINEL for leaf, _ in _leaves(value))


def secret_texts(properties: Mapping[str, PropertyValue]) -> Iterator[str]:
    """Yield every text that stands under a secret mark."""
    for value in properties.values():
        for leaf, hidden in _leaves(value):
            if hidden and isinstance(leaf, str) and leaf != SENTINEL:
                yield leaf


def plain(value: PropertyValue) -> Any:
    """Return the value for a reader: plain Python, `Sealed` secrets, `Unknown.UNKNOWN`."""
    if value.is_secret:
        return Sealed(plain(PropertyValue(value.value)))
    inner: Any = value.value
    match inner:
        case str():
            return Unknown.UNKNOWN if inner == SENTINEL else inner
        case float():
            return int(inner) if inner.is_integer() else inner
        case Mapping():
            return {key: plain(item) for key, item in inner.items()}
        case tuple():
            return [plain(item) for item in inner]
    return inner


def plain_all(properties: Mapping[str, PropertyValue]) -> dict[str, Any]:
    """Return all properties for a reader."""
    return {key: plain(value) for key, value in properties.items()}


def same_value(left: PropertyValue | None, right: PropertyValue | None) -> bool:
    """Return whether two values are equal, marks included; below a mark there are none."""
    if left is None or right is None or left.is_secret != right.is_secret:
        return left is right
    if left is right:
        return True
    if left.is_secret:
        return bool(_bare(left) == _bare(right))
    a, b = left.value, right.value
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return same_properties(a, b)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(same_value, a, b))
    return type(a) is type(b) and a == b


def same_properties(left: Mapping[str, PropertyValue], right: Mapping[str, PropertyValue]) -> bool:
    """Return whether two sets of properties are equal."""
    return left.keys() == right.keys() and all(same_value(left[k], right[k]) for k in left)


def meant(properties: Mapping[str, PropertyValue]) -> Properties:
    """Return what properties say of a resource.

    Nulls and what plugins note for themselves (`__meta`, `__defaults`, `__internal`,
    `__pulumi_raw_state_delta`) say nothing of it, however deep they lie.
    """
    return {
        key: _meant(value)
        for key, value in properties.items()
        if value.value is not None and not key.startswith("__")
    }


def _meant(value: PropertyValue) -> PropertyValue:
    inner: Any = value.value
    if isinstance(inner, Mapping):
        return value.with_value(meant(inner))
    if isinstance(inner, tuple):
        return value.with_value([_meant(item) for item in inner])
    return value
