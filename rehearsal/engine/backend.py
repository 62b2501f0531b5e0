"""Where a stack's state lies: the layout of Pulumi's file backend, and the mark of an open run."""

import json
import os
from datetime import datetime
from pathlib import Path

from rehearsal.engine import checkpoint
from rehearsal.engine.checkpoint import StateRefusedError
from rehearsal.engine.lock import LockedError, StackLock
from rehearsal.engine.model import ResourceState
from rehearsal.engine.order import dependencies_first
from rehearsal.engine.sealing import Sealer
from rehearsal.private_file import sync_folder, write_private


class CutShortError(Exception):
    """A run began to change things and did not come to its end."""


class StateNotWrittenError(Exception):
    """What was done could not be written down."""


class Backend:
    """One stack below `<folder>/.pulumi`.

    The state is written once, at the end of a run. What a run has changed until then is known to
    it alone: so it leaves a mark before its first change, and takes it away after the state was
    read back. Who finds a mark knows that the state is not to be trusted.
    """

    def __init__(self, folder: Path, project: str, stack: str) -> None:
        """Name the stack; nothing is touched yet."""
        self._folder = folder / ".pulumi"
        self._name = f"organization/{project}/{stack}"
        self.path = self._folder / "stacks" / project / f"{stack}.json"
        self._mark = self._folder / f"{project}.{stack}.open"

    def lock(self) -> StackLock:
        """Return a lock for who has no other place for it."""
        return StackLock(self._mark.with_suffix(".lock"), self._name.rpartition("/")[2])

    # --- the mark -----------------------------------------------------------------------------

    def cut_short(self) -> str:
        """Return which run did not come to its end, in words; empty where none is open."""
        try:
            run = json.loads(self._mark.read_text())
            return f"`{run['command']}` of {run['since']} (pid {run['pid']}) was cut short"
        except FileNotFoundError:
            return ""
        except (ValueError, KeyError, TypeError):
            return "a run was cut short"

    def begin(self, command: str) -> None:
        """Leave the mark: from here on something may change.

        Raises:
            StateNotWrittenError: there is no room for it; nothing was changed.
        """
        since = datetime.now().astimezone().isoformat(" ", "seconds")
        run = {"command": command, "pid": os.getpid(), "since": since}
        try:
            self._mark.parent.mkdir(parents=True, exist_ok=True)
            write_private(self._mark, json.dumps(run))
        except OSError as error:
            raise StateNotWrittenError(
                f"nothing was changed: {self._mark} cannot be written: {error.strerror or error}"
            ) from None

    def end(self) -> None:
        """Take the mark away: the state holds everything."""
        if self._mark.exists():
            self._mark.unlink()
            sync_folder(self._mark.parent)

    def refuse_open(self) -> None:
        """Refuse to go on where another run has not ended.

        Raises:
            CutShortError: one of this engine left its mark.
            LockedError: one of the genuine engine's left its lock.
        """
        if words := self.cut_short():
            raise CutShortError(
                f"{words}: what stands is not known, and the world must be made anew, which "
                "`make rehearse` and `python -m rehearsal up` do"
            )
        for path in sorted((self._folder / "locks" / self._name).glob("*.json")):
            raise LockedError(
                f"the genuine engine is at work on this stack, or was killed ({path}): "
                "`pulumi cancel` removes a lock left over"
            )

    # --- the state ----------------------------------------------------------------------------

    def salt(self) -> str | None:
        """Return the salt that the state is sealed with, None where there is no state."""
        data = self._data()
        return checkpoint.salt_of(data) if data else None

    def load(self, sealer: Sealer) -> list[ResourceState]:
        """Return the resources of the state.

        Raises:
            StateRefusedError: the state is of a kind that is not known.
        """
        data = self._data()
        resources = checkpoint.read(data, sealer.open) if data else []
        for serial, state in enumerate(resources):
            state.serial = serial
        return resources

    def save(self, resources: list[ResourceState], sealer: Sealer) -> None:
        """Write the state and read it back; until then the last one stands.

        Raises:
            StateNotWrittenError: it could not be written; the last one still stands.
        """
        data = checkpoint.write(self._name, dependencies_first(resources), sealer)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            meta = self._folder / "meta.yaml"
            if not meta.exists():
                write_private(meta, "version: 1\n")
            write_private(self.path, data)
            # The genuine engine keeps a file's attributes, its MD5 among them, beside it.
            self.path.with_name(f"{self.path.name}.attrs").unlink(missing_ok=True)
            self.load(sealer)
        except (OSError, StateRefusedError) as error:
            words = getattr(error, "strerror", None) or error
            raise StateNotWrittenError(
                f"what was done is lost, for {self.path} cannot be written: {words}. The last "
                "state is still there; make room, and the next run makes the world anew"
            ) from None

    def _data(self) -> bytes:
        return self.path.read_bytes() if self.path.exists() else b""
