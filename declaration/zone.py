"""The zone: every record that mail needs, and nothing that mail does not."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from declaration.settings import DomainName, HostLabel, Settings

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


def policy_text(settings: MtaStsSettings | None, mail_host: str) -> str | None:
    """Return the policy that `mta-sts.<domain>` serves (RFC 8461 section 3.2), None without one.

    Args:
        settings: What is declared of it.
        mail_host: Fully qualified name of the MX target.
    """
    if settings is None:
        return None
    fields = {
        "version": "STSv1",
        "mode": settings.mode.value,
        "mx": mail_host,
        "max_age": str(settings.max_age),
    }
    return "".join(f"{key}: {value}\n" for key, value in fields.items())


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
