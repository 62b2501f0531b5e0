"""The state that the first house left after deploying `qual` to a rehearsed world.

Its secrets and its accounts were invented for that rehearsal and belong to nobody.
"""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from rehearsal.stage import Stage
from rehearsal.world.client import WorldClient

_HERE = Path(__file__).parent

STATE = gzip.decompress((_HERE / "first-house.json.gz").read_bytes())
"""The state as Pulumi's file backend keeps it."""

URNS = tuple((_HERE / "first-house.urns").read_text().split())
"""Every resource that was deployed."""

_WORLD: dict[str, Any] = json.loads((_HERE / "first-house-world.json").read_text())
_ZONE = {"id": "57c63c13bbfd8a66ec1faaef1bc9e836", "name": "portugalodyssey.pt"}


class _ZoneById(BaseHTTPRequestHandler):
    """Answers the one question that a plan asks: which id the zone has."""

    def do_GET(self) -> None:
        """Answer `GET /zones?name=`."""
        paging = {"page": 1, "per_page": 20, "total_pages": 1, "count": 1, "total_count": 1}
        answer = {"success": True, "errors": [], "messages": [], "result": [_ZONE]}
        body = json.dumps(answer | {"result_info": paging}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Say nothing."""


@contextmanager
def _cloudflare() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _ZoneById) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/client/v4"
        server.shutdown()


@contextmanager
def first_house(project: Path, runs: Path) -> Iterator[tuple[Stage, WorldClient]]:
    """Lay the state where a rehearsal of `qual` looks for it.

    Args:
        project: Folder of the project whose program is to go on from it.
        runs: Empty folder for what runs leave.

    Yields:
        The stage, and the world that the state was deployed to: what it handed to the program is
        known, but nothing of it runs except that Cloudflare tells the zone's id.
    """
    stage = Stage(project, "qual", runs=runs)
    folder = stage.folder / "world"
    folder.mkdir(parents=True, mode=0o700)
    (folder / "secrets.json").write_text(json.dumps(_WORLD["secrets"]))
    (stage.folder / "passphrase").write_text(_WORLD["passphrase"])
    state = stage.backend / ".pulumi" / "stacks" / "mail" / "qual.json"
    state.parent.mkdir(parents=True)
    state.write_bytes(STATE)
    (stage.backend / ".pulumi" / "meta.yaml").write_text("version: 1\n")
    described = {"pid": 0, "stack": "qual", "control": "", "token": "", "services": []}
    with _cloudflare() as address:
        endpoints = _WORLD["overlay"]["endpoints"] | {"cloudflareApi": address}
        overlay = _WORLD["overlay"] | {"endpoints": endpoints}
        yield stage, WorldClient(folder, described | {"overlay": overlay})
