"""The certificate of a drill: what was restored, from when, and what was compared.

It names no person and holds no secret. The policy `drill-in-time` reads it.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from declaration.model import Declaration
from operations.drill.holding import Drill

NAME = "drill.json"
"""Name of the certificate in the folder of evidence."""


def certificate(
    drill: Drill, declaration: Declaration, *, place: str, rehearsed: bool, now: datetime
) -> dict[str, Any]:
    """Return the certificate of a drill.

    Args:
        drill: What was found.
        declaration: The declaration.
        place: Where it was held, in words.
        rehearsed: Whether that is a rehearsed world, whose drill says nothing of the real stack.
        now: When it was held.
    """
    return {
        "bucket": declaration.backup.bucket,
        "checks": {check.id: {"good": check.ok, "number": check.number} for check in drill.checks},
        "domain": declaration.domain,
        "good": drill.ok,
        "held": now.astimezone(UTC).isoformat(timespec="seconds"),
        "place": place,
        "rehearsed": rehearsed,
        "release": drill.release,
        "seconds": drill.seconds,
        "snapshot": drill.snapshot,
        "taken": drill.taken,
    }


def write(folder: Path, document: dict[str, Any]) -> Path:
    """Write the certificate in one step and return its file."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{NAME}.new"
    draft.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", "utf-8")
    return draft.replace(folder / NAME)
