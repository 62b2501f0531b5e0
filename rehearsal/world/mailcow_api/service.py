"""Mailcow's web address: the API, answered only while the containers behind it run."""

import asyncio
import json
import logging
import sqlite3
import ssl
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, ClassVar, cast

from aiohttp import web

from rehearsal.world.authority import self_signed
from rehearsal.world.dns import Dns
from rehearsal.world.faults import due
from rehearsal.world.mailcow_api import objects, set_up
from rehearsal.world.mailcow_api.access import Gate, Session, apply_keys, read_configuration
from rehearsal.world.mailcow_api.call import ROUTES, Call, Installation, Route, begin_log
from rehearsal.world.mailcow_api.objects import mta_sts
from rehearsal.world.mailcow_api.people import People, Person, Relay
from rehearsal.world.mailcow_api.php import UncaughtError, empty, listed
from rehearsal.world.mailcow_api.store import Store
from rehearsal.world.service import LOOPBACK, Service, Surroundings

COOKIE = "MCSESSID"
"""Name of the session cookie."""

_BEHIND = {
    "redis-mailcow": "Connection to Redis failed.",
    "mysql-mailcow": "Connection to database failed.",
    "dockerapi-mailcow": "Connection to dockerapi container failed.",
}
_GENERIC = {"add": "Cannot add item", "edit": "Cannot edit item", "delete": "Cannot delete item"}
_log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _html(status: int, words: str) -> web.Response:
    page = f"<html><body><center>{words}</center></body></html>"
    return web.Response(status=status, text=page, content_type="text/html")


def _json(body: object, status: int = 200) -> web.Response:
    text = body if isinstance(body, str) else json.dumps(body)
    return web.Response(status=status, text=text, content_type="application/json")


def _error(words: str, status: int = 200) -> web.Response:
    return _json({"type": "error", "msg": words}, status)


