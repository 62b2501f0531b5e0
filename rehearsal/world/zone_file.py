"""A zone as any name server reads it: a master file (RFC 1035 section 5)."""

from collections.abc import Iterable
from pathlib import Path

from rehearsal.world.zone_store import Record, Zone, ZoneStore, split_strings

NAME_SERVERS = ("ada.ns.cloudflare.com", "bob.ns.cloudflare.com")
"""Name servers of every zone of the account."""
SOA_TTL = 1800
NS_TTL = 86400
_TIMES = "10000 2400 604800 1800"
"""Refresh, retry, expire and negative caching, in seconds, as Cloudflare has them."""


def quoted(texts: Iterable[bytes]) -> str:
    """Return character strings as a zone file writes them."""

    def escaped(text: bytes) -> str:
        return "".join(
            f"\\{byte:03d}" if byte < 32 or byte > 126 or byte in b'"\\' else chr(byte)
            for byte in text
        )

    return " ".join(f'"{escaped(text)}"' for text in texts)


def _dotted(host: str) -> str:
    return host if host.endswith(".") else host + "."


def data(record: Record) -> str:
    """Return a record's data as a zone file writes it."""
    if record.type == "TXT":
        return quoted(split_strings(record.content))
    if record.type in {"CNAME", "NS", "PTR"}:
        return _dotted(record.content)
    if record.type in {"MX", "SRV"}:
        return f"{record.priority} {_dotted(record.content)}"
    return record.content


def soa() -> str:
    """Return the data of a zone's SOA record."""
    return f"{_dotted(NAME_SERVERS[0])} dns.cloudflare.com. 1 {_TIMES}"


def render(zone: Zone) -> str:
    """Return the zone with every record that DNS serves as it was written.

    A record that Cloudflare's proxy hides is left out: its address is not the zone's to tell.

    Args:
        zone: The zone.
    """
    # The records of one set share one time to live (RFC 2181 section 5.2).
    shown = [record for record in zone.records.values() if not record.proxied]
    least: dict[tuple[str, str], int] = {}
    for record in shown:
        key = (record.name, record.type)
        least[key] = min(least.get(key, record.served_ttl), record.served_ttl)
    lines = [f"{zone.name}. {SOA_TTL} IN SOA {soa()}"]
    lines += [f"{zone.name}. {NS_TTL} IN NS {_dotted(host)}" for host in NAME_SERVERS]
    lines += [
        f"{record.name}. {least[record.name, record.type]} IN {record.type} {data(record)}"
        for record in sorted(
            shown, key=lambda one: (one.name.split(".")[::-1], one.type, data(one))
        )
    ]
    return "\n".join(lines) + "\n"


def zones_in(world: Path) -> Path:
    """Return the file in which a world keeps its zones."""
    return world / "cloudflare" / "zones.json"


def published(world: Path) -> list[str]:
    """Return every zone of a world that holds records, whether the world runs or not.

    Args:
        world: Folder of the world.
    """
    store = ZoneStore(zones_in(world))
    return [render(zone) for zone in store.zones.values() if zone.records]
