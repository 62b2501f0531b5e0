"""Keeps secrets out of everything that is written for a reader."""

import base64
import json
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

from rehearsal.engine.values import SENTINEL

MASK = "[secret]"
_SHORTEST = 3
_SHORTEST_LINE = 12
_HEAD = _SHORTEST
"""Characters by which the spellings are looked up."""


class Scrubber:
    """Replaces every known secret in a text, in the spellings it commonly appears in.

    The spellings lie in a table by their first characters and their length: a secret is added, and
    a text is gone through once, without regard to how many others there are.
    """

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._table: dict[str, dict[int, set[str]]] = {}

    def __repr__(self) -> str:
        return f"Scrubber({len(self._known)} secrets)"

    def learn(self, secrets: Iterable[str]) -> None:
        """Take in secrets; ones too short to be told from ordinary words are left out."""
        for text in secrets:
            if text in self._known or len(text) < _SHORTEST or text == SENTINEL:
                continue
            self._known.add(text)
            for spelling in _spellings(text):
                alike = self._table.setdefault(spelling[:_HEAD], {})
                if len(spelling) not in alike:
                    alike[len(spelling)] = set()
                    for length in sorted(alike, reverse=True):
                        alike[length] = alike.pop(length)
                alike[len(spelling)].add(spelling)

    def scrub(self, text: str) -> str:
        """Return the text with every known secret masked, the longest spelling first."""
        return "".join(self._pieces(text)) if self._known else text

    def _pieces(self, text: str) -> Iterator[str]:
        kept = place = 0
        while place <= len(text) - _HEAD:
            length = self._longest_at(text, place)
            if length:
                yield text[kept:place]
                yield MASK
                kept = place + length
            place += length or 1
        yield text[kept:]

    def _longest_at(self, text: str, place: int) -> int:
        alike = self._table.get(text[place : place + _HEAD], {})
        fitting = (size for size, known in alike.items() if text[place : place + size] in known)
        return next(fitting, 0)


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
