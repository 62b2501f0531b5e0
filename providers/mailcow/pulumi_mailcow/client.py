"""HTTP client of Mailcow's API. It knows nothing of Pulumi.

Mailcow answers 200 to nearly everything, and a body says what happened; sometimes there is none.
Its manners are read here once, and everything else deals in answers and typed errors.
"""

import asyncio
import json
import re
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from pulumi_kit.scrubbing import Scrubber
from pulumi_mailcow.errors import (
    DeniedError,
    MailcowError,
    RefusedError,
    UnauthorizedError,
    UncertainError,
    UnreachableError,
    UnreadableError,
)
from pulumi_mailcow.scrub import secrets_in

CONNECT_SECONDS = 10.0
READ_ATTEMPTS = 3
"""How often a question is asked before giving up. Writes are never repeated."""
BACKOFF_SECONDS = 0.3
WRITES_AT_A_TIME = 4
"""More run into deadlocks between Mailcow's own statements, which leave things done by halves."""
REFUSALS = frozenset({"danger", "error"})
"""Kinds of entries that say no."""
CODE = re.compile(r"[a-z][a-z0-9_]{2,60}")
"""What a message code looks like."""
KEY = re.compile(r"[A-Za-z0-9-]+")
"""What an API key looks like: Mailcow drops every other character from the one it is sent."""
LARGEST_ANSWER = 64 * 1024**2
"""Bytes; 10,000 mailboxes are 10 MiB."""
STUMBLED = re.compile(r"^(mysql_error|redis_error|SQLSTATE\[)")
"""How a refusal begins that comes from the database: the statements before it were carried out."""
UNFIT = re.compile(r"\b(22001|23000)\b")
"""States of SQL in which just the one statement failed: too long a text, a second of a kind."""
OURS = {
    "access_denied": "it is not there, or not of a domain of this Mailcow",
    "alias_invalid": "there is no such alias",
    "dkim_domain_or_sel_exists": "the domain has a key",
    "dkim_domain_or_sel_invalid": "the domain has a key, or domain or selector are no such thing",
    "domain_cannot_match_hostname": "it is MAILCOW_HOSTNAME",
    "domain_exists": "it is there already",
    "domain_invalid": "there is no such domain",
    "domain_not_empty": "mailboxes or resources are left in it",
    "domain_not_found": "its domain is not one of this Mailcow",
    "goto_invalid": "a target is no address that Mailcow takes",
    "is_alias": "an alias has this address",
    "is_alias_or_mailbox": "an alias or a mailbox has this address",
    "mailbox_quota_exceeded": "its quota is above that of one mailbox of the domain",
    "mailbox_quota_left_exceeded": "the quota of the domain is used up",
    "max_alias_exceeded": "the domain has as many aliases as it may",
    "max_mailbox_exceeded": "the domain has as many mailboxes as it may",
    "object_exists": "it is there already",
    "password_complexity": "the password does not meet the rules",
    "private_key_error": "the key could not be read",
}
"""What Mailcow's codes mean, for whoever reads a refusal."""


@dataclass(frozen=True)
class Settings:
    """How Mailcow is reached.

    Attributes:
        endpoint: Such as `https://mail-admin.example.org`.
        api_key: Key with read and write access.
        connect_to: `address:port` to connect to instead, as curl's `--connect-to`: name, Host
            header, SNI and certificate check stay those of the endpoint.
        ca_bundle: Certificate authorities to trust, in PEM; otherwise the system's.
        concurrency: Greatest number of requests at a time.
        timeout: Seconds to wait for an answer.
    """

    endpoint: str
    api_key: str = field(repr=False)
    connect_to: str | None = None
    ca_bundle: str | None = field(default=None, repr=False)
    concurrency: int = 8
    timeout: float = 60.0


@dataclass(frozen=True)
class Entry:
    """One entry of an answer to a write.

    Attributes:
        kind: `success`, `danger`, `warning`, `error` or `info`.
        code: Message code, such as `domain_added`.
        arguments: What the code's text speaks of, for a refusal.
    """

    kind: str
    code: str
    arguments: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join((self.code, *self.arguments)) if self.arguments else self.code


