"""Short ways to say what a check found."""

from collections.abc import Mapping
from types import MappingProxyType

from operations.prove.model import Finding, Status

_NONE: Mapping[str, str] = MappingProxyType({})


def passed(
    seen: str, expected: str = "", *, key: str = "", details: tuple[str, ...] = ()
) -> Finding:
    """Return a finding that is as it should be."""
    return Finding(Status.PASS, seen, expected, key, details=details)


def failed(
    seen: str,
    expected: str,
    *,
    key: str = "",
    mend: str = "",
    details: tuple[str, ...] = (),
    facts: Mapping[str, str] = _NONE,
) -> Finding:
    """Return a finding that is wrong; `facts` are for the diagnosis."""
    return Finding(Status.FAIL, seen, expected, key, mend, details, facts)


def warned(
    seen: str,
    expected: str,
    *,
    key: str = "",
    mend: str = "",
    details: tuple[str, ...] = (),
    facts: Mapping[str, str] = _NONE,
) -> Finding:
    """Return a finding that could be better; `facts` are for the diagnosis."""
    return Finding(Status.WARN, seen, expected, key, mend, details, facts)


def skipped(reason: str, *, key: str = "", mend: str = "") -> Finding:
    """Return that nothing was looked at, and why."""
    return Finding(Status.SKIP, reason, declared_at=key, mend=mend)


def unseen(reason: str, expected: str = "", *, key: str = "", mend: str = "") -> Finding:
    """Return that nothing could be seen, and why."""
    return Finding(Status.UNKNOWN, reason, expected, key, mend)


def compared(seen: str, expected: str, *, key: str, facts: Mapping[str, str] = _NONE) -> Finding:
    """Return whether what was seen is what was expected, word for word."""
    if seen == expected:
        return passed(seen, expected, key=key)
    return failed(seen or "nothing", expected, key=key, facts=facts)
