"""Keep secrets out of anything a person or a log may see."""

import html
import json
import re
from collections.abc import Iterable

REDACTED = "[secret]"
SHORTEST = 4
"""Shorter secrets are not looked for: they would be found in every other word."""

_MOVING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class Scrubber:
    """Knows the secrets of one run, and takes them out of text.

    They are found by how they begin, so that neither learning one nor cleaning a text takes longer
    the more of them there are.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._by_beginning: dict[str, set[str]] = {}
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """Look for these from now on, also as JSON, HTML and Mailcow would write them."""
        for secret in secrets:
            if len(secret) < SHORTEST:
                continue
            for spelling in _spellings(secret):
                self._by_beginning.setdefault(spelling[:SHORTEST], set()).add(spelling)

    def clean(self, text: str) -> str:
        """Return `text` with each known secret replaced, the longest that fits first.

        What others said may hold signs that move a terminal's cursor or turn the reading
        direction: they are replaced too.
        """
        parts: list[str] = []
        start = place = 0
        while place <= len(text) - SHORTEST:
            candidates = self._by_beginning.get(text[place : place + SHORTEST], ())
            length = max((len(s) for s in candidates if text.startswith(s, place)), default=0)
            if length:
                parts += [text[start:place], REDACTED]
                start = place = place + length
            else:
                place += 1
        return _MOVING.sub("\N{REPLACEMENT CHARACTER}", "".join([*parts, text[start:]]))

    def line(self, text: str) -> str:
        """Return `text` clean and on one line."""
        return "; ".join(part.strip() for part in self.clean(text).splitlines() if part.strip())


def _spellings(secret: str) -> set[str]:
    escaped = secret.replace(":", "\\:")
    markup = html.escape(secret).replace("&#x27;", "&#039;")
    spellings = {secret, escaped, escaped.replace(":", "\\:"), markup}
    spellings |= {json.dumps(spelling)[1:-1] for spelling in spellings}
    # A program quotes a single line of a key, rarely the whole.
    lines = {line.strip() for line in secret.splitlines()}
    return spellings | {line for line in lines if len(line) >= SHORTEST}
