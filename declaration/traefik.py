"""The Traefik that already runs beside Mailcow."""

from pydantic import Field

from declaration.settings import IPv4, Network, Settings


class TraefikSettings(Settings):
    """The Traefik that already runs in the compose project `po-shared`."""

    dynamic_directory: str = Field("/opt/po-shared/traefik/dynamic", pattern=r"^/[\w./-]+$")
    """Directory that Traefik's file provider watches."""
    acme_storage: str = Field("/opt/po-shared/traefik/acme.json", pattern=r"^/[\w./-]+$")
    """File in which Traefik keeps its certificates and keys."""
    entry_point: str = Field("websecure", pattern=r"^[\w-]+$")
    """Entry point for HTTPS."""
    certificate_resolver: str = Field("cloudflare", pattern=r"^[\w-]+$")
    """Certificate resolver: Let's Encrypt by Cloudflare DNS-01."""
    network: Network = "172.20.0.0/16"
    """Docker network from which Traefik reaches the host: the only source that may reach nginx."""
    backend_address: IPv4 = "172.20.0.1"
    """Address under which Traefik sees the host: the gateway of that network."""
