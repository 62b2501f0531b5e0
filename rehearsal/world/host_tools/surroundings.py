"""What every tool of the rehearsed host finds around it."""

import json
import os
import sys
from pathlib import Path


class ToolError(Exception):
    """A tool gives up: what it says on standard error, and its exit status."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


def root() -> Path:
    """Return the scratch root of the host.

    Raises:
        ToolError: there is none; these tools must never touch a real host.
    """
    destination = os.environ.get("DESTDIR", "")
    if not destination.startswith("/") or Path(destination) == Path("/"):
        raise ToolError("DESTDIR is not set: this tool works on a rehearsed host alone")
    return Path(destination)


def on_host(path: str) -> Path:
    """Return where an absolute path of the host lies; a path below the scratch root stays."""
    top = root()
    given = Path(path)
    return given if given.is_relative_to(top) else top / path.lstrip("/")


def as_on_host(path: Path | str) -> str:
    """Return a path as the host itself would call it: without the scratch root."""
    given, top = Path(path), root()
    return f"/{given.relative_to(top)}" if given.is_relative_to(top) else str(given)


def state() -> Path:
    """Return the folder in which the tools keep what a real host keeps in the kernel or PID 1."""
    folder = Path(os.environ.get("REHEARSAL_STATE") or root().parent / "host-state")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def tools() -> Path:
    """Return the folder of the tools themselves."""
    return Path(os.environ.get("REHEARSAL_TOOLS") or state() / "tools")


def told_to_fail(tool: str) -> int | None:
    """Return the exit status that a fault demands of `tool`, None without one."""
    faults = json.loads(os.environ.get("REHEARSAL_TOOL_FAULTS") or "{}")
    return int(faults[tool]) if tool in faults else None


def say(text: str, *, end: str = "\n") -> None:
    """Write to standard output."""
    sys.stdout.write(text + end)


def complain(text: str) -> None:
    """Write to standard error."""
    sys.stderr.write(text + "\n")
