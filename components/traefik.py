"""Traefik's dynamic file: exactly the declared hosts, one backend, the public certificate."""

from pydantic import Field

from components.settings import Network, Settings


class TraefikSettings(Settings):
    """The Traefik that already runs in the compose project `po-shared`."""

    dynamic_directory: str = Field("/opt/po-shared/traefik/dynamic", pattern=r"^/[\w./-]+$")
    """Directory that Traefik's file provider watches."""
    acme_storage: str = Field("/opt/po-shared/traefik/acme.json", pattern=r"^/[\w./-]+$")
    """File in which Traefik keeps its certificates and keys."""
    entry_point: str = "websecure"
    """Entry point for HTTPS."""
    certificate_resolver: str = "cloudflare"
    """Certificate resolver: Let's Encrypt by Cloudflare DNS-01."""
    network: Network = "172.20.0.0/16"
    """Docker network from which Traefik reaches the host: the only source that may reach nginx."""
    backend_address: str = "172.20.0.1"
    """Address under which Traefik sees the host: the gateway of that network."""


class CertificateSettings(Settings):
    """The public certificate on its way from Traefik to Postfix, Dovecot and nginx."""

    check_minutes: int = Field(60, ge=5, le=1440)
    """How often the host looks for a renewed certificate."""
    warn_days: int = Field(21, ge=1, le=60)
    """Days before expiry at which an alert is raised; Traefik renews 30 days before."""
