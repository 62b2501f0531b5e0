"""`Pulumi.<stack>.yaml` as the genuine engine reads it: YAML 1.2's own words, no key twice."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from declaration.mistakes import PREFIX, DeclarationError, Mistake

_CORE_SCHEMA = {
    "tag:yaml.org,2002:null": (r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    "tag:yaml.org,2002:bool": (r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    "tag:yaml.org,2002:int": (r"^[-+]?(?:0|[1-9][0-9]*)$", list("-+0123456789")),
    "tag:yaml.org,2002:float": (
        r"^[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?$",
        list("-+.0123456789"),
    ),
}
"""PyYAML reads YAML 1.1, where `NO` is false, `12:30` a number and a date no text."""


class _CoreLoader(yaml.SafeLoader):
    """Safe loader of the core schema that refuses a key that stands twice."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML's own class attribute, filled below

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key} stands twice; take one out", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


for _tag, (_pattern, _first) in _CORE_SCHEMA.items():
    _CoreLoader.add_implicit_resolver(_tag, re.compile(_pattern), _first)


def load(path: Path) -> dict[str, Any]:
    """Return the values under `mail:` of a stack's file, without the prefix and without secrets.

    Raises:
        DeclarationError: the file is not there, is not YAML or has no `config:`.
    """
    try:
        # The loader is a SafeLoader.
        document = yaml.load(path.read_text("utf-8"), Loader=_CoreLoader)  # noqa: S506
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise _unreadable(path, str(path), f"{reason}; name the stack with --stack") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}" if mark else "file"
        raise _unreadable(path, place, error.problem or "is not YAML") from None
    config = document.get("config") if isinstance(document, dict) else None
    if not isinstance(config, dict):
        raise _unreadable(path, "config", "is missing; all keys stand below config:")
    return {
        key.removeprefix(PREFIX): value
        for key, value in config.items()
        if isinstance(key, str) and key.startswith(PREFIX) and not _is_sealed(value)
    }


def _is_sealed(value: object) -> bool:
    return isinstance(value, dict) and set(value) == {"secure"}


def _unreadable(path: Path, place: str, message: str) -> DeclarationError:
    return DeclarationError(path.name, [Mistake(place, message)])
