"""The stack on its host: every service has its share, and every port one owner."""

import zoneinfo
from collections.abc import Iterator
from datetime import date
from ipaddress import IPv4Address, IPv4Network, ip_address, ip_network
from pathlib import PurePosixPath

from declaration.checks.registry import Finding, check
from declaration.mistakes import Place, suggestion
from declaration.model import Declaration
from declaration.names import BASE, PROGRAMS, SECRETS, STATE

_CLEAR_PORTS = {110: "POP3", 143: "IMAP"}
_SYSTEM = frozenset(
    (
        "bin", "boot", "dev", "etc", "home", "lib", "lib64", "proc", "root", "run", "sbin", "sys",
        "tmp", "usr",
    )
)  # fmt: skip
"""Directories of the system, in which no release belongs."""
_NEEDED_PORTS = {25: "SMTP", 465: "SMTPS", 587: "submission", 993: "IMAPS"}
_HOST_RESERVED = {
    80: "Traefik",
    443: "Traefik",
    7654: "Mailcow's Redis",
    13306: "Mailcow's MariaDB",
    19991: "Mailcow's doveadm",
}


_LEAST_MIB = {
    # Measured on rspamd 3.4 with Mailcow's configuration: 271 idle, 299 after 30 mails; operators
    # report spikes of 650. Killed, it defers all mail.
    "rspamd-mailcow": 768,
    # "Minimum recommended RAM: 3 GiB" (https://docs.clamav.net, recommended system requirements):
    # its tables are held twice while they are reloaded. Killed, it restarts for ever.
    "clamd-mailcow": 3072,
}
"""Memory in MiB under which a service is killed instead of working."""


@check("mailcow")
def _services_have_what_they_need(declaration: Declaration, _today: date) -> Iterator[Finding]:
    mailcow = declaration.mailcow
    for name, least in _LEAST_MIB.items():
        asleep = name == "clamd-mailcow" and mailcow.skip_clamd
        tier = mailcow.services.get(name)
        if asleep or tier is None or tier not in mailcow.tiers:
            continue
        limit = mailcow.tiers[tier].memory_mib
        if limit < least:
            message = f"needs {least} MiB, the tier {tier.value} has {limit}"
            yield ("mailcow", "services", name), f"{message}; give it a larger one"


@check("mailcow", "host")
def _tiers_fit_the_host(declaration: Declaration, _today: date) -> Iterator[Finding]:
    mailcow, host = declaration.mailcow, declaration.host
    used = [tier for tier in mailcow.services.values() if tier in mailcow.tiers]
    total = sum(mailcow.tiers[tier].memory_mib for tier in used)
    if total + host.reserved_memory_mib > host.memory_mib:
        message = (
            f"the services may take {total} MiB, with {host.reserved_memory_mib} MiB reserved "
            f"that is more than the {host.memory_mib} MiB of the host"
        )
        yield ("mailcow", "tiers"), f"{message}; lower a tier"
    for tier, limits in mailcow.tiers.items():
        if limits.cpus > host.cpus:
            message = f"{limits.cpus:g} is more than the {host.cpus} of the host"
            yield ("mailcow", "tiers", tier.value, "cpus"), message


@check("mailcow")
def _every_service_has_a_tier(declaration: Declaration, _today: date) -> Iterator[Finding]:
    mailcow = declaration.mailcow
    if not mailcow.services:
        message = "names no service; give every service of the release its tier"
        yield ("mailcow", "services"), message
    for name, tier in mailcow.services.items():
        if tier not in mailcow.tiers:
            message = f"the tier {tier.value} is not declared; add it to mailcow.tiers"
            yield ("mailcow", "services", name), message
    for tier in mailcow.tiers:
        if mailcow.services and tier not in mailcow.services.values():
            message = "no service is in this tier; take it out, or put one in"
            yield ("mailcow", "tiers", tier.value), message


@check("mailcow")
def _mail_ports(declaration: Declaration, _today: date) -> Iterator[Finding]:
    ports = declaration.mailcow.raw_ports
    for index, port in enumerate(ports):
        if port in ports[:index]:
            yield ("mailcow", "rawPorts", index), f"{port} stands twice; take one out"
        if port in _CLEAR_PORTS and not declaration.mailcow.clear_ports:
            message = f"{port} is {_CLEAR_PORTS[port]} that begins without TLS"
            way_out = "people read mail on 993; say mailcow.clearPorts: true to open it knowingly"
            yield ("mailcow", "rawPorts", index), f"{message}; {way_out}"
    missing = [f"{port} ({name})" for port, name in _NEEDED_PORTS.items() if port not in ports]
    if missing:
        yield ("mailcow", "rawPorts"), f"lacks {', '.join(missing)}; mail needs them"


@check("mailcow", "monitoring", "host")
def _ports_have_one_owner(declaration: Declaration, _today: date) -> Iterator[Finding]:
    mailcow = declaration.mailcow
    owners = dict(_HOST_RESERVED)
    owners |= {port: f"mail:mailcow.rawPorts ({port})" for port in mailcow.raw_ports}
    owners[declaration.host.ssh.port] = "mail:host.ssh.port"
    places: list[tuple[Place, int]] = [
        (("mailcow", "httpPort"), mailcow.http_port),
        (("mailcow", "httpsPort"), mailcow.https_port),
        (("monitoring", "exporterPort"), declaration.monitoring.exporter_port),
    ]
    for place, port in places:
        if port in owners:
            yield place, f"{port} belongs to {owners[port]}; take another"
        owners.setdefault(port, f"mail:{place[0]}.{place[1]}")


