"""The one lock of a stack: the kernel's, so that it dies with its holder.

The file stays where it is for ever: a lock on a file that is unlinked excludes nobody.
"""

import fcntl
import json
import os
import shlex
import sys
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

_LONGEST_COMMAND = 120


class LockedError(Exception):
    """Another run is at work on this stack; the message says which, and since when."""


class StackLock:
    """Held while a command is at work; its holder may enter it again."""

    def __init__(self, path: Path, stack: str) -> None:
        """Name the lock; nothing is touched yet.

        Args:
            path: Its file.
            stack: Name of the stack, for the message.
        """
        self._path = path
        self._stack = stack
        self._file: TextIO | None = None
        self._depth = 0

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            LockedError: somebody else holds it.
        """
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = self._path.open("a+", encoding="utf-8")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = _described(file.read())
                file.close()
                raise LockedError(f"{self._stack} is in use: {holder}; wait for its end") from None
            file.truncate(0)
            file.write(json.dumps(_present()))
            file.flush()
            self._file = file
        self._depth += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._depth -= 1
        if not self._depth and self._file is not None:
            self._file.close()
            self._file = None


def _present() -> dict[str, str | int]:
    command = " ".join(shlex.join(["python", *sys.orig_argv[1:]]).split())
    if len(command) > _LONGEST_COMMAND:
        command = f"{command[:_LONGEST_COMMAND]}..."
    since = datetime.now().astimezone().isoformat(" ", "seconds")
    return {"pid": os.getpid(), "command": command, "since": since}


def _described(text: str) -> str:
    try:
        holder = json.loads(text)
        return f"pid {holder['pid']} ({holder['command']}), since {holder['since']}"
    except (ValueError, KeyError, TypeError):
        return "a command that has just begun"
