"""What a world is given in tests: the example's declaration, resolved, with parts changed."""

from collections.abc import Mapping
from typing import Any

from declaration.reading import Reading, load_values
from declaration.resolved import resolve
from tests.conftest import PROJECT


def declared(**changes: Any) -> dict[str, Any]:
    """Return the resolved declaration of a company at example.com.

    Args:
        changes: Values by key; those of a part are changed one by one.
    """
    values = load_values(PROJECT / "Pulumi.example.yaml")
    values |= {"smarthost": {"provider": "resend"}}
    for key, change in (
        {"domain": "example.com", "host": {"address": "192.0.2.7"}} | changes
    ).items():
        part = values.get(key)
        values[key] = (
            {**part, **change} if isinstance(part, dict) and isinstance(change, Mapping) else change
        )
    return resolve(Reading(values))
