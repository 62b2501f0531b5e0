"""The zone: every record that mail needs, and nothing that mail does not."""

import hashlib
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, StringConstraints

from components.dmarc import record_text
from components.records import Caa, Record, RecordType, Srv, Tlsa
from components.settings import DomainName, HostLabel, Settings
from components.smarthost import Account

if TYPE_CHECKING:  # the declaration is made of these settings
    from components.declaration import Declaration


Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""A SHA-256 digest, 64 hexadecimal digits in lower case."""


class MtaStsMode(StrEnum):
    """What a sender does when TLS to our MX fails (RFC 8461 section 5)."""

    TESTING = "testing"
    ENFORCE = "enforce"


class MtaStsSettings(Settings):
    """Publishing an MTA-STS policy (RFC 8461)."""

    mode: MtaStsMode = MtaStsMode.TESTING
    """`testing` reports failures, `enforce` refuses delivery."""
    max_age: int = Field(604800, ge=86400, le=31557600)
    """Seconds that a sender may keep the policy."""


class ZoneSettings(Settings):
    """The zone at Cloudflare, and which optional record sets it holds."""

    name: DomainName | None = None
    """Zone at Cloudflare, when it is not the mail domain itself."""
    id: str | None = Field(None, pattern=r"^[0-9a-f]{32}$")
    """Cloudflare's id of the zone; looked up by name when absent."""
    ttl: int = Field(300, ge=60, le=86400)
    """Time to live of the records, in seconds."""
    mx_label: HostLabel = "mx"
    """Label of the mail host: never proxied, target of the MX record, MAILCOW_HOSTNAME."""
    mx_preference: int = Field(10, ge=0, le=65535)
    """Preference of the apex MX record."""
    record_quota: int = Field(200, ge=1)
    """Records that the zone's plan allows (200 on Cloudflare's free plan)."""
    apex_spf: str | None = "v=spf1 mx -all"
    """SPF record of the apex, none if null. Mail leaves through the smarthost under its own
    envelope domain, so the apex only has to speak for bounces and for nobody else."""
    srv: bool = True
    """Publish the service records (RFC 6186, RFC 8314) that mail programs look up."""
    mta_sts: MtaStsSettings | None = None
    """MTA-STS policy, none if null."""
    tls_rpt: bool = False
    """Ask for TLS reports (RFC 8460), sent to postmaster."""
    caa: tuple[DomainName, ...] = ()
    """Certificate authorities that may issue for the domain (RFC 8659); none published if
    empty."""
    tlsa: tuple[Sha256, ...] = ()
    """SHA-256 digests of the mail host's public keys (`3 1 1`, RFC 7672). Danger: they only count
    in a signed zone and must change before the key does."""


class WebSettings(Settings):
    """The web hosts: published in the zone, routed by Traefik, covered by the certificate."""

    admin: HostLabel = "mail-admin"
    """Label of Mailcow's administration."""
    webmail: HostLabel = "webmail"
    """Label of the webmail (SOGo)."""
    autoconfig: bool = True
    """Publish `autoconfig` (Thunderbird and others)."""
    autodiscover: bool = True
    """Publish `autodiscover` (Outlook and others)."""


_SERVICES = (
    # (service, port, what it is)
    ("submissions", 465, "submission over TLS"),
    ("submission", 587, "submission with STARTTLS"),
    ("imaps", 993, "IMAP over TLS"),
    ("imap", 143, "IMAP with STARTTLS"),
    ("pop3s", 995, "POP3 over TLS"),
    ("pop3", 110, "POP3 with STARTTLS"),
    ("sieve", 4190, "filter rules"),
)
"""What mail programs look up (RFC 6186, RFC 8314, RFC 5804), with the port it stands on."""


def records(declaration: "Declaration") -> tuple[Record, ...]:
    """Return every record that mail needs in the zone.

    The web hosts are A records beside the mail host's, for one address serves all of them. An
    AAAA record is published for the mail host alone: Traefik is not known to answer on IPv6.
    """
    return (
        *_mail_host(declaration),
        *_web_hosts(declaration),
        *_apex(declaration),
        *declaration.smarthost.row.records(smarthost_account(declaration)),
        *_service_records(declaration),
        *_transport_security(declaration),
    )


def smarthost_account(declaration: "Declaration") -> Account:
    """Return what the smarthost's records and login depend on."""
    settings = declaration.smarthost
    second = settings.second_selector
    return Account(
        domain=declaration.domain,
        region=settings.region,
        envelope=f"{settings.envelope_label}.{declaration.domain}",
        selector=settings.selector,
        dkim=declaration.dkim_public_key,
        user=settings.user,
        second=(second.selector, second.public_key) if second else None,
    )


