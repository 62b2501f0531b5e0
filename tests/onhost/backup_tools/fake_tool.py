"""What the fakes on a test's PATH share: a record of their calls, and planted failures."""

import json
import os
import sys
from collections.abc import Sequence
from typing import Any


def record(name: str, words: Sequence[str]) -> None:
    """Keep the words of a call."""
    with open(os.environ["FAKE_CALLS"], "a", encoding="utf-8") as stream:  # noqa: PTH123 - fast start
        stream.write(json.dumps([name, *words]) + "\n")


def fault(step: str) -> Any:
    """Return what a test planted for a step, None for nothing.

    A list holds one fault for each call of the step.
    """
    planted = json.loads(os.environ["FAKE_FAULTS"]).get(step)
    if not isinstance(planted, list):
        return planted
    with open(os.environ["FAKE_CALLS"], encoding="utf-8") as stream:  # noqa: PTH123 - fast start
        asked = step.split(":")[1]
        times = sum(any(asked in word for word in json.loads(line)) for line in stream)
    return planted[times - 1] if times <= len(planted) else None


def fail(status: int) -> int:
    """Fail as tools do."""
    sys.stderr.write("Fatal: planted failure\n")
    return status
