"""Access: who reaches the host, by which address, and that it is the right host."""

from collections.abc import Iterator
from datetime import date
from ipaddress import IPv4Address, IPv6Address, ip_network
from urllib.parse import urlsplit

from declaration.checks.registry import Finding, check
from declaration.mistakes import Place
from declaration.model import Declaration
from declaration.residency import EU_COUNTRIES

_LEAST_PREFIX = {4: 24, 6: 48}
_PRIVATE = tuple(ip_network(one) for one in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))


@check("host")
def _public_address(declaration: Declaration, _today: date) -> Iterator[Finding]:
    address = IPv4Address(declaration.host.address)
    if _special(address) or any(address in network for network in _PRIVATE):
        message = f"{address} is not a public address; the world must find the mail host there"
        yield ("host", "address"), message


@check("host")
def _country(declaration: Declaration, _today: date) -> Iterator[Finding]:
    country = declaration.host.country
    if country not in EU_COUNTRIES:
        yield ("host", "country"), f"{country} is not in the EU, where the data must stay"


@check("ipv6")
def _ipv6_is_complete(declaration: Declaration, _today: date) -> Iterator[Finding]:
    if declaration.ipv6 is None:
        return
    address = IPv6Address(declaration.ipv6.address)
    if _special(address) or address.is_site_local or address in ip_network("fc00::/7"):
        yield ("ipv6", "address"), f"{address} is not a public address"
    if not declaration.ipv6.reverse_is_set:
        message = "IPv6 without a PTR record is refused by Gmail and others"
        way_out = "set it at the host's provider, then say true, or leave ipv6 out"
        yield ("ipv6", "reverseIsSet"), f"{message}; {way_out}"


def _special(address: IPv4Address | IPv6Address) -> bool:
    return (
        address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
    )


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
