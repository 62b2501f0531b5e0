"""Property values on their way between the program, the providers and the state.

Inside the engine every property is a `PropertyValue`, as providers take it: it is made once from
the program's message and once from the state. An unknown value is the protocol's own sentinel
string, which is what a provider behind the genuine engine sees as well.
"""

import hashlib
import json
import struct as binary
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias

import pulumi
from google.protobuf import struct_pb2
from pulumi.provider.experimental.property_value import (
    Computed,
    PropertyValue,
    ResourceReference,
)

Properties: TypeAlias = dict[str, PropertyValue]

SENTINEL = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""Stands for a value that a preview cannot know (Pulumi's SDKs, `rpc.UNKNOWN`)."""

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 (a signature, known to all)
ASSET = "c44067f5952c0a294b673a41bacd8c17"
ARCHIVE = "0def7320c3a5731c473e5ecbe6d01bc7"
RESOURCE = "5cf8f73096256a8f31e491e813e4eb8e"
OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
FLOAT = "8ad145fe-0d11-4827-bfd7-1abcbf086f5c"


class ValueRefusedError(Exception):
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


# --- from and to the program's messages ------------------------------------------------------


def from_struct(message: struct_pb2.Struct) -> Properties:
    """Return the properties in a message of the program."""
    return {key: from_value(item) for key, item in message.fields.items()}


def from_value(message: struct_pb2.Value) -> PropertyValue:  # noqa: PLR0911 (one for each kind of value)
    """Return one value in a message of the program.

    Raises:
        ValueRefusedError: it is an archive, or of a kind that is not known.
    """
    kind = message.WhichOneof("kind")
    if kind == "string_value":
        return PropertyValue(message.string_value)
    if kind == "number_value":
        return PropertyValue(message.number_value)
    if kind == "bool_value":
        return PropertyValue(message.bool_value)
    if kind == "list_value":
        return PropertyValue([from_value(item) for item in message.list_value.values])
    if kind == "struct_value":
        fields = message.struct_value.fields
        if SIGNATURE in fields:
            return _from_signed(fields)
        return PropertyValue({key: from_value(item) for key, item in fields.items()})
    return PropertyValue(None)


def _from_signed(fields: Mapping[str, struct_pb2.Value]) -> PropertyValue:
    signature = fields[SIGNATURE].string_value
    if signature == SECRET:
        return secret(from_value(fields["value"]))
    if signature == OUTPUT:
        # Dependencies travel beside the properties; here only the value and its mark count.
        value = from_value(fields["value"]) if "value" in fields else PropertyValue(SENTINEL)
        return secret(value) if "secret" in fields and fields["secret"].bool_value else value
    return _from_plain_signed(
        signature,
        {key: item.string_value for key, item in fields.items() if key != SIGNATURE},
    )


def _from_plain_signed(signature: str, fields: Mapping[str, Any]) -> PropertyValue:
    if signature == RESOURCE:
        resource_id = fields.get("id")
        return PropertyValue(
            ResourceReference(
                fields["urn"],
                None if resource_id is None else PropertyValue(resource_id),
                fields.get("packageVersion"),
            )
        )
    if signature == ASSET:
        if fields.get("path"):
            return PropertyValue(pulumi.FileAsset(fields["path"]))
        if fields.get("uri"):
            return PropertyValue(pulumi.RemoteAsset(fields["uri"]))
        return PropertyValue(pulumi.StringAsset(fields.get("text", "")))
    if signature == ARCHIVE:
        raise ValueRefusedError("archives are not supported by the rehearsal's engine")
    raise ValueRefusedError(f"a value with the unknown signature {signature}")


def to_struct(properties: Mapping[str, PropertyValue]) -> struct_pb2.Struct:
    """Return the properties as a message to the program."""
    message = struct_pb2.Struct()
    for key, value in properties.items():
        _fill(message.fields[key], value)
    return message


def _fill(message: struct_pb2.Value, value: PropertyValue) -> None:
    if value.is_secret:
        fields = message.struct_value.fields
        fields[SIGNATURE].string_value = SECRET
        _fill_bare(fields["value"], value.value)
    else:
        _fill_bare(message, value.value)


def _fill_bare(message: struct_pb2.Value, value: Any) -> None:
    match value:
        case str():
            message.string_value = value
        case bool():
            message.bool_value = value
        case float():
            message.number_value = value
        case None:
            message.null_value = struct_pb2.NULL_VALUE
        case Mapping():
            fields = message.struct_value.fields
            message.struct_value.SetInParent()
            for key, item in value.items():
                _fill(fields[key], item)
        case tuple():
            message.list_value.SetInParent()
            for item in value:
                _fill(message.list_value.values.add(), item)
        case _:
            fields = message.struct_value.fields
            for key, item in _signed(value).items():
                fields[key].string_value = item


def _signed(value: Any) -> dict[str, str]:
    """Return the signed form of an asset or of a reference to a resource."""
    if isinstance(value, ResourceReference):
        signed = {SIGNATURE: RESOURCE, "urn": value.urn}
        if value.resource_id is not None:
            signed["id"] = str(value.resource_id.value)
        if value.package_version:
            signed["packageVersion"] = value.package_version
        return signed
    if isinstance(value, pulumi.FileAsset):
        return {SIGNATURE: ASSET, "path": str(value.path)}
    if isinstance(value, pulumi.RemoteAsset):
        return {SIGNATURE: ASSET, "uri": str(value.uri)}
    if isinstance(value, pulumi.StringAsset):
        return {SIGNATURE: ASSET, "text": str(value.text)}
    raise ValueRefusedError(f"a {type(value).__name__} cannot be carried")


# --- from and to the state -------------------------------------------------------------------


def to_json(value: PropertyValue, seal: Callable[[str], str]) -> Any:
    """Return the value as the checkpoint holds it, each secret sealed as a whole."""
    if not value.is_secret:
        return _bare_json(value.value, lambda item: to_json(item, seal))
    text = json.dumps(_unmarked_json(value), separators=(",", ":"), ensure_ascii=False)
    return {SIGNATURE: SECRET, "ciphertext": seal(text)}


def _unmarked_json(value: PropertyValue) -> Any:
    """Return what lies inside a seal: secrets within a secret keep their mark, but no seal."""

    def inner(item: PropertyValue) -> Any:
        bare = _unmarked_json(item)
        if not item.is_secret:
            return bare
        return {SIGNATURE: SECRET, "ciphertext": json.dumps(bare, ensure_ascii=False)}

    return _bare_json(value.value, inner)


def _bare_json(value: Any, convert: Callable[[PropertyValue], Any]) -> Any:  # noqa: PLR0911 (one for each kind of value)
    match value:
        case None | str() | bool():
            return value
        case float():
            return _number(value)
        case Mapping():
            return {key: convert(item) for key, item in sorted(value.items())}
        case tuple():
            return [convert(item) for item in value]
        case pulumi.FileAsset() | pulumi.StringAsset():
            return {**_signed(value), "hash": _asset_hash(value)}
        case ResourceReference():
            return {"packageVersion": "", **_signed(value)}
        case _:
            return _signed(value)


def _number(value: float) -> Any:
    if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 (NaN)
        return {SIGNATURE: FLOAT, "value": binary.pack(">d", value).hex()}
    return int(value) if value.is_integer() and abs(value) < 1e21 else value


def _asset_hash(asset: pulumi.FileAsset | pulumi.StringAsset) -> str:
    if isinstance(asset, pulumi.StringAsset):
        return hashlib.sha256(str(asset.text).encode()).hexdigest()
    path = Path(str(asset.path))
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def from_json(thing: Any, unseal: Callable[[str], str]) -> PropertyValue:  # noqa: PLR0911 (one for each kind of value)
    """Return the value that the checkpoint holds."""
    match thing:
        case str() | bool() | None:
            return PropertyValue(thing)
        case int() | float():
            return PropertyValue(float(thing))
        case list():
            return PropertyValue([from_json(item, unseal) for item in thing])
    signature = thing.get(SIGNATURE)
    if signature is None:
        return PropertyValue({key: from_json(item, unseal) for key, item in thing.items()})
    if signature == SECRET:
        text = thing["plaintext"] if "plaintext" in thing else unseal(thing["ciphertext"])
        return secret(from_json(json.loads(text), lambda sealed: sealed))
    if signature == FLOAT:
        return PropertyValue(float(binary.unpack(">d", bytes.fromhex(thing["value"]))[0]))
    return _from_plain_signed(signature, thing)


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


def is_unknown(value: PropertyValue) -> bool:
    """Return whether the value itself is not known."""
    return value.value == SENTINEL


def has_unknown(value: PropertyValue) -> bool:
    """Return whether the value or anything in it is not known."""
    inner: Any = value.value
    if isinstance(inner, Mapping):
        return any(has_unknown(item) for item in inner.values())
    if isinstance(inner, tuple):
        return any(has_unknown(item) for item in inner)
    return bool(inner == SENTINEL)


def secret_texts(properties: Mapping[str, PropertyValue]) -> Iterable[str]:
    """Yield every text that stands under a secret mark."""
    for value in properties.values():
        yield from _secret_texts(value, inside=False)


def _secret_texts(value: PropertyValue, *, inside: bool) -> Iterable[str]:
    inside = inside or value.is_secret
    inner: Any = value.value
    if isinstance(inner, Mapping):
        for item in inner.values():
            yield from _secret_texts(item, inside=inside)
    elif isinstance(inner, tuple):
        for item in inner:
            yield from _secret_texts(item, inside=inside)
    elif inside and isinstance(inner, str) and inner != SENTINEL:
        yield inner


def plain(value: PropertyValue) -> Any:  # noqa: PLR0911 (one for each kind of value)
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
        case ResourceReference():
            return inner.urn
    return inner


def plain_all(properties: Mapping[str, PropertyValue]) -> dict[str, Any]:
    """Return all properties for a reader."""
    return {key: plain(value) for key, value in properties.items()}


def same_value(left: PropertyValue | None, right: PropertyValue | None) -> bool:  # noqa: PLR0911 (one for each kind of value)
    """Return whether two values are equal, marks included; assets are compared by content."""
    if left is None or right is None:
        return left is right
    if left is right:
        return True
    if left.is_secret != right.is_secret:
        return False
    a, b = left.value, right.value
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same_value(a[k], b[k]) for k in a)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(same_value(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, pulumi.Asset) and isinstance(b, pulumi.Asset):
        return _bare_json(a, plain) == _bare_json(b, plain)  # type: ignore[no-any-return] # JSON
    return type(a) is type(b) and a == b


def same_properties(left: Mapping[str, PropertyValue], right: Mapping[str, PropertyValue]) -> bool:
    """Return whether two sets of properties are equal."""
    return left.keys() == right.keys() and all(same_value(left[k], right[k]) for k in left)
