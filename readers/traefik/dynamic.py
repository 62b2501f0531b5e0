"""Traefik's dynamic files: what of them stands, and what of them is an error in its log."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, TypeVar
from urllib.parse import urlsplit

from readers.documents import document
from readers.mistake import Mistake, MistakeError
from readers.traefik.paths import PathError, target_of
from readers.traefik.rules import Asked, Rule, RuleError, read_rule

_KNOWN = {
    "router": {"entryPoints", "rule", "ruleSyntax", "service", "priority", "middlewares", "tls"},
    "service": {"loadBalancer"},
    "balancer": {"servers", "serversTransport", "passHostHeader", "healthCheck", "sticky"},
    "http": {"routers", "services", "serversTransports", "middlewares"},
    "file": {"http", "tcp", "udp", "tls"},
    "tls": {"certResolver", "domains", "options"},
}
_UNREAD = ("tcp", "udp", "tls")
"""Sections of a file that this reader does not read: what they do is not understood."""

Report = Callable[[str], None]
_Path = TypeVar("_Path", bound=PurePath)


class FileError(Exception):
    """A dynamic file that Traefik refuses as a whole."""


@dataclass(frozen=True)
class Backend:
    """Where a router's requests go.

    Attributes:
        service: Name of the service.
        url: URL of the server.
        verified: Whether its certificate must be trusted.
        pass_host: Whether it sees the host that was asked for.
    """

    service: str
    url: str
    verified: bool
    pass_host: bool


@dataclass(frozen=True)
class Router:
    """A router that stands.

    Attributes:
        resolver: Certificate resolver it asks, empty if none.
        names: Names of the certificate it asks for.
    """

    name: str
    rule: Rule
    priority: int
    backend: Backend
    resolver: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Static:
    """What Traefik's own configuration knows: the names of its entry point and resolver."""

    entry_point: str
    resolver: str


@dataclass(frozen=True)
class Request:
    """A request as a client makes it.

    Attributes:
        host: Host header without port.
        path: Path and query as they come over the wire.
    """

    host: str
    path: str = "/"
    method: str = "GET"
    client: str = ""


def answering(routers: Sequence[Router], request: Request) -> Router | None:
    """Return the router that answers a request on its entry point; None for 404 and 400.

    Args:
        routers: Those that stand, as `read` returns them.
        request: The request.
    """
    try:
        seen = target_of(request.path).seen
    except PathError:
        return None
    asked = Asked(request.method, request.host.lower(), seen, request.client)
    return next((router for router in routers if router.rule.matches(asked)), None)


def not_understood(files: Mapping[_Path, str]) -> list[Mistake]:
    """Return the parts of readable files of which this reader cannot tell what they do."""
    mistakes = []
    for file, text in files.items():
        content = document(text)
        for section in _UNREAD:
            if isinstance(content, dict) and content.get(section):
                reason = "is a section that is not understood"
                mistakes.append(Mistake(f"{file.name}: {section}", reason, understood=False))
    return mistakes


@dataclass
class _Http:
    routers: dict[str, Any] = field(default_factory=dict)
    services: dict[str, Any] = field(default_factory=dict)
    transports: dict[str, Any] = field(default_factory=dict)


def _mapping(value: object, what: str, known: str = "") -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise FileError(f"{what} is not a mapping")
    strange = set(value) - _KNOWN[known] if known else set()
    if strange:
        raise FileError(f"field not found, node: {min(strange)}")
    return value


def _collect(files: Mapping[_Path, str], report: Report) -> _Http:
    found = _Http()
    for file, text in files.items():
        try:
            whole = _mapping(document(text), file.name, "file")
        except MistakeError as error:
            raise FileError(f"{file.name}: {error}") from error
        http = _mapping(whole.get("http"), "http", "http")
        for mine, key in ((found.routers, "routers"), (found.services, "services"),
                          (found.transports, "serversTransports")):  # fmt: skip
            if key in http and not http[key]:
                # Its decoder takes an element without children for a mistake, not for nothing.
                raise FileError(f"{file.name}: {key} cannot be a standalone element")
            for name, value in _mapping(http.get(key), key).items():
                if name in mine:
                    report(f"{key} {name} is configured twice, the first stands")
                mine.setdefault(name, _mapping(value, name))
    return found


def read(files: Mapping[_Path, str], static: Static, report: Report) -> list[Router]:
    """Return the routers that stand, the one that is asked first coming first.

    Args:
        files: Text of each dynamic file.
        static: What Traefik's own configuration knows.
        report: Takes each line for the log.

    Raises:
        FileError: a file is refused as a whole; what stood before goes on standing.
    """
    http = _collect(files, report)
    routers = []
    for name, value in http.routers.items():
        given = _mapping(value, name, "router")
        try:
            routers.append(_router(name, given, http, static, report))
        except (RuleError, LookupError) as error:
            report(f"router {name} is left out: {error.args[0]}")
        except (AttributeError, TypeError, ValueError) as error:
            raise FileError(f"router {name} cannot be decoded: {error}") from error
    return sorted(routers, key=lambda one: -one.priority)


def _router(
    name: str, given: dict[str, Any], http: _Http, static: Static, report: Report
) -> Router:
    text = str(given.get("rule") or "")
    priority = int(given.get("priority") or len(text))
    rule = read_rule(text)
    points = given.get("entryPoints") or [static.entry_point]
    if static.entry_point not in points:
        raise LookupError(f"EntryPoint doesn't exist: {', '.join(map(str, points))}")
    for middleware in given.get("middlewares") or ():
        raise LookupError(f'middleware "{middleware}@file" does not exist')
    if "tls" not in given:
        raise LookupError("it has no TLS, and the entry point answers nothing else")
    tls = _mapping(given["tls"], "tls", "tls")
    resolver = str(tls.get("certResolver") or "")
    if resolver and resolver != static.resolver:
        report(f"router {name} uses a nonexistent certificate resolver: {resolver}")
        resolver = ""
    names = [
        host.lower()
        for domain in tls.get("domains") or ()
        for host in (domain.get("main"), *(domain.get("sans") or ()))
        if host
    ]
    backend = _backend(str(given.get("service") or ""), http)
    return Router(name, rule, priority, backend, resolver, tuple(names) or rule.hosts)


def _backend(name: str, http: _Http) -> Backend:
    if name not in http.services:
        raise LookupError(f'the service "{name}@file" does not exist')
    service = _mapping(http.services[name], name, "service")
    balancer = _mapping(service.get("loadBalancer"), "loadBalancer", "balancer")
    servers = balancer.get("servers") or ()
    if not servers:
        raise LookupError(f'the service "{name}@file" has no server')
    url = str(servers[0].get("url") or "")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise LookupError(f"{url} is not the URL of a server")
    transport = balancer.get("serversTransport")
    if transport and transport not in http.transports:
        raise LookupError(f"servers transport not found {transport}@file")
    settings = http.transports.get(transport or "", {})
    return Backend(
        service=name,
        url=url.rstrip("/"),
        verified=settings.get("insecureSkipVerify") is not True,
        pass_host=balancer.get("passHostHeader", True) is not False,
    )
