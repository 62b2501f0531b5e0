"""The registry: every rule by id, in the order of their modules, whoever is imported first."""

import re
from collections.abc import Callable
from typing import Protocol

from policies.model import Area, Rule, RuleFunction, Severity

_RULES: dict[str, Rule] = {}
_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)+")


class Register(Protocol):
    """Registers a rule of one area; used as a decorator."""

    def __call__(
        self,
        id: str,  # noqa: A002 - what it is called everywhere
        severity: Severity,
        *,
        protects: str,
        reason: str,
        source: str,
        remedy: str,
        yields: bool = False,
    ) -> Callable[[RuleFunction], RuleFunction]:
        """Return the decorator for a rule; `Rule` says what the words mean."""


def in_area(area: Area) -> Register:
    """Return the decorator by which the rules of an area register themselves."""

    def register(
        id: str,  # noqa: A002 - what it is called everywhere
        severity: Severity,
        *,
        protects: str,
        reason: str,
        source: str,
        remedy: str,
        yields: bool = False,
    ) -> Callable[[RuleFunction], RuleFunction]:
        def add(check: RuleFunction) -> RuleFunction:
            if id in _RULES or not _ID.fullmatch(id):
                raise ValueError(f'"{id}" stands twice, or is no id such as spf-single')
            _RULES[id] = Rule(id, area, severity, protects, reason, source, remedy, check, yields)
            return check

        return add

    return register


def rules() -> tuple[Rule, ...]:
    """Return every rule."""
    import policies.rules  # noqa: F401, PLC0415 - importing registers them; they import this module

    # The sort is stable: within a module they keep the order in which they stand.
    return tuple(sorted(_RULES.values(), key=lambda known: known.check.__module__))


def rule(id: str) -> Rule:  # noqa: A002 - what it is called everywhere
    """Return a rule.

    Raises:
        KeyError: there is none of this id.
    """
    rules()
    return _RULES[id]
