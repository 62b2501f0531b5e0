"""What differs between the inputs a program gives and the state a resource is in."""

from collections.abc import Iterator, Mapping
from itertools import zip_longest

from pulumi import Archive, Asset
from pulumi.provider.experimental.provider import PropertyDiff, PropertyDiffKind

from rehearsal.standins import assets
from rehearsal.standins.values import Unknown

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
    return value is None or value in (False, 0, "", [])


def paths(old: object, new: object, path: str) -> Iterator[tuple[str, PropertyDiffKind]]:
    """Yield the path and kind of every difference between a value of the state and an input.

    What is blank in both is no difference, whichever way each of them says nothing.
    """
    if is_blank(old) and is_blank(new):
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys((*old, *new)):
            yield from paths(old.get(key), new.get(key), f"{path}.{key}")
    elif isinstance(old, list) and isinstance(new, list):
        for index, (was, will_be) in enumerate(zip_longest(old, new)):
            yield from paths(was, will_be, f"{path}[{index}]")
    elif kind := _kind(old, new):
        yield path, kind


def _kind(old: object, new: object) -> PropertyDiffKind | None:
    """Return how two values differ that are not both objects, nor both lists."""
    if old is None:
        return PropertyDiffKind.ADD
    if new is None:
        return PropertyDiffKind.DELETE
    if isinstance(old, Asset | Archive) and isinstance(new, Asset | Archive):
        same = assets.digest(old) == assets.digest(new)
    else:
        same = isinstance(old, bool) == isinstance(new, bool) and old == new
    return None if same else PropertyDiffKind.UPDATE


def detailed(
    changes: Mapping[str, list[tuple[str, PropertyDiffKind]]], replaces: frozenset[str]
) -> dict[str, PropertyDiff]:
    """Return every path with its kind, as replacing where the property forces a replacement."""
    return {
        path: PropertyDiff(_REPLACING[kind] if name in replaces else kind, input_diff=True)
        for name, found in changes.items()
        for path, kind in found
    }
