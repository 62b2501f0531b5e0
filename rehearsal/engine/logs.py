"""The logs of a run: the program's two streams and the engine's events, secrets masked."""

import json
from pathlib import Path
from typing import TextIO

from rehearsal.engine.model import Event
from rehearsal.engine.scrub import Scrubber


class Logs:
    """Writes to `program.stdout.log`, `program.stderr.log` and `events.jsonl` of one folder."""

    def __init__(self, folder: Path | None, scrubber: Scrubber) -> None:
        """Open the logs; without a folder nothing is written."""
        self._scrubber = scrubber
        self._files: dict[str, TextIO] = {}
        self.failure: OSError | None = None
        """Why the logs end before the run does."""
        if folder is None:
            return
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in ("program.stdout.log", "program.stderr.log", "events.jsonl"):
            self._files[name] = (folder / name).open("w", encoding="utf-8", buffering=1)

    def hear(self, stream: str, line: str) -> None:
        """Write a line of the program."""
        self._write(f"program.{stream}.log", self._scrubber.scrub(line))

    def event(self, event: Event) -> None:
        """Write an event of the engine; its texts are masked already."""
        if self._files:
            self._write("events.jsonl", json.dumps(event.shown(), ensure_ascii=False))

    def close(self) -> None:
        """Close the files."""
        files, self._files = self._files, {}
        for file in files.values():
            try:
                file.close()
            except OSError as error:
                self.failure = self.failure or error

    def _write(self, name: str, line: str) -> None:
        file = self._files.get(name)
        if file is None:
            return
        try:
            file.write(f"{line}\n")
        except OSError as error:
            # A run is not lost for its log; whoever asked for it is told in the end.
            self.failure = error
            self.close()
