"""The declaration as it comes about: Pulumi.example.yaml, with one answer after the other in it."""

import copy
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ruamel.yaml.comments import CommentedMap

from declaration import secrets
from declaration.mistakes import PREFIX, Mistake
from declaration.reading import Reading, load_values
from operations.site import SiteError
from operations.site.editing import REMOVED, edited

ASSUMED = (
    "mailcow.release", "mailcow.tiers", "mailcow.services", "traefik.dynamicDirectory",
    "traefik.acmeStorage", "monitoring.exporterImage", "monitoring.prometheusDirectory",
    "monitoring.grafanaDirectory",
)  # fmt: skip
"""What is taken over from the example, for the person to compare with the host."""


class Draft:
    """The values so far, and what has to be changed in the example for them."""

    def __init__(self, example: Path) -> None:
        """Begin with the example; DMARC begins today, for nothing was reported yet.

        Args:
            example: Pulumi.example.yaml.
        """
        self._text = example.read_text("utf-8")
        self._values = load_values(example)
        self._changes: dict[str, Any] = {}
        today = datetime.now(UTC).date().isoformat()
        self.put({"dmarc.stage": "none", "dmarc.since": today, "dmarc.reportsSince": REMOVED})

    def put(self, changes: Mapping[str, Any]) -> None:
        """Take values over, right or not.

        Args:
            changes: Values by path without `mail:`; `REMOVED` removes.
        """
        self._values = _with(self._values, changes)
        self._changes |= changes

    def refusals(self, changes: Mapping[str, Any], still_open: Iterable[str]) -> list[Mistake]:
        """Return what the declaration has against values, in its own words.

        Args:
            changes: As for `put`; nothing is taken over.
            still_open: Paths of what is asked later: what stands there now is the example's.
        """
        own = tuple(f"{PREFIX}{path}" for path in changes)
        before = {
            mistake for mistake in Reading(self._values).mistakes if not _below(mistake.path, own)
        }
        places = tuple(f"{PREFIX}{path}" for path in still_open)
        return [
            mistake
            for mistake in Reading(_with(self._values, changes)).mistakes
            if mistake not in before and not mistake.command and not _below(mistake.path, places)
        ]

    def value(self, path: str) -> Any:
        """Return what stands at a path, None where nothing does."""
        place: Any = self._values
        for key in path.split("."):
            place = place.get(key) if isinstance(place, Mapping) else None
        return place

    def mistakes(self) -> list[Mistake]:
        """Return everything that is wrong or missing, the secrets included."""
        reading = Reading(self._values)
        return [*reading.mistakes, *secrets.mistakes({}, reading.mailbox_names())]

    def text(self, stack: str) -> str:
        """Return the content of the file.

        Args:
            stack: Name of the stack.
        """
        lines = edited(self._text, self._changes).splitlines(keepends=True)
        while lines and lines[0].startswith("#"):  # those speak of the example
            lines.pop(0)
        head = (
            f"# The mail of {self.value('domain')}, stack `{stack}`. Written by `make new`;\n"
            "# docs/declaration.md explains every key.\n"
        )
        return head + "".join(lines)

    def write(self, file: Path, stack: str) -> None:
        """Write the file, which must not be there, and see that it says what was answered.

        Raises:
            SiteError: it is there already, or cannot be written.
        """
        try:
            with file.open("x", encoding="utf-8") as new:
                new.write(self.text(stack))
        except FileExistsError:
            raise SiteError(taken(file)) from None
        if load_values(file) != self._values:
            file.unlink()
            raise SiteError(f"{file.name} would not say what was answered; nothing was written")


def taken(file: Path) -> str:
    """Return what is said of a file that is there already."""
    return f"{file.name} is there already and stays as it is; name another: make new STACK=..."


def mailbox(name: str, full_name: str, quota: int, *, published: bool) -> CommentedMap:
    """Return a mailbox, which is written in one line."""
    settings = CommentedMap(name=name, fullName=full_name, quotaMib=quota)
    if published:
        settings["published"] = True
    settings.fa.set_flow_style()
    return settings


def _below(path: str, places: tuple[str, ...]) -> bool:
    return any(path == place or path.startswith((f"{place}.", f"{place}[")) for place in places)


def _with(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    changed = copy.deepcopy(dict(values))
    for path, value in changes.items():
        *folders, key = path.split(".")
        place = changed
        for folder in folders:
            place = place.setdefault(folder, {})
        if value is REMOVED:
            place.pop(key, None)
        else:
            place[key] = value
    return changed
