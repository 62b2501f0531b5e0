"""Where a key stands in a stack's file: `mail:dmarc.rua` is line 30."""

import re
from pathlib import Path

import yaml

_STEP = re.compile(r"[^.\[\]]+|\[\d+\]")


class Lines:
    """The lines of a stack's file by key."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            root = yaml.compose(path.read_text("utf-8"), Loader=yaml.SafeLoader)
        except (OSError, yaml.YAMLError):
            root = None
        self._config = _child(root, "config")

    def of(self, key: str) -> int:
        """Return the line of a key, or of the nearest key above it that the file has; from 1."""
        node, line = self._config, _line(self._config)
        namespace, _, rest = key.partition(":")
        steps = _STEP.findall(rest)
        if not steps:
            return line
        steps[0] = f"{namespace}:{steps[0]}"
        for step in steps:
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
