"""Where a key stands in a stack's file: `mail:dmarc.rua` is line 30."""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import yaml

from declaration.mistakes import DeclarationError, Mistake
from declaration.stack_file import compose

_STEP = re.compile(r"[^.\[\]]+|\[\d+\]")


class Lines:
    """The lines of a stack's file by key."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            root = compose(path)
        except DeclarationError:
            root = None
        self._config = _child(root, "config")

    def of(self, key: str) -> int:
        """Return the line of a key, or of the nearest key above it that the file has; from 1."""
        return self.found(key) or _line(self._config)

    def found(self, key: str) -> int:
        """Return the same, but 0 where the file has nothing of the key."""
        if (whole := _pair(self._config, key)) is not None:
            return whole[0]
        node, line = self._config, 0
        namespace, _, rest = key.partition(":")
        first, *others = _STEP.findall(rest) or [""]
        for step in (f"{namespace}:{first}", *others):
            found = _pair(node, step)
            if found is None:
                break
            line, node = found
        return line


def _line(node: yaml.Node | None) -> int:
    return node.start_mark.line + 1 if node is not None else 1


def _pair(node: yaml.Node | None, step: str) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == step:
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and step.startswith("["):
        index = int(step[1:-1])
        if index < len(node.value):
            return _line(node.value[index]), node.value[index]
    return None


def _child(node: yaml.Node | None, name: str) -> yaml.Node | None:
    found = _pair(node, name)
    return found[1] if found else None


def located(mistakes: Iterable[Mistake], path: Path) -> tuple[Mistake, ...]:
    """Return mistakes with the line of each; what is only missing has none.

    Args:
        mistakes: The mistakes.
        path: The stack's file.
    """
    if not path.is_file():
        return tuple(mistakes)
    lines = Lines(path)
    return tuple(
        mistake if mistake.command else replace(mistake, line=lines.found(mistake.path))
        for mistake in mistakes
    )
