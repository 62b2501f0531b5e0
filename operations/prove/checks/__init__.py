"""The checks, one module a subject; importing this registers them all.

`report.py` says in which order stations are shown.
"""

from operations.prove.checks import (
    authentication,
    encryption,
    inbound,
    names,
    outbound,
    ports,
    reading,
    standing,
    submission,
    web,
)

__all__ = [
    "authentication",
    "encryption",
    "inbound",
    "names",
    "outbound",
    "ports",
    "reading",
    "standing",
    "submission",
    "web",
]