@dataclass(frozen=True)
class Answer:
    """What came back: status, type and body, and where it was asked."""

    status: int
    kind: str
    body: bytes
    path: str

    def decoded(self) -> Any:
        """Return the JSON in it, or None."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


@dataclass
class Count:
    """How many requests were made, for whoever wants to know."""

    reads: int = 0
    writes: int = 0


class Client:
    """One connection pool to one Mailcow. Keeps no cookies: a session replays earlier errors."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.count = Count()
        self._scrubber = Scrubber([settings.api_key])
        self._gate = asyncio.Semaphore(settings.concurrency)
        self._writing = asyncio.Semaphore(min(WRITES_AT_A_TIME, settings.concurrency))
        self._unauthorized: str | None = None
        self._base, self._headers, self._extensions = _address(settings)
        self._http = httpx.AsyncClient(
            verify=_trust(settings),
            timeout=httpx.Timeout(
                settings.timeout, connect=min(CONNECT_SECONDS, settings.timeout), pool=None
            ),
            limits=httpx.Limits(
                max_connections=settings.concurrency,
                max_keepalive_connections=settings.concurrency,
            ),
            follow_redirects=False,
            trust_env=settings.connect_to is None,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    def keep_secret(self, values: Iterable[str]) -> None:
        """Never show these values, whatever Mailcow echoes."""
        self._scrubber.learn(values)

    def clean(self, message: str) -> str:
        """Return `message` without any secret that went through this client."""
        return self._scrubber.clean(message)

    def limit(self, seconds: float) -> None:
        """Wait no longer than this for an answer from now on."""
        self._http.timeout = httpx.Timeout(seconds, connect=CONNECT_SECONDS, pool=None)

    async def get(self, path: str) -> Any:
        """Return what Mailcow answers at `get/<path>`; `{}` is what it says for nothing.

        Raises:
            UnauthorizedError: the key or the address is not accepted.
            DeniedError: there is no such route.
            UnreadableError: no usable answer, after a few attempts.
        """
        for attempt in range(READ_ATTEMPTS):
            try:
                return await self._get(path)
            except (UnreadableError, UnreachableError):
                if attempt + 1 == READ_ATTEMPTS:
                    raise
                await asyncio.sleep(BACKOFF_SECONDS * 3**attempt)
        raise AssertionError  # pragma: no cover - the loop returns or raises

    async def _get(self, path: str) -> Any:
        self.count.reads += 1
        try:
            answer = await self._request("GET", f"get/{path}", None)
        except httpx.HTTPError as error:
            if _never_sent(error):
                raise UnreachableError(self._no_connection(error)) from None
            msg = f"reading {path}: {_what(error)}"
            raise UnreadableError(self.clean(msg)) from None
        self._refuse_status(answer)
        said = answer.decoded() if answer.status == httpx.codes.OK else None
        if said is None:
            msg = f"reading {path}: {_strange(answer)}"
            raise UnreadableError(self.clean(msg))
        if isinstance(said, dict) and said.get("type") in {"error", "danger"}:
            msg = f"reading {path}: Mailcow says {said.get('msg')}"
            raise UnreadableError(self.clean(msg))
        return said

    async def page(self, host: str, path: str) -> str | None:
        """Return a page that Mailcow's web server serves under another name, or None.

        The endpoint is asked, with that name in the Host header and without the API key.
        """
        self.count.reads += 1
        headers = {"Host": host, "User-Agent": self._headers["User-Agent"]}
        origin = self._base.partition("://")
        url = f"{origin[0]}://{origin[2].partition('/')[0]}{path}"
        try:
            answer = await self._send("GET", url, headers, None)
        except httpx.HTTPError as error:
            msg = f"reading {path} of {host}: {_what(error)}"
            raise UnreadableError(self.clean(msg)) from None
        if answer.status >= httpx.codes.INTERNAL_SERVER_ERROR:
            msg = f"reading {path} of {host}: {_strange(answer)}"
            raise UnreadableError(msg)
        served = answer.status == httpx.codes.OK and answer.kind == "text/plain"
        return answer.body.decode("utf-8", "replace") if served else None

    async def write(self, path: str, body: Any) -> list[Entry]:
        """Send a write and return the entries of the answer. Believe it only once read back.

        Raises:
            UnauthorizedError: the key or the address is not accepted; nothing was done.
            DeniedError: turned away before anything was done.
            UnreachableError: nothing was sent.
            RefusedError: Mailcow says `danger`; other parts may have been done.
            UncertainError: the answer says nothing of what was done.
        """
        self.count.writes += 1
        self._scrubber.learn(secrets_in(body))
        what = path.split("/tag/", maxsplit=1)[0] + _subject(body)
        try:
            async with self._writing:
                answer = await self._request("POST", path, body)
        except httpx.HTTPError as error:
            if _never_sent(error):
                raise UnreachableError(self._no_connection(error)) from None
            pending = isinstance(error, httpx.TimeoutException)
            raise self._uncertain(what, _what(error), pending=pending) from None
        if answer.status == httpx.codes.METHOD_NOT_ALLOWED:
            # nginx, whose error page takes no POST: php-fpm is away, or died in the middle of it.
            raise self._uncertain(what, "answered 405, php-fpm is away")
        self._refuse_status(answer)
        entries = self._entries(answer.decoded() if answer.status == httpx.codes.OK else None)
        if not entries:
            pending = answer.status == httpx.codes.GATEWAY_TIMEOUT
            raise self._uncertain(what, _strange(answer), pending=pending)
        refusals = [entry for entry in entries if entry.kind in REFUSALS]
        if refusals:
            said = ", ".join(dict.fromkeys(_both(entry) for entry in refusals))
            if any(STUMBLED.match(str(entry)) and not UNFIT.search(str(entry))
                   for entry in refusals):  # fmt: skip
                raise self._uncertain(what, f"Mailcow stumbled: {said}")
            msg = f"{what}: Mailcow refuses: {said}"
            raise RefusedError(self.clean(msg), [entry.code for entry in refusals])
        return entries

    def _uncertain(self, what: str, why: str, *, pending: bool = False) -> UncertainError:
        msg = f"{what}: {why}; whether it was carried out is not known"
        return UncertainError(self.clean(msg), pending=pending)

    async def _request(self, method: str, path: str, body: Any) -> Answer:
        content = None if body is None else json.dumps(body)
        return await self._send(method, f"{self._base}/api/v1/{path}", self._headers, content)

    async def _send(
        self, method: str, url: str, headers: Mapping[str, str], content: str | None
    ) -> Answer:
        """Send a request and return the answer whole, within the time and the size set for it."""
        async with self._gate:
            if self._unauthorized:
                raise UnauthorizedError(self._unauthorized)
            # The pool's own jar is emptied rather than trusted: nothing may come back.
            self._http.cookies.clear()
            request = self._http.build_request(
                method, url, headers=headers, content=content, extensions=self._extensions
            )
            try:
                async with asyncio.timeout(self._http.timeout.read):
                    response = await self._http.send(request, stream=True)
                    try:
                        return await _whole(response)
                    finally:
                        await response.aclose()
            except TimeoutError:
                msg = "no answer in time"
                raise httpx.ReadTimeout(msg, request=request) from None

    def _refuse_status(self, answer: Answer) -> None:
        status = answer.status
        if status in {200, 500, 502, 503, 504}:
            return
        said = self.clean(_message(answer))
        if status == httpx.codes.UNAUTHORIZED:
            self._unauthorized = (
                f"Mailcow answers 401 ({said}): the API key is wrong, or this address is not in "
                "API_ALLOW_FROM. Nothing more is sent in this run, because ten such answers in "
                "ten minutes ban the address"
            )
            raise UnauthorizedError(self._unauthorized)
        if status == httpx.codes.FORBIDDEN:
            msg = f"Mailcow answers 403 ({said}): the API key may only read"
            raise DeniedError(msg)
        if status in {400, 404} or httpx.codes.is_redirect(status):
            msg = (
                f"Mailcow answers {status} ({said}) at {answer.path}: "
                "not its API, or a release without this part of it"
            )
            raise DeniedError(msg)

    def _entries(self, answer: Any) -> list[Entry]:
        items = [answer] if isinstance(answer, dict) else answer
        if not isinstance(items, list):
            return []
        return [self._entry(item) for item in items if isinstance(item, dict) and item.get("type")]

    def _entry(self, item: Mapping[str, Any]) -> Entry:
        # `log` echoes the request, passwords too: it is not even looked at.
        message = item.get("msg")
        parts = message if isinstance(message, list) else [message]
        kind = str(item["type"])
        if kind == "success":
            # Nobody is shown what a success says beyond its code.
            code = parts[0] if parts and isinstance(parts[0], str) else ""
            return Entry(kind, code if CODE.fullmatch(code) else "")
        words = [self.clean(part if isinstance(part, str) else json.dumps(part)) for part in parts]
        return Entry(kind, words[0] if words else "", tuple(words[1:]))

    def _no_connection(self, error: httpx.HTTPError) -> str:
        place = self.settings.connect_to or self.settings.endpoint
        return self.clean(f"no connection to Mailcow at {place}: {_what(error)}")


def _address(settings: Settings) -> tuple[str, dict[str, str], dict[str, Any]]:
    """Return base address, headers and httpx extensions for every request."""
    parts = urlsplit(settings.endpoint)
    if not KEY.fullmatch(settings.api_key):
        msg = (
            "apiKey holds something else than letters, digits and hyphens, which is all that a key "
            "of Mailcow is made of; perhaps a blank or the end of a line"
        )
        raise MailcowError(msg)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        msg = f"endpoint {settings.endpoint!r} is not an address such as https://mail.example.org"
        raise MailcowError(msg)
    base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
    headers = {
        "X-API-Key": settings.api_key,
        "Content-Type": "application/json",
        "Accept": "application/json",
        "User-Agent": "pulumi-mailcow",
    }
    if not settings.connect_to:
        return base, headers, {}
    host, colon, port = settings.connect_to.rpartition(":")
    if not colon or not port.isdigit():
        msg = f"connectTo {settings.connect_to!r} is not `address:port`"
        raise MailcowError(msg)
    headers["Host"] = parts.netloc.rpartition("@")[2]
    base = f"{parts.scheme}://{host}:{port}{parts.path.rstrip('/')}"
    return base, headers, {"sni_hostname": parts.hostname}


@cache
def _nothing_to_check() -> ssl.SSLContext:
    """Return a context for endpoints without TLS: reading the system's authorities takes time."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _trust(settings: Settings) -> ssl.SSLContext | bool:
    if settings.endpoint.startswith("http:"):
        return _nothing_to_check()
    if not settings.ca_bundle:
        return True
    try:
        return ssl.create_default_context(cadata=settings.ca_bundle)
    except ssl.SSLError:
        msg = "caBundle holds no certificate in PEM"
        raise MailcowError(msg) from None


def _never_sent(error: httpx.HTTPError) -> bool:
    return isinstance(
        error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout
        | httpx.UnsupportedProtocol
    )  # fmt: skip


def _what(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    reason = str(error).strip()
    return f"{reason}" if reason else "the connection was dropped"


async def _whole(response: httpx.Response) -> Answer:
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) > LARGEST_ANSWER:
            msg = f"an answer of more than {LARGEST_ANSWER >> 20} MiB, of which nothing was kept"
            raise httpx.DecodingError(msg)
    kind = response.headers.get("content-type", "no type").split(";")[0]
    return Answer(response.status_code, kind, bytes(body), response.url.path)


def _message(answer: Answer) -> str:
    said = answer.decoded()
    return str(said.get("msg", "")) if isinstance(said, dict) else "no explanation"


def _strange(answer: Answer) -> str:
    if not answer.body.strip():
        return f"an empty answer (status {answer.status}), Mailcow's sign of a crash"
    return f"an answer that is not Mailcow's (status {answer.status}, {answer.kind})"


def _subject(body: Any) -> str:
    """Return which object a write is about, as far as its body tells without a secret."""
    names = body.get("items") if isinstance(body, dict) and "items" in body else body
    if isinstance(names, dict):
        if names.get("local_part"):
            return f" of {names['local_part']}@{names.get('domain')}"
        keys = ("address", "username", "destination", "dest", "local_dest", "recipient_map_old",
                "domain", "domains", "hostname")  # fmt: skip
        return next((f" of {names[key]}" for key in keys if names.get(key)), "")
    if isinstance(names, list) and names and not isinstance(names[0], dict):
        return " of " + ", ".join(map(str, names))
    return ""


def _both(entry: Entry) -> str:
    """Return a refusal in Mailcow's words and, where it is a code, in ours."""
    ours = OURS.get(entry.code)
    return f"{entry} ({ours})" if ours else str(entry)
