"""TLSA records (RFC 6698, RFC 7672): which key a mail host must show."""

import re
from dataclasses import dataclass

from readers.mistake import MistakeError

_LENGTHS = {1: 64, 2: 128}
"""Hexadecimal digits of a digest, by matching type: SHA-256, SHA-512."""


@dataclass(frozen=True)
class Tlsa:
    """One record: certificate usage, selector, matching type and data in lower case."""

    usage: int
    selector: int
    matching: int
    data: str

    @property
    def is_for_mail(self) -> bool:
        """Whether senders of mail use it: trust anchor or end entity (RFC 7672 section 3.1)."""
        return self.usage in (2, 3)


def parse(data: str) -> Tlsa:
    """Read a record's data, such as `3 1 1 2e3f...`.

    Raises:
        MistakeError: it is none.
    """
    words = data.split()
    if len(words) < 4 or not all(re.fullmatch("[0-9]{1,3}", word) for word in words[:3]):
        raise MistakeError(data, "is not usage, selector, matching type and data")
    usage, selector, matching = (int(word) for word in words[:3])
    digits = "".join(words[3:]).lower()
    if usage > 3 or selector > 1 or matching > 2:
        raise MistakeError(data, f"{usage} {selector} {matching} is nothing that RFC 6698 knows")
    if not re.fullmatch("(?:[0-9a-f]{2})+", digits) or len(digits) != _LENGTHS.get(
        matching, len(digits)
    ):
        raise MistakeError(data, "holds data of another length, or no hexadecimal digits")
    return Tlsa(usage, selector, matching, digits)
