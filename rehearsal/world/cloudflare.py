"""Cloudflare's API for zones and their records, on the store that the world's DNS serves."""

import asyncio
import hmac
import json
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from fnmatch import fnmatchcase
from typing import Any, cast

from aiohttp import web

from rehearsal.world.dns import Dns
from rehearsal.world.faults import due
from rehearsal.world.service import LOOPBACK, Service, Surroundings
from rehearsal.world.zone_file import NAME_SERVERS
from rehearsal.world.zone_store import Record, RecordError, Zone, ZoneStore

REQUESTS = 1200
"""Requests that a token may make in `PERIOD`."""
PERIOD = 300.0
"""Seconds in which requests are counted, and for which a token is then refused."""

_ACCOUNT = {"id": "0" * 32, "name": "Rehearsal"}
_PAGE = {"zones": 20, "records": 100}
_PAGE_LIMIT = {"zones": 50, "records": 5_000_000}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _answer(
    result: object, *, messages: Iterable[dict[str, Any]] = (), **more: Any
) -> web.Response:
    body = {"result": result, "success": True, "errors": [], "messages": list(messages), **more}
    return web.json_response(body)


def _refusal(error: RecordError) -> web.Response:
    entry: dict[str, Any] = {"code": error.code, "message": str(error)}
    if error.chain:
        entry["error_chain"] = [{"code": code, "message": words} for code, words in error.chain]
    body = {"result": None, "success": False, "errors": [entry], "messages": []}
    return web.json_response(body, status=error.status)


def _show_zone(zone: Zone) -> dict[str, Any]:
    return {
        "id": zone.id, "name": zone.name, "status": "active", "paused": False, "type": "full",
        "development_mode": 0, "name_servers": list(NAME_SERVERS), "original_name_servers": [],
        "original_registrar": None, "original_dnshost": None, "created_on": zone.created_on,
        "modified_on": zone.created_on, "activated_on": zone.created_on,
        "account": _ACCOUNT, "owner": {"id": None, "type": "user", "email": None},
        "permissions": ["#dns_records:edit", "#dns_records:read", "#zone:read"],
        "plan": {"id": "0feeeeeeeeeeeeeeeeeeeeeeeeeeeeee", "name": "Free Website", "price": 0,
                 "currency": "USD", "frequency": "", "is_subscribed": False, "can_subscribe": False,
                 "legacy_id": "free", "legacy_discount": False, "externally_managed": False},
        "meta": {"step": 2, "custom_certificate_quota": 0, "page_rule_quota": 3,
                 "phishing_detected": False},
    }  # fmt: skip


