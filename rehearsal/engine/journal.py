"""The journal: every change of the state, on disk before the run goes on.

One line is one commit and holds one or more records; a line cut short by a kill never happened.
Records carry resources as the checkpoint does, secrets sealed. A thread writes and syncs: commits
that arrive while it is at work share the next sync.
"""

import asyncio
import json
import os
import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

Record: TypeAlias = dict[str, Any]


class Journal:
    """An open journal, for one run."""

    def __init__(self, path: Path, base: str) -> None:
        """Begin a journal that applies to the checkpoint whose digest is `base`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._base = base
        self._file: int | None = None
        self._queue: queue.SimpleQueue[_Commit | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._failure: OSError | None = None

    @property
    def used(self) -> bool:
        """Whether anything was committed."""
        return self._file is not None

    async def commit(self, records: Sequence[Record]) -> None:
        """Write the records as one; returns when they are on disk.

        Raises:
            OSError: the disk refused.
        """
        self._open()
        commit = _Commit(_line(records))
        self._queue.put(commit)
        await commit.done

    def close_with(self, result: str) -> None:
        """End the journal: its content is about to be the checkpoint with the digest `result`."""
        self.close()
        if self._file is not None:
            os.write(self._file, _line([{"kind": "folded", "result": result}]))
            os.fsync(self._file)

    def close(self) -> None:
        """Let the writing thread finish."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def remove(self) -> None:
        """Take the journal away; the checkpoint holds everything."""
        self.close()
        if self._file is not None:
            os.close(self._file)
            self._file = None
        self.path.unlink(missing_ok=True)

    def _open(self) -> None:
        if self._file is not None:
            return
        self._file = os.open(self.path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        os.write(self._file, _line([{"kind": "open", "base": self._base}]))
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        ended = False
        while not ended:
            batch = [self._queue.get()]
            while not self._queue.empty():
                batch.append(self._queue.get())
            commits = [one for one in batch if one is not None]
            ended = len(commits) < len(batch)
            self._write(commits)

    def _write(self, commits: list["_Commit"]) -> None:
        if not commits or self._file is None:
            return
        failure: OSError | None = None
        try:
            os.write(self._file, b"".join(one.line for one in commits))
            os.fdatasync(self._file)
        except OSError as error:
            failure = error
        loop = commits[0].done.get_loop()
        loop.call_soon_threadsafe(_settle, commits, failure)


class _Commit:
    """A line that waits to be on disk."""

    __slots__ = ("done", "line")

    def __init__(self, line: bytes) -> None:
        self.line = line
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()


def _settle(commits: Iterable[_Commit], failure: OSError | None) -> None:
    for one in commits:
        if one.done.done():
            continue
        if failure is None:
            one.done.set_result(None)
        else:
            one.done.set_exception(failure)


def _line(records: Sequence[Record]) -> bytes:
    return json.dumps(records, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def read(path: Path) -> Iterator[Record]:
    """Yield the records of a journal that a run left behind."""
    for line in path.read_bytes().split(b"\n")[:-1]:
        try:
            records = json.loads(line)
        except ValueError:
            return
        yield from records
