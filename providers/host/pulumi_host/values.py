"""Single inputs in the kind that a resource needs them in."""

import posixpath
import re

from pulumi_kit.values import Wire, is_unknown

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def text(values: Wire, key: str) -> str | None:
    """Return a text, or None where it is absent, unknown, or something else."""
    value = values.get(key)
    if value is None or is_unknown(value) or not isinstance(value.value, str):
        return None
    return value.value


def number(values: Wire, key: str) -> int | None:
    """Return a whole number, also one that travels as text; otherwise None."""
    value = values.get(key)
    if value is None or isinstance(value.value, bool):
        return None
    if isinstance(value.value, int | float) and value.value == int(value.value):
        return int(value.value)
    if isinstance(value.value, str) and re.fullmatch(r"\d{1,9}", value.value):
        return int(value.value)
    return None


def path_mistake(path: str) -> str | None:
    """Return what is wrong with a path on the host, or None."""
    if not path.startswith("/") or path.startswith("//"):
        return "must be absolute"
    if path == "/" or path.endswith("/"):
        return "must name a file, not a directory"
    if posixpath.normpath(path) != path:
        return "must be in its shortest form, without . and .. and double slashes"
    if _CONTROL.search(path):
        return "must not hold control characters"
    return None
