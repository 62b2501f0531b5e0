"""Looking names up in the rehearsed internet, as any host on it would: by asking its DNS."""

import dns.asyncresolver
import dns.exception
import dns.rdatatype
import dns.resolver

from rehearsal.world.service import LOOPBACK

_LIFETIME = 5.0


class Names:
    """A stub resolver whose only name server is the world's own.

    `text` and `addresses` answer an empty list where a name or a type does not exist.
    """

    def __init__(self, port: int) -> None:
        """Ask the server on `port` of loopback."""
        self._blocking = dns.resolver.Resolver(configure=False)
        self._async = dns.asyncresolver.Resolver(configure=False)
        for resolver in (self._blocking, self._async):
            resolver.nameservers = [LOOPBACK]
            resolver.port = port
            resolver.lifetime = _LIFETIME

    @property
    def resolver(self) -> dns.resolver.Resolver:
        """The blocking resolver, for libraries that want one."""
        return self._blocking

    def text(self, name: str) -> list[bytes]:
        """Return the TXT records of `name`, each with its strings joined. Blocks."""
        try:
            answer = self._blocking.resolve(name, "TXT")
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        return [b"".join(record.strings) for record in answer]

    async def addresses(self, name: str) -> list[str]:
        """Return the IPv4 addresses of `name`."""
        try:
            answer = await self._async.resolve(name, "A")
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        return [record.address for record in answer]

    async def exchangers(self, domain: str) -> list[str]:
        """Return the mail hosts of `domain` in order of preference (RFC 5321 section 5.1).

        A domain without MX is its own mail host; one with a null MX (RFC 7505) has none.
        """
        try:
            answer = await self._async.resolve(domain, "MX")
        except dns.resolver.NXDOMAIN:
            return []
        except dns.resolver.NoAnswer:
            return [domain]
        ordered = sorted(answer, key=lambda record: record.preference)
        hosts = [record.exchange.to_text(omit_final_dot=True) for record in ordered]
        return [host for host in hosts if host not in {"", "."}]
