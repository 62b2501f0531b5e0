"""Every name, address and place that follows from the declaration, each derived once.

Whoever needs the name of a host or the address of a service takes it from here and does not put it
together again. Where a rehearsal declares endpoints, they stand for the public addresses already.
"""

from dataclasses import dataclass

from declaration.smarthost_providers import Account, Nexthop
from declaration.zone import WebSettings, ZoneSettings

PROJECT = "po-mail"
"""What everything of this program is called where others name their own things too: the compose
project unless another is declared, units, files of Prometheus, Grafana and Traefik, the folders
on the host."""
BASE = f"/opt/{PROJECT}"
"""Directory on the host below which everything of this program lies."""
PROGRAMS = f"{BASE}/bin"
"""Directory on the host of the programs in `components/onhost`."""
SECRETS = f"{BASE}/secrets"
"""Directory on the host of generated secrets, for root alone."""
STATE = f"{BASE}/state"
"""Directory on the host of what the programs remember, for root alone."""
CONFIGURATION = f"/etc/{PROJECT}"
"""Directory on the host of configuration that the system itself reads."""
UNITS = "/etc/systemd/system"
"""Directory on the host of our systemd units."""
AUTHORITIES = f"{BASE}/authorities.pem"
"""The file on the host of authorities that are trusted beside the system's, where any are."""

FIREWALL_RULES = f"{CONFIGURATION}/nftables.nft"
"""The firewall's file on the host."""
FIREWALL_UNIT = f"{PROJECT}-firewall.service"
"""The systemd unit that loads the firewall."""
DRILL_UNIT = f"{PROJECT}-drill-clean.service"
"""The systemd unit that removes, at boot, what a drill left that was killed with the host."""
QUEUE_UNIT = f"{PROJECT}-queue"
"""Name of the systemd service that measures the mail queue, and of its timer."""
DNSBL_UNIT = f"{PROJECT}-dnsbl"
"""Name of the systemd service that asks the block lists, and of its timer."""
CERTIFICATE_UNIT = f"{PROJECT}-certificate"
"""Name of the systemd service that delivers the certificate, and of its timer."""
EXPORTER = f"{PROJECT}-exporter"
"""Name of the exporter's container."""
BACKUP_PROGRAM = "backup.py"
"""The program that makes the backup."""
BACKUP_UNIT = f"{PROJECT}-backup"
"""Name of the systemd service and of its timer."""
BACKUP_SETTINGS = f"{BASE}/backup.json"
"""What the program is told; no secret."""
BACKUP_ENVIRONMENT = f"{SECRETS}/backup.env"
"""What restic is told; secret."""
BACKUP_PASSPHRASE = f"{SECRETS}/backup-passphrase"
"""The passphrase of the archives."""
DRILL_PROGRAM = "drill.py"
"""The program that holds the drill."""
DRILL_SETTINGS = f"{BASE}/drill.json"
"""What the program is told; no secret."""

AUTOCONFIG, AUTODISCOVER, MTA_STS = "autoconfig", "autodiscover", "mta-sts"
"""Labels of the hosts that mail programs and senders look for, given by the field."""
HTTPS_PORT = 443
"""Where Traefik answers to the world."""
POSTMASTER = "postmaster"
"""The local part that every mail domain has (RFC 5321 section 4.5.1)."""


def mail_host(domain: str, zone: ZoneSettings) -> str:
    """Return the name of the mail host."""
    return f"{zone.mx_label}.{domain}"


def web_hosts(domain: str, web: WebSettings, zone: ZoneSettings) -> tuple[str, ...]:
    """Return the web hosts, in the order in which they are published."""
    labels = [web.admin, web.webmail]
    if web.autoconfig:
        labels.append(AUTOCONFIG)
    if web.autodiscover:
        labels.append(AUTODISCOVER)
    if zone.mta_sts is not None:
        labels.append(MTA_STS)
    return tuple(f"{label}.{domain}" for label in labels)


