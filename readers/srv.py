"""SRV records (RFC 2782, RFC 6186): where a service is, or that it is not offered."""

import re
from dataclasses import dataclass

from readers.mistake import MistakeError


@dataclass(frozen=True)
class Srv:
    """One record; the target in lower case without its final dot, empty for not offered."""

    priority: int
    weight: int
    port: int
    target: str

    @property
    def offered(self) -> bool:
        """Whether there is such a service."""
        return self.target != ""


def parse(data: str) -> Srv:
    """Read a record's data, such as `0 1 993 mx.example.com`.

    Raises:
        MistakeError: it is none.
    """
    match = re.fullmatch(r"(\d{1,5})\s+(\d{1,5})\s+(\d{1,5})\s+(\S+)", data.strip())
    if match is None or any(int(match[index]) > 65535 for index in (1, 2, 3)):
        raise MistakeError(data, "is not priority, weight, port and target")
    target = match[4].lower().rstrip(".")
    if re.fullmatch(r"[0-9.]+|.*:.*", target):
        raise MistakeError(data, f"{target} is an address, and a target is a name")
    return Srv(int(match[1]), int(match[2]), int(match[3]), target)
