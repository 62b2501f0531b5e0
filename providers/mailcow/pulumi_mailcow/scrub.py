"""Which values of a request to Mailcow must not be seen by a person or a log."""

import re
from collections.abc import Iterator
from typing import Any

SECRET_NAMES = re.compile(r"passw|private_key|^authkey$", re.IGNORECASE)
"""Names of what Mailcow takes and must not be repeated; `app_passwd` and `password1` are among
them."""


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