def _close(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


class MailcowApi(Service):
    """Mailcow's REST API with its manners, on tables of its own that outlive the world.

    Faults, each optionally with `times` and a `route` such as `POST /api/v1/add/mailbox`:
    before anything is done `slow` (`seconds`), `drop` (the connection closes), `error` (HTML,
    `status` 500), `danger` (`msg`); after it was done `empty` (an empty body), `error_after`,
    `drop_after`, `slow_after` (`seconds`).
    """

    name: ClassVar[str] = "mailcow"
    stands_for: ClassVar[str] = "Mailcow's API"

    def __init__(self) -> None:
        """Begin with nothing open."""
        super().__init__()
        self.port = 0
        self.requests = 0
        self.store: Store
        self._world: Surroundings
        self._people: People
        self._gate: Gate
        self._runner: web.AppRunner | None = None
        self._applied: object = None
        self._shown: tuple[float, ssl.SSLContext] | None = None

    async def start(self, world: Surroundings) -> None:
        """Listen on free ports, published as the ports of nginx on the bridge to Traefik."""
        self._world = world
        self._settings = dict(world.config.get("mailcow") or {})
        self._project = str(self._settings.get("project") or "po-mail")
        directory = str(self._settings.get("directory") or "/opt/po-mail/mailcow")
        self._directory = world.root / directory.lstrip("/")
        self.store = Store(world.folder / "mailcow" / "mailcow.sqlite")
        self._people, self._gate = People(self.store), Gate(self.store)
        app = web.Application(middlewares=[self._front], client_max_size=64 * 1024**2)
        app.add_routes(
            [
                web.route("*", "/api/v1/{query:.*}", self._api),
                web.get("/.well-known/mta-sts.txt", self._mta_sts),
                web.get("/mail/config-v1.1.xml", self._autoconfig),
                web.get("/.well-known/autoconfig/mail/config-v1.1.xml", self._autoconfig),
                web.post(
                    "/{folder:(?i:autodiscover)}/{file:(?i:autodiscover.xml)}", self._autodiscover
                ),
                web.get("/{path:.*}", self._page),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        self.port, plain = world.port("mailcow"), world.port("mailcow-plain")
        await web.TCPSite(self._runner, LOOPBACK, self.port, ssl_context=self._tls()).start()
        await web.TCPSite(self._runner, LOOPBACK, plain).start()
        traefik = dict(world.config.get("traefik") or {})
        bridge = str(traefik.get("backendAddress") or "172.20.0.1")
        https = int(self._settings.get("httpsPort") or 9443)
        world.addresses.publish(bridge, https, self.port)
        world.addresses.publish(bridge, int(self._settings.get("httpPort") or 9080), plain)

    async def stop(self) -> None:
        """Close the ports and the tables."""
        if self._runner is not None:
            await self._runner.cleanup()
            self.store.close()

    def control(self) -> Iterable[web.RouteDef]:
        """Show people, requests and bans; lift the bans."""
        return [
            web.get("/people", self._show_people),
            web.get("/requests", self._show_requests),
            web.delete("/bans", self._lift_bans),
        ]

    async def _show_people(self, _request: web.Request) -> web.Response:
        people = [{"address": one.address, "active": one.active} for one in self.people()]
        return web.json_response({"mailboxes": people, "domains": self.domains()})

    async def _show_requests(self, _request: web.Request) -> web.Response:
        return web.json_response({"requests": self.requests, "banned": list(self._gate.banned)})

    async def _lift_bans(self, _request: web.Request) -> web.Response:
        self._gate.banned.clear()
        return web.json_response({})

    # What the mail server asks

    def people(self) -> list[Person]:
        """Return every mailbox."""
        return self._people.mailboxes()

    def mailboxes(self) -> list[Person]:
        """Return every mailbox."""
        return self._people.mailboxes()

    def domains(self) -> list[str]:
        """Return the domains, alias domains included, for which mail is taken."""
        return self._people.domains()

    def check_password(self, address: str, password: str) -> bool:
        """Return whether `password` opens the mailbox `address`."""
        return self._people.check_password(address, password)

    def resolve_recipients(self, address: str) -> list[str]:
        """Return where mail to `address` goes; empty where there is nobody."""
        return self._people.resolve_recipients(address)

    def resolve_alias(self, address: str) -> list[str]:
        """Return where mail to `address` goes; empty where there is nobody."""
        return self._people.resolve_recipients(address)

    def relayhost_of(self, sender: str) -> Relay | None:
        """Return the relayhost that mail from `sender` takes, None for the global way."""
        return self._people.relayhost_of(sender)

    # nginx

    def _running(self, service: str) -> bool:
        docker: Any = self._world.services.get("docker")
        return docker is None or bool(docker.running(self._project, service))

    def _tls(self) -> ssl.SSLContext:
        """Return a context that shows the deployed certificate, or else Mailcow's own."""
        context = self._context()

        def choose(
            connection: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _old: ssl.SSLContext
        ) -> None:
            connection.context = self._context()

        context.sni_callback = choose
        return context

    def _context(self) -> ssl.SSLContext:
        folder = self._directory / "data/assets/ssl"
        chain, key = folder / "cert.pem", folder / "key.pem"
        if not (chain.exists() and key.exists()):
            folder = self._world.folder / "mailcow"
            chain, key = folder / "snake-oil.pem", folder / "snake-oil.key"
            if not key.exists():
                made = self_signed("mail.example.org")
                key.touch(mode=0o600)
                key.write_bytes(made.key)
                chain.write_bytes(made.chain)
        changed = max(chain.stat().st_mtime, key.stat().st_mtime)
        if self._shown is None or self._shown[0] != changed:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(chain, key)
            self._shown = (changed, context)
        return self._shown[1]

    def _caller(self, request: web.Request) -> str:
        """Return the address of the caller: the reverse proxy's word counts on the bridge only."""
        peer = request.transport.get_extra_info("peername") if request.transport else None
        address = self._world.addresses.origin_of(int(peer[1])) if peer else LOOPBACK
        forwarded = request.headers.get("X-Forwarded-For", "")
        if forwarded and address.startswith(("10.", "172.", "192.168.")):
            return forwarded.rpartition(",")[2].strip()
        return address

    @web.middleware
    async def _front(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        caller = self._caller(request)
        banned = self._running("netfilter-mailcow") and self._gate.bans(caller)
        if not self._running("nginx-mailcow") or banned:
            _close(request)
            return web.Response(status=502)  # never leaves: the connection is closed
        if not request.secure and not request.path.startswith("/.well-known/"):
            raise web.HTTPMovedPermanently(f"https://{request.host}{request.path_qs}")
        if not self._running("php-fpm-mailcow"):
            return _html(502, "502 Bad Gateway")
        for service, words in _BEHIND.items():
            if not self._running(service):
                return _html(500, words)
        return await handler(request)

    async def _page(self, request: web.Request) -> web.Response:
        groupware = request.path.startswith(("/SOGo", "/Microsoft-Server-ActiveSync"))
        if groupware and not self._running("sogo-mailcow"):
            return _html(502, "502 Bad Gateway")
        if request.path == "/" and request.host.startswith(("autodiscover.", "autoconfig.")):
            return _html(404, "")
        status, headers = set_up.page(request.raw_path.partition("?")[0])
        response = _html(status, "mailcow UI")
        response.headers.update(headers)
        return response

    def _setting(self, name: str) -> str:
        return read_configuration(self._directory / "mailcow.conf").get(name, "")

    def _hostname(self) -> str:
        return self._setting("MAILCOW_HOSTNAME")

    async def _autoconfig(self, _request: web.Request) -> web.Response:
        text = set_up.autoconfig(self._hostname())
        return web.Response(text=text, content_type="application/xml")

    async def _autodiscover(self, request: web.Request) -> web.Response:
        question = await request.text()
        address = set_up.address_asked_for(question).strip().lower()
        known = any(one.address == address and one.active for one in self.people())
        sogo = self._setting("SKIP_SOGO") != "y"
        name = address if known else ""
        text = set_up.autodiscover(self._hostname(), name, question, sogo=sogo)
        return web.Response(text=text, content_type="application/xml")

    async def _mta_sts(self, request: web.Request) -> web.Response:
        host = request.host.partition(":")[0].lower()
        policy = None
        if host.startswith("mta-sts."):
            policy = mta_sts.policy(self.store, host.removeprefix("mta-sts."))
        if policy is None:
            raise web.HTTPNotFound
        return web.Response(text=policy, content_type="text/plain")

    # php-fpm

    def _apply_keys(self) -> None:
        """Take over the configured keys once for every start of php-fpm."""
        file = self._directory / "mailcow.conf"
        docker: Any = self._world.services.get("docker")
        since = getattr(docker, "started_at", None)
        started = since(self._project, "php-fpm-mailcow") if since else None
        mark = started or (file.stat().st_mtime if file.exists() else None)
        if mark != self._applied:
            self._configuration = read_configuration(file)
            apply_keys(self.store, self._configuration)
            self._applied = mark

    def _installation(self) -> Installation:
        names = list(self._settings.get("services") or ())
        release = dict(self._settings.get("release") or {})

        def lookup(name: str, kind: str) -> list[str]:
            dns = self._world.services.get("dns")
            return [str(one) for one in cast("Dns", dns).resolve(name, kind)] if dns else []

        return Installation(
            hostname=getattr(self, "_configuration", {}).get("MAILCOW_HOSTNAME", ""),
            version=str(release.get("tag") or ""),
            containers=lambda: {
                name: "running" if self._running(name) else "exited" for name in names
            },
            lookup=lookup,
        )

    async def _api(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        if request.headers.get("Sec-Fetch-Dest", "empty") != "empty":
            return web.Response(status=403)
        self._apply_keys()
        caller = self._caller(request)
        cookie = request.cookies.get(COOKIE, "")
        session = self._gate.sessions.get(cookie) or Session("")
        key = request.headers.get("X-API-Key")
        if key:
            session.access, complaint = self._gate.check(key, caller)
            if complaint:
                self._gate.count_failure(caller)
                return _error(complaint, 401)
        route = f"{request.method} {request.path}"
        early = await self._strike(request, route)
        if early is not None:
            return early
        response = await self._answer(request, session)
        response = await self._strike_after(request, route, response)
        if session.access and cookie not in self._gate.sessions:
            cookie = self._gate.open_session(session.access)
            self._gate.sessions[cookie].said = session.said
            response.set_cookie(COOKIE, cookie, httponly=True, secure=True)
        return response

    async def _strike(self, request: web.Request, route: str) -> web.Response | None:
        slow = due(self.faults, "slow", route)
        if slow is not None:
            await asyncio.sleep(float(slow.get("seconds", 2)))
        if due(self.faults, "drop", route) is not None:
            _close(request)
            return web.Response(status=502)  # never leaves: the connection is closed
        error = due(self.faults, "error", route)
        if error is not None:
            return _html(int(error.get("status", 500)), "Connection to Redis failed.")
        danger = due(self.faults, "danger", route)
        if danger is not None:
            entry = {"type": "danger", "log": [], "msg": danger.get("msg", "mysql_error")}
            return _json([entry])
        return None

    async def _strike_after(
        self, request: web.Request, route: str, response: web.Response
    ) -> web.Response:
        slow = due(self.faults, "slow_after", route)
        if slow is not None:
            await asyncio.sleep(float(slow.get("seconds", 2)))
        if due(self.faults, "drop_after", route) is not None:
            _close(request)
        error = due(self.faults, "error_after", route)
        if error is not None:
            return _html(int(error.get("status", 500)), "Connection to dockerapi container failed.")
        return _json("") if due(self.faults, "empty", route) is not None else response

    async def _answer(  # noqa: PLR0911 - one return for each refusal, in the genuine order
        self, request: web.Request, session: Session
    ) -> web.Response:
        path: list[str] = request.match_info["query"].split("/")
        action, category, which, extra = [*path, "", "", ""][:4]
        if action == "get":
            return self._get(request, session, category, (which, extra))
        if action not in _GENERIC:
            return _error("route not found", 404)
        sent = await self._sent(request, action)
        if isinstance(sent, web.Response):
            return sent
        denied = session.access == "ro" or (action != "add" and not session.access)
        if denied:
            return _error("API read/write access denied", 403)
        if sent is None:
            return _error("Cannot find attributes in post data")
        if request.method != "POST":
            return _error("only POST method is allowed", 405)
        route = ROUTES.get((action, category))
        if route is None:
            return _error("route not found", 404)
        data, items = sent
        call = Call(
            self.store, self._installation(), data=data, items=items, which=which,
            extra=extra, admitted=bool(session.access), said=session.said,
        )  # fmt: skip
        return self._write(call, route, session, action)

    @staticmethod
    async def _sent(
        request: web.Request, action: str
    ) -> tuple[dict[str, Any], list[Any]] | web.Response | None:
        """Return attributes and items as they were sent, a refusal, or None if none were."""
        if "application/json" in request.headers.get("Content-Type", ""):
            try:
                body = json.loads(await request.text())
            except ValueError:
                return _error("Request body doesn't contain valid json!", 400)
            if body is None:
                return _error("Request body doesn't contain valid json!", 400)
            whole = body if isinstance(body, dict) else {}
            attributes = whole.get("attr") if action == "edit" else body
            items = whole.get("items") if action == "edit" else body
        else:
            form = await request.post()
            if ("items" if action == "delete" else "attr") not in form:
                return None
            try:
                attributes = json.loads(str(form.get("attr", "null")))
                items = json.loads(str(form.get("items", "null")))
            except ValueError:
                attributes = items = None
        data = dict(attributes) if isinstance(attributes, dict) and action != "delete" else {}
        data.pop("csrf_token", None)
        return data, listed(items) if action != "add" else []

    def _write(self, call: Call, route: Route, session: Session, action: str) -> web.Response:
        begin_log(call, route)
        try:
            result = route.handler(call)
        except (sqlite3.Error, UncaughtError) as error:
            # Nothing catches these in the genuine API: what was said is not sent, and stays in
            # the session (the list is its own) for whoever comes back with its cookie.
            _log.warning("uncaught in %s: %s", route.log, error)
            return _json("")
        session.said = []
        if call.said:
            return _json(call.said)
        if result is False:
            return _error(_GENERIC[action])
        return _json({"type": "success", "msg": "Task completed"})

    def _get(
        self, request: web.Request, session: Session, category: str, rest: tuple[str, str]
    ) -> web.Response:
        if request.method != "GET":
            return _error("only GET method is allowed", 405)
        if not session.access:
            return _json("")
        route = ROUTES.get(("get", category))
        if route is None:
            return _error("route not found", 404)
        call = Call(
            self.store, self._installation(), which=rest[0], extra=rest[1],
            query=dict(request.query),
        )  # fmt: skip
        found = route.handler(call)
        if empty(found):
            return _json(call.nothing)
        return _json(json.dumps(found, ensure_ascii=False, indent=4))


assert objects  # noqa: S101 - imported so that every object registers its routes
