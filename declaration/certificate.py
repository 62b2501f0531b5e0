"""The public certificate on its way to the mail services."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from declaration.settings import Settings

_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(\*\.)?({_LABEL}\.)+{_LABEL}")


def covers(name: str, host: str) -> bool:
    """Tell whether a certificate's name stands for a host (RFC 9525 section 6.3).

    Args:
        name: As it stands in the certificate; a wildcard stands for exactly one label.
        host: Fully qualified.
    """
    return name in (host, f"*.{host.partition('.')[2]}")


def _certificate_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        msg = f'"{name}" is no name of a certificate in lower case, such as *.example.com'
        raise ValueError(msg)
    return name


CertificateName = Annotated[str, AfterValidator(_certificate_name)]
"""A host, or a wildcard for one label below a domain."""


class CertificateSettings(Settings):
    """The public certificate on its way from Traefik to Postfix, Dovecot and nginx."""

    existing: tuple[CertificateName, ...] = ()
    """Names of a certificate that Traefik keeps already under `traefik.certificateResolver` in
    `traefik.acmeStorage`, such as `["*.example.com"]`: then no router asks for another one, and
    whoever asked for that one keeps it. Without any, Traefik obtains one for the mail host and the
    web hosts. Danger: if its owner gives it up, nobody renews it; `warnDays` before its end an
    alert says so."""
    check_minutes: int = Field(60, ge=5, le=1440)
    """How often the host looks for a renewed certificate."""
    warn_days: int = Field(21, ge=1, le=29)
    """Days before expiry at which an alert is raised; Traefik renews 30 days before."""
