"""The public certificate on its way to the mail services."""

from pydantic import Field

from declaration.settings import Settings


class CertificateSettings(Settings):
    """The public certificate on its way from Traefik to Postfix, Dovecot and nginx."""

    check_minutes: int = Field(60, ge=5, le=1440)
    """How often the host looks for a renewed certificate."""
    warn_days: int = Field(21, ge=1, le=29)
    """Days before expiry at which an alert is raised; Traefik renews 30 days before."""
