"""What differs between the inputs a program gives and the state a resource is in, by path."""

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import TypeAlias

from pulumi.provider.experimental.provider import DiffResponse, PropertyDiff, PropertyDiffKind

from pulumi_kit.values import Unknown

Changes: TypeAlias = Mapping[str, list[tuple[str, PropertyDiffKind]]]
"""The differing paths by property."""

_REPLACING = {
    PropertyDiffKind.ADD: PropertyDiffKind.ADD_REPLACE,
    PropertyDiffKind.DELETE: PropertyDiffKind.DELETE_REPLACE,
    PropertyDiffKind.UPDATE: PropertyDiffKind.UPDATE_REPLACE,
}


def is_blank(value: object) -> bool:
    """Say whether a value is what an option left out stands for: nothing, false, zero, empty."""
    if isinstance(value, Unknown):
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
    elif kind := kind_of(old, new):
        yield path, kind


def kind_of(old: object, new: object) -> PropertyDiffKind | None:
    """Return how two plain values differ, None where they are the same."""
    if old is None and new is None:
        return None
    if old is None:
        return PropertyDiffKind.ADD
    if new is None:
        return PropertyDiffKind.DELETE
    same = isinstance(old, bool) == isinstance(new, bool) and old == new
    return None if same else PropertyDiffKind.UPDATE


def response(
    changes: Changes,
    replacing: frozenset[str],
    *,
    delete_first: bool = False,
    computed: frozenset[str] = frozenset(),
) -> DiffResponse:
    """Return the answer to the engine.

    Args:
        changes: What differs.
        replacing: Properties whose change replaces the resource.
        delete_first: Whether a replacement must wait until the old one is gone.
        computed: Properties that differ by what was found, not by what is declared.
    """
    replaces = sorted(replacing & changes.keys())
    return DiffResponse(
        changes=bool(changes),
        replaces=replaces,
        stables=sorted(replacing - changes.keys()),
        delete_before_replace=bool(replaces) and delete_first,
        diffs=sorted(changes),
        detailed_diff={
            path: PropertyDiff(
                _REPLACING[kind] if name in replacing else kind, input_diff=name not in computed
            )
            for name, differing in changes.items()
            for path, kind in differing
        },
    )
