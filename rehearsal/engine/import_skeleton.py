"""The skeleton of an import file, as a preview leaves it: everything but the ids."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rehearsal.engine.import_file import PLACEHOLDER, Entry
from rehearsal.engine.model import Op, Outcome, ResourceView
from rehearsal.engine.urn import (
    ROOT_TYPE,
    is_provider_type,
    name_of,
    split_reference,
    type_of,
)
from rehearsal.engine.values import SECRET, SIGNATURE, UNKNOWN, Sealed


def skeleton(outcome: Outcome, seal: Callable[[str], str]) -> Entry:
    """Return an import file for everything that a preview would create, ids to be filled in.

    Args:
        outcome: The preview.
        seal: Seals a secret in the configuration of a provider. What of that is not known before
            a deployment is left out.
    """
    creations = {step.urn for step in outcome.steps if step.op is Op.CREATE}
    called = _called(outcome.resources)
    references: set[str] = set()

    def name_for(urn: str) -> str:
        references.add(urn)
        return called[urn]

    providers = {view.urn: view for view in outcome.resources if is_provider_type(view.type)}
    resources = []
    for view in outcome.resources:
        if view.urn not in creations or view.type == ROOT_TYPE or _is_default(view):
            continue
        entry: Entry = {"type": view.type, "name": called[view.urn]}
        if view.parent and type_of(view.parent) != ROOT_TYPE:
            entry["parent"] = name_for(view.parent)
        if view.provider:
            entry |= _provided(providers[split_reference(view.provider)[0]], name_for)
        if called[view.urn] != view.name:
            entry["logicalName"] = view.name
        resources.append(entry | _asked(view, seal))
    table = {called[urn]: urn for urn in sorted(references - creations)}
    return {"nameTable": table, "resources": resources}


def _provided(provider: ResourceView, name_for: Callable[[str], str]) -> Entry:
    entry = {} if _is_default(provider) else {"provider": name_for(provider.urn)}
    version = provider.inputs.get("version")
    return entry | ({"version": version} if version else {})


def _asked(view: ResourceView, seal: Callable[[str], str]) -> Entry:
    """Return what tells the importer how to come by a resource."""
    if not view.custom:
        return {"component": True}
    if is_provider_type(view.type):
        return {"inputs": sealed_properties(view.inputs, seal)}
    return {"id": PLACEHOLDER}


def _is_default(view: ResourceView) -> bool:
    return is_provider_type(view.type) and name_of(view.urn).split("_")[0] == "default"


def _called(views: Iterable[ResourceView]) -> dict[str, str]:
    """Return a name for each URN that no other has, made as the genuine engine makes it."""
    called: dict[str, str] = {}
    taken: set[str] = set()
    for view in views:
        name = view.name
        if name in taken:
            kind = view.type.rpartition(":")[2]
            stem = name = f"{name}{kind[:1].upper()}{kind[1:]}"
            number = 2
            while name in taken:
                name = f"{stem}{number}"
                number += 1
        taken.add(name)
        called[view.urn] = name
    return called


def sealed_properties(properties: Mapping[str, Any], seal: Callable[[str], str]) -> Entry:
    """Return plain properties as the file spells them: secrets sealed, unknown ones left out.

    Args:
        properties: Plain Python values, `Sealed` where secret, `UNKNOWN` where not known.
        seal: Seals the JSON text of a value.
    """
    return {
        key: _spelt(value, seal) for key, value in properties.items() if not _holds_unknown(value)
    }


def _spelt(value: Any, seal: Callable[[str], str]) -> Any:
    if isinstance(value, Sealed):
        text = json.dumps(_opened(value), separators=(",", ":"), ensure_ascii=False)
        return {SIGNATURE: SECRET, "ciphertext": seal(text)}
    if isinstance(value, Mapping):
        return {key: _spelt(item, seal) for key, item in value.items()}
    return [_spelt(item, seal) for item in value] if isinstance(value, list) else value


def _opened(value: Any) -> Any:
    """Return what lies inside a seal; a seal within a seal says nothing more."""
    if isinstance(value, Sealed):
        return _opened(value.open())
    if isinstance(value, Mapping):
        return {key: _opened(item) for key, item in value.items()}
    return [_opened(item) for item in value] if isinstance(value, list) else value


def _holds_unknown(value: Any) -> bool:
    if isinstance(value, Sealed):
        return _holds_unknown(value.open())
    if isinstance(value, Mapping):
        return any(_holds_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(_holds_unknown(item) for item in value)
    return value is UNKNOWN or value == UNKNOWN
