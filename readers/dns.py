"""How readers ask for other names' records: whoever calls them hands in who answers."""

from collections.abc import Sequence
from typing import Protocol

import dns.exception
import dns.rdata
import dns.resolver


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


def blocking(resolver: dns.resolver.Resolver) -> Resolver:
    """Return a resolver that asks by way of dnspython."""

    def ask(name: str, kind: str, /) -> Sequence[str]:
        try:
            answer = resolver.resolve(name, kind, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return ()
        except dns.exception.DNSException as error:
            raise DnsFailureError(f"{name} {kind}: {error}") from error
        return [written(record) for record in answer]

    return ask


def written(record: dns.rdata.Rdata) -> str:
    """Return a record's data in the way of `Resolver`."""
    if record.rdtype == dns.rdatatype.TXT:
        return b"".join(record.strings).decode("latin-1")  # type: ignore[attr-defined]  # of TXT
    return record.to_text().rstrip(".")