@dataclass(frozen=True)
class Ssh:
    """How the host is reached for administration.

    Attributes:
        address: Address of sshd.
        port: TCP port of sshd.
        user: The account that deploys.
        host_key: Public key of the host, as in known_hosts; it is always compared.
    """

    address: str
    port: int
    user: str
    host_key: str


@dataclass(frozen=True)
class Storage:
    """Where the object storage is reached.

    Attributes:
        server: `host:port`.
        tls: Whether it is spoken to over TLS.
    """

    server: str
    tls: bool

    @property
    def url(self) -> str:
        """Its address as a URL."""
        return f"{'https' if self.tls else 'http'}://{self.server}"


@dataclass(frozen=True)
class Source:
    """Where Mailcow's release is cloned from, and what must be found there.

    Attributes:
        repository: Git address.
        tag: Release tag.
        commit: Commit that the tag stands for there.
    """

    repository: str
    tag: str
    commit: str


@dataclass(frozen=True)
class Names:
    """What follows from a declaration.

    Attributes:
        domain: The mail domain.
        mail_host: Mail host: MX target and MAILCOW_HOSTNAME.
        administration: Host of Mailcow's administration and of its API.
        webmail: Host of the webmail.
        web_hosts: Hosts that Traefik routes to Mailcow's pages, in the order in which they are
            published.
        backend: URL of nginx as Traefik reaches it.
        backend_address: Address of it.
        proxy_network: Network from which Traefik reaches the host, in CIDR notation.
        web: `address:port` where Traefik answers HTTPS.
        ca_bundle: Authorities to trust there (PEM); None for the system's.
        cloudflare_api: Base URL of Cloudflare's API; None for the public one.
        docker: Address of the Docker engine.
        docker_is_remote: Whether that engine is reached over SSH.
        address: Public IPv4 address of the host.
        ssh: How the host is reached.
        storage: Where the object storage is reached.
        release: Where the release comes from.
        account: What the smarthost's records and login depend on.
        nexthop: The smarthost as Postfix addresses it.
        api_clients: Addresses from which Mailcow's API may be used.
        ipv6: Whether mail goes over IPv6 too.
        senders: Who may send mail without a login, as Postfix writes it (`mynetworks`).
        existing_certificate: Names of the certificate that is there already; empty for a new one.
        mta_sts_policy: What `mta-sts.<domain>` serves; None without a policy.
    """

    domain: str
    mail_host: str
    administration: str
    webmail: str
    web_hosts: tuple[str, ...]
    backend: str
    backend_address: str
    proxy_network: str
    web: str
    ca_bundle: str | None
    cloudflare_api: str | None
    docker: str
    docker_is_remote: bool
    address: str
    ssh: Ssh
    storage: Storage
    release: Source
    account: Account
    nexthop: Nexthop
    api_clients: tuple[str, ...]
    ipv6: bool
    senders: tuple[str, ...]
    existing_certificate: tuple[str, ...]
    mta_sts_policy: str | None

    @property
    def certificate_names(self) -> tuple[str, ...]:
        """Hosts that the public certificate covers: the mail host first, then the web hosts."""
        return (self.mail_host, *self.web_hosts)

    @property
    def api(self) -> str:
        """URL below which Mailcow's API answers."""
        return f"https://{self.administration}"

    @property
    def envelope(self) -> str:
        """Domain of the envelope sender; empty where the smarthost writes its own."""
        return self.account.envelope

    @property
    def postmaster(self) -> str:
        """Address of the postmaster."""
        return f"{POSTMASTER}@{self.domain}"

    @property
    def dmarc(self) -> str:
        """Owner name of the DMARC record (RFC 9989 section 4.7)."""
        return f"_dmarc.{self.domain}"

    def label(self, host: str) -> str:
        """Return the label of a host of the domain."""
        return host.removesuffix(f".{self.domain}")
