"""Changing single values of a declaration, its comments and its layout kept."""

from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from declaration.mistakes import PREFIX
from operations.site.model import SiteError

REMOVED = object()
"""In place of a value: the key goes away."""


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 4096
    return yaml


def edited(text: str, changes: Mapping[str, Any]) -> str:
    """Return a declaration with other values.

    Args:
        text: Content of `Pulumi.<stack>.yaml`.
        changes: New values by path without `mail:`, such as `dmarc.stage`; `REMOVED` removes.

    Raises:
        SiteError: a path leads through something that is not a mapping.
    """
    yaml = _yaml()
    document = yaml.load(text)
    for path, value in changes.items():
        *folders, key = path.split(".")
        place = document["config"]
        names = [PREFIX + folders[0], *folders[1:]] if folders else []
        for name in names:
            place = place.setdefault(name, {}) if isinstance(place, dict) else None
            if not isinstance(place, dict):
                raise SiteError(f"mail:{path}: {name} is no mapping in the declaration")
        key = key if folders else PREFIX + key
        if value is REMOVED:
            place.pop(key, None)
        else:
            place[key] = _in_yaml(value)
    written = StringIO()
    yaml.dump(document, written)
    return written.getvalue()


def edit(file: Path, changes: Mapping[str, Any]) -> None:
    """Change values in a stack's file, in one step.

    Args:
        file: `Pulumi.<stack>.yaml`.
        changes: As for `edited`.
    """
    draft = file.with_name(f".{file.name}.new")
    draft.write_text(edited(file.read_text("utf-8"), changes), "utf-8")
    draft.chmod(file.stat().st_mode & 0o777)
    draft.replace(file)


def _in_yaml(value: Any) -> Any:
    """Quote a date, which Pulumi would otherwise rewrite as a moment."""
    if isinstance(value, str) and value[:4].isdigit():
        return DoubleQuotedScalarString(value)
    return value