@check("mailcow")
def _way_back_leads_back(declaration: Declaration, _today: date) -> Iterator[Finding]:
    release = declaration.mailcow.release
    if release.back_from is not None and release.back_from <= release.tag:
        message = f"{release.back_from} is not newer than {release.tag}; take it out"
        yield ("mailcow", "release", "backFrom"), message


@check("mailcow", "traefik")
def _directory_is_its_own(declaration: Declaration, _today: date) -> Iterator[Finding]:
    directory, traefik = PurePosixPath(declaration.mailcow.directory), declaration.traefik
    place = ("mailcow", "directory")
    taken = {
        PurePosixPath(SECRETS): "the secrets",
        PurePosixPath(STATE): "what the programs remember",
        PurePosixPath(PROGRAMS): "the programs",
        PurePosixPath(traefik.dynamic_directory): "Traefik's files",
        PurePosixPath(traefik.acme_storage).parent: "Traefik's certificates",
    }
    if len(directory.parts) < 3 or directory.parts[1] in _SYSTEM:
        yield place, f"{directory} belongs to the system; take one such as {BASE}/mailcow"
        return
    for folder, owner in taken.items():
        if directory.is_relative_to(folder) or folder.is_relative_to(directory):
            yield place, f"{directory} and {folder} hold each other, where {owner} lie"
            return


@check("mailcow", "host")
def _project_is_its_own(declaration: Declaration, _today: date) -> Iterator[Finding]:
    project = declaration.mailcow.project
    if project in declaration.host.neighbours:
        message = f"{project} is a neighbour that must not be touched; take another name"
        yield ("mailcow", "project"), message


@check("mailcow", "traefik")
def _networks(declaration: Declaration, _today: date) -> Iterator[Finding]:
    prefix = declaration.mailcow.ipv4_network
    place = ("mailcow", "ipv4Network")
    try:
        ours = IPv4Network(f"{prefix}.0/24")
    except ValueError:
        yield place, f"{prefix} is not the beginning of a network, such as 172.22.1"
        return
    if not ours.is_private:
        yield place, f"{prefix} is not a private network (RFC 1918); take one such as 172.22.1"
    elif ours.overlaps(network := ip_network(declaration.traefik.network)):
        yield place, f"{ours} overlaps {network} of mail:traefik.network; take another"


@check("mailcow", "monitoring")
def _block_list_resolver(declaration: Declaration, _today: date) -> Iterator[Finding]:
    resolver = IPv4Address(declaration.monitoring.dnsbl_resolver)
    unbound = f"{declaration.mailcow.ipv4_network}.254"
    if str(resolver) != unbound and not resolver.is_loopback:
        message = f"{resolver} is neither Mailcow's Unbound ({unbound}) nor on the host itself"
        yield ("monitoring", "dnsblResolver"), f"{message}; block lists refuse public resolvers"


@check("traefik")
def _backend_lies_in_its_network(declaration: Declaration, _today: date) -> Iterator[Finding]:
    traefik = declaration.traefik
    place = ("traefik", "backendAddress")
    network = ip_network(traefik.network)
    try:
        address = ip_address(traefik.backend_address)
    except ValueError:
        yield place, f'"{traefik.backend_address}" is not an address'
        return
    if address not in network:
        yield place, f"{address} does not lie in {network} of mail:traefik.network"
    elif network.prefixlen < network.max_prefixlen - 16 or not network.is_private:
        message = f"{network} is too wide for a network of containers; name the one of Traefik"
        yield ("traefik", "network"), message


@check("mailcow")
def _time_zone(declaration: Declaration, _today: date) -> Iterator[Finding]:
    name = declaration.mailcow.time_zone
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = zoneinfo.available_timezones()
        if known:  # a machine without a time zone database cannot judge
            near = suggestion(name, sorted(known))
            yield ("mailcow", "timeZone"), f'"{name}" is no time zone of the tz database{near}'


@check("mailcow", "traefik", "monitoring")
def _paths_stay_where_they_point(declaration: Declaration, _today: date) -> Iterator[Finding]:
    paths: list[tuple[Place, str]] = [
        (("mailcow", "directory"), declaration.mailcow.directory),
        (("traefik", "dynamicDirectory"), declaration.traefik.dynamic_directory),
        (("traefik", "acmeStorage"), declaration.traefik.acme_storage),
        (("monitoring", "prometheusDirectory"), declaration.monitoring.prometheus_directory),
        (("monitoring", "grafanaDirectory"), declaration.monitoring.grafana_directory),
        (("monitoring", "textfileDirectory"), declaration.monitoring.textfile_directory),
    ]
    for place, path in paths:
        if {".", ".."} & set(path.split("/")):
            yield place, f"{path} goes through . or ..; write it straight"
        elif path != "/" and path.endswith("/"):
            yield place, f"{path} ends in a slash; write it without"
