"""The reference of every key of the declaration, written from the settings' own descriptions.

`python -m operations.reference` writes docs/declaration.md; with `--check` it only says whether
the page is current.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import date
from enum import Enum
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from declaration import secrets
from declaration.model import Declaration
from declaration.reading import load_values
from declaration.settings import Settings, meanings
from operations.following import EXAMPLES, FILE

PAGE = Path(__file__).parent.parent / "docs" / "declaration.md"
"""The page."""

_HEAD = """\
# The declaration

Every key of `Pulumi.<stack>.yaml`. This page is written by `python -m operations.reference`
from the settings in `declaration/`; do not edit it.

Examples are those of `Pulumi.qual.yaml` where it has the key. What follows was seen by changing
the key there (`python -m operations.following`): the resources that differ, by their names, of
which four of each kind are told. Where nothing does, the key serves checks, policies and operations
alone, or a choice that `qual` has not made. Which file, record or object a resource is shows in a
preview.

A key that is not listed here is refused. `pulumi preview` tells every mistake at once, before
anything is touched. Write dates in quotes: `pulumi config set` rewrites a bare one as a moment.
"""


def page() -> str:
    """Return the page as Markdown."""
    return "\n".join([_HEAD, *_keys(), *_parts(), *_secrets()]).rstrip() + "\n"


def _keys() -> Iterator[str]:
    yield "## Keys\n"
    yield from _table(Declaration, prefix="mail:")


def _parts() -> Iterator[str]:
    for model in _models(Declaration):
        yield f"## {_title(model)}\n"
        yield f"{_prose(model.__doc__ or '')}\n"
        yield from _table(model)
    for vocabulary in _vocabularies():
        yield f"## {_title(vocabulary)}\n"
        yield f"{_prose(vocabulary.__doc__ or '')}\n"
        yield ", ".join(f"`{item.value}`" for item in vocabulary) + "\n"


def _secrets() -> Iterator[str]:
    yield "## Secrets\n"
    yield (
        "Each is a key of its own, sealed in the stack's file. The command asks for the value, so\n"
        "that it shows neither in the list of processes nor in the shell's history.\n"
    )
    yield "| command | where the value is found |"
    yield "| --- | --- |"
    for key, where in secrets.keys(["NAME"], ["NAME"]).items():
        yield f"| `{secrets.command(key)}` | {where} |"
    yield ""


def _table(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    yield "| key | value | default | example | meaning | what follows |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name, field in model.model_fields.items():
        label = field.alias or name
        value = f"{_kind(field.annotation)}{_unit(label)}{_limits(field)}"
        meaning = _prose(meanings(model).get(name, "")).replace("Danger:", "**Danger:**")
        key = f"{model.__name__}.{label}"
        cells = (
            f"`{prefix}{label}`", value, _default(field), _example(key), meaning, _follows(key),
        )  # fmt: skip
        yield f"| {' | '.join(cells)} |"
    yield ""


_UNITS = {
    "Mib": "MiB", "Gib": "GiB", "Minutes": "minutes", "Days": "days", "Hours": "hours",
    "Percent": "percent", "ttl": "seconds", "maxAge": "seconds", "longestGap": "days",
}  # fmt: skip
"""Unit of a number, by how its key ends."""


def _unit(label: str) -> str:
    named = label[:1].upper() + label[1:]
    units = (unit for end, unit in _UNITS.items() if label.endswith(end) or named == end)
    unit = next(units, "")
    return f" of {unit}" if unit else ""


_LONGEST = 72


@cache
def _declared() -> dict[str, Any]:
    """Return the values of the first stack by the class and key of the settings."""
    found: dict[str, Any] = {}

    def look(model: type[BaseModel], values: Mapping[str, Any]) -> None:
        for name, field in model.model_fields.items():
            label = field.alias or name
            if label not in values:
                continue
            value = values[label]
            inner = next(
                (kind for kind in _types(field.annotation) if issubclass(kind, BaseModel)), None
            )
            if inner is None or not isinstance(value, list | dict):
                found.setdefault(f"{model.__name__}.{label}", value)
            elif isinstance(value, list):
                found.setdefault(f"{model.__name__}.{label}", value[:1])
                for entry in value:
                    look(inner, entry)
            else:
                look(inner, value)

    look(Declaration, load_values(PAGE.parent.parent / "Pulumi.qual.yaml"))
    return found


def _example(key: str) -> str:
    value = _declared().get(key, EXAMPLES.get(key))
    if value is None or value == []:
        return ""
    text = yaml.safe_dump(
        value, default_flow_style=True, width=10_000, sort_keys=False, allow_unicode=True
    )
    text = _prose(text.removesuffix("...\n"))
    return f"`{text}`" if len(text) <= _LONGEST else f"`{text[:_LONGEST]}`..."


_MOST = 4


@cache
def _seen() -> dict[str, dict[str, list[str]]]:
    seen: dict[str, dict[str, list[str]]] = json.loads(FILE.read_text("utf-8"))
    return seen


def _follows(key: str) -> str:
    """Return the resources that differ when the key does; empty where it was not tried."""
    kinds = _seen().get(key)
    if kinds is None:
        return ""
    parts = []
    for kind, names in kinds.items():
        more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
        parts.append(f"{kind}: {', '.join(names[:_MOST])}{more}")
    return "; ".join(parts) or "nothing in `qual`"


def _prose(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _title(kind: type) -> str:
    words = re.sub(r"(?<!^)([A-Z])", r" \1", kind.__name__.removesuffix("Settings"))
    title = words.capitalize()
    for plain, spelled in _SPELLED.items():
        title = title.replace(plain, spelled)
    return title


_SPELLED = {"Ipv6": "IPv6", "Mta sts": "MTA-STS", "Dmarc": "DMARC", "Ssh": "SSH"}


def _anchor(kind: type) -> str:
    return f"[{_title(kind)}](#{_title(kind).lower().replace(' ', '-')})"


def _kind(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(arguments[0])
    if origin in (Union, UnionType):
        return " or ".join(_kind(argument) for argument in arguments if argument is not type(None))
    if origin is tuple:
        return f"list of {_kind(arguments[0])}"
    if origin is dict:
        return f"{_kind(arguments[0])}: {_kind(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel | Enum):
        return _anchor(annotation)
    return _PLAIN.get(annotation, "text")


_PLAIN: dict[Any, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    date: "date",
}


def _limits(field: FieldInfo) -> str:
    words = []
    for item in field.metadata:
        for name, sign in (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤")):
            if getattr(item, name, None) is not None:
                words.append(f"{sign} {getattr(item, name)}")
    return f", {', '.join(words)}" if words else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default_factory not in (None, dict):
        return "by the provider"
    value = field.default
    if isinstance(value, Settings):
        return "see there"
    if value in (None, (), "") or field.default_factory is dict:
        return "none"
    if isinstance(value, tuple):
        return ", ".join(f"`{item}`" for item in value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _models(model: type[BaseModel]) -> list[type[BaseModel]]:
    """Return the settings below a model, each once, in the order in which they are met."""
    return [part for part in _inside(model) if issubclass(part, BaseModel)]


def _vocabularies() -> list[type[Enum]]:
    return [part for part in _inside(Declaration) if issubclass(part, Enum)]


def _inside(model: type[BaseModel]) -> list[type]:
    found: dict[type, None] = {}
    for field in model.model_fields.values():
        for kind in _types(field.annotation):
            found.setdefault(kind)
            if issubclass(kind, BaseModel):
                found |= dict.fromkeys(_inside(kind))
    return list(found)


def _types(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel | Enum):
        yield annotation
    for argument in get_args(annotation):
        yield from _types(argument)


def main(arguments: list[str]) -> int:
    """Write the page, or say whether it is current.

    Args:
        arguments: Command line without the program's name: nothing, or `--check`.

    Returns:
        Exit code: 1 when `--check` finds the page out of date.
    """
    if arguments == ["--check"]:
        return 0 if PAGE.exists() and PAGE.read_text("utf-8") == page() else 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
