"""The resolved declaration: every default filled in, every derived name beside it, as data."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from declaration.model import Declaration
from declaration.reading import Reading

_UNKNOWN: Mapping[str, Any] = {
    "host_key": "", "dkim_public_key": "", "exporter_digest": "", "operator_addresses": ()
}  # fmt: skip


def resolve(reading: Reading) -> dict[str, Any]:
    """Return a declaration as data that anything can read: keys as in the file, and `names`.

    What only the operator's accounts can tell may be missing; it is empty then.

    Args:
        reading: One without mistakes, but for account facts that are missing.
    """
    missing = {name: empty for name, empty in _UNKNOWN.items() if name not in reading.parts}
    whole = Declaration.model_construct(**reading.parts, **missing)
    return whole.model_dump(mode="json", by_alias=True) | {"names": asdict(whole.names)}
