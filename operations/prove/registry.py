"""The registry: every check by id, in the order in which their modules are imported."""

import re
from collections.abc import Callable
from typing import Protocol

from operations.prove.model import Check, CheckFunction, Severity, Station

_CHECKS: dict[str, Check] = {}
_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class Register(Protocol):
    """Registers a check at one station; used as a decorator."""

    def __call__(
        self,
        id: str,  # noqa: A002 - what it is called everywhere
        severity: Severity,
        title: str,
        *,
        why: str,
        source: str,
        mend: str,
    ) -> Callable[[CheckFunction], CheckFunction]:
        """Return the decorator for a check; `Check` says what the words mean."""


def at(station: Station) -> Register:
    """Return the decorator by which the checks of a station register themselves."""

    def register(
        id: str,  # noqa: A002 - what it is called everywhere
        severity: Severity,
        title: str,
        *,
        why: str,
        source: str,
        mend: str,
    ) -> Callable[[CheckFunction], CheckFunction]:
        def add(function: CheckFunction) -> CheckFunction:
            if id in _CHECKS or not _ID.fullmatch(id):
                raise ValueError(f'"{id}" stands twice, or is no id such as mx-record')
            _CHECKS[id] = Check(id, title, severity, station, why, source, mend, function)
            return function

        return add

    return register


def checks() -> tuple[Check, ...]:
    """Return every check."""
    import operations.prove.checks  # noqa: F401, PLC0415 - importing registers them

    return tuple(_CHECKS.values())
