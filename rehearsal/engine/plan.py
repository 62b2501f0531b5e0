"""Decisions: what differs, and what has to happen. Nothing here touches anything."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.provider import DiffResponse, PropertyDiff, PropertyDiffKind

from rehearsal.engine import paths
from rehearsal.engine.model import Kind, Op, PropertyChange, ResourceState
from rehearsal.engine.values import (
    Properties,
    Sealed,
    plain,
    same_properties,
    same_value,
)

_KINDS = {
    PropertyDiffKind.ADD: (Kind.ADD, False),
    PropertyDiffKind.ADD_REPLACE: (Kind.ADD, True),
    PropertyDiffKind.DELETE: (Kind.DELETE, False),
    PropertyDiffKind.DELETE_REPLACE: (Kind.DELETE, True),
    PropertyDiffKind.UPDATE: (Kind.UPDATE, False),
    PropertyDiffKind.UPDATE_REPLACE: (Kind.UPDATE, True),
}


@dataclass(frozen=True)
class Difference:
    """Whether a resource is as asked, and if not, how it gets there."""

    changes: tuple[PropertyChange, ...] = ()
    differs: bool = False
    replaces: bool = False
    delete_before_replace: bool = False

    @property
    def op(self) -> Op:
        """The operation that the difference makes necessary."""
        if not self.differs:
            return Op.SAME
        return Op.REPLACE if self.replaces else Op.UPDATE


NONE = Difference()


def compare(
    old: Mapping[str, PropertyValue], new: Mapping[str, PropertyValue]
) -> tuple[PropertyChange, ...]:
    """Return every difference between two sets of properties, as deep as it goes."""
    return tuple(_compare_maps((), old, new))


def _compare_maps(
    path: paths.Path, old: Mapping[str, PropertyValue], new: Mapping[str, PropertyValue]
) -> Iterable[PropertyChange]:
    for key in sorted(old.keys() | new.keys()):
        yield from _compare((*path, key), old.get(key), new.get(key))


def _compare(
    path: paths.Path, old: PropertyValue | None, new: PropertyValue | None
) -> Iterable[PropertyChange]:
    if same_value(old, new):
        return
    before: Any = None if old is None else old.value
    after: Any = None if new is None else new.value
    marked = (old is not None and old.is_secret) or (new is not None and new.is_secret)
    if not marked and isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _compare_maps(path, before, after)
    elif not marked and isinstance(before, tuple) and isinstance(after, tuple):
        for place in range(max(len(before), len(after))):
            yield from _compare(
                (*path, place),
                before[place] if place < len(before) else None,
                after[place] if place < len(after) else None,
            )
    else:
        yield _change(path, old, new)


def _change(
    path: paths.Path, old: PropertyValue | None, new: PropertyValue | None
) -> PropertyChange:
    kind = Kind.ADD if old is None else Kind.DELETE if new is None else Kind.UPDATE
    before = None if old is None else plain(old)
    after = None if new is None else plain(new)
    # A value that is secret on one side is the same secret on the other.
    if isinstance(before, Sealed) and after is not None and not isinstance(after, Sealed):
        after = Sealed(after)
    if isinstance(after, Sealed) and before is not None and not isinstance(before, Sealed):
        before = Sealed(before)
    return PropertyChange(paths.render(path), kind, before, after)


def structural(
    old_inputs: Mapping[str, PropertyValue],
    new_inputs: Mapping[str, PropertyValue],
) -> Difference:
    """Return the difference of two sets of inputs, for want of a provider that would say more."""
    changes = compare(old_inputs, new_inputs)
    return Difference(changes, differs=bool(changes))


def from_provider(answer: DiffResponse, state: ResourceState, new_inputs: Properties) -> Difference:
    """Return the difference that a provider reports; where it leaves it open, the inputs decide."""
    if answer.changes is None and not answer.replaces and not answer.detailed_diff:
        return structural(state.inputs, new_inputs)
    replaces = bool(answer.replaces) or any(
        _KINDS[detail.kind][1] for detail in answer.detailed_diff.values()
    )
    differs = answer.changes is not False or replaces
    if not differs:
        return NONE
    return Difference(
        _reported(answer, state, new_inputs),
        differs=True,
        replaces=replaces,
        delete_before_replace=answer.delete_before_replace,
    )


def _reported(
    answer: DiffResponse, state: ResourceState, new_inputs: Properties
) -> tuple[PropertyChange, ...]:
    replaced = set(answer.replaces)
    if answer.detailed_diff:
        return tuple(
            _from_detail(path, detail, state, new_inputs, replaced)
            for path, detail in sorted(answer.detailed_diff.items())
        )
    named = [*answer.diffs, *(key for key in answer.replaces if key not in answer.diffs)]
    if not named:
        return compare(state.inputs, new_inputs)
    return tuple(
        replace(
            _change((key,), state.inputs.get(key, state.outputs.get(key)), new_inputs.get(key)),
            replaces=key in replaced,
        )
        for key in named
    )


def _from_detail(
    text: str,
    detail: PropertyDiff,
    state: ResourceState,
    new_inputs: Properties,
    replaced: set[str],
) -> PropertyChange:
    kind, replaces = _KINDS[detail.kind]
    path = paths.parse(text)
    before = _at(state.inputs if detail.input_diff else state.outputs, path)
    if before is None:
        before = _at(state.outputs, path)
    change = _change(path, before, _at(new_inputs, path))
    return replace(change, path=text, kind=kind, replaces=replaces or str(path[0]) in replaced)


def _at(properties: Mapping[str, PropertyValue], path: paths.Path) -> PropertyValue | None:
    found: Any = properties
    marked = False
    for segment in path:
        inner: Any = found.value if isinstance(found, PropertyValue) else found
        here = isinstance(inner, Mapping) and segment in inner
        if not here and isinstance(inner, tuple) and isinstance(segment, int):
            here = segment < len(inner)
        if not here:
            return None
        found = inner[segment]
        marked = marked or found.is_secret
    if not isinstance(found, PropertyValue):
        return None
    return found.with_secret(is_secret=True) if marked else found


def with_replace_on_changes(difference: Difference, patterns: Sequence[str]) -> Difference:
    """Return the difference with every change below one of the patterns made a replacement."""
    if not difference.differs or not patterns:
        return difference
    parsed = [paths.parse(pattern) for pattern in patterns]
    changes = tuple(
        replace(change, replaces=True)
        if any(paths.contains(pattern, paths.parse(change.path)) for pattern in parsed)
        else change
        for change in difference.changes
    )
    replaces = difference.replaces or any(change.replaces for change in changes)
    return replace(difference, changes=changes, replaces=replaces)


def state_differs(old: ResourceState, new: ResourceState) -> bool:
    """Return whether a resource that nothing happens to has to be written anew all the same."""
    # Where it stands in the program is noted only when something else is.
    blank: dict[str, Any] = {
        "inputs": {},
        "outputs": {},
        "modified": "",
        "created": "",
        "source_position": "",
        "extra": {},
    }
    return (
        replace(old, **blank) != replace(new, **blank)
        or not same_properties(old.inputs, new.inputs)
        or not same_properties(old.outputs, new.outputs)
    )
