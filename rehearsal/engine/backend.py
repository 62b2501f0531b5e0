"""Where a stack's state lies: the layout of Pulumi's file backend, and the journal beside it."""

import hashlib
import os
from pathlib import Path

from rehearsal.engine import checkpoint, journal
from rehearsal.engine.checkpoint import Checkpoint, PendingOperation, StateRefusedError
from rehearsal.engine.lock import StackLock
from rehearsal.engine.model import ResourceState
from rehearsal.engine.order import dependencies_first
from rehearsal.engine.sealing import Sealer


class Backend:
    """One stack below `<folder>/.pulumi`."""

    def __init__(self, folder: Path, project: str, stack: str) -> None:
        """Name the stack; nothing is touched yet."""
        self._folder = folder / ".pulumi"
        self._project = project
        self._stack = stack
        self.path = self._folder / "stacks" / project / f"{stack}.json"
        self._journal = self._folder / "journals" / project / f"{stack}.journal"

    def lock(self) -> StackLock:
        """Return the stack's lock, not yet taken."""
        return StackLock(self._folder, self._project, self._stack)

    def salt(self) -> str | None:
        """Return the salt that the state is sealed with, None where there is no state."""
        data = self._data()
        return checkpoint.salt_of(data) if data else None

    def load(self, sealer: Sealer) -> tuple[Checkpoint, bool]:
        """Return the state, and whether a run left a journal that had to be folded in.

        Nothing is written; the journal stays until `save`.

        Raises:
            StateRefusedError: the state is of a kind that is not known, or was changed by another
                engine after a run of this one was cut short.
        """
        data = self._data()
        content = checkpoint.read(data, sealer.open) if data else Checkpoint()
        for serial, state in enumerate(content.resources):
            state.serial = serial
        if not self._journal.exists():
            return content, False
        return self._fold(content, _digest(data), sealer)

    def open_journal(self) -> journal.Journal:
        """Return an empty journal upon the present checkpoint."""
        return journal.Journal(self._journal, _digest(self._data()))

    def save(self, content: Checkpoint, sealer: Sealer, log: journal.Journal | None) -> None:
        """Write the state, all or nothing, and take the journal away."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        meta = self._folder / "meta.yaml"
        if not meta.exists():
            meta.write_text("version: 1\n")
        ordered = Checkpoint(dependencies_first(content.resources), content.pending)
        data = checkpoint.write(f"organization/{self._project}/{self._stack}", ordered, sealer)
        if log is not None:
            log.close_with(_digest(data))
        _replace(self.path, data)
        # The genuine engine keeps a file's attributes, its MD5 among them, beside it.
        self.path.with_name(self.path.name + ".attrs").unlink(missing_ok=True)
        if log is not None:
            log.remove()
        self._journal.unlink(missing_ok=True)

    def _data(self) -> bytes:
        return self.path.read_bytes() if self.path.exists() else b""

    def _fold(self, content: Checkpoint, digest: str, sealer: Sealer) -> tuple[Checkpoint, bool]:
        records = list(journal.read(self._journal))
        if not records or records[-1].get("result") == digest:
            return content, False
        if records[0].get("base") != digest:
            message = (
                f"a run was cut short, and the state was changed by another engine since: "
                f"{self._journal} no longer fits {self.path}. Compare them, then move the "
                f"journal away"
            )
            raise StateRefusedError(message)
        return fold(content, records, sealer), True


def fold(content: Checkpoint, records: list[journal.Record], sealer: Sealer) -> Checkpoint:
    """Return the state as the journal's records leave it."""
    table: dict[int, ResourceState] = {state.serial: state for state in content.resources}
    open_operations: dict[int, PendingOperation] = {}
    settled: set[str] = set()
    for record in records:
        match record["kind"]:
            case "begin":
                resource = checkpoint.read_resource(record["resource"], sealer.open)
                open_operations[record["token"]] = PendingOperation(record["op"], resource)
            case "end":
                open_operations.pop(record["token"], None)
            case "put":
                state = checkpoint.read_resource(record["resource"], sealer.open)
                state.serial = record["serial"]
                table[state.serial] = state
                settled.add(state.urn)
            case "drop":
                table.pop(record["serial"], None)
    earlier = [one for one in content.pending if one.resource.urn not in settled]
    return Checkpoint(
        [table[serial] for serial in sorted(table)], earlier + list(open_operations.values())
    )


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest() if data else ""


def _replace(path: Path, data: bytes) -> None:
    fresh = path.with_name(path.name + ".new")
    handle = os.open(fresh, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    try:
        os.write(handle, data)
        os.fsync(handle)
    finally:
        os.close(handle)
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
