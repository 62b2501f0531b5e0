"""The declaration: a company's whole mail presence, read once, checked as a whole."""

import ipaddress
from collections.abc import Iterable
from typing import Annotated

from pydantic import BeforeValidator, Field

from declaration.backup import BackupSettings
from declaration.certificate import CertificateSettings
from declaration.dmarc import DmarcSettings
from declaration.endpoints import Endpoints
from declaration.generations import GenerationSettings
from declaration.host import HostSettings, Ipv6Settings
from declaration.mailcow import MailcowSettings, senders
from declaration.monitoring import Bounds, MonitoringSettings
from declaration.names import (
    HTTPS_PORT,
    Names,
    Source,
    Ssh,
    Storage,
    mail_host,
    web_hosts,
)
from declaration.people import AliasSettings, ImportSettings, MailboxSettings
from declaration.settings import Day, DomainName, Network, Settings, ShownName
from declaration.smarthost import SmarthostSettings, TransactionalSender
from declaration.smarthost_providers import Account
from declaration.traefik import TraefikSettings
from declaration.zone import WebSettings, ZoneSettings, policy_text


class PolicyException(Settings):
    """A policy rule that need not hold for one resource, for a reason and a time."""

    rule: str = Field(min_length=1)
    """Id of the rule."""
    resource: str = Field(min_length=1)
    """Name of the resource as the program gives it."""
    reason: str = Field(min_length=10)
    """Why, in a sentence."""
    until: Day
    """Last day on which the exception holds; afterwards it is itself a violation."""


class Declaration(Settings):
    """Everything under `mail:` in `Pulumi.<stack>.yaml`, without the secrets."""

    company: ShownName = Field(min_length=1, max_length=100)
    """Name of the company, as people read it."""
    domain: DomainName
    """The mail domain."""
    host: HostSettings
    """The VPS."""
    ipv6: Annotated[Ipv6Settings | None, BeforeValidator(lambda value: value or None)] = None
    """IPv6; off when absent or empty."""
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
    mailboxes: tuple[MailboxSettings, ...] = Field(min_length=1)
    """Mailboxes."""
    aliases: tuple[AliasSettings, ...] = ()
    """Aliases."""
    imports: tuple[ImportSettings, ...] = ()
    """Old mail that is moved in."""
    publishes_addresses: bool = True
    """Whether the company shows any address on its website; false for one that shows none."""
    protect_mailboxes: bool = True
    """Whether a mailbox that holds mail is protected from deletion: taking it out of the
    declaration is then refused until `pulumi state unprotect`. Danger: deleting a mailbox deletes
    its mail. A rehearsal, which has no mail to lose, sets it to false."""
    backup: BackupSettings
    """Backup."""
    monitoring: MonitoringSettings
    """Monitoring."""
    generations: GenerationSettings = GenerationSettings()
    """Generated secrets."""
    exceptions: tuple[PolicyException, ...] = ()
    """Exceptions from policies."""
    endpoints: Endpoints = Endpoints()
    """Where services are reached, if not at their public addresses."""

    # What only the operator's accounts can tell; public, but nothing that could be invented.
    host_key: str
    """Public SSH host key of the host, as in known_hosts: `ssh-ed25519 AAAA...`."""
    dkim_public_key: str = ""
    """Value of the DKIM record that the smarthost's account shows: `p=MIGf...`. Required unless the
    account shows names instead, which are then `smarthost.dkimNames`."""
    exporter_digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    """Digest of the exporter's image, as `docker buildx imagetools inspect` shows it:
    `sha256:` and 64 hexadecimal digits."""
    operator_addresses: tuple[Network, ...] = Field(min_length=1)
    """Addresses from which Mailcow's API may be used: those of the people who deploy."""

    @property
    def names(self) -> Names:
        """Every name, address and place that follows from the declaration."""
        return _names_of(self)

    @property
    def bounds(self) -> Bounds:
        """Beyond what somebody is told."""
        return Bounds(
            certificate_days=self.certificate.warn_days,
            certificate_minutes=self.certificate.check_minutes,
            queue_length=self.monitoring.queue_length,
            disk_percent=self.monitoring.disk_percent,
            backup_hours=self.monitoring.backup_age_hours,
            drill_days=self.backup.drill_every_days,
            aligned_percent=self.dmarc.evidence.aligned_percent,
            step_back_percent=self.dmarc.evidence.step_back_percent,
        )


def _names_of(declaration: Declaration) -> Names:
    """Return what follows from a declaration."""
    domain, endpoints = declaration.domain, declaration.endpoints
    host, traefik = declaration.host, declaration.traefik
    release, elsewhere = declaration.mailcow.release, endpoints.repository
    account = _account(domain, declaration.smarthost, declaration.dkim_public_key)
    reached, ssh = endpoints.ssh or host.ssh, host.ssh
    return Names(
        domain=domain,
        mail_host=mail_host(domain, declaration.zone),
        administration=f"{declaration.web.admin}.{domain}",
        webmail=f"{declaration.web.webmail}.{domain}",
        web_hosts=web_hosts(domain, declaration.web, declaration.zone),
        backend=f"https://{traefik.backend_address}:{declaration.mailcow.https_port}",
        backend_address=traefik.backend_address,
        proxy_network=traefik.network,
        web=endpoints.web or f"{host.address}:{HTTPS_PORT}",
        ca_bundle=endpoints.ca_bundle,
        cloudflare_api=endpoints.cloudflare_api,
        docker=endpoints.docker or f"ssh://{ssh.user}@{host.address}:{ssh.port}",
        docker_is_remote=endpoints.docker is None,
        address=host.address,
        ssh=Ssh(
            endpoints.ssh.address if endpoints.ssh else host.address,
            reached.port,
            ssh.user,
            declaration.host_key,
        ),
        storage=Storage(
            endpoints.storage or declaration.backup.server,
            endpoints.storage is None or endpoints.storage_tls,
        ),
        release=Source(
            elsewhere.url if elsewhere else release.repository,
            release.tag,
            elsewhere.commit_of(release.tag, release.commit) if elsewhere else release.commit,
        ),
        account=account,
        nexthop=declaration.smarthost.row.nexthop(account, declaration.smarthost.port),
        # Besides the operators', two addresses of the host: processes and containers on it reach
        # Traefik at the public address, and Traefik then reports that address or, for containers
        # in other Docker networks, its own network's gateway as the client.
        api_clients=_shortest(
            (*declaration.operator_addresses, host.address, traefik.backend_address)
        ),
        ipv6=declaration.ipv6 is not None,
        existing_certificate=declaration.certificate.existing,
        senders=senders(declaration.mailcow.ipv4_network, ipv6=declaration.ipv6 is not None),
        mta_sts_policy=policy_text(declaration.zone.mta_sts, mail_host(domain, declaration.zone)),
    )


def _account(domain: str, settings: SmarthostSettings, dkim: str) -> Account:
    second = settings.second_selector
    return Account(
        domain=domain,
        region=settings.region,
        envelope=settings.row.envelope_domain(settings.envelope_label, domain),
        selector=settings.selector,
        dkim=dkim,
        user=settings.user,
        second=(second.selector, second.public_key) if second else None,
        dkim_names=tuple(settings.dkim_names.items()),
        verification=settings.verification,
        spf=settings.row.spf,
    )


def _shortest(networks: Iterable[str]) -> tuple[str, ...]:
    """Return networks in CIDR notation and addresses without, each once."""
    parsed = [ipaddress.ip_network(network) for network in networks]
    texts = [
        str(network.network_address) if network.num_addresses == 1 else str(network)
        for network in parsed
    ]
    return tuple(dict.fromkeys(texts))
