"""Mailcow's web address: the API, answered only while the containers behind it run."""

import ssl
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any, ClassVar, cast

from aiohttp import web

from pulumi_mailcow.testing.access import apply_keys, read_configuration
from pulumi_mailcow.testing.api import Api, page
from pulumi_mailcow.testing.call import Installation
from pulumi_mailcow.testing.faults import Fault, Kind
from pulumi_mailcow.testing.people import People, Person, Relay
from pulumi_mailcow.testing.store import Store
from rehearsal.world.authority import self_signed
from rehearsal.world.dns import Dns
from rehearsal.world.faults import due
from rehearsal.world.mailcow_api import set_up
from rehearsal.world.service import LOOPBACK, Service, Surroundings

_BEHIND = {
    "redis-mailcow": "Connection to Redis failed.",
    "mysql-mailcow": "Connection to database failed.",
    "dockerapi-mailcow": "Connection to dockerapi container failed.",
}
_FAULTS = {
    "slow": Fault(Kind.SLOW, seconds=2),
    "drop": Fault(Kind.DROP),
    "error": Fault(Kind.STATUS, status=500),
    "danger": Fault(Kind.DANGER, words="mysql_error"),
    "slow_after": Fault(Kind.SLOW, seconds=2),
    "drop_after": Fault(Kind.DROP, after=True),
    "error_after": Fault(Kind.STATUS, status=500, after=True),
    "empty": Fault(Kind.EMPTY, after=True),
}
"""What may be asked of it from outside, in the words of the stand-in."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


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
        self.api: Api
        self._world: Surroundings
        self._people: People
        self._runner: web.AppRunner | None = None
        self._applied: object = None
        self._shown: tuple[float, ssl.SSLContext] | None = None

    async def start(self, world: Surroundings) -> None:
        """Listen on free ports, published as the ports of nginx on the bridge to Traefik."""
        self._world = world
        self._settings = world.config["mailcow"]
        self._project = str(self._settings["project"])
        self._directory = world.root / str(self._settings["directory"]).lstrip("/")
        store = Store(world.folder / "mailcow" / "mailcow.sqlite")
        self._people = People(store)
        self.api = Api(store, self._installation())
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
        bridge = str(world.config["traefik"]["backendAddress"])
        world.addresses.publish(bridge, int(self._settings["httpsPort"]), self.port)
        world.addresses.publish(bridge, int(self._settings["httpPort"]), plain)

    async def stop(self) -> None:
        """Close the ports and the tables."""
        if self._runner is not None:
            await self._runner.cleanup()
            self.api.store.close()

    def control(self) -> Iterable[web.RouteDef]:
        """Show people, requests and bans; lift the bans."""
        return [
            web.get("/people", self._show_people),
            web.get("/requests", self._show_requests),
            web.delete("/bans", self._lift_bans),
        ]

    async def _show_people(self, _request: web.Request) -> web.Response:
        people = [{"address": person.address, "active": person.active} for person in self.people()]
        return web.json_response({"mailboxes": people, "domains": self.domains()})

    async def _show_requests(self, _request: web.Request) -> web.Response:
        banned = list(self.api.gate.banned)
        return web.json_response({"requests": self.api.count.asked, "banned": banned})

    async def _lift_bans(self, _request: web.Request) -> web.Response:
        self.api.gate.banned.clear()
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
        banned = self._running("netfilter-mailcow") and self.api.gate.bans(caller)
        if not self._running("nginx-mailcow") or banned:
            _close(request)
            return web.Response(status=502)  # never leaves: the connection is closed
        if not request.secure and not request.path.startswith("/.well-known/"):
            raise web.HTTPMovedPermanently(f"https://{request.host}{request.path_qs}")
        if not self._running("php-fpm-mailcow"):
            # Its error page takes no POST.
            status = 405 if request.method == "POST" else 502
            return page(status, f"{status} nginx")
        for service, words in _BEHIND.items():
            if not self._running(service):
                return page(500, words)
        return await handler(request)

    async def _page(self, request: web.Request) -> web.Response:
        groupware = request.path.startswith(("/SOGo", "/Microsoft-Server-ActiveSync"))
        if groupware and not self._running("sogo-mailcow"):
            return page(502, "502 Bad Gateway")
        if request.path == "/" and request.host.startswith(("autodiscover.", "autoconfig.")):
            return page(404, "")
        status, headers = set_up.page(request.raw_path.partition("?")[0])
        response = page(status, "mailcow UI")
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
        known = any(person.address == address and person.active for person in self.people())
        sogo = self._setting("SKIP_SOGO") != "y"
        name = address if known else ""
        text = set_up.autodiscover(self._hostname(), name, question, sogo=sogo)
        return web.Response(text=text, content_type="application/xml")

    async def _mta_sts(self, request: web.Request) -> web.Response:
        return self.api.policy(request.host)

    # php-fpm

    def _apply_keys(self) -> None:
        """Take over the configured keys once for every start of php-fpm."""
        file = self._directory / "mailcow.conf"
        docker: Any = self._world.services.get("docker")
        since = getattr(docker, "started_at", None)
        started = since(self._project, "php-fpm-mailcow") if since else None
        mark = started or (file.stat().st_mtime if file.exists() else None)
        if mark != self._applied:
            configuration = read_configuration(file)
            apply_keys(self.api.store, configuration)
            self.api.installation = self._installation(configuration)
            self._applied = mark

    def _installation(self, configuration: dict[str, str] | None = None) -> Installation:
        names = list(self._settings["services"])
        release = self._settings["release"]

        def lookup(name: str, kind: str) -> list[str]:
            dns = self._world.services.get("dns")
            return [str(text) for text in cast("Dns", dns).resolve(name, kind)] if dns else []

        return Installation(
            hostname=(configuration or {}).get("MAILCOW_HOSTNAME", ""),
            version=str(release.get("tag") or ""),
            containers=lambda: {
                name: "running" if self._running(name) else "exited" for name in names
            },
            lookup=lookup,
        )

    async def _api(self, request: web.Request) -> web.StreamResponse:
        self._apply_keys()
        self.api.faults.set(*self._due(f"{request.method} {request.path}"))
        return await self.api.answer(request, self._caller(request))

    def _due(self, route: str) -> Iterable[Fault]:
        for name, fault in _FAULTS.items():
            details = due(self.faults, name, route)
            if details is not None:
                yield replace(
                    fault, route="*", times=1,
                    seconds=float(details.get("seconds", fault.seconds)),
                    status=int(details.get("status", fault.status)),
                    words=str(details.get("msg", fault.words)),
                )  # fmt: skip
                return
