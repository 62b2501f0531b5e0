"""The API over HTTP: what Mailcow's nginx and `json_api.php` do with a request."""

import asyncio
import logging
import sqlite3
import time
from collections import deque
from typing import Any
from urllib.parse import unquote_plus

from aiohttp import web

from pulumi_mailcow.testing import objects
from pulumi_mailcow.testing.access import Gate, Session
from pulumi_mailcow.testing.call import ROUTES, Call, Installation, Route, begin_log
from pulumi_mailcow.testing.faults import Fault, Faults, Kind
from pulumi_mailcow.testing.objects import mta_sts
from pulumi_mailcow.testing.pace import Pace
from pulumi_mailcow.testing.php import UncaughtError, decoded, empty, encoded, listed
from pulumi_mailcow.testing.store import Store

COOKIE = "MCSESSID"
"""Name of the session cookie."""
PREFIX = "/api/v1/"
_GENERIC = {"add": "Cannot add item", "edit": "Cannot edit item", "delete": "Cannot delete item"}
_LOG_LINES = 9999
_log = logging.getLogger(__name__)


def page(status: int, words: str) -> web.Response:
    """Return a page of nginx or of PHP."""
    text = f"<html><body><center>{words}</center></body></html>"
    return web.Response(status=status, text=text, content_type="text/html")


def _json(body: object, status: int = 200) -> web.Response:
    text = body if isinstance(body, str) else encoded(body)
    return web.Response(status=status, text=text, content_type="application/json")


def _error(words: str, status: int = 200) -> web.Response:
    return _json({"type": "error", "msg": words}, status)


