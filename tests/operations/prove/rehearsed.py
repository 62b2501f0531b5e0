"""A deployed world to prove, and what can be planted in it."""

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from operations.prove.model import Proof, Station
from operations.prove.registry import checks
from operations.site.rehearsed import RehearsedSite
from rehearsal.stage import Stage
from rehearsal.world.authority import CertificateAuthority, Issued
from tests.conftest import PROJECT


class Rehearsed:
    """The stack `qual`, deployed to a world of its own."""

    def __init__(self, folder: Path) -> None:
        """Start the world below `folder` and deploy to it; `close` ends it."""
        self.runs = folder
        self.stage = Stage(PROJECT, "qual", runs=folder)
        self.world = self.stage.start_world(parent=os.getpid())
        outcome = self.stage.engine(self.world).up()
        assert outcome.ok, [error.message for error in outcome.errors]
        self.domain = str(self.stage.values()["domain"])
        self.host = f"mx.{self.domain}"

    def close(self) -> None:
        """Stop the world."""
        self.stage.stop_world()

    def prove(self, *stations: Station) -> Proof:
        """Prove what stands at the stations, everything without any."""
        chosen = [check for check in checks() if not stations or check.station in stations]
        return asyncio.run(RehearsedSite(self.stage, self.world).prove(only=chosen))

    @contextmanager
    def faults(self, service: str, **faults: Any) -> Iterator[None]:
        """Let a service of the world show faults for a while."""
        self.world.set_faults(service, **faults)
        try:
            yield
        finally:
            self.world.clear_faults(service)

    @contextmanager
    def proxied(self, name: str) -> Iterator[None]:
        """Put Cloudflare's proxy before a name for a while, through its API."""
        records = self.world.ask("GET", "/cloudflare/records")
        record = next(
            record for record in records if record["name"] == name and record["type"] == "A"
        )
        zone = self._cloudflare("GET", f"/zones?name={self.domain}")[0]["id"]
        path = f"/zones/{zone}/dns_records/{record['id']}"
        self._cloudflare("PATCH", path, {"proxied": True})
        try:
            yield
        finally:
            self._cloudflare("PATCH", path, {"proxied": False})

    def _cloudflare(self, method: str, path: str, body: object = None) -> Any:
        base = self.world.overlay["endpoints"]["cloudflareApi"]
        token = self.world.secrets["cloudflareApiToken"]
        answer = httpx.request(
            method, base + path, json=body, headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
        )  # fmt: skip
        return answer.raise_for_status().json()["result"]

    def on_host(self, path: str) -> Path:
        """Return where a path of the host lies on this machine."""
        return self.world.folder / "root" / path.lstrip("/")

    @contextmanager
    def certificate(self, issued: Issued) -> Iterator[None]:
        """Let the mail host show another certificate for a while."""
        folder = self.on_host("/opt/po-mail/mailcow/data/assets/ssl")
        before = {name: (folder / name).read_bytes() for name in ("cert.pem", "key.pem")}
        (folder / "cert.pem").write_bytes(issued.chain)
        (folder / "key.pem").write_bytes(issued.key)
        try:
            yield
        finally:
            for name, content in before.items():
                (folder / name).write_bytes(content)

    @property
    def authority(self) -> CertificateAuthority:
        """The authority that the world's public trusts."""
        return CertificateAuthority(self.world.folder / "authority")

    @contextmanager
    def without(self, path: str) -> Iterator[None]:
        """Take a file away from the host for a while."""
        file = self.on_host(path)
        aside = file.with_name(file.name + ".aside")
        file.rename(aside)
        try:
            yield
        finally:
            aside.rename(file)

    def leaks(self, text: str) -> list[str]:
        """Return the names of the world's secrets that stand in a text."""
        return [
            name
            for name, value in self.world.secrets.items()
            if value in text or json.dumps(value)[1:-1] in text
        ]
