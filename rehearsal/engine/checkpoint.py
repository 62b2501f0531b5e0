"""Pulumi's checkpoint, version 3: how resources and a stack's state are written and read."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import pulumi

from rehearsal.engine.model import LEFT_OUT, ResourceState
from rehearsal.engine.sealing import Sealer
from rehearsal.engine.values import Properties, ValueRefusedError, from_json, to_json

_PLAIN_FIELDS = {
    # name in the checkpoint: name in ResourceState; written when set, in Pulumi's own order
    "id": "id",
    "parent": "parent",
    "protect": "protect",
    "dependencies": "dependencies",
    "initErrors": "init_errors",
    "provider": "provider",
    "propertyDependencies": "property_dependencies",
    "pendingReplacement": "pending_replacement",
    "additionalSecretOutputs": "additional_secret_outputs",
    "aliases": "aliases",
    "created": "created",
    "modified": "modified",
    "sourcePosition": "source_position",
    "replaceOnChanges": "replace_on_changes",
    "ignoreChanges": "ignore_changes",
    "resourceHooks": "resource_hooks",
    "delete": "delete",
}
_KNOWN = {*_PLAIN_FIELDS, "urn", "type", "custom", "inputs", "outputs"}
_REFUSED = ("external", "retainOnDelete", "deletedWith", "replaceWith", "taint")
"""Fields of a resource that would have to be obeyed, which this engine does not."""
_FEATURES = frozenset({"hooks", "refreshBeforeUpdate"})
"""Features of a version 4 that this engine knows, or can keep as it found them."""


class StateRefusedError(Exception):
    """The state cannot be read by this engine; the message says why and what to do."""


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

    Raises:
        StateRefusedError: it cannot be handled as the genuine engine would.
    """

    def properties(name: str) -> Properties:
        return {key: from_json(item, unseal) for key, item in (entry.get(name) or {}).items()}

    asked = [name for name in _REFUSED if entry.get(name)]
    if asked:
        raise StateRefusedError(f"{entry['urn']} has {', '.join(asked)} in the state; {LEFT_OUT}")
    known = {attribute: entry[name] for name, attribute in _PLAIN_FIELDS.items() if entry.get(name)}
    try:
        return ResourceState(
            urn=entry["urn"],
            type=entry["type"],
            custom=entry["custom"],
            inputs=properties("inputs"),
            outputs=properties("outputs"),
            extra={key: value for key, value in entry.items() if key not in _KNOWN},
            **known,
        )
    except ValueRefusedError as error:
        raise StateRefusedError(f"{entry['urn']} in the state: {error}; {LEFT_OUT}") from None


def write(stack: str, resources: Iterable[ResourceState], sealer: Sealer) -> bytes:
    """Return the checkpoint file; one resource a line, so that it can be read and compared."""
    version = f"v{pulumi.version.version}" if hasattr(pulumi, "version") else "v3"
    manifest = {
        "time": now(),
        "magic": hashlib.sha256(version.encode()).hexdigest(),
        "version": version,
    }
    secrets = {"type": "passphrase", "state": {"salt": sealer.salt}}
    entries = [write_resource(state, sealer.seal) for state in resources]
    parts = [f'"manifest": {_compact(manifest)}', f'"secrets_providers": {_compact(secrets)}']
    if entries:
        parts.append('"resources": [\n{}\n]'.format(",\n".join(map(_compact, entries))))
    latest = ",\n".join([*parts, '"metadata": {}'])
    # Version 4 is version 3 with a list of what a reader must know of.
    features = sorted(
        {"hooks" for entry in entries if "resourceHooks" in entry}
        | {"refreshBeforeUpdate" for entry in entries if entry.get("refreshBeforeUpdate")}
    )
    kind = f'"version": 4, "features": {_compact(features)}' if features else '"version": 3'
    name = _compact(stack)
    return f'{{{kind}, "checkpoint": {{"stack": {name}, "latest": {{\n{latest}\n}}}}}}\n'.encode()


def _compact(thing: Any) -> str:
    return json.dumps(thing, separators=(",", ":"), ensure_ascii=False)


def salt_of(data: bytes) -> str | None:
    """Return the salt that a checkpoint file was sealed with, None where it has no secrets.

    Raises:
        StateRefusedError: its secrets belong to another kind of provider, or it is no state.
    """
    provider = _latest(data).get("secrets_providers")
    if not provider:
        return None
    if provider.get("type") != "passphrase":
        message = f"the state's secrets belong to {provider.get('type')}, known is passphrase"
        raise StateRefusedError(message)
    return str(provider["state"]["salt"])


def read(data: bytes, unseal: Callable[[str], str]) -> list[ResourceState]:
    """Return the resources in a checkpoint file.

    Raises:
        StateRefusedError: its version or something in it is not known.
    """
    latest = _latest(data)
    begun = [
        f"{operation['type']} {operation['resource']['urn']}"
        for operation in latest.get("pending_operations") or ()
    ]
    if begun:
        raise StateRefusedError(
            f"the genuine engine was cut short while {', '.join(begun)}; go on with it "
            "(ENGINE=pulumi), or begin anew after `make clean`"
        )
    return [read_resource(entry, unseal) for entry in latest.get("resources") or ()]


def _latest(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data)
        version = document["version"]
        latest: dict[str, Any] = document["checkpoint"].get("latest") or {}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise StateRefusedError("the state is not one of Pulumi's") from None
    unknown = sorted(set(document.get("features") or ()) - _FEATURES)
    if version not in {3, 4} or unknown:
        words = f"version {version}" + (f" with {', '.join(unknown)}" if unknown else "")
        raise StateRefusedError(f"the state has {words}, which is not known; {LEFT_OUT}")
    return latest
