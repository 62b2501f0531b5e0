"""Lists of tags, as DKIM, DMARC, MTA-STS and TLS reporting write them: `v=DMARC1; p=none`."""

from collections.abc import Iterator
from dataclasses import dataclass

from readers.mistake import Mistake


@dataclass(frozen=True)
class Tags:
    """The tags of a record.

    Attributes:
        pairs: Names and values in their order, as written, without the white space around them.
        malformed: Places of the parts that are no `name=value`, counted from 1. They are not shown:
            what was pasted there by mistake may be a secret.
    """

    pairs: tuple[tuple[str, str], ...]
    malformed: tuple[int, ...]

    def get(self, name: str) -> str | None:
        """Return the first value of a tag."""
        return next((value for key, value in self.pairs if key == name), None)

    def listed(self, name: str, separator: str = ":") -> tuple[str, ...]:
        """Return the parts of a value in lower case; none where the tag is missing."""
        parts = (part.strip().lower() for part in (self.get(name) or "").split(separator))
        return tuple(part for part in parts if part)

    @property
    def names(self) -> tuple[str, ...]:
        """The names in their order."""
        return tuple(name for name, _ in self.pairs)

    def mistakes(self) -> Iterator[Mistake]:
        """Yield what no list of tags may hold (RFC 6376 section 3.2): other parts, a tag twice."""
        for position in self.malformed:
            yield Mistake(f"part {position}", "is no tag")
        for name in sorted({name for name in self.names if self.names.count(name) > 1}):
            yield Mistake(name, "stands twice")


def parse_tags(text: str) -> Tags:
    """Return the tags of a record's text."""
    pairs, malformed = [], []
    for position, part in enumerate(text.split(";"), 1):
        name, equals, value = part.partition("=")
        if equals and name.strip():
            pairs.append((name.strip(), value.strip()))
        elif part.strip():
            malformed.append(position)
    return Tags(tuple(pairs), tuple(malformed))
