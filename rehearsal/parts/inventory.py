"""What is there of the catalogue on this machine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal.parts.catalogue import Debian, Part
from rehearsal.parts.debian import version as package_version
from rehearsal.parts.finder import binaries, find
from rehearsal.parts.go_modules import built


@dataclass(frozen=True)
class Held:
    """How a part stands on this machine.

    Attributes:
        part: The part.
        places: Where its programs are, by name; None for one that is missing.
        version: Version as far as it is known, empty otherwise.
        current: False where the cache holds another version than the pinned one.
    """

    part: Part
    places: dict[str, Path | None]
    version: str
    current: bool

    @property
    def complete(self) -> bool:
        """Whether nothing is left to install."""
        return self.current and None not in self.places.values()

    def as_dict(self) -> dict[str, Any]:
        """Return it for a JSON document."""
        return {
            "name": self.part.name,
            "purpose": self.part.purpose,
            "checks": self.part.checks,
            "source": str(self.part.source),
            "version": self.version,
            "complete": self.complete,
            "programs": {name: str(place) if place else None
                         for name, place in self.places.items()},
        }  # fmt: skip


def held(part: Part) -> Held:
    """Look a part up on this machine."""
    places = {program: find(program) for program in part.programs}
    if isinstance(part.source, Debian):
        return Held(part, places, package_version(part.source.packages[0]), current=True)
    ours = any(place and place.parent == binaries() for place in places.values())
    if not ours:
        # A program on PATH is the user's own choice of version.
        return Held(part, places, "", current=True)
    version = built(part)
    return Held(part, places, version, current=version == part.source.version)
