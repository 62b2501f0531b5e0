"""The rules, one module for each area. Importing this package registers all of them."""

from policies.rules import (
    backup,
    credentials,
    dkim,
    dmarc,
    dmarc_evidence,
    exceptions,
    host,
    monitoring,
    names,
    people,
    residency,
    routes,
    smarthost,
    spf,
    zone,
)

__all__ = [
    "backup",
    "credentials",
    "dkim",
    "dmarc",
    "dmarc_evidence",
    "exceptions",
    "host",
    "monitoring",
    "names",
    "people",
    "residency",
    "routes",
    "smarthost",
    "spf",
    "zone",
]
