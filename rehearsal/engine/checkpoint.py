"""Pulumi's checkpoint, version 3: how resources and a stack's state are written and read."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pulumi

from rehearsal.engine.model import ResourceState
from rehearsal.engine.sealing import Sealer
from rehearsal.engine.values import Properties, from_json, to_json

FEATURES_REFUSED = frozenset({"snippets", "views"})

_PLAIN_FIELDS = {
    # name in the checkpoint: name in ResourceState; written when set, in Pulumi's own order
    "id": "id",
    "parent": "parent",
    "protect": "protect",
    "external": "external",
    "dependencies": "dependencies",
    "initErrors": "init_errors",
    "provider": "provider",
    "propertyDependencies": "property_dependencies",
    "pendingReplacement": "pending_replacement",
    "additionalSecretOutputs": "additional_secret_outputs",
    "aliases": "aliases",
    "customTimeouts": "custom_timeouts",
    "importID": "import_id",
    "retainOnDelete": "retain_on_delete",
    "deletedWith": "deleted_with",
    "replaceWith": "replace_with",
    "created": "created",
    "modified": "modified",
    "sourcePosition": "source_position",
    "ignoreChanges": "ignore_changes",
    "replaceOnChanges": "replace_on_changes",
    "resourceHooks": "resource_hooks",
    "delete": "delete",
}
_KNOWN = {*_PLAIN_FIELDS, "urn", "type", "custom", "inputs", "outputs"}


class StateRefusedError(Exception):
    """The state cannot be read by this engine; the message says why and what to do."""


@dataclass
class PendingOperation:
    """An operation that was begun and not seen to end."""

    kind: str
    """`creating`, `updating`, `deleting`, `reading` or `importing`, as Pulumi writes it."""
    resource: ResourceState


@dataclass
class Checkpoint:
    """A stack's state, in clear."""

    resources: list[ResourceState] = field(default_factory=list)
    pending: list[PendingOperation] = field(default_factory=list)


def now() -> str:
    """Return the present time as the checkpoint writes it."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def write_resource(state: ResourceState, seal: Callable[[str], str]) -> dict[str, Any]:
    """Return a resource as the checkpoint holds it."""
    entry: dict[str, Any] = {"urn": state.urn, "custom": state.custom, "type": state.type}
    for name, properties in (("inputs", state.inputs), ("outputs", state.outputs)):
        if properties:
            entry[name] = {key: to_json(properties[key], seal) for key in sorted(properties)}
    for name, attribute in _PLAIN_FIELDS.items():
        value = getattr(state, attribute)
        if value:
            entry[name] = value
    return entry | state.extra


def read_resource(entry: Mapping[str, Any], unseal: Callable[[str], str]) -> ResourceState:
    """Return a resource that the checkpoint holds.

    Fields that this engine has no use for are kept and written back.
    """

    def properties(name: str) -> Properties:
        return {key: from_json(item, unseal) for key, item in (entry.get(name) or {}).items()}

    known = {attribute: entry[name] for name, attribute in _PLAIN_FIELDS.items() if entry.get(name)}
    return ResourceState(
        urn=entry["urn"],
        type=entry["type"],
        custom=entry["custom"],
        inputs=properties("inputs"),
        outputs=properties("outputs"),
        extra={key: value for key, value in entry.items() if key not in _KNOWN},
        **known,
    )


def write(stack: str, content: Checkpoint, sealer: Sealer) -> bytes:
    """Return the checkpoint file; one resource a line, so that it can be read and compared."""
    version = f"v{pulumi.version.version}" if hasattr(pulumi, "version") else "v3"
    head = {
        "manifest": {
            "time": now(),
            "magic": hashlib.sha256(version.encode()).hexdigest(),
            "version": version,
        },
        "secrets_providers": {"type": "passphrase", "state": {"salt": sealer.salt}},
    }
    resources = [write_resource(state, sealer.seal) for state in content.resources]
    pending = [
        {"resource": write_resource(one.resource, sealer.seal), "type": one.kind}
        for one in content.pending
    ]
    latest = ",\n".join(
        [
            *(f"{_compact(name)}: {_compact(value)}" for name, value in head.items()),
            *_listed("resources", resources),
            *_listed("pending_operations", pending),
            '"metadata": {}',
        ]
    )
    name = _compact(stack)
    features = _features(content.resources)
    # Version 4 is version 3 with a list of what a reader must know of.
    kind = f'"version": 4, "features": {_compact(features)}' if features else '"version": 3'
    return (f'{{{kind}, "checkpoint": {{"stack": {name}, "latest": {{\n{latest}\n}}}}}}\n').encode()


def _features(resources: Iterable[ResourceState]) -> list[str]:
    """Return what an older engine could not keep, as the genuine one names it."""
    found: set[str] = set()
    for state in resources:
        found.update(name for name in ("refreshBeforeUpdate", "taint") if state.extra.get(name))
        if state.resource_hooks:
            found.add("hooks")
        if state.replace_with:
            found.add("replaceWith")
    return sorted(found)


def _listed(name: str, entries: Iterable[Mapping[str, Any]]) -> list[str]:
    lines = ",\n".join(_compact(entry) for entry in entries)
    return [f'"{name}": [\n{lines}\n]'] if lines else []


def _compact(thing: Any) -> str:
    return json.dumps(thing, separators=(",", ":"), ensure_ascii=False)


def salt_of(data: bytes) -> str | None:
    """Return the salt that a checkpoint file was sealed with, None where it has no secrets.

    Raises:
        StateRefusedError: its secrets belong to another kind of provider.
    """
    latest = json.loads(data)["checkpoint"].get("latest") or {}
    provider = latest.get("secrets_providers")
    if not provider:
        return None
    if provider.get("type") != "passphrase":
        message = f"the state's secrets belong to {provider.get('type')}, known is passphrase"
        raise StateRefusedError(message)
    return str(provider["state"]["salt"])


def read(data: bytes, unseal: Callable[[str], str]) -> Checkpoint:
    """Return the content of a checkpoint file.

    Raises:
        StateRefusedError: its version or one of its features is not known.
    """
    document = json.loads(data)
    version = document.get("version")
    refused = FEATURES_REFUSED.intersection(document.get("features") or ())
    if version not in {3, 4} or refused:
        message = f"the state has version {version} {sorted(refused)}, known is version 3"
        raise StateRefusedError(message)
    latest = document["checkpoint"].get("latest") or {}
    return Checkpoint(
        [read_resource(entry, unseal) for entry in latest.get("resources") or ()],
        [
            PendingOperation(entry["type"], read_resource(entry["resource"], unseal))
            for entry in latest.get("pending_operations") or ()
        ],
    )
