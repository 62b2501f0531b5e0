"""Records as a zone holds them, before any provider's way of writing them."""

from dataclasses import dataclass
from enum import StrEnum

STRING_LIMIT = 255
"""Bytes in one string of a TXT record (RFC 1035 section 3.3)."""


class RecordType(StrEnum):
    """The record types that mail needs."""

    A = "A"
    AAAA = "AAAA"
    CAA = "CAA"
    CNAME = "CNAME"
    MX = "MX"
    SRV = "SRV"
    TLSA = "TLSA"
    TXT = "TXT"


@dataclass(frozen=True)
class Srv:
    """Data of a service record (RFC 2782). A target of `.` says that it is not offered."""

    priority: int
    weight: int
    port: int
    target: str

    def __str__(self) -> str:
        return f"{self.priority} {self.weight} {self.port} {self.target}"


@dataclass(frozen=True)
class Caa:
    """Data of a certification authority record (RFC 8659)."""

    flags: int
    tag: str
    value: str

    def __str__(self) -> str:
        return f'{self.flags} {self.tag} "{self.value}"'


@dataclass(frozen=True)
class Tlsa:
    """Data of a DANE record (RFC 6698)."""

    usage: int
    selector: int
    matching_type: int
    certificate: str

    def __str__(self) -> str:
        return f"{self.usage} {self.selector} {self.matching_type} {self.certificate}"


@dataclass(frozen=True)
class Record:
    """One record.

    Attributes:
        key: Stable name of the resource, such as `mx-a`.
        name: Fully qualified owner name, lower case, without the trailing dot.
        type: Record type.
        value: Address, host name or text (unquoted, in one piece), or the parts of the data.
        purpose: What it is for, in a few words; shown beside the record at the provider.
        preference: Preference of an MX record.
    """

    key: str
    name: str
    type: RecordType
    value: str | Srv | Caa | Tlsa
    purpose: str
    preference: int | None = None

    @property
    def proxiable(self) -> bool:
        """Whether Cloudflare could put its proxy before it, and so has to be told not to."""
        return self.type in {RecordType.A, RecordType.AAAA, RecordType.CNAME}

    def __str__(self) -> str:
        if self.type is RecordType.TXT:
            shown = quote_text(str(self.value))
        elif self.preference is not None:
            shown = f"{self.preference} {self.value}"
        else:
            shown = str(self.value)
        return f"{self.name} {self.type} {shown}"


def text_strings(text: str) -> tuple[str, ...]:
    """Split a text into strings of at most 255 bytes, none of them cutting a character."""
    strings: list[str] = []
    current = b""
    for character in text:
        encoded = character.encode()
        if len(current) + len(encoded) > STRING_LIMIT:
            strings.append(current.decode())
            current = b""
        current += encoded
    return (*strings, current.decode())


def quote_text(text: str) -> str:
    """Return a text as a zone file and Cloudflare write it: quoted strings, split at 255 bytes."""
    escaped = (string.replace("\\", "\\\\").replace('"', '\\"') for string in text_strings(text))
    return " ".join(f'"{string}"' for string in escaped)
