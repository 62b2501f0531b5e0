"""The declaration: a company's whole mail presence, read once, checked as a whole."""

from datetime import date

from pydantic import Field

from components.backup import BackupSettings
from components.dmarc import DmarcSettings
from components.endpoints import Endpoints
from components.host import HostSettings, Ipv6Settings
from components.mailcow import MailcowSettings
from components.monitoring import MonitoringSettings
from components.people import AliasSettings, MailboxSettings
from components.settings import DomainName, Network, Settings
from components.smarthost import SmarthostSettings, TransactionalSender
from components.traefik import CertificateSettings, TraefikSettings
from components.zone import WebSettings, ZoneSettings


class PolicyException(Settings):
    """A policy rule that need not hold for one resource, for a reason and a time."""

    rule: str
    """Id of the rule."""
    resource: str
    """Name of the resource as the program gives it."""
    reason: str
    """Why."""
    until: date
    """Last day on which the exception holds; afterwards it is itself a violation."""


class Declaration(Settings):
    """Everything under `mail:` in `Pulumi.<stack>.yaml`, without the secrets."""

    company: str
    """Name of the company, as people read it."""
    domain: DomainName
    """The mail domain."""
    host: HostSettings
    """The VPS."""
    ipv6: Ipv6Settings | None = None
    """IPv6; off when absent."""
    zone: ZoneSettings = ZoneSettings()
    """DNS."""
    web: WebSettings = WebSettings()
    """Web hosts."""
    dmarc: DmarcSettings
    """DMARC stage."""
    smarthost: SmarthostSettings = SmarthostSettings()
    """Outbound relay."""
    transactional_senders: tuple[TransactionalSender, ...] = ()
    """Services that send by themselves."""
    mailcow: MailcowSettings
    """The stack."""
    traefik: TraefikSettings = TraefikSettings()
    """Reverse proxy."""
    certificate: CertificateSettings = CertificateSettings()
    """Public certificate."""
    mailboxes: tuple[MailboxSettings, ...]
    """Mailboxes."""
    aliases: tuple[AliasSettings, ...] = ()
    """Aliases."""
    backup: BackupSettings
    """Backup."""
    monitoring: MonitoringSettings
    """Monitoring."""
    exceptions: tuple[PolicyException, ...] = ()
    """Exceptions from policies."""
    endpoints: Endpoints = Endpoints()
    """Where services are reached, if not at their public addresses."""

    # What only the operator's accounts can tell; public, but nothing that could be invented.
    host_key: str
    """Public SSH host key of the host, as in known_hosts: `ssh-ed25519 AAAA...`."""
    dkim_public_key: str
    """Value of the DKIM record that the smarthost's account shows: `p=MIGf...`."""
    exporter_digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    """Digest of the exporter's image, as `docker buildx imagetools inspect` shows it."""
    operator_addresses: tuple[Network, ...]
    """Addresses from which Mailcow's API may be used: those of the people who deploy."""

    @property
    def mail_host(self) -> str:
        """Fully qualified name of the mail host: MX target and MAILCOW_HOSTNAME."""
        return f"{self.zone.mx_label}.{self.domain}"

    @property
    def web_hosts(self) -> tuple[str, ...]:
        """Fully qualified names of the web hosts, in the order in which they are published."""
        labels = [self.web.admin, self.web.webmail]
        if self.web.autoconfig:
            labels.append("autoconfig")
        if self.web.autodiscover:
            labels.append("autodiscover")
        if self.zone.mta_sts is not None:
            labels.append("mta-sts")
        return tuple(f"{label}.{self.domain}" for label in labels)

    @property
    def certificate_names(self) -> tuple[str, ...]:
        """Names that the public certificate covers: the mail host first, then the web hosts."""
        return (self.mail_host, *self.web_hosts)
