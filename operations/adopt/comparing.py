"""Comparing what runs with what is declared, property by property."""

from collections.abc import Callable, Collection
from typing import Any

from operations.adopt.model import (
    NOT_YET,
    SEALED_YET,
    Difference,
    Match,
    Plain,
    Supplied,
    Wanted,
    is_hidden,
    is_open_question,
    unsealed,
)

Canonical = Callable[[str, Any], Any]
"""Returns a property's value in the form in which equal things are equal."""


def as_it_is(_: str, value: Any) -> Any:
    """Return a value unchanged."""
    return value


def _bare(value: Any) -> Any:
    """Return a value without the notes that bridged plugins put between its properties."""
    match value:
        case dict():
            return {key: _bare(part) for key, part in value.items() if not key.startswith("__")}
        case list():
            return [_bare(part) for part in value]
        case _:
            return value


def compared(
    wanted: Wanted,
    identity: str,
    live: Plain,
    *,
    canonical: Canonical = as_it_is,
    replacing: Collection[str] = (),
    ignored: Collection[str] = (),
    unreadable: Plain | None = None,
    supplied: Supplied | None = None,
) -> Match:
    """Return the match of a declaration with what was found.

    Only what is declared is compared: what the declaration leaves open may be anything.

    Args:
        wanted: The declaration.
        identity: Id by which the provider imports what was found.
        live: What was found, under the names of the declaration.
        canonical: In which form two values are compared.
        replacing: Properties whose change makes another resource.
        ignored: Properties that say how to go about it, and nothing of the thing itself.
        unreadable: Properties that nobody can read, with the reason.
        supplied: What the import file shall say of it.
    """
    differences, unseen = [], dict(unreadable or {})
    for key, declared in sorted(wanted.inputs.items()):
        if key in ignored or key in unseen or declared is None or key.startswith("__"):
            continue
        if is_open_question(declared):
            unseen[key] = SEALED_YET if is_hidden(declared) else NOT_YET
            continue
        there = live.get(key)
        if canonical(key, _bare(there)) == canonical(key, _bare(unsealed(declared))):
            continue
        hidden = is_hidden(declared)
        differences.append(
            Difference(
                key,
                None if hidden else there,
                None if hidden else declared,
                secret=hidden,
                replaces=key in replacing,
            )
        )
    return Match(wanted, identity, tuple(differences), supplied, unseen)
