"""`Pulumi.<stack>.yaml` as the genuine engine reads it: YAML 1.2's own words, no key twice."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from declaration.mistakes import PREFIX, DeclarationError, Mistake

ENGINE = "pulumi:"
"""Namespace of the engine's own settings."""

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


LONGEST_NUMBER = 40
"""Digits of a number."""
_TEXT = "tag:yaml.org,2002:str"
LARGEST, DEEPEST, MOST = 256 * 1024, 20, 20_000
"""Bounds of a file: bytes, levels, and values once every alias is written out. The largest
declaration that people write has a thousand mailboxes, which are 90 KiB and 7,000 values."""


class _CoreLoader(yaml.CSafeLoader):
    """Safe loader of the core schema that refuses a key that stands twice."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML's own class attribute, filled below

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _refused("a list or a set of keys is no key", key_node)
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise _refused(f"{key} stands twice; take one out", key_node)
            seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        if len(str(node.value)) > LONGEST_NUMBER and node.tag != _TEXT:
            raise _refused(f"is a number of more than {LONGEST_NUMBER} digits", node)
        return super().construct_scalar(node)


for _tag, (_pattern, _first) in _CORE_SCHEMA.items():
    _CoreLoader.add_implicit_resolver(_tag, re.compile(_pattern), _first)


def load(path: Path) -> dict[str, Any]:
    """Return the values of a stack's file, without secrets.

    Those of the project have no prefix; a key that belongs to nobody keeps the one it has, and
    reading the declaration tells it.

    Raises:
        DeclarationError: the file is not there, is not YAML or has no `config:`.
    """
    root = compose(path)
    loader = _CoreLoader("")
    try:
        document = loader.construct_document(root) if root else None
    except yaml.MarkedYAMLError as error:
        raise _broken(path, error) from None
    finally:
        loader.dispose()
    config = document.get("config") if isinstance(document, dict) else None
    if not isinstance(config, dict):
        raise _unreadable(path, "config", "is missing; all keys stand below config:")
    return {
        str(key).removeprefix(PREFIX): value
        for key, value in config.items()
        if not _is_sealed(value) and not str(key).startswith(ENGINE)
    }


def compose(path: Path) -> yaml.Node | None:
    """Return the nodes of a stack's file, which know their lines; None when it is empty.

    Raises:
        DeclarationError: it cannot be read, is not YAML, or is larger than any declaration.
    """
    loader = None
    try:
        data = path.read_bytes()
        if len(data) > LARGEST:
            raise _unreadable(path, "file", f"is larger than {LARGEST // 1024} KiB")
        loader = _CoreLoader(data.decode())
        root: yaml.Node | None = loader.get_single_node()
        if root is not None:
            _measure(root, {}, set(), 1)
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise _unreadable(path, str(path), f"{reason}; name the stack with --stack") from None
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise _unreadable(path, f"line {line}", "is not UTF-8; save the file as UTF-8") from None
    except yaml.MarkedYAMLError as error:
        raise _broken(path, error) from None
    except yaml.YAMLError:
        raise _unreadable(path, "file", "has characters that YAML does not allow") from None
    except RecursionError:
        raise _unreadable(path, "file", f"is nested deeper than {DEEPEST} levels") from None
    finally:
        if loader is not None:
            loader.dispose()
    return root


def _measure(node: yaml.Node, sizes: dict[int, int], around: set[int], depth: int) -> int:
    """Return how many values stand in a node once every alias is written out.

    Raises:
        ConstructorError: there are too many, they are nested too deep, or a node holds itself.
    """
    if id(node) in around:
        raise _refused("an alias leads back to where it stands; write it out", node)
    if depth > DEEPEST:
        raise _refused(f"is nested deeper than {DEEPEST} levels", node)
    if id(node) not in sizes:
        inside: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            inside = [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            inside = node.value
        around.add(id(node))
        sizes[id(node)] = 1 + sum(_measure(part, sizes, around, depth + 1) for part in inside)
        around.remove(id(node))
    if sizes[id(node)] > MOST:
        raise _refused(f"has more than {MOST} values, its aliases written out", node)
    return sizes[id(node)]


def _refused(problem: str, node: yaml.Node) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _broken(path: Path, error: yaml.MarkedYAMLError) -> DeclarationError:
    mark = error.problem_mark
    return _unreadable(
        path, f"line {mark.line + 1}" if mark else "file", error.problem or "is not YAML"
    )


def _is_sealed(value: object) -> bool:
    return isinstance(value, dict) and set(value) == {"secure"}


def _unreadable(path: Path, place: str, message: str) -> DeclarationError:
    return DeclarationError(path.name, [Mistake(place, message)])