class Count:
    """What was asked, for whoever wants to know."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self.asked = self.reads = 0
        self.writes: list[str] = []
        self.rejected = self.cookies = 0
        self.at_a_time = self.most_at_a_time = 0
        self.writing = self.most_writing = 0


class Api:
    """Mailcow's REST API with its manners, on tables of its own.

    Attributes:
        store: Its tables.
        gate: Who may use it.
        installation: What it knows of the installation around it.
        faults: What goes wrong.
        count: What was asked.
        pace: What its answers cost; None for nothing.
    """

    def __init__(self, store: Store, installation: Installation, gate: Gate | None = None) -> None:
        """Answer from `store`."""
        self.store, self.installation = store, installation
        self.gate = gate or Gate(store)
        self.faults = Faults()
        self.count = Count()
        self.pace: Pace | None = None
        self.lines: deque[dict[str, Any]] = deque(maxlen=_LOG_LINES)
        self._lifted = asyncio.Event()
        self._late: list[asyncio.Task[None]] = []

    async def lift(self) -> None:
        """Let nothing go wrong any more, and carry out what was still under way."""
        self.faults.set()
        self._lifted.set()
        for task in self._late:
            await task
        self._late.clear()
        self._lifted = asyncio.Event()

    def policy(self, host: str) -> web.Response:
        """Return the MTA-STS policy of `mta-sts.<domain>`, or nginx's 404."""
        name = host.partition(":")[0].lower()
        text = None
        if name.startswith("mta-sts."):
            text = mta_sts.policy(self.store, name.removeprefix("mta-sts."))
        if text is None:
            return web.Response(status=404, content_type="text/html")
        return web.Response(text=text, content_type="text/plain")

    # --- one request -------------------------------------------------------------------------

    async def answer(self, request: web.Request, caller: str) -> web.StreamResponse:
        """Answer one request below `/api/v1/` that comes from the address `caller`."""
        count, writing = self.count, int(request.method == "POST")
        count.asked += 1
        count.at_a_time, count.writing = count.at_a_time + 1, count.writing + writing
        count.most_at_a_time = max(count.most_at_a_time, count.at_a_time)
        count.most_writing = max(count.most_writing, count.writing)
        try:
            return await self._admit(request, caller)
        finally:
            count.at_a_time, count.writing = count.at_a_time - 1, count.writing - writing

    async def _admit(self, request: web.Request, caller: str) -> web.StreamResponse:
        if request.headers.get("Sec-Fetch-Dest", "empty") != "empty":
            return web.Response(status=403)
        # nginx decodes a path once, and PHP its query string once more.
        path = unquote_plus(request.path.removeprefix(PREFIX))
        fault = self.faults.due(f"{request.method} {path}")
        cookie = request.cookies.get(COOKIE, "")
        self.count.cookies += bool(request.cookies)
        session = self.gate.sessions.get(cookie) or Session("")
        key = request.headers.get("X-API-Key")
        complaint = "authentication failed" if fault and fault.kind is Kind.UNAUTHORIZED else ""
        if key and not complaint:
            session.access, complaint = self.gate.check(key, caller)
        if complaint:
            self.gate.count_failure(caller)
            self.count.rejected += 1
            text = encoded({"type": "error", "msg": complaint})
            return web.Response(status=401, text=text, content_type="text/html")
        if request.method == "POST":
            self.count.writes.append(path)
        else:
            self.count.reads += 1
        body = await request.read()
        self._note(request, caller, body)

        async def work() -> web.Response:
            return await self._answer(request, path, body, session)

        response: web.StreamResponse
        if fault is not None:
            response = await self._strike(request, fault, work)
        else:
            response = await work()
        if session.access and cookie not in self.gate.sessions:
            cookie = self.gate.open_session(session.access)
            self.gate.sessions[cookie].said = session.said
            response.set_cookie(COOKIE, cookie, httponly=True)
        return response

    def _note(self, request: web.Request, caller: str, body: bytes) -> None:
        """Write the line that `get/logs/api` shows: bodies in clear, names with `pass` masked."""
        action = request.path.removeprefix(PREFIX).partition("/")[0]
        sent = decoded(body.decode("utf-8", "replace")) if body else None
        parts: dict[str, Any] = {}
        if action == "edit" and isinstance(sent, dict):
            parts = {"attr": sent.get("attr"), "items": sent.get("items")}
        elif sent is not None and action in {"add", "delete"}:
            parts = {"attr" if action == "add" else "items": sent}
        for value in parts.values():
            if isinstance(value, dict):
                value.update({name: "*" for name in value if "pass" in name.lower()})
        data = ", ".join(f"{name}='{encoded(value)}'" for name, value in parts.items())
        line = {"time": int(time.time()), "uri": request.path_qs, "method": request.method}
        self.lines.appendleft({**line, "remote": caller, "data": data})

    # --- faults ------------------------------------------------------------------------------

    async def _strike(self, request: web.Request, fault: Fault, work: Any) -> web.StreamResponse:
        """Return the answer that a fault leaves, having carried the request out where it says."""
        if fault.kind is Kind.BROKEN:
            self.store.break_at = fault.at
        elif fault.kind is Kind.KEY_ERROR:
            self.store.key_errors += 1
        elif fault.kind is Kind.LATE:
            self._late.append(asyncio.create_task(self._later(work)))
        response: web.Response | None = None
        if fault.carried_out():
            try:
                response = await work()
            finally:
                self.store.break_at = None
        if fault.kind is Kind.LAST:
            self.faults.php_away()
        if fault.kind in {Kind.HANG, Kind.LATE}:
            await self._lifted.wait()
        if fault.kind is Kind.SLOW:
            await asyncio.sleep(fault.seconds)
        return await self._spoilt(request, fault, response)

    async def _later(self, work: Any) -> None:
        await self._lifted.wait()
        await work()

    async def _spoilt(  # noqa: PLR0911 - one return for each kind of answer
        self, request: web.Request, fault: Fault, response: web.Response | None
    ) -> web.StreamResponse:
        kind = fault.kind
        if kind is Kind.DANGER:
            return _json([{"type": "danger", "log": [], "msg": fault.words or "access_denied"}])
        if kind is Kind.LOST:
            return _json([{"type": "success", "log": [], "msg": fault.words or "object_modified"}])
        if kind is Kind.WARNING and response is not None:
            said = decoded(response.text or "")
            entry = {"type": "warning", "log": [], "msg": fault.words or "something is odd"}
            return _json([entry, *listed(said if isinstance(said, list) else [said])])
        if kind is Kind.STATUS or (kind is Kind.BROKEN and fault.status):
            return page(fault.status or 500, "Connection to Redis failed.")
        if kind is Kind.HTML:
            return page(200, "Sign in")
        if kind is Kind.REDIRECT:
            return web.Response(status=302, headers={"Location": "https://example.net/"})
        if kind is Kind.HUGE:
            return web.Response(body=b" " * fault.size, content_type="application/json")
        if kind in {Kind.DROP, Kind.CUT}:
            return await self._cut(request, response if kind is Kind.CUT else None)
        if response is not None and kind in {Kind.SLOW, Kind.BROKEN, Kind.LAST, Kind.KEY_ERROR}:
            return response
        return _json("")

    @staticmethod
    async def _cut(request: web.Request, response: web.Response | None) -> web.StreamResponse:
        """Close the connection, after half of the answer where there is one."""
        body = (response.text or "").encode() if response is not None else b""
        half = web.StreamResponse(headers={"Content-Length": str(len(body))})
        if body:
            half.content_type = "application/json"
            await half.prepare(request)
            await half.write(body[: len(body) // 2])
        if request.transport is not None:
            request.transport.close() if body else request.transport.abort()
        return half

    # --- json_api.php ------------------------------------------------------------------------

    async def _answer(  # noqa: PLR0911 - one return for each refusal, in the genuine order
        self, request: web.Request, path: str, body: bytes, session: Session
    ) -> web.Response:
        action, category, which, extra = [*path.split("/"), "", "", ""][:4]
        if self.pace is not None:
            broken = await self.pace.spend(
                self.store, (action, category, which), self.count.writing
            )
            self.store.break_at = self.store.break_at if broken is None else broken
        if action == "get":
            return self._get(request, session, category, (which, extra))
        sent = await self._sent(request, action, body)
        if isinstance(sent, web.Response):
            return sent
        if action not in _GENERIC:
            return _error("route not found", 404)
        if session.access == "ro" or (action != "add" and not session.access):
            return _error("API read/write access denied", 403)
        if sent is None:
            return _error("Cannot find attributes in post data")
        if request.method != "POST":
            return _error("only POST method is allowed", 405)
        route = ROUTES.get((action, category))
        if route is None or which in UNASKED:
            return _unknown(action, category, which)
        data, items = sent
        call = Call(
            self.store, self.installation, data=data, items=items, which=which,
            extra=extra, admitted=bool(session.access), said=session.said,
        )  # fmt: skip
        return self._write(call, route, session, action)

    @staticmethod
    async def _sent(
        request: web.Request, action: str, body: bytes
    ) -> tuple[dict[str, Any], list[Any]] | web.Response | None:
        """Return attributes and items as they were sent, a refusal, or None if none were."""
        if "application/json" in request.headers.get("Content-Type", ""):
            sent = decoded(body.decode("utf-8", "replace"))
            if sent is None:
                return _error("Request body doesn't contain valid json!", 400)
            whole = sent if isinstance(sent, dict) else {}
            attributes = whole.get("attr") if action == "edit" else sent
            items = whole.get("items") if action == "edit" else sent
        else:
            form = await request.post()
            if ("items" if action == "delete" else "attr") not in form:
                return None
            attributes = decoded(str(form.get("attr", "null")))
            items = decoded(str(form.get("items", "null")))
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
            _log.debug("uncaught in %s: %s", route.log, error)
            call.danger("mysql_error", {})
            return _json("")
        finally:
            self.store.break_at = None
        session.said = []
        if call.said:
            return _json(call.said)
        if result is False:
            return _error(_GENERIC[action])
        return _json({"type": "success", "msg": "Task completed"})

    def _get(  # noqa: PLR0911 - one return for each refusal, in the genuine order
        self, request: web.Request, session: Session, category: str, rest: tuple[str, str]
    ) -> web.Response:
        if request.method != "GET":
            return _error("only GET method is allowed", 405)
        if not session.access:
            return _json("")
        route = ROUTES.get(("get", category))
        if route is None or rest[0] in UNASKED:
            return _unknown("get", category, rest[0])
        call = Call(
            self.store, self.installation, which=rest[0], extra=rest[1],
            query=dict(request.query), lines=self.lines,
        )  # fmt: skip
        try:
            found = route.handler(call)
        except LookupError:
            return _error("route not found", 404)
        except (sqlite3.Error, UncaughtError) as error:
            _log.debug("uncaught in get/%s: %s", category, error)
            return _json("")
        if empty(found):
            return _json(call.nothing)
        return _json(encoded(found, pretty=True))


_OTHERS = {
    "get": (
        "active-user-sieve admin bcc-destination-options identity-provider presets "
        "reset-last-login rsetting sieve u2f-authentication"
    ),
    "add": (
        "admin filter fido2-registration global-filter oauth2-client rsetting sso "
        "time_limited_alias webauthn-tfa-registration"
    ),
    "edit": (
        "admin app_links banlist cors custom_login fail2ban fido2-fn filter identity-provider "
        "identity-provider-test ip_check mailq oauth2-client passwordpolicy pushover "
        "pushover-test qitem quarantine quota_notification quota_notification_bcc "
        "rename-mbox reset-password-notification rsetting rspamd-map self time_limited_alias "
        "ui_texts"
    ),
    "delete": (
        "admin eas_cache filter identity-provider mailq oauth2-client qitem rlhash rsetting "
        "sogo_profile time_limited_alias"
    ),
}
GENUINE = {action: frozenset(names.split()) for action, names in _OTHERS.items()}
"""What the genuine API has besides, and nobody asks this one: refused by name."""


UNASKED = frozenset({"footer", "template"})
"""Third parts of paths that the genuine API has besides."""


def _unknown(action: str, category: str, which: str) -> web.Response:
    asked = f"{action}/{category}/{which}" if which in UNASKED else f"{action}/{category}"
    if which in UNASKED or category in GENUINE[action]:
        return _error(f"this stand-in of Mailcow does not know {asked}", 501)
    return _error("route not found", 404)


assert objects  # noqa: S101 - imported so that every object registers its routes
