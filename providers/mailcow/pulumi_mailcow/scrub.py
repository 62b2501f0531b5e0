"""Keep secrets out of anything a person or a log may see."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

REDACTED = "[secret]"
SECRET_NAMES = re.compile(r"passw|private_key|^authkey$", re.IGNORECASE)
"""Names of what Mailcow takes and must not be repeated; `app_passwd` and `password1` are among
them."""
SHORTEST = 4
"""Shorter values are not looked for: they would be found in every other word."""


class Scrubber:
    """Knows the secrets of one run, and takes them out of text."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: set[str] = set()
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """Look for these from now on, also as JSON, HTML and Mailcow would write them."""
        for secret in secrets:
            if len(secret) < SHORTEST:
                continue
            escaped = secret.replace(":", "\\:")
            markup = (
                secret.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
                .replace('"', "&quot;").replace("'", "&#039;")
            )  # fmt: skip
            spellings = {secret, escaped, escaped.replace(":", "\\:"), markup}
            spellings |= {json.dumps(one)[1:-1] for one in spellings}
            spellings |= {line for line in secret.splitlines() if len(line) > 16}
            self._secrets |= spellings

    def clean(self, text: str) -> str:
        """Return `text` with each known secret replaced."""
        for secret in sorted((one for one in self._secrets if one in text), key=len, reverse=True):
            text = text.replace(secret, REDACTED)
        return text


def secrets_in(body: Any) -> Iterator[str]:
    """Yield the values in a request that must not be repeated."""
    if isinstance(body, dict):
        for name, value in body.items():
            if isinstance(value, str) and SECRET_NAMES.search(name):
                yield value
            else:
                yield from secrets_in(value)
    elif isinstance(body, list):
        for item in body:
            yield from secrets_in(item)
