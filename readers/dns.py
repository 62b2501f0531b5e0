"""How readers ask for other names' records: whoever calls them hands in who answers."""

from collections.abc import Sequence
from typing import Protocol


class DnsFailureError(Exception):
    """No answer came, or a server failed. An answer that holds nothing is no failure."""


class Resolver(Protocol):
    """Answers one question; CNAMEs are followed."""

    def __call__(self, name: str, kind: str, /) -> Sequence[str]:
        """Return the data of the records of a kind at a name; none where there are none.

        Args:
            name: Name, without a final dot.
            kind: `A`, `AAAA`, `MX`, `PTR` or `TXT`.

        Returns:
            Data as a zone file writes it, host names without the final dot. The strings of a TXT
            are joined, one character for each octet (ISO 8859-1).

        Raises:
            DnsFailureError: no answer came.
        """
