"""What the official plugins left in the state after they deployed `qual`, and a comparison with it.

Recorded with Pulumi's engine 3.276 and the plugins cloudflare 6.23.1, docker 5.2.0, minio 0.17.1
and command 1.2.1, on the rehearsed world and a genuine MinIO; secrets are masked, what is the
plugins' own (`__pulumi_raw_state_delta`) is taken out.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rehearsal.engine import ResourceView
from rehearsal.engine.values import Sealed

_MASK = "[secret]"


def recorded() -> dict[tuple[str, str], dict[str, Any]]:
    """Return what was recorded, by type and name."""
    file = Path(__file__).with_name("official-plugins-qual.json")
    return {(entry["type"], entry["name"]): entry for entry in json.loads(file.read_text())}


def differing(entry: Mapping[str, Any], resource: ResourceView) -> set[str]:
    """Return the paths at which a resource is of another shape than what was recorded of it."""
    ours = {"inputs": resource.inputs, "outputs": resource.outputs}
    return {path for part in ours for path in _paths(entry[part], ours[part], part)}


def _paths(theirs: Any, ours: Any, path: str) -> Iterator[str]:
    """Yield where two values differ: in keys, nulls, flags, numbers, kinds, and what is empty.

    The text of a text is another in each deployment, unless it is a plugin's own note.
    """
    if isinstance(theirs, Mapping) and isinstance(ours, Mapping):
        for key in theirs.keys() | ours.keys():
            place = f"{path}.{key}"
            if key not in theirs or key not in ours:
                yield place
            else:
                yield from _paths(theirs[key], ours[key], place)
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for index, pair in enumerate(zip(theirs, ours, strict=True)):
            yield from _paths(*pair, f"{path}[{index}]")
    elif not _alike(theirs, ours, path):
        yield path


def _alike(theirs: Any, ours: Any, path: str) -> bool:
    if theirs == _MASK or isinstance(ours, Sealed):
        return theirs == _MASK and isinstance(ours, Sealed)
    if isinstance(theirs, str) and isinstance(ours, str) and ".__" not in path:
        return bool(theirs) == bool(ours)
    return type(theirs) is type(ours) and theirs == ours
