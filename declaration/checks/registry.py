"""Checks that look across the parts of a declaration, and how they are run."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeAlias

from declaration.mistakes import Mistake, Place, spelled
from declaration.model import Declaration

Finding: TypeAlias = tuple[Place, str]
"""The key that a person must change, and what is wrong with the way out."""

CheckFunction: TypeAlias = Callable[[Declaration, date], Iterator[Finding]]


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        parts: Fields of the declaration that it reads. It runs when all of them are valid.
        function: Gives the findings for a declaration and the day to judge by.
    """

    parts: tuple[str, ...]
    function: CheckFunction


CHECKS: list[Check] = []
"""All checks, in the order in which their modules are imported."""


def check(*parts: str) -> Callable[[CheckFunction], CheckFunction]:
    """Register a check that reads these fields of the declaration and no others."""

    def register(function: CheckFunction) -> CheckFunction:
        CHECKS.append(Check(parts, function))
        return function

    return register


def cross_part_mistakes(
    model: type[Declaration], parts: Mapping[str, Any], today: date
) -> list[Mistake]:
    """Run every check whose parts are valid.

    Args:
        model: The declaration's class.
        parts: The valid fields of a declaration by name.
        today: The day to judge dates by.
    """
    found = []
    for entry in CHECKS:
        if all(part in parts for part in entry.parts):
            found += [
                Mistake(spelled(place), message)
                for place, message in entry.function(_view(model, entry.parts, parts), today)
            ]
    return found


def _view(
    model: type[Declaration], names: tuple[str, ...], parts: Mapping[str, Any]
) -> Declaration:
    """Return a declaration that has the named parts alone.

    So a check cannot come to lean on a part which it has not named, and which may be absent.
    """
    view = model.__new__(model)
    view.__dict__.update({name: parts[name] for name in names})
    return view
