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
        if folder is None:
            return
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in ("program.stdout.log", "program.stderr.log", "events.jsonl"):
            self._files[name] = (folder / name).open("w", encoding="utf-8", buffering=1)

    def hear(self, stream: str, line: str) -> None:
        """Write a line of the program."""
        self._write(f"program.{stream}.log", line)

    def event(self, event: Event) -> None:
        """Write an event of the engine."""
        if not self._files:
            return
        entry = {
            "kind": event.kind,
            "urn": event.urn,
            "op": event.op,
            "message": event.message,
            "severity": event.severity,
            "seconds": round(event.seconds, 6),
            "diff": [f"{change.kind} {change.path}" for change in event.diff],
        }
        shown = {key: value for key, value in entry.items() if value}
        self._write("events.jsonl", json.dumps(shown, ensure_ascii=False))

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _write(self, name: str, line: str) -> None:
        file = self._files.get(name)
        if file is not None:
            file.write(self._scrubber.scrub(line) + "\n")
