"""The stack's lock: the file that the genuine engine looks for, and one that dies with its owner.

The lock file is Pulumi's own (`.pulumi/locks/...`), so that either engine sees the other. It
outlives a process that was killed; beside it this engine holds a lock of the kernel's, which
does not, and so knows which of its own lock files are left over.
"""

import fcntl
import getpass
import json
import os
import socket
import uuid
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO


class LockedError(Exception):
    """Another run is at work on this stack."""


class StackLock:
    """Held while a run may change the state; used as a context manager."""

    def __init__(self, folder: Path, project: str, stack: str) -> None:
        """Prepare the lock of one stack below `folder`, the `.pulumi` of a backend."""
        self._folder = folder / "locks" / "organization" / project / stack
        self._held = folder / "locks" / f"{project}.{stack}.held"
        self._path = self._folder / f"{uuid.uuid4()}.json"
        self._handle: TextIO | None = None

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            LockedError: another run, of this engine or the genuine one, holds it.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        self._handle = self._held.open("a")
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._handle.close()
            self._refuse([self._describe(path) for path in sorted(self._folder.glob("*.json"))])
        self._clear_leftovers()
        self._path.write_text(json.dumps(_content()))
        others = [path for path in sorted(self._folder.glob("*.json")) if path != self._path]
        if others:
            described = [self._describe(path) for path in others]
            self.__exit__(None, None, None)
            self._refuse(described)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._path.unlink(missing_ok=True)
        if self._handle is not None:
            self._held.unlink(missing_ok=True)
            self._handle.close()

    def _clear_leftovers(self) -> None:
        """Remove lock files of this engine: their owner held the kernel's lock, which is free."""
        for path in self._folder.glob("*.json"):
            if _read(path).get("engine") == "rehearsal":
                path.unlink(missing_ok=True)

    def _describe(self, path: Path) -> str:
        found = _read(path)
        who = f"{found.get('username')}@{found.get('hostname')}"
        return f"pid {found.get('pid')} of {who}, since {found.get('timestamp')} ({path})"

    def _refuse(self, holders: list[str]) -> None:
        message = "another run is at work on this stack: " + (
            "; ".join(holders) or "it has just begun"
        )
        raise LockedError(
            message + ". Wait for it to end; `pulumi cancel` removes a lock left over"
        )


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _content() -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "username": getpass.getuser(),
        "hostname": socket.gethostname(),
        "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "engine": "rehearsal",
    }
