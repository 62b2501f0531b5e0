"""Mailcow's releases: their tags, their order, and which of them is taken."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from operations.site import SiteError

_SHAPE = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])([a-z]?)")
NEWEST = "newest"
"""In place of a tag: the newest there is."""


class UpdateError(SiteError):
    """An upgrade cannot be done; the message says why, and what is to be done."""


@dataclass(frozen=True, order=True)
class Release:
    """A release: year, month, and the letter of its correction, none at first.

    Their order is the order in which they appeared: `2026-07` < `2026-07a` < `2026-08`.
    """

    year: int
    month: int
    letter: str = ""

    def __str__(self) -> str:
        """Return its tag."""
        return f"{self.year}-{self.month:02d}{self.letter}"


def parse(tag: str) -> Release | None:
    """Return the release that a tag names, None if it names none."""
    match = _SHAPE.fullmatch(tag)
    return Release(int(match[1]), int(match[2]), match[3]) if match else None


def listed(text: str) -> dict[str, str]:
    """Return the commit of each release, from what `git ls-remote --tags` says.

    A tag with a message of its own is listed twice; the commit is the one marked with `^{}`.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        commit, _, reference = line.partition("\t")
        tag, peeled, _ = reference.removeprefix("refs/tags/").partition("^{}")
        if parse(tag) and (peeled or tag not in found):
            found[tag] = commit.strip()
    return found


def beyond(pinned: str, tags: Mapping[str, str]) -> list[str]:
    """Return the releases after the pinned one, oldest first."""
    start = parse(pinned)
    later = (release for release in map(parse, tags) if release and start and release > start)
    return [str(release) for release in sorted(later)]


def choose(wanted: str, pinned: str, tags: Mapping[str, str]) -> str | None:
    """Return the release to upgrade to, None if there is nothing beyond the pinned one.

    Args:
        wanted: A tag, `newest`, or nothing for the next one.
        pinned: Tag that is declared.
        tags: Every release of the repository.

    Raises:
        UpdateError: it is no release of the repository, or is older than the pinned one.
    """
    later = beyond(pinned, tags)
    if wanted in {"", NEWEST}:
        return (later[0] if not wanted else later[-1]) if later else None
    if wanted == pinned:
        return None
    asked, start = parse(wanted), parse(pinned)
    if asked is None:
        raise UpdateError(f"{wanted} is no release: their tags look like 2026-07 or 2026-07a")
    if wanted not in tags:
        there = ", ".join(later) or "none beyond the pinned one"
        raise UpdateError(f"the repository has no release {wanted}; there is: {there}")
    if start and asked < start:
        raise UpdateError(
            f"{wanted} is older than {pinned}. Mailcow cannot be taken back: an older release "
            "does not understand the newer database. The way back from an upgrade that has just "
            "failed is `return`, which brings the database along."
        )
    return wanted