def mta_sts_policy(declaration: "Declaration") -> str:
    """Return the policy that `mta-sts.<domain>` serves (RFC 8461 section 3.2).

    Raises:
        ValueError: the declaration has no `zone.mtaSts`.
    """
    settings = declaration.zone.mta_sts
    if settings is None:
        msg = "mail:zone.mtaSts is not declared"
        raise ValueError(msg)
    fields = {
        "version": "STSv1",
        "mode": settings.mode.value,
        "mx": declaration.mail_host,
        "max_age": str(settings.max_age),
    }
    return "".join(f"{key}: {value}\n" for key, value in fields.items())


def mta_sts_id(policy: str) -> str:
    """Return the id of a policy: another text has another id, the same text the same."""
    return hashlib.sha256(policy.encode()).hexdigest()[:32]


def _mail_host(declaration: "Declaration") -> Iterator[Record]:
    name, purpose = declaration.mail_host, "mail host: MX target, never proxied"
    yield Record("mx-a", name, RecordType.A, declaration.host.address, purpose)
    if declaration.ipv6 is not None:
        yield Record("mx-aaaa", name, RecordType.AAAA, declaration.ipv6.address, purpose)


def _web_hosts(declaration: "Declaration") -> Iterator[Record]:
    labels = {declaration.web.admin: "admin", declaration.web.webmail: "webmail"}
    for name in declaration.web_hosts:
        label = name.removesuffix(f".{declaration.domain}")
        key = labels.get(label, label)
        address = declaration.host.address
        yield Record(f"{key}-a", name, RecordType.A, address, f"web host: {key}")


def _apex(declaration: "Declaration") -> Iterator[Record]:
    domain, zone = declaration.domain, declaration.zone
    yield Record(
        "apex-mx",
        domain,
        RecordType.MX,
        declaration.mail_host,
        "incoming mail",
        zone.mx_preference,
    )
    if zone.apex_spf is not None:
        purpose = "who may send with the domain as envelope"
        yield Record("apex-spf", domain, RecordType.TXT, zone.apex_spf, purpose)
    text = record_text(declaration.dmarc, domain)
    purpose = f"DMARC stage since {declaration.dmarc.since}"
    yield Record("dmarc", f"_dmarc.{domain}", RecordType.TXT, text, purpose)


def _service_records(declaration: "Declaration") -> Iterator[Record]:
    if not declaration.zone.srv:
        return
    domain = declaration.domain
    for service, port, purpose in _SERVICES:
        if port in declaration.mailcow.raw_ports:
            data = Srv(0, 1, port, declaration.mail_host)
        else:
            data = Srv(0, 0, 0, ".")  # RFC 6186 section 3.4: not offered
            purpose = f"not offered: {purpose}"  # noqa: PLW2901 - the same words, negated
        name = f"_{service}._tcp.{domain}"
        yield Record(f"srv-{service}", name, RecordType.SRV, data, purpose)
    if declaration.web.autodiscover:
        data = Srv(0, 1, 443, f"autodiscover.{domain}")
        name = f"_autodiscover._tcp.{domain}"
        yield Record("srv-autodiscover", name, RecordType.SRV, data, "set-up of mail programs")
    if not declaration.mailcow.skip_sogo:
        yield from _groupware(declaration)


def _groupware(declaration: "Declaration") -> Iterator[Record]:
    host = f"{declaration.web.webmail}.{declaration.domain}"
    for service, purpose in (("caldavs", "calendars"), ("carddavs", "address books")):
        name = f"_{service}._tcp.{declaration.domain}"
        yield Record(f"srv-{service}", name, RecordType.SRV, Srv(0, 1, 443, host), purpose)
        # RFC 6764 section 4: where on that host
        text = "path=/SOGo/dav/"
        yield Record(f"path-{service}", name, RecordType.TXT, text, f"{purpose}: the path")


def _transport_security(declaration: "Declaration") -> Iterator[Record]:
    domain, zone = declaration.domain, declaration.zone
    if zone.mta_sts is not None:
        text = f"v=STSv1; id={mta_sts_id(mta_sts_policy(declaration))}"
        purpose = "there is an MTA-STS policy"
        yield Record("mta-sts", f"_mta-sts.{domain}", RecordType.TXT, text, purpose)
    if zone.tls_rpt:
        text = f"v=TLSRPTv1; rua=mailto:postmaster@{domain}"
        purpose = "where reports on TLS failures go"
        yield Record("tls-rpt", f"_smtp._tls.{domain}", RecordType.TXT, text, purpose)
    for authority in zone.caa:
        data = Caa(0, "issue", authority)
        purpose = "may issue certificates"
        yield Record(f"caa-{authority}", domain, RecordType.CAA, data, purpose)
    for digest in zone.tlsa:
        name = f"_25._tcp.{declaration.mail_host}"
        tlsa = Tlsa(3, 1, 1, digest)
        purpose = "public key of the mail host"
        yield Record(f"tlsa-{digest[:16]}", name, RecordType.TLSA, tlsa, purpose)
