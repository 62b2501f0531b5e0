"""Property paths as in `replace_on_changes`: `rules[0].port`, `tags["a.b"]`, `rules[*].port`."""

import re
from collections.abc import Sequence
from typing import TypeAlias

Path: TypeAlias = tuple[str | int, ...]

WILDCARD = "*"
_SEGMENT = re.compile(
    r"""\.?(?:
        (?P<name>[^.\[\]"]+)
      | \[(?P<index>\d+)\]
      | \[(?P<star>\*)\]
      | \["(?P<quoted>(?:[^"\\]|\\.)*)"\]
    )""",
    re.VERBOSE,
)


def parse(text: str) -> Path:
    """Return the segments of a path.

    Raises:
        ValueError: it is not a path.
    """
    segments: list[str | int] = []
    position = 0
    while position < len(text):
        match = _SEGMENT.match(text, position)
        if match is None:
            message = f"{text!r} is not a property path"
            raise ValueError(message)
        if match["index"] is not None:
            segments.append(int(match["index"]))
        elif match["quoted"] is not None:
            segments.append(re.sub(r"\\(.)", r"\1", match["quoted"]))
        else:
            segments.append(match["name"] or WILDCARD)
        position = match.end()
    return tuple(segments)


def render(path: Sequence[str | int]) -> str:
    """Return the path as text."""
    text = ""
    for segment in path:
        if isinstance(segment, int):
            text += f"[{segment}]"
        elif re.fullmatch(r'[^.\[\]"]+', segment):
            text += f".{segment}" if text else segment
        else:
            escaped = segment.replace("\\", "\\\\").replace('"', '\\"')
            text += f'["{escaped}"]'
    return text


def contains(pattern: Path, path: Path) -> bool:
    """Return whether `pattern` names `path` or something above it."""
    if len(pattern) > len(path):
        return False
    pairs = zip(pattern, path, strict=False)
    return all(wanted in (WILDCARD, segment) for wanted, segment in pairs)
