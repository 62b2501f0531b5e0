"""Declared resources for the tests of the adoption."""

from typing import Any

from operations.adopt.model import Wanted
from operations.adopt.zone import TYPE

ZONE = "0123456789abcdef0123456789abcdef"
MARKER = "planted-7f3a9c-secret"


def record(name: str, host: str, kind: str, content: Any, **more: Any) -> Wanted:
    """Return a declared record."""
    inputs = {"zoneId": ZONE, "name": host, "type": kind, "content": content, "ttl": 300}
    return Wanted(name, TYPE, name, {**inputs, "proxied": False, **more})


def there(number: int, host: str, kind: str, content: str, **more: Any) -> dict[str, Any]:
    """Return a record as Cloudflare's API tells it."""
    told = {"id": f"r{number}", "name": host, "type": kind, "content": content, "ttl": 300.0}
    return {**told, "proxied": False, **more}


def resource(kind: str, title: str, **inputs: Any) -> Wanted:
    """Return a declared resource of any type."""
    return Wanted(title, kind, title, inputs)
