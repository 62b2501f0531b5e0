"""Accounts and a host of which a test says what they answer."""

import asyncio
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from cloudflare import AsyncCloudflare

from declaration.model import Declaration
from operations.doctor.looking import Look
from operations.doctor.preflight import preflight
from operations.prove.model import Finding, Proof, Status
from operations.prove.net import Port
from operations.prove.subject import Subject
from operations.site.host import Finished
from tests.operations.prove.fake_net import FakeNet

ZONE = {
    "id": "a" * 32, "name": "portugalodyssey.pt", "status": "active",
    "permissions": ["#dns_records:edit", "#dns_records:read", "#zone:read"],
}  # fmt: skip


class Net(FakeNet):
    """A network in which ports have addresses."""

    def __init__(
        self, records: dict[str, list[str]], doors: Mapping[tuple[str, int], Port] | None = None
    ) -> None:
        super().__init__(records)
        self.doors = doors or {}

    async def port(self, address: str, port: int) -> Port:
        return self.doors.get((address, port), Port.SILENT)


class Shell:
    """A host whose commands a shell of this machine runs, or that says always the same."""

    def __init__(self, said: Finished | None = None, **environment: str) -> None:
        self.said = said
        self.environment = environment
        self.commands: list[str] = []

    async def run(self, command: str, **_: Any) -> Finished:
        self.commands.append(command)
        if self.said is not None:
            return self.said
        done = await asyncio.to_thread(
            subprocess.run, ["/bin/sh", "-c", command], env=self.environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return Finished(done.returncode, done.stdout, done.stderr)


@dataclass
class FakeSite:
    """A real stack as far as a look sees it."""

    declaration: Declaration
    answer: Callable[[httpx.Request], httpx.Response] = lambda _: httpx.Response(404)
    host: Shell = field(default_factory=Shell)
    storage: Any = None
    live: bool = True

    def secret(self, key: str) -> str:
        return f"planted-{key}"

    @property
    def cloudflare(self) -> AsyncCloudflare:
        http = httpx.AsyncClient(transport=httpx.MockTransport(self.answer))
        return AsyncCloudflare(api_token="planted-token", http_client=http)


def zones(*shown: Mapping[str, Any], status: int = 200) -> Callable[..., httpx.Response]:
    """Return a Cloudflare that shows these zones, or refuses."""

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.method == "GET"
        if status != 200:
            return httpx.Response(status, json={"success": False, "errors": [], "result": None})
        if request.url.path.endswith("/zones"):
            first = request.url.params.get("page", "1") == "1"
            name = request.url.params.get("name")
            found = [text for text in shown if name in {None, text["name"]}] if first else []
            return httpx.Response(200, json={"success": True, "result": found})
        return httpx.Response(200, json={"success": True, "result": []})

    return answer


def see(look: Look, site: Any, net: FakeNet | None = None) -> Finding:
    """Return what one look finds."""

    async def there() -> Finding:
        return await look.see(site, Subject(site.declaration, net or Net({})))

    return asyncio.run(there())


def standing(proof: Proof) -> dict[str, Status]:
    """Return how each look ended."""
    return {result.check.id: result.finding.status for result in proof.results}


def flown(site: Any) -> Proof:
    """Return a whole preflight of a site."""
    return asyncio.run(preflight(site))