class Cloudflare(Service):
    """The part of the v4 API that records need, with its manners.

    Faults, each optionally with `times` and a `route` such as `POST */dns_records`:
    `rate_limit` (429), `error` (`status`, by default 502, with an HTML body), `slow` (`seconds`),
    `drop` (the connection closes and nothing was done), `drop_after` (it was done).
    """

    name = "cloudflare"
    stands_for = "Cloudflare's API"

    def __init__(self) -> None:
        """Begin without a store; the DNS service's is taken at the start."""
        super().__init__()
        self.port = 0
        self.store: ZoneStore
        self.requests = 0
        self._tokens: list[str] = []
        self._recent: deque[float] = deque()
        self._blocked_until = 0.0
        self._runner: web.AppRunner | None = None

    async def start(self, world: Surroundings) -> None:
        """Serve the store of the DNS service on a free port of loopback."""
        self.store = cast("Dns", world.services["dns"]).store
        self._tokens = [world.secrets["cloudflareApiToken"]]
        app = web.Application(middlewares=[self._manners])
        zones = "/client/v4/zones"
        records = zones + "/{zone}/dns_records"
        app.add_routes(
            [
                web.get("/client/v4/user/tokens/verify", self._verify),
                web.get(zones, self._zones),
                web.get(zones + "/{zone}", self._zone),
                web.get(records, self._records),
                web.post(records, self._add),
                web.get(records + "/{record}", self._record),
                web.put(records + "/{record}", self._replace),
                web.patch(records + "/{record}", self._change),
                web.delete(records + "/{record}", self._remove),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        self.port = world.port("cloudflare")
        await web.TCPSite(self._runner, LOOPBACK, self.port).start()

    async def stop(self) -> None:
        """Close the port."""
        if self._runner is not None:
            await self._runner.cleanup()

    def overlay(self) -> dict[str, Any]:
        """Say where the API is."""
        return {"endpoints": {"cloudflareApi": f"http://{LOOPBACK}:{self.port}/client/v4"}}

    def control(self) -> Iterable[web.RouteDef]:
        """Look past the token, and do what the page of tokens does.

        `GET /records`: every record. `GET /requests`: how many were made. `POST` and `DELETE
        /tokens` (`token`): make one valid beside the others, revoke one.
        """
        return [
            web.get("/records", self._show_all),
            web.get("/requests", self._show_requests),
            web.post("/tokens", self._change_tokens),
            web.delete("/tokens", self._change_tokens),
        ]

    async def _change_tokens(self, request: web.Request) -> web.Response:
        token = str((await request.json())["token"])
        kept = [item for item in self._tokens if item != token]
        self._tokens = kept if request.method == "DELETE" else [*kept, token]
        return web.json_response({"valid": len(self._tokens)})

    async def _show_all(self, _request: web.Request) -> web.Response:
        return web.json_response(
            [
                record.answer()
                for zone in self.store.zones.values()
                for record in zone.records.values()
            ]
        )

    async def _show_requests(self, _request: web.Request) -> web.Response:
        return web.json_response({"requests": self.requests})

    @web.middleware
    async def _manners(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests += 1
        route = f"{request.method} {request.path}"
        early = await self._strike(request, route)
        if early is not None:
            return early
        try:
            self._admit(request)
            response = await handler(request)
        except RecordError as error:
            response = _refusal(error)
        except web.HTTPNotFound:
            words = f"Could not route to {request.path}, perhaps your object identifier is invalid?"
            response = _refusal(RecordError(7003, words, status=404))
        except web.HTTPMethodNotAllowed:
            words = f"{request.method} method not allowed for this endpoint."
            response = _refusal(RecordError(10405, words, status=405))
        if due(self.faults, "drop_after", route) is not None:
            _close(request)
        return response

    async def _strike(self, request: web.Request, route: str) -> web.StreamResponse | None:
        slow = due(self.faults, "slow", route)
        if slow is not None:
            await asyncio.sleep(float(slow.get("seconds", 2)))
        if due(self.faults, "drop", route) is not None:
            _close(request)
            return web.Response(status=502)  # never leaves: the connection is closed
        error = due(self.faults, "error", route)
        if error is not None:
            page = "<html><head><title>502 Bad Gateway</title></head><body></body></html>"
            status = int(error.get("status", 502))
            return web.Response(status=status, text=page, content_type="text/html")
        if due(self.faults, "rate_limit", route) is not None:
            return self._throttled(60)
        return self._count()

    def _count(self) -> web.Response | None:
        now = time.monotonic()
        if now < self._blocked_until:
            return self._throttled(math.ceil(self._blocked_until - now))
        while self._recent and self._recent[0] <= now - PERIOD:
            self._recent.popleft()
        if len(self._recent) >= REQUESTS:
            self._blocked_until = now + PERIOD
            return self._throttled(math.ceil(PERIOD))
        self._recent.append(now)
        return None

    @staticmethod
    def _throttled(seconds: int) -> web.Response:
        words = "Please wait and consider throttling your request speed"
        response = _refusal(RecordError(971, words, status=429))
        response.headers["Retry-After"] = str(seconds)
        return response

    def _admit(self, request: web.Request) -> None:
        given = request.headers.get("Authorization")
        if given is None:
            words = "Missing X-Auth-Key, X-Auth-Email or Authorization headers"
            raise RecordError(9106, words, status=400)
        scheme, _, token = given.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            chain = ((6111, "Invalid format for Authorization header"),)
            raise RecordError(6003, "Invalid request headers", status=400, chain=chain)
        shown = token.strip().encode()
        if not any(hmac.compare_digest(shown, known.encode()) for known in self._tokens):
            raise RecordError(9109, "Invalid access token", status=403)

    async def _verify(self, _request: web.Request) -> web.Response:
        words = {"code": 10000, "message": "This API Token is valid and active"}
        return _answer({"id": "1" * 32, "status": "active"}, messages=[words])

    async def _zones(self, request: web.Request) -> web.Response:
        name = request.query.get("name")
        zones = [zone for zone in self.store.zones.values() if name in {None, zone.name}]
        return _page(request, [_show_zone(zone) for zone in zones], "zones")

    async def _zone(self, request: web.Request) -> web.Response:
        return _answer(_show_zone(self.store.zone(request.match_info["zone"])))

    async def _records(self, request: web.Request) -> web.Response:
        zone = self.store.zone(request.match_info["zone"])
        chosen = [record.answer() for record in zone.records.values() if _wanted(record, request)]
        order = request.query.get("order")
        if order in {"type", "name", "content", "ttl", "proxied"}:
            backwards = request.query.get("direction") == "desc"
            chosen.sort(key=lambda one: str(one[order]), reverse=backwards)
        return _page(request, chosen, "records")

    async def _record(self, request: web.Request) -> web.Response:
        place = request.match_info
        return _answer(self.store.record(place["zone"], place["record"]).answer())

    async def _add(self, request: web.Request) -> web.Response:
        given = await _body(request)
        return _written(self.store.add(request.match_info["zone"], given))

    async def _replace(self, request: web.Request) -> web.Response:
        place, given = request.match_info, await _body(request)
        return _written(self.store.replace(place["zone"], place["record"], given))

    async def _change(self, request: web.Request) -> web.Response:
        place, given = request.match_info, await _body(request)
        return _written(self.store.change(place["zone"], place["record"], given))

    async def _remove(self, request: web.Request) -> web.Response:
        place = request.match_info
        self.store.remove(place["zone"], place["record"])
        return _answer({"id": place["record"]})


def _close(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _written(record: Record) -> web.Response:
    messages = []
    if record.type == "TXT" and not record.content.startswith('"'):
        words = "The content field of TXT records should be in quotation marks."
        messages.append({"code": 10400, "message": words})
    return _answer(record.answer(), messages=messages)


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        given = await request.json()
    except json.JSONDecodeError:
        given = None
    if not isinstance(given, dict):
        raise RecordError(9207, "Request body is invalid.")
    return given


def _wanted(record: Record, request: web.Request) -> bool:
    """Return whether a record passes the filters of a list request."""
    for key, value in request.query.items():
        aspect, _, way = key.partition(".")
        if aspect not in {"name", "type", "content", "proxied", "comment"}:
            continue
        held = getattr(record, aspect)
        text = str(held).lower() if isinstance(held, bool) else str(held or "")
        pattern = {"": "{}", "exact": "{}", "contains": "*{}*", "startswith": "{}*",
                   "endswith": "*{}"}.get(way)  # fmt: skip
        if pattern is None:
            continue
        wanted = pattern.format(value.lower().replace("[", "[[]"))
        if not fnmatchcase(text.lower(), wanted):
            return False
    return True


def _page(request: web.Request, items: list[dict[str, Any]], kind: str) -> web.Response:
    try:
        page = max(int(request.query.get("page", 1)), 1)
        size = int(request.query.get("per_page", _PAGE[kind]))
    except ValueError:
        raise RecordError(1010, "Invalid pagination parameters.") from None
    size = min(max(size, 1), _PAGE_LIMIT[kind])
    shown = items[(page - 1) * size : page * size]
    info = {
        "page": page, "per_page": size, "count": len(shown), "total_count": len(items),
        "total_pages": math.ceil(len(items) / size),
    }  # fmt: skip
    return _answer(shown, result_info=info)
