"""Who may use the API: keys from the deployed `mailcow.conf`, addresses, and bans."""

import ipaddress
import re
import secrets
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pulumi_mailcow.testing.store import Store

ATTEMPTS = 10
"""Wrong keys from one address within `WINDOW` that ban it."""
WINDOW = 600.0
"""Seconds in which wrong keys are counted."""
BAN = 1800.0
"""Seconds for which an address is banned."""


def read_configuration(file: Path) -> dict[str, str]:
    """Return the settings of a `mailcow.conf`; empty if there is none."""
    if not file.exists():
        return {}
    settings = {}
    for line in file.read_text().splitlines():
        name, sign, value = line.partition("=")
        if sign and not name.lstrip().startswith("#"):
            settings[name.strip()] = value.strip().strip("\"'")
    return settings


def _networks(text: str) -> list[Any]:
    found = []
    for part in re.split(r"[ ,;\n]", text):
        try:
            found.append(ipaddress.ip_network(part.strip(), strict=False))
        except ValueError:
            continue
    return found


def apply_keys(store: Store, settings: dict[str, str]) -> None:
    """Take over the keys of a configuration, as php-fpm does when it starts.

    Nothing happens without a valid address in `API_ALLOW_FROM`; a key that is gone from the file
    stays valid.
    """
    allowed = settings.get("API_ALLOW_FROM", "")
    if not _networks(allowed):
        return
    for name, access in (("API_KEY", "rw"), ("API_KEY_READ_ONLY", "ro")):
        key = settings.get(name, "")
        if key and key != "invalid":
            store.run("INSERT OR REPLACE INTO api VALUES (?, ?, ?)", key, allowed, access)


@dataclass
class Session:
    """What a cookie brings back: an access once given, and an answer that was never sent."""

    access: str
    said: list[dict[str, Any]] = field(default_factory=list)


class Gate:
    """Decides on keys, counts the wrong ones, and remembers sessions."""

    def __init__(self, store: Store) -> None:
        """Read keys from `store`."""
        self._store = store
        self._failures: defaultdict[str, deque[float]] = defaultdict(deque)
        self.banned: dict[str, float] = {}
        self.sessions: dict[str, Session] = {}

    def bans(self, address: str) -> bool:
        """Return whether nothing is answered to `address` now."""
        until = self.banned.get(address)
        if until is None:
            return False
        if time.monotonic() >= until:
            del self.banned[address]
            return False
        return True

    def check(self, key: str, address: str) -> tuple[str, str]:
        """Return the access that a key gives and, if it gives none, what is said instead."""
        key = re.sub(r"[^a-zA-Z0-9-]", "", key)
        row = self._store.row("SELECT * FROM api WHERE api_key = ?", key) if key else None
        if row is None:
            return "", "authentication failed"
        caller = ipaddress.ip_address(address)
        if not any(caller in network for network in _networks(row["allow_from"])):
            return "", f"api access denied for ip {address}"
        return row["access"], ""

    def count_failure(self, address: str) -> None:
        """Count a wrong key, and ban the address that sent too many."""
        now = time.monotonic()
        failures = self._failures[address]
        failures.append(now)
        while failures and failures[0] <= now - WINDOW:
            failures.popleft()
        if len(failures) >= ATTEMPTS:
            self.banned[address] = now + BAN
            failures.clear()

    def open_session(self, access: str) -> str:
        """Remember an access and return the cookie for it."""
        cookie = secrets.token_hex(16)
        self.sessions[cookie] = Session(access)
        while len(self.sessions) > 1000:
            del self.sessions[next(iter(self.sessions))]
        return cookie
