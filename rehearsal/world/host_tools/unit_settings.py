"""Which settings a unit file may hold, and what their values look like."""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

_KNOWN = Path(__file__).with_name("unit_settings.txt")
_BOOLEAN = {"1", "yes", "y", "true", "t", "on", "0", "no", "n", "false", "f", "off"}
_SPAN = re.compile(
    r"(?:\d+(?:\.\d+)?\s*(?:us|usec|ms|msec|s|sec|seconds?|m|min|minutes?|h|hr|hours?|d|days?|"
    r"w|weeks?|M|months?|y|years?)?\s*)+|infinity"
)
_CHOICES = {
    "ProtectSystem": _BOOLEAN | {"full", "strict"},
    "ProtectHome": _BOOLEAN | {"read-only", "tmpfs"},
    "Restart": {"no", "on-success", "on-failure", "on-abnormal", "on-watchdog", "on-abort",
                "always"},
    "IOSchedulingClass": {"none", "realtime", "best-effort", "idle", "0", "1", "2", "3"},
    "KillMode": {"control-group", "process", "mixed", "none"},
}  # fmt: skip
"""Values of settings whose kind does not tell them."""
_FAMILIES = re.compile(r"none|~?(?:AF_[A-Z0-9_]+\s*)+")
_CAPABILITIES = re.compile(r"~?(?:CAP_[A-Z_]+\s*)*")


def _is_nice(value: str) -> bool:
    return re.fullmatch(r"-?\d+", value) is not None and -20 <= int(value) <= 19


_KINDS: dict[str, Callable[[str], object]] = {
    "BOOLEAN": lambda value: value.lower() in _BOOLEAN,
    "SECONDS": _SPAN.fullmatch,
    "MODE": lambda value: re.fullmatch(r"[0-7]{1,4}", value),
    "NICE": _is_nice,
    "FAMILIES": _FAMILIES.fullmatch,
    "BOUNDINGSET": _CAPABILITIES.fullmatch,
}


@cache
def _kinds() -> dict[tuple[str, str], str]:
    """Return the kind of value of every setting, by section and name."""
    lines = (line.split(None, 2) for line in _KNOWN.read_text().splitlines() if line[:1] != "#")
    return {(section, name): kind for section, name, kind in lines}


def mistake(section: str, name: str, value: str) -> str | None:
    """Return what systemd says of an assignment that it ignores, None if it takes it.

    Args:
        section: Such as `Service`; a section that begins with `X-` is nobody's business.
        name: The setting.
        value: Its value; an empty one takes back those before it.
    """
    if section.startswith("X-") or name.startswith("X-"):
        return None
    if not any(section == one for one, _ in _kinds()):
        return f"Unknown section '{section}'. Ignoring."
    kind = _kinds().get((section, name))
    if kind is None:
        return f"Unknown key '{name}' in section [{section}], ignoring."
    is_span = kind == "TIMER" and name != "OnCalendar"
    fits = _KINDS.get("SECONDS" if is_span else kind)
    wrong = bool(value) and (
        (name in _CHOICES and value.lower() not in _CHOICES[name])
        or (fits is not None and not fits(value))
    )
    return f"Failed to parse {name}= value, ignoring: {value}" if wrong else None
