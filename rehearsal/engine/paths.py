"""Property paths as in `ignore_changes`: `spec.rules[0].port`, `tags["a.b"]`, `rules[*].port`."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from pulumi.provider.experimental.property_value import PropertyValue

from rehearsal.engine.values import Properties

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


def keep_old(
    new: Properties, old: Mapping[str, PropertyValue], ignored: Sequence[str]
) -> Properties:
    """Return `new` with every ignored path as it was in `old`.

    What was absent stays absent; what was there stays there. A path that leads through something
    that one side does not have is left alone, as the genuine engine does.
    """
    root: Any = PropertyValue(new)
    before = PropertyValue(dict(old))
    for text in ignored:
        root = _reset(root, before, parse(text))
    return dict(root.value)


def _reset(new: PropertyValue, old: PropertyValue, path: Path) -> PropertyValue:
    head, rest = path[0], path[1:]
    inner: Any = new.value
    was: Any = old.value
    if isinstance(inner, Mapping) and isinstance(was, Mapping):
        keys = sorted(inner.keys() | was.keys()) if head == WILDCARD else [str(head)]
        entries = dict(inner)
        for key in keys:
            _reset_key(entries, was, key, rest)
        return new.with_value(entries)
    if isinstance(inner, tuple) and isinstance(was, tuple):
        places = range(len(inner)) if head == WILDCARD else [head]
        items = list(inner)
        for place in places:
            if isinstance(place, int) and place < len(items) and place < len(was):
                items[place] = _reset(items[place], was[place], rest) if rest else was[place]
        return new.with_value(items)
    return new


def _reset_key(
    entries: dict[str, PropertyValue], was: Mapping[str, PropertyValue], key: str, rest: Path
) -> None:
    if rest:
        if key in entries and key in was:
            entries[key] = _reset(entries[key], was[key], rest)
    elif key in was:
        entries[key] = was[key]
    else:
        entries.pop(key, None)
