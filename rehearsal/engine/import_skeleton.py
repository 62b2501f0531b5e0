"""The skeleton of an import file, as a preview leaves it: everything but the ids."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rehearsal.engine.importing import PLACEHOLDER, Entry
from rehearsal.engine.model import Op, Outcome, ResourceView
from rehearsal.engine.urn import ROOT_TYPE, is_provider_type, split_reference, type_of
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
    views = {view.urn: view for view in outcome.resources}
    references: set[str] = set()
    resources = []
    for view in outcome.resources:
        if view.urn not in creations or view.type == ROOT_TYPE or _is_default(view):
            continue
        entry: Entry = {"type": view.type, "name": called[view.urn]}
        if view.parent and type_of(view.parent) != ROOT_TYPE:
            references.add(view.parent)
            entry["parent"] = called[view.parent]
        provider, _ = split_reference(view.provider)
        if provider and not _is_default(views[provider]):
            references.add(provider)
            entry["provider"] = called[provider]
            if version := views[provider].inputs.get("version"):
                entry["version"] = version
        if called[view.urn] != view.name:
            entry["logicalName"] = view.name
        resources.append(entry | _asked(view, seal))
    table = {called[urn]: urn for urn in sorted(references - creations)}
    return {"nameTable": table, "resources": resources}


def _is_default(view: ResourceView) -> bool:
    return is_provider_type(view.type) and view.name.split("_")[0] == "default"


def _asked(view: ResourceView, seal: Callable[[str], str]) -> Entry:
    """Return what tells the importer how to come by a resource."""
    if not view.custom:
        return {"component": True}
    if is_provider_type(view.type):
        return {"inputs": sealed_properties(view.inputs, seal)}
    return {"id": PLACEHOLDER}


def _called(views: Iterable[ResourceView]) -> dict[str, str]:
    """Return a name for each URN that no other has, made as the genuine engine makes it."""
    called: dict[str, str] = {}
    for view in views:
        kind = view.type.rpartition(":")[2]
        stem = f"{view.name}{kind[:1].upper()}{kind[1:]}"
        taken = set(called.values())
        names = (view.name, stem, *(f"{stem}{number}" for number in range(2, len(taken) + 3)))
        called[view.urn] = next(name for name in names if name not in taken)
    return called


def sealed_properties(properties: Mapping[str, Any], seal: Callable[[str], str]) -> Entry:
    """Return plain properties as the file spells them: secrets sealed, unknown ones left out.

    Args:
        properties: Plain Python values, `Sealed` where secret, `UNKNOWN` where not known.
        seal: Seals the JSON text of a value.
    """
    return {
        key: _spelt(value, seal)
        for key, value in properties.items()
        if UNKNOWN not in _leaves(value)
    }


def _spelt(value: Any, seal: Callable[[str], str]) -> Any:
    match value:
        case Sealed():
            text = json.dumps(_opened(value), separators=(",", ":"), ensure_ascii=False)
            return {SIGNATURE: SECRET, "ciphertext": seal(text)}
        case dict():
            return {key: _spelt(item, seal) for key, item in value.items()}
        case list():
            return [_spelt(item, seal) for item in value]
    return value


def _opened(value: Any) -> Any:
    """Return what lies inside a seal; a seal within a seal says nothing more."""
    match value:
        case Sealed():
            return _opened(value.open())
        case dict():
            return {key: _opened(item) for key, item in value.items()}
        case list():
            return [_opened(item) for item in value]
    return value


def _leaves(value: Any) -> list[Any]:
    opened = _opened(value)
    if isinstance(opened, dict | list):
        items = opened.values() if isinstance(opened, dict) else opened
        return [leaf for item in items for leaf in _leaves(item)]
    return [opened]
