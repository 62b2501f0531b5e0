"""Access: who reaches the host, by which address, and that it is the right host."""

import re
from collections.abc import Iterator
from datetime import date
from ipaddress import IPv4Address, IPv6Address, ip_network
from urllib.parse import urlsplit

from declaration.checks.registry import Finding, check
from declaration.mistakes import Place
from declaration.model import Declaration
from declaration.residency import EU_COUNTRIES

_DOCUMENTATION = {
    4: [ip_network(text) for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")],
    6: [ip_network(text) for text in ("2001:db8::/32", "3fff::/20")],
}
"""Addresses for examples (RFC 5737, RFC 3849, RFC 9637)."""
_LEAST_PREFIX = {4: 24, 6: 48}
_RESERVED = re.compile(r"(^|\.)(example|invalid|localhost|test)$|(^|\.)example\.(com|net|org)$")
"""Domains that are nobody's (RFC 6761), which may have an address that is nobody's."""


@check("host", "domain")
def _public_address(declaration: Declaration, _today: date) -> Iterator[Finding]:
    address = IPv4Address(declaration.host.address)
    if _special(address, declaration.domain):
        message = f"{address} is not a public address; the world must find the mail host there"
        yield ("host", "address"), message


@check("host")
def _country(declaration: Declaration, _today: date) -> Iterator[Finding]:
    country = declaration.host.country
    if country not in EU_COUNTRIES:
        yield ("host", "country"), f"{country} is not in the EU, where the data must stay"


@check("ipv6", "domain")
def _ipv6_is_complete(declaration: Declaration, _today: date) -> Iterator[Finding]:
    if declaration.ipv6 is None:
        return
    address = IPv6Address(declaration.ipv6.address)
    if _special(address, declaration.domain):
        yield ("ipv6", "address"), f"{address} is not a public address"
    if not declaration.ipv6.reverse_is_set:
        message = "IPv6 without a PTR record is refused by Gmail and others"
        way_out = "set it at the host's provider, then say true, or leave ipv6 out"
        yield ("ipv6", "reverseIsSet"), f"{message}; {way_out}"


def _special(address: IPv4Address | IPv6Address, domain: str) -> bool:
    """Return whether nobody in the world finds a host there (IANA's special-purpose registries)."""
    if any(address in network for network in _DOCUMENTATION[address.version]):
        return not _RESERVED.search(domain)
    return address.is_multicast or not address.is_global


@check("host_key")
def _host_key(declaration: Declaration, _today: date) -> Iterator[Finding]:
    # Loading it takes as long as reading all the rest.
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key  # noqa: PLC0415

    text = declaration.host_key
    way_out = 'it is "ssh-ed25519 AAAA...", as ssh-keyscan prints after the host name'
    if "PRIVATE" in text:
        yield ("hostKey",), f"holds a private key, where the host's public one belongs; {way_out}"
        return
    try:
        load_ssh_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        yield ("hostKey",), f"is not a public SSH key; {way_out}"


@check("operator_addresses")
def _operators(declaration: Declaration, _today: date) -> Iterator[Finding]:
    for index, text in enumerate(declaration.operator_addresses):
        network = ip_network(text)
        if network.prefixlen < _LEAST_PREFIX[network.version]:
            least = _LEAST_PREFIX[network.version]
            message = f"{network} lets too many use Mailcow's API; /{least} is the widest"
            yield ("operatorAddresses", index), message


@check("endpoints")
def _endpoints_are_loopback(declaration: Declaration, _today: date) -> Iterator[Finding]:
    endpoints = declaration.endpoints
    named = {
        "cloudflareApi": endpoints.cloudflare_api,
        "ssh": endpoints.ssh.address if endpoints.ssh else None,
        "web": endpoints.web,
        "docker": endpoints.docker,
        "storage": endpoints.storage,
        "repository": endpoints.repository.url if endpoints.repository else None,
    }
    if not any(named.values()):
        return
    for key, address in named.items():
        place: Place = ("endpoints", key)
        if address is None:
            message = "is missing; a rehearsal sets every endpoint, or some would be the real ones"
            yield place, message
        elif not _is_loopback(address):
            yield place, f"{address} is not on loopback; endpoints are for rehearsals alone"


def _is_loopback(address: str) -> bool:
    parts = urlsplit(address if "://" in address else f"//{address}")
    if parts.scheme in {"unix", "file"}:
        return True
    return parts.hostname in {"localhost", "::1"} or (parts.hostname or "").startswith("127.")
