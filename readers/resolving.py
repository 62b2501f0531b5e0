"""How readers ask by way of dnspython."""

from collections.abc import Sequence

import dns.exception
import dns.rdata
import dns.rdatatype
import dns.resolver

from readers.dns import DnsFailureError, Resolver


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
