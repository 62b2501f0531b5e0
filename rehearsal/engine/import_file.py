"""The import file: what `pulumi import --file` reads and `pulumi preview --import-file` writes.

Resources are named in the file by `name`; `logicalName` is the program's name where that differs.
`parent` and `provider` are names of this file or of its `nameTable`, which holds URNs. A resource
has the `id` by which its provider finds it. A component has none, and neither has a provider: it
has `inputs`, its configuration. What a provider cannot read is supplied: `inputs` fill the gaps
of what was read, `outputs` are believed as they are and nothing is read. Secrets in it are sealed
as in the state.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from rehearsal.engine.sealing import WrongPassphraseError
from rehearsal.engine.urn import Names, is_provider_type, type_of
from rehearsal.engine.values import Properties, ValueRefusedError, from_json, has_unknown
from rehearsal.private_file import write_private

Entry: TypeAlias = dict[str, Any]
"""A resource as the file spells it."""

PLACEHOLDER = "<PLACEHOLDER>"
"""Stands for an id that is to be filled in."""


class ImportRefusedError(Exception):
    """The file cannot be imported; the message lists every reason."""

    def __init__(self, reasons: Iterable[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__("nothing was imported: " + "; ".join(self.reasons))


@dataclass(frozen=True)
class Import:
    """One resource to take over."""

    urn: str
    type: str
    name: str
    id: str
    parent: str
    """URN of the parent; empty for the stack."""
    provider: str
    """URN of the explicit provider; empty for the default one."""
    version: str
    download_url: str
    component: bool
    inputs: Properties = field(default_factory=dict)
    outputs: Properties = field(default_factory=dict)


def load(path: Path) -> Entry:
    """Return the content of an import file.

    Raises:
        ImportRefusedError: it is not there, or no JSON object.
    """
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ImportRefusedError([f"{path} is not there"]) from None
    except ValueError as error:
        raise ImportRefusedError([f"{path} is no JSON: {error}"]) from None
    if not isinstance(found, dict):
        raise ImportRefusedError([f"{path} holds no JSON object"])
    return found


def write_import_file(path: Path, document: Entry) -> None:
    """Write an import file for its owner alone, in one step.

    Args:
        path: Where; its folder is made.
        document: The content.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, json.dumps(document, indent=4, ensure_ascii=False) + "\n")


def parse(document: Entry, names: Names, unseal: Callable[[str], str]) -> list[Import]:
    """Return what a file asks for.

    Args:
        document: The file's content.
        names: Builds the stack's URNs.
        unseal: Opens a sealed value.

    Raises:
        ImportRefusedError: something in it is not as it must be; all of it is listed.
    """
    entries = [_with_both_names(one) for one in document.get("resources") or ()]
    wrong = [reason for one in entries for reason in _mistakes(one)]
    if wrong:
        raise ImportRefusedError(wrong)
    table: dict[str, str] = dict(document.get("nameTable") or {})
    urns = _urns(entries, table, names)
    imports, refused = [], []
    for entry, urn in zip(entries, urns, strict=True):
        try:
            imports.append(_import(entry, urn, table, unseal))
        except (ValueRefusedError, WrongPassphraseError, ValueError, KeyError, TypeError) as error:
            refused.append(f"{_said(entry)}: {error}")
    if refused:
        raise ImportRefusedError(refused)
    return imports


def _with_both_names(entry: Entry) -> Entry:
    name, logical = entry.get("name", ""), entry.get("logicalName", "")
    return {**entry, "name": name or logical, "logicalName": logical or name}


def _said(entry: Entry) -> str:
    return f"{entry.get('name') or 'a resource'} ({entry.get('type') or 'without a type'})"


def _mistakes(entry: Entry) -> Iterable[str]:
    said = _said(entry)
    yield from (f"{said} has no {key}" for key in ("type", "name") if not entry.get(key))
    yield from (
        f"{said} asks for {unused}, which the rehearsal's engine does not know"
        for unused in ("parameterization", "extension", "remote")
        if entry.get(unused)
    )
    identity = entry.get("id", "")
    if is_provider_type(entry.get("type", "")) or entry.get("component"):
        if identity:
            yield f"{said} has an id, but is made rather than read"
    elif identity in {"", PLACEHOLDER}:
        yield f"{said} has no id" + (f" but {PLACEHOLDER}" if identity else "")


def _urns(entries: list[Entry], table: dict[str, str], names: Names) -> list[str]:
    """Return the URN of each entry, and add every name to the table.

    Raises:
        ImportRefusedError: a parent is not there, or stands for two; a URN occurs twice.
    """
    found: dict[int, str] = {}
    written = [entry["name"] for entry in entries]
    while len(found) < len(entries):
        before = len(found)
        for place, entry in enumerate(entries):
            parent = entry.get("parent", "")
            if place in found or (parent and parent not in table):
                continue
            if parent and written.count(parent) > 1:
                raise ImportRefusedError([f"the parent {parent} of {_said(entry)} is ambiguous"])
            above = table[parent] if parent else ""
            urn = names.urn(above, entry["type"], entry["logicalName"])
            if urn in found.values():
                raise ImportRefusedError([f"{_said(entry)} occurs twice"])
            found[place] = urn
            table[entry["name"]] = urn
        if len(found) == before:
            lost = [one for place, one in enumerate(entries) if place not in found]
            raise ImportRefusedError(
                f"the parent {one['parent']} of {_said(one)} is not in the file" for one in lost
            )
    return [found[place] for place in range(len(entries))]


def _import(
    entry: Entry, urn: str, table: Mapping[str, str], unseal: Callable[[str], str]
) -> Import:
    provider = entry.get("provider", "")
    if provider and not is_provider_type(type_of(table.get(provider, ":::::"))):
        raise ValueError(f"the provider {provider} is not in the file, or is none")
    supplied = {
        side: {key: from_json(value, unseal) for key, value in (entry.get(side) or {}).items()}
        for side in ("inputs", "outputs")
    }
    for side, values in supplied.items():
        if any(has_unknown(value) for value in values.values()):
            raise ValueError(f"its {side} hold values that are not known; fill them in")
    parent = entry.get("parent", "")
    return Import(
        urn=urn,
        type=entry["type"],
        name=entry["logicalName"],
        id=entry.get("id", ""),
        parent=table[parent] if parent else "",
        provider=table[provider] if provider else "",
        version=entry.get("version", ""),
        download_url=entry.get("pluginDownloadUrl", ""),
        component=bool(entry.get("component")),
        **supplied,
    )
