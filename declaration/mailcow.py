"""The Mailcow stack: one pinned release, its ports, its limits."""

import ipaddress
import re
from collections.abc import Mapping
from enum import StrEnum

from pydantic import Field, PositiveInt, field_validator

from declaration.names import BASE, PROJECT
from declaration.settings import Settings

PORT_VARIABLES: Mapping[str, int] = {
    "SMTP_PORT": 25,
    "SMTPS_PORT": 465,
    "SUBMISSION_PORT": 587,
    "IMAP_PORT": 143,
    "IMAPS_PORT": 993,
    "POP_PORT": 110,
    "POPS_PORT": 995,
    "SIEVE_PORT": 4190,
}
"""Variables of the mail ports, with the port on the container's side."""


FORBIDDEN_WEB_PORTS = (8081, 9081, 9082, 65510)
"""Ports that nginx needs for itself inside its container."""


IPV6_NETWORK = "fd4d:6169:6c63:6f77::/64"
"""The compose network over IPv6."""


def senders(ipv4_network: str, *, ipv6: bool) -> tuple[str, ...]:
    """Return who may send mail without a login, as Postfix writes it: Mailcow's own containers.

    Their network's gateway, the first address, may not: whatever Docker's proxy carries bears it,
    be it from a neighbour's container or, before Docker 27, from the internet over IPv6.

    Args:
        ipv4_network: First three octets of the compose network.
        ipv6: Whether Postfix speaks IPv6.
    """
    gateway = ipaddress.IPv6Network(IPV6_NETWORK)[1]
    address, _, length = IPV6_NETWORK.partition("/")
    over_ipv6 = (f"![{gateway}]", f"[{address}]/{length}") if ipv6 else ()
    return (f"!{ipv4_network}.1", f"{ipv4_network}.0/24", *over_ipv6)


class ResourceTier(StrEnum):
    """How much of the host a service may take, from most to least."""

    SEARCH = "search"
    """ClamAV, SOGo, Dovecot and whatever keeps large tables in memory."""
    DATABASE = "database"
    """MariaDB."""
    MAIL = "mail"
    """What every message passes through."""
    WEB = "web"
    """What people look at."""
    HELPER = "helper"
    """What watches, schedules and looks up."""


class TierLimits(Settings):
    """Upper bounds of one tier, for each of its services."""

    memory_mib: PositiveInt
    """Memory in MiB."""
    cpus: float = Field(gt=0)
    """Processors."""


def memory_mib(
    services: Mapping[str, ResourceTier], tiers: Mapping[ResourceTier, TierLimits]
) -> int:
    """Return the sum of all services' memory limits, in MiB."""
    return sum(tiers[tier].memory_mib for tier in services.values())


class ReleaseSettings(Settings):
    """Where the release comes from, pinned twice: by tag, and by what the tag must be."""

    repository: str = Field(
        "https://github.com/mailcow/mailcow-dockerized", pattern=r"^https://\S+$"
    )
    """Git address."""
    tag: str = Field(pattern=r"^20\d\d-\d\d[a-z]?$")
    """Release tag."""
    commit: str = Field(pattern=r"^[0-9a-f]{40}$")
    """Commit that the tag stands for. A tag can be moved, a commit cannot."""
    back_from: str | None = Field(None, pattern=r"^20\d\d-\d\d[a-z]?$")
    """The newer release that ran before, once its database was replaced by one from before it; it
    lets an older tag be deployed. Danger: databases do not go back by themselves. `make
    mail-update OPTIONS=return` restores the database and declares this."""


class MailcowSettings(Settings):
    """The compose project `po-mail`."""

    release: ReleaseSettings
    """The pinned release."""
    project: str = Field(PROJECT, pattern=r"^[a-z0-9][a-z0-9-]*$")
    """Compose project. Danger: it prefixes the volumes; a change starts on empty ones."""
    directory: str = Field(f"{BASE}/mailcow", pattern=r"^/[\w./-]+$")
    """Directory of the release on the host."""
    time_zone: str = "Europe/Lisbon"
    """Time zone of the containers (tz database)."""
    http_port: int = Field(9080, ge=1024, le=65535)
    """Host port of nginx without TLS."""
    https_port: int = Field(9443, ge=1024, le=65535)
    """Host port of nginx with TLS: the backend of Traefik."""
    raw_ports: tuple[int, ...] = (25, 465, 587, 993, 4190)
    """Ports bound on the host and open to anyone."""
    clear_ports: bool = False
    """Must be true when a raw port begins without TLS (110, 143). Danger: a mail program that does
    not insist on STARTTLS sends the password in clear; 993 and 995 do not have that choice."""
    ipv4_network: str = Field("172.22.1", pattern=r"^\d{1,3}\.\d{1,3}\.\d{1,3}$")
    """First three octets of the compose network. Unsafe to change after the first start."""
    skip_clamd: bool = False
    """Leave the virus scanner asleep."""
    skip_sogo: bool = False
    """Leave webmail and groupware asleep."""
    skip_fts: bool = False
    """Leave full-text search out."""
    skip_olefy: bool = False
    """Leave the scanner of office documents asleep."""
    tiers: dict[ResourceTier, TierLimits]
    """Limits of the five tiers."""
    services: dict[str, ResourceTier]
    """Tier of every service of the release, by its name in the compose file. A service of the
    release that is missing here stops the deployment before any container starts."""

    @field_validator("services")
    @classmethod
    def _service_names(cls, value: dict[str, ResourceTier]) -> dict[str, ResourceTier]:
        for name in value:
            if not re.fullmatch(r"[a-z0-9-]+-mailcow", name):
                msg = f'"{name}" is not a Mailcow service; their names end in -mailcow'
                raise ValueError(msg)
        return value

    @field_validator("http_port", "https_port")
    @classmethod
    def _web_port(cls, value: int) -> int:
        if value in FORBIDDEN_WEB_PORTS:
            msg = f"{value} is used by nginx itself inside its container; take another port"
            raise ValueError(msg)
        return value

    @field_validator("raw_ports")
    @classmethod
    def _raw_ports(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        unknown = sorted(set(value) - set(PORT_VARIABLES.values()))
        if unknown:
            known = ", ".join(str(port) for port in sorted(PORT_VARIABLES.values()))
            msg = f"Mailcow publishes none of {unknown}; it knows {known}"
            raise ValueError(msg)
        return value
