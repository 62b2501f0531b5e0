"""The rules, one module for each area. Importing this package registers all of them."""

from policies.rules import (
    authentication,
    backup,
    credentials,
    dmarc_evidence,
    exceptions,
    host,
    monitoring,
    names,
    people,
    residency,
    smarthost,
)

__all__ = [
    "authentication",
    "backup",
    "credentials",
    "dmarc_evidence",
    "exceptions",
    "host",
    "monitoring",
    "names",
    "people",
    "residency",
    "smarthost",
]
