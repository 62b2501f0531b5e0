"""The control address of a world: what runs, which faults it shows, how it ends."""

import asyncio
import hmac
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from rehearsal.world.service import LOOPBACK, Service

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Control:
    """An HTTP server on loopback that answers nobody without the world's token.

    `GET /status`, `PUT|GET|DELETE /<service>/faults`, `POST /stop`, and below `/<service>/` what
    the service itself offers.
    """

    def __init__(
        self, services: Mapping[str, Service], status: Callable[[], dict[str, Any]]
    ) -> None:
        """Prepare the server.

        Args:
            services: The running services by name.
            status: Returns what `GET /status` answers.
        """
        self.token = secrets.token_urlsafe(32)
        self.port = 0
        self.stopping = asyncio.Event()
        self._services = services
        self._status = status
        self._runner: web.AppRunner | None = None

    @property
    def address(self) -> str:
        """Base URL."""
        return f"http://{LOOPBACK}:{self.port}"

    async def start(self) -> None:
        """Listen on a free port of loopback."""
        app = web.Application(middlewares=[self._admit])
        app.add_routes(
            [
                web.get("/status", self._show),
                web.post("/stop", self._stop),
                web.get("/{service}/faults", self._read_faults),
                web.put("/{service}/faults", self._set_faults),
                web.delete("/{service}/faults", self._clear_faults),
            ]
        )
        for name, service in self._services.items():
            app.add_routes(
                web.RouteDef(item.method, f"/{name}{item.path}", item.handler, item.kwargs)
                for item in service.control()
            )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, 0).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close the port."""
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self.token}".encode()):
            return web.json_response({"error": "the world's token is missing"}, status=401)
        return await handler(request)

    def _service(self, request: web.Request) -> Service:
        name = request.match_info["service"]
        if name not in self._services:
            words = {"error": f"this world has no service `{name}`"}
            raise web.HTTPNotFound(text=json.dumps(words), content_type="application/json")
        return self._services[name]

    async def _show(self, _request: web.Request) -> web.Response:
        return web.json_response(self._status())

    async def _stop(self, _request: web.Request) -> web.Response:
        self.stopping.set()
        return web.json_response({"stopping": True})

    async def _read_faults(self, request: web.Request) -> web.Response:
        return web.json_response(self._service(request).faults)

    async def _set_faults(self, request: web.Request) -> web.Response:
        service = self._service(request)
        try:
            given = await request.json()
        except json.JSONDecodeError:
            given = None
        if not isinstance(given, dict):
            return web.json_response({"error": "faults are a JSON object"}, status=400)
        service.faults.clear()
        service.faults.update(given)
        return web.json_response(service.faults)

    async def _clear_faults(self, request: web.Request) -> web.Response:
        self._service(request).faults.clear()
        return web.json_response({})
