"""Keeps secrets out of everything that is written for a reader."""

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from rehearsal.engine.values import SENTINEL

MASK = "[secret]"
_SHORTEST = 3
_SHORTEST_LINE = 12


class Scrubber:
    """Replaces every known secret in a text, in the spellings it commonly appears in."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._spellings: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def __repr__(self) -> str:
        return f"Scrubber({len(self._known)} secrets)"

    def learn(self, secrets: Iterable[str]) -> None:
        """Take in secrets; ones too short to be told from ordinary words are left out."""
        for text in secrets:
            if text in self._known or len(text) < _SHORTEST or text == SENTINEL:
                continue
            self._known.add(text)
            self._spellings |= _spellings(text)
            self._pattern = None

    def scrub(self, text: str) -> str:
        """Return the text with every known secret masked."""
        if not self._spellings:
            return text
        if self._pattern is None:
            longest_first = sorted(self._spellings, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))
        return self._pattern.sub(MASK, text)


def _spellings(text: str) -> set[str]:
    found = {text, json.dumps(text)[1:-1], repr(text)[1:-1], quote(text), quote_plus(text)}
    found.add(base64.b64encode(text.encode()).decode())
    # A key of several lines may appear in a log one line at a time.
    if "\n" in text:
        found |= {
            line.strip()
            for line in text.splitlines()
            if len(line.strip()) >= _SHORTEST_LINE and not line.startswith("-----")
        }
    return {spelling for spelling in found if len(spelling) >= _SHORTEST}
