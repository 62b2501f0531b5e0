"""Failures as an operator reads them: one line, and nothing secret in it."""

from collections.abc import Iterable

_SHORTEST = 4
"""Length of a text below which hiding it would only garble the message."""


class OperationError(Exception):
    """An operation on a resource failed; the message is one line and names no secret."""


def redacted(message: str, secrets: Iterable[str]) -> str:
    """Return a message on one line, with every secret replaced.

    Each line of a secret of several lines counts as one, as a tool may quote a single line of it.
    """
    texts = {line.strip() for text in secrets for line in (text, *text.splitlines())}
    for text in sorted(texts, key=len, reverse=True):
        if len(text) >= _SHORTEST:
            message = message.replace(text, "[secret]")
    return "; ".join(line.strip() for line in message.splitlines() if line.strip())
