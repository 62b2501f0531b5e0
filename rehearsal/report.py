"""What a rehearsal shows: one line a subject, and the same as one JSON document."""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

_FONT_FACE = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
_LABEL = 14
_STYLES = {
    "ok": "bold green",
    "up": "bold green",
    "pass": "bold green",
    "same": "green",
    "failed": "bold red",
    "wait": "yellow",
    "anew": "yellow",
}


class Report:
    """Collects what happened; shows it to a person, or hands it to a machine."""

    def __init__(self, *, as_json: bool = False, record: Path | None = None) -> None:
        """Begin a report.

        Args:
            as_json: One JSON document on standard output at the end; nothing else goes there.
            record: File that gets a picture (SVG) of what was shown.
        """
        self._json = as_json
        self._record = record
        self.console = Console(
            stderr=as_json,
            quiet=as_json,
            record=record is not None,
            width=110 if record is not None else None,
            highlight=False,
            soft_wrap=record is None,
        )
        self.document: dict[str, Any] = {"ok": True}

    def line(self, label: str, text: str, status: str = "") -> None:
        """Show one line: a label, what there is to say, and how it stands."""
        if status == "failed":
            self.document["ok"] = False
        shown = Text("  ")
        shown.append(f"{label:<{_LABEL}}", style="bold")
        shown.append(text)
        if status:
            width = min(self.console.width, 110)
            gap = max(3, width - 2 - _LABEL - len(text) - len(status) - 2)
            shown.append(" " * gap)
            shown.append(status, style=_STYLES.get(status, ""))
        self.console.print(shown)

    def detail(self, text: str, style: str = "") -> None:
        """Show something that belongs to the line before."""
        for row in text.splitlines():
            self.console.print(Text(" " * (2 + _LABEL) + row, style=style))

    def put(self, key: str, value: Any) -> None:
        """Note a result for the JSON document."""
        self.document[key] = value

    def fail(self, text: str) -> None:
        """Note and show what went wrong, as it is."""
        self.document["ok"] = False
        self.document["error"] = text
        if not self._json:
            sys.stderr.write(f"{text}\n")

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator["Steps"]:
        """Show progress of `total` steps while the block runs."""
        columns = (
            TextColumn(f"  [bold]{label:<{_LABEL - 1}}[/bold]"),
            BarColumn(bar_width=40),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
        )
        # Where there is no terminal, a bar would leave nothing but an empty line.
        hidden = not self.console.is_terminal
        with Progress(*columns, console=self.console, transient=True, disable=hidden) as shown:
            yield Steps(shown, total)

    def finish(self) -> int:
        """End the report and return the exit code: 0 when all went well, 1 otherwise."""
        if self._json:
            sys.stdout.write(json.dumps(self.document, indent=2, default=str) + "\n")
        if self._record is not None:
            drawn = self.console.export_svg(title="make rehearse")
            # A picture in a repository shall not fetch fonts from elsewhere.
            self._record.write_text(_FONT_FACE.sub("", drawn))
        return 0 if self.document["ok"] else 1


class Steps:
    """A bar that grows with each finished step."""

    def __init__(self, progress: Progress, total: int) -> None:
        """Begin at zero of `total`."""
        self._progress = progress
        self._task = progress.add_task("", total=total)

    def done(self, name: str) -> None:
        """Count one step, and say which it was."""
        self._progress.update(self._task, advance=1, description=name)
