"""What is known to break between releases, each with its source; and how a commit says so itself.

The table holds what touched installations of this kind. It is read from Mailcow's history; a
release that is not in it yet may still break something, which is why the messages of all commits
in between are searched, and why an upgrade is proved.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from operations.update.releases import parse

COMMIT = "https://github.com/mailcow/mailcow-dockerized/commit/"
"""Where a commit is looked up."""


@dataclass(frozen=True)
class Note:
    """One thing that an upgrade across a release brings with it.

    Attributes:
        tag: First release that has it; empty if it was found in the history.
        text: What changes, and what it means here.
        source: Where that can be read.
    """

    tag: str
    text: str
    source: str


TABLE = (
    Note(
        "2025-01",
        "Redis asks for a password: REDISPASS must be in mailcow.conf (it is written here).",
        f"{COMMIT}89fb1322c",
    ),
    Note(
        "2025-01",
        "Full-text search is Flatcurve instead of Solr: SKIP_SOLR, SOLR_HEAP and SOLR_PORT are "
        "gone, solr-mailcow too; its volume stays behind, unused. Every mailbox is indexed anew.",
        f"{COMMIT}3e8bb06a3",
    ),
    Note(
        "2025-02",
        "MariaDB 10.5 becomes 10.11, which changes its files: an older server cannot read them, "
        "so there is no ordinary way back across this release.",
        f"{COMMIT}4ac541f67",
    ),
    Note("2025-07", "ACME_CONTACT is gone from mailcow.conf.", f"{COMMIT}ec6dbb099"),
    Note(
        "2025-09",
        "DISABLE_IPv6 becomes ENABLE_IPV6 with the opposite sense, and ipv6nat-mailcow is gone: "
        "Docker itself does it. Networks must be taken down and made anew.",
        f"{COMMIT}88bf9b02e",
    ),
    Note(
        "2025-09c",
        "HTTP_REDIRECT is y by default; it is written here, so nothing changes behind Traefik.",
        f"{COMMIT}171c591da",
    ),
    Note(
        "2025-12",
        "SOGo encrypts login URLs only if SOGO_URL_ENCRYPTION_KEY is set; it is written here.",
        f"{COMMIT}ec472f13c",
    ),
    Note(
        "2026-07",
        "Postfix is built on Debian 13, and postscreen's blacklist_action is denylist_action: a "
        "line of one's own in extra.cf with the old name would have no effect.",
        f"{COMMIT}31e155066",
    ),
)  # fmt: skip
"""Sorted by release."""

_MARK = re.compile(r"(?im)^.*\bBREAKING\b.*$|^\w+(\([^)]*\))?!:.*$")


def between(pinned: str, target: str) -> list[Note]:
    """Return the known notes of the releases after `pinned`, up to `target`."""
    start, end = parse(pinned), parse(target)
    if start is None or end is None:
        return []
    return [note for note in TABLE if (tag := parse(note.tag)) and start < tag <= end]


def said(history: Iterable[tuple[str, str]]) -> list[Note]:
    """Return what commits say of themselves: lines with `BREAKING`, subjects with `!:`.

    Args:
        history: Commit and message of each.
    """
    return [
        Note("", match[0].strip(), f"{COMMIT}{commit[:9]}")
        for commit, message in history
        for match in _MARK.finditer(message)
    ]
