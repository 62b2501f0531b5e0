"""What differs between the inputs a program gives and the state a resource is in."""

from collections.abc import Iterator, Mapping
from typing import Any

from pulumi import Archive, Asset
from pulumi.provider.experimental.provider import PropertyDiff, PropertyDiffKind

from rehearsal.standins import assets
from rehearsal.standins.values import Unknown, has_unknown

_ABSENT = object()

_REPLACING = {
    PropertyDiffKind.ADD: PropertyDiffKind.ADD_REPLACE,
    PropertyDiffKind.DELETE: PropertyDiffKind.DELETE_REPLACE,
    PropertyDiffKind.UPDATE: PropertyDiffKind.UPDATE_REPLACE,
}


def is_blank(value: object) -> bool:
    """Say whether a value is what an option left out stands for: nothing, false, zero, empty."""
    if isinstance(value, Asset | Archive | Unknown):
        return False
    if isinstance(value, Mapping):
        return all(is_blank(item) for item in value.values())
    return value is None or value is _ABSENT or value in (False, 0, "", [])


def paths(old: object, new: object, path: str) -> Iterator[tuple[str, PropertyDiffKind]]:
    """Yield the path and kind of every difference between a value of the state and an input.

    What is blank in both is no difference, whichever way each of them says nothing.
    """
    if is_blank(old) and is_blank(new):
        return
    if isinstance(new, Unknown):
        yield path, PropertyDiffKind.ADD if is_blank(old) else PropertyDiffKind.UPDATE
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys((*old, *new)):
            yield from paths(old.get(key, _ABSENT), new.get(key, _ABSENT), f"{path}.{key}")
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            yield from paths(_item(old, index), _item(new, index), f"{path}[{index}]")
    elif isinstance(old, Asset | Archive) and isinstance(new, Asset | Archive):
        if assets.digest(old) != assets.digest(new):
            yield path, PropertyDiffKind.UPDATE
    elif old is None or old is _ABSENT:
        yield path, PropertyDiffKind.ADD
    elif new is None or new is _ABSENT:
        yield path, PropertyDiffKind.DELETE
    elif not _same_scalar(old, new):
        yield path, PropertyDiffKind.UPDATE


def _item(values: list[Any], index: int) -> object:
    return values[index] if index < len(values) else _ABSENT


def _same_scalar(old: object, new: object) -> bool:
    if has_unknown(new) or isinstance(old, Mapping | list) or isinstance(new, Mapping | list):
        return False
    return old == new and isinstance(old, bool) == isinstance(new, bool)


def detailed(
    changes: Mapping[str, list[tuple[str, PropertyDiffKind]]], replaces: frozenset[str]
) -> dict[str, PropertyDiff]:
    """Return every path with its kind, as replacing where the property forces a replacement."""
    return {
        path: PropertyDiff(_REPLACING[kind] if name in replaces else kind, input_diff=True)
        for name, found in changes.items()
        for path, kind in found
    }
