"""A Mailcow API that listens on loopback, for tests and for whoever tries a client."""

import ssl
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from pulumi_mailcow.testing.access import apply_keys
from pulumi_mailcow.testing.api import Api
from pulumi_mailcow.testing.call import Installation
from pulumi_mailcow.testing.store import Store
from pulumi_mailcow.version import CHECKED_AGAINST

LOOPBACK = "127.0.0.1"
API_KEY = "TESTS-ONLY-READ-WRITE-000001"
READ_ONLY_KEY = "TESTS-ONLY-READ-ONLY-000001"
HOSTNAME = "mx.example.com"
"""`MAILCOW_HOSTNAME` where nothing else is said."""


class Mailcow:
    """A Mailcow of which only the API is there.

    Besides the API, `GET /testing/count` tells what was asked, and `PUT /testing/faults` sets what
    goes wrong: a JSON list of faults, such as `[{"kind": "status", "status": 405}]`; an empty one
    lifts them.

        async with Mailcow() as mailcow:
            provider = ...(mailcow.url, mailcow.key)

    Attributes:
        key: The key with read and write access.
        read_only_key: The key that may only read.
        api: The API behind it: its `store`, its `faults`, its `count`.
        port: Where it listens, once it does.
        serves_policies: Whether `mta-sts.<domain>` leads here.
    """

    def __init__(
        self,
        file: Path | None = None,
        *,
        hostname: str = HOSTNAME,
        key: str = API_KEY,
        read_only_key: str = READ_ONLY_KEY,
    ) -> None:
        """Make one.

        Args:
            file: Where its tables are kept; in memory if left out.
            hostname: Its `MAILCOW_HOSTNAME`.
            key: The key with read and write access.
            read_only_key: The key that may only read.
        """
        self.key, self.read_only_key = key, read_only_key
        self.port = 0
        self.url = ""
        self.serves_policies = True
        store = Store(file)
        apply_keys(store, {"API_KEY": key, "API_KEY_READ_ONLY": read_only_key,
                           "API_ALLOW_FROM": LOOPBACK})  # fmt: skip
        running = ("dovecot-mailcow", "mysql-mailcow", "nginx-mailcow", "php-fpm-mailcow",
                   "postfix-mailcow", "redis-mailcow", "rspamd-mailcow")  # fmt: skip
        self.api = Api(
            store,
            Installation(
                hostname=hostname,
                version=CHECKED_AGAINST,
                containers=lambda: dict.fromkeys(running, "running"),
                lookup=lambda _name, _kind: [],
            ),
        )
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self, context: ssl.SSLContext | None = None, port: int = 0) -> str:
        """Listen on a port of loopback (0 for any that is free) and return the address."""
        app = web.Application(client_max_size=64 * 1024**2)
        app.add_routes(
            [
                web.route("*", "/api/v1/{query:.*}", self._answer),
                web.get("/.well-known/mta-sts.txt", self._policy),
                web.get("/testing/count", self._count),
                web.put("/testing/faults", self._faults),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, port, ssl_context=context).start()
        self.port = self._runner.addresses[0][1]
        self.url = f"http{'s' if context else ''}://{LOOPBACK}:{self.port}"
        return self.url

    async def stop(self) -> None:
        """Close the port and forget everything that is not in a file."""
        await self.api.lift()
        if self._runner is not None:
            await self._runner.cleanup()
        self.api.store.close()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        return await self.api.answer(request, request.remote or LOOPBACK)

    async def _count(self, _request: web.Request) -> web.Response:
        count, pace = self.api.count, self.api.pace
        return web.json_response(
            {"reads": count.reads, "writes": len(count.writes), "rejected": count.rejected,
             "most_at_a_time": count.most_at_a_time, "spent": pace.spent if pace else 0.0}
        )  # fmt: skip

    async def _faults(self, request: web.Request) -> web.Response:
        try:
            faults = self.api.faults.read(await request.json())
        except (TypeError, ValueError, KeyError) as error:
            return web.json_response({"mistake": str(error)}, status=400)
        await self.api.lift()
        self.api.faults.set(*faults)
        return web.json_response({"waiting": len(faults)})

    async def _policy(self, request: web.Request) -> web.StreamResponse:
        fault: Any = self.api.faults.due("GET /.well-known/mta-sts.txt")
        if fault is not None or not self.serves_policies:
            return web.Response(status=502 if fault is not None else 404)
        return self.api.policy(request.host)
