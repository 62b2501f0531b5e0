"""Records made of tags: `v=DMARC1; p=none` (RFC 9989 section 4.7), `p=MIGf...` (RFC 6376)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tags:
    """The tags of a record.

    Attributes:
        pairs: Names and values in their order; names as written.
        malformed: Parts that are no `name=value`.
    """

    pairs: tuple[tuple[str, str], ...]
    malformed: tuple[str, ...]

    def get(self, name: str) -> str | None:
        """Return the first value of a tag."""
        return next((value for key, value in self.pairs if key == name), None)

    @property
    def names(self) -> tuple[str, ...]:
        """The names in their order."""
        return tuple(name for name, _ in self.pairs)

    @property
    def twice(self) -> tuple[str, ...]:
        """Names that stand more than once."""
        return tuple(sorted({one for one in self.names if self.names.count(one) > 1}))


def parse_tags(text: str) -> Tags:
    """Return the tags of a record's text; white space around names and values is dropped."""
    pairs, malformed = [], []
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if equals and name.strip():
            pairs.append((name.strip(), value.strip()))
        elif part.strip():
            malformed.append(part.strip())
    return Tags(tuple(pairs), tuple(malformed))
