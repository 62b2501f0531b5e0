"""Traefik's stand-in: obeys the dynamic files that the deployment wrote."""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path
from typing import Any, ClassVar, cast
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from readers.traefik.dynamic import Backend, FileError, Router, Static, read
from readers.traefik.paths import PathError, Target, target_of
from readers.traefik.rules import Asked
from rehearsal.world.dns import Dns
from rehearsal.world.faults import due
from rehearsal.world.service import LOOPBACK, Service, Surroundings
from rehearsal.world.traefik_certificates import Certificates, ChallengeError, chooser

_HOP_BY_HOP = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer",
        "transfer-encoding", "upgrade", "proxy-connection", "content-length",
    }
)  # fmt: skip
_FORGED = frozenset(
    {
        "x-forwarded-proto", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port",
        "x-forwarded-server", "x-forwarded-uri", "x-forwarded-method", "x-forwarded-prefix",
        "x-forwarded-tls-client-cert", "x-forwarded-tls-client-cert-info", "x-real-ip",
    }
)  # fmt: skip
"""What only a proxy may say; from a client it is dropped."""
_INVENTED = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""What the HTTP library would add where the client said nothing."""
_WATCH_SECONDS = 0.3
_RETRY_SECONDS = 2.0
_BODY_LIMIT = 64 * 1024**2


class Traefik(Service):
    """TLS by name and routing by rule, from the file provider alone.

    Faults: `bad_gateway` (502 before the backend is asked), `bad_gateway_after` (502 although it
    answered), both with optional `times` and `route` such as `POST /api/*`; `challenge` (true: no
    certificate is obtained); `default_certificate` (true: Traefik's own is shown to everybody).
    """

    name: ClassVar[str] = "traefik"
    stands_for: ClassVar[str] = "Traefik"

    def __init__(self) -> None:
        """Begin with no routers."""
        super().__init__()
        self.port = 0
        self.log: deque[str] = deque(maxlen=1000)
        self._world: Surroundings
        self._certificates: Certificates
        self._routers: list[Router] = []
        self._seen: object = None
        self._existing: tuple[str, ...] = ()
        self._retry_at: dict[tuple[str, ...], float] = {}
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None
        self._watch: asyncio.Task[None] | None = None

    async def start(self, world: Surroundings) -> None:
        """Listen as port 443 of the host, and watch the dynamic directory."""
        self._world = world
        settings = world.config["traefik"]
        resolver = str(settings["certificateResolver"])
        self._static = Static(str(settings["entryPoint"]), resolver)
        storage = str(settings["acmeStorage"])
        self._directory = world.root / str(settings["dynamicDirectory"]).lstrip("/")
        self._certificates = Certificates(
            world.root / storage.lstrip("/"),
            resolver,
            world.authority,
            cast("Dns", world.services["dns"]),
        )
        # Somebody else's router asked for it before we came.
        self._existing = tuple(map(str, world.config["certificate"]["existing"]))
        network = ip_network(str(settings["network"]))
        self._own_address = str(network[2])
        app = web.Application(client_max_size=_BODY_LIMIT)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        self.port = world.port("traefik")
        tls = self._certificates.context_for(None)
        tls.sni_callback = self._choose
        await web.TCPSite(self._runner, LOOPBACK, self.port, ssl_context=tls).start()
        world.addresses.publish(str(world.config["host"]["address"]), 443, self.port)
        connector = aiohttp.TCPConnector(
            socket_factory=lambda _info: world.addresses.caller(self._own_address)
        )
        self._session = aiohttp.ClientSession(
            connector=connector, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
        )
        # A request that the backend dropped is not made twice behind the client's back; the
        # library has no public switch for it.
        self._session._retry_connection = False  # noqa: SLF001
        self._watch = asyncio.create_task(self._keep_watching())

    async def stop(self) -> None:
        """Close the port and stop watching."""
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
        if self._session is not None:
            await self._session.close()
        if self._runner is not None:
            await self._runner.cleanup()

    def overlay(self) -> dict[str, Any]:
        """Say where the web hosts are reached."""
        return {"endpoints": {"web": f"{LOOPBACK}:{self.port}"}}

    def control(self) -> Iterable[web.RouteDef]:
        """Show routers and log; renew every certificate (`{"days": n}`, by default 90)."""
        return [
            web.get("/routers", self._show_routers),
            web.get("/log", self._show_log),
            web.post("/renew", self._renew),
        ]

    async def _show_routers(self, _request: web.Request) -> web.Response:
        self.reload()
        return web.json_response(
            [
                {"name": router.name, "hosts": router.rule.hosts, "backend": router.backend.url}
                for router in self._routers
            ]
        )

    async def _show_log(self, _request: web.Request) -> web.Response:
        return web.json_response(list(self.log))

    async def _renew(self, request: web.Request) -> web.Response:
        days = float((await request.json()).get("days", 90)) if request.can_read_body else 90
        wanted = self._wanted()
        for names in wanted:
            self._certificates.obtain(names, days=days)
        return web.json_response({"renewed": [list(names) for names in wanted]})

    def _choose(
        self, connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, old: ssl.SSLContext
    ) -> None:
        if not self.faults.get("default_certificate"):
            chooser(self._certificates)(connection, name, old)

    # Configuration

    def _report(self, line: str) -> None:
        if not self.log or self.log[-1] != line:
            self.log.append(line)

    async def _keep_watching(self) -> None:
        while True:
            self.reload()
            await asyncio.sleep(_WATCH_SECONDS)

    def reload(self) -> None:
        """Read the dynamic files if they changed, and see to the certificates."""
        try:
            files = sorted(
                file for ending in ("yml", "yaml") for file in self._directory.rglob(f"*.{ending}")
            )
            state = [(file, file.stat().st_mtime_ns, file.stat().st_size) for file in files]
        except OSError:
            return  # a file went while we looked; the next look sees what is there
        if state != self._seen:
            self._seen = state
            self._load(files)
        self._see_to_certificates()

    def _load(self, files: list[Path]) -> None:
        try:
            texts = {file: file.read_text() for file in files}
            self._routers = read(texts, self._static, self._report)
        except (FileError, OSError) as error:
            self._report(f"the dynamic files are not taken over: {error}")

    def _wanted(self) -> list[tuple[str, ...]]:
        """Return the names of each certificate that somebody asks for."""
        asked = (router.names for router in self._routers if router.resolver)
        return [*dict.fromkeys((*([self._existing] if self._existing else []), *asked))]

    def _see_to_certificates(self) -> None:
        for names in self._wanted():
            now = time.monotonic()
            if not names or now < self._retry_at.get(names, 0) or not self._certificates.due(names):
                continue
            self._retry_at[names] = now + _RETRY_SECONDS
            why = "the authority does not answer" if self.faults.get("challenge") else ""
            try:
                if not why:
                    self._certificates.obtain(names)
            except ChallengeError as error:
                why = str(error)
            if why:
                self._report(f"unable to obtain a certificate for {', '.join(names)}: {why}")

    # Requests

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.reload()
        host = request.host.partition(":")[0].lower()
        peer = request.transport.get_extra_info("peername") if request.transport else None
        client = self._world.addresses.origin_of(int(peer[1])) if peer else LOOPBACK
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            target = target_of(request.raw_path)
        except PathError:
            return web.Response(status=400)
        asked = Asked(request.method, host, target.seen, client, headers)
        router = next((router for router in self._routers if router.rule.matches(asked)), None)
        if router is None:
            text, safe = "404 page not found\n", {"X-Content-Type-Options": "nosniff"}
            return web.Response(status=404, text=text, headers=safe)
        route = f"{request.method} {target.seen}"
        if due(self.faults, "bad_gateway", route) is not None:
            return web.Response(status=502, text="Bad Gateway")
        answer = await self._forward(request, target, router.backend, client)
        if due(self.faults, "bad_gateway_after", route) is not None:
            return web.Response(status=502, text="Bad Gateway")
        return answer

    async def _forward(
        self, request: web.Request, target: Target, backend: Backend, client: str
    ) -> web.StreamResponse:
        parts = urlsplit(backend.url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            place, local = self._world.addresses.reach(str(parts.hostname), port)
            assert self._session is not None  # noqa: S101 - made at the start
            async with self._session.request(
                request.method,
                URL(f"{parts.scheme}://{place}:{local}{target.sent}", encoded=True),
                headers=self._headers(request, backend, client),
                skip_auto_headers=_INVENTED,
                data=await request.read() or None,
                allow_redirects=False,
                ssl=self._backend_tls(backend),
                server_hostname=parts.hostname if parts.scheme == "https" else None,
            ) as answer:
                return await self._hand_back(answer)
        except aiohttp.ClientConnectorCertificateError as error:
            self._report(f"500 Internal Server Error: {backend.url}: {error.certificate_error}")
            return web.Response(status=500, text="Internal Server Error")
        except TimeoutError:
            return web.Response(status=504, text="Gateway Timeout")
        except (aiohttp.ClientError, OSError) as error:
            self._report(f"502 Bad Gateway: {backend.url}: {type(error).__name__}")
            return web.Response(status=502, text="Bad Gateway")

    def _backend_tls(self, backend: Backend) -> ssl.SSLContext | bool:
        return self._world.authority.client_context() if backend.verified else False

    @staticmethod
    def _headers(request: web.Request, backend: Backend, client: str) -> CIMultiDict[str]:
        headers = CIMultiDict(
            (name, value)
            for name, value in request.headers.items()
            if name.lower() not in _HOP_BY_HOP | _FORGED
        )
        if "trailers" in request.headers.get("TE", ""):
            headers["TE"] = "trailers"
        headers["Host"] = request.host if backend.pass_host else urlsplit(backend.url).netloc
        headers["X-Forwarded-For"] = headers["X-Real-Ip"] = client
        headers["X-Forwarded-Proto"] = "https"
        headers["X-Forwarded-Host"] = request.host
        headers["X-Forwarded-Port"] = "443"
        headers["X-Forwarded-Server"] = "traefik"
        return headers

    @staticmethod
    async def _hand_back(answer: aiohttp.ClientResponse) -> web.Response:
        kept = CIMultiDict(
            (name, value)
            for name, value in answer.headers.items()
            if name.lower() not in _HOP_BY_HOP
        )
        return web.Response(status=answer.status, headers=kept, body=await answer.read())
