"""Traefik's rules: which requests a router takes, read as Traefik's third version reads them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_TOKEN = re.compile(
    r"\s*(?:(?P<operator>&&|\|\||!|\(|\)|,)|(?P<name>[A-Za-z]+)(?=\s*\()|(?P<text>`[^`]*`|\"[^\"]*\"))"
)


class RuleError(Exception):
    """A rule that Traefik cannot read; the message says where."""


@dataclass(frozen=True)
class Asked:
    """What a rule looks at.

    Attributes:
        host: Host header without port, lower case.
        path: Path without query.
        headers: Headers by lower-case name.
    """

    method: str
    host: str
    path: str
    client: str = ""
    headers: Mapping[str, str] | None = None


Matcher = Callable[[Asked], bool]


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise RuleError(f"bad regular expression {text}: {error}") from None


def _host(value: str) -> Matcher:
    wanted = value.lower().rstrip(".")
    return lambda asked: asked.host.rstrip(".") == wanted


def _host_pattern(value: str) -> Matcher:
    pattern = _pattern(value)
    return lambda asked: pattern.search(asked.host) is not None


def _path(value: str) -> Matcher:
    if not value.startswith("/"):
        raise RuleError(f"path {value} does not start with a slash")
    return lambda asked: asked.path == value


def _path_prefix(value: str) -> Matcher:
    if not value.startswith("/"):
        raise RuleError(f"path {value} does not start with a slash")
    return lambda asked: asked.path.startswith(value)


def _path_pattern(value: str) -> Matcher:
    pattern = _pattern(value)
    return lambda asked: pattern.search(asked.path) is not None


def _method(value: str) -> Matcher:
    return lambda asked: asked.method == value.upper()


def _header(name: str, value: str) -> Matcher:
    return lambda asked: (asked.headers or {}).get(name.lower()) == value


def _client(value: str) -> Matcher:
    return lambda asked: asked.client == value


_ONE: Mapping[str, Callable[[str], Matcher]] = {
    "Host": _host,
    "HostRegexp": _host_pattern,
    "Path": _path,
    "PathPrefix": _path_prefix,
    "PathRegexp": _path_pattern,
    "Method": _method,
    "ClientIP": _client,
}


class _Reader:
    """Reads one rule from left to right; `!` binds closest, then `&&`, then `||`."""

    def __init__(self, rule: str) -> None:
        self._rule = rule
        self._tokens: list[tuple[str, str]] = []
        place = 0
        while rule[place:].strip():
            found = _TOKEN.match(rule, place)
            if found is None:
                raise RuleError(f"unexpected text at {rule[place:].strip()[:20]}")
            kind = found.lastgroup or ""
            self._tokens.append((kind, found.group(kind)))
            place = found.end()
        self.hosts: list[str] = []

    def read(self) -> Matcher:
        matcher = self._either()
        if self._tokens:
            raise RuleError(f"unexpected {self._tokens[0][1]}")
        return matcher

    def _next(self, wanted: str | None = None) -> tuple[str, str]:
        if not self._tokens:
            raise RuleError("the rule ends too early")
        token = self._tokens.pop(0)
        if wanted is not None and token[1] != wanted:
            raise RuleError(f"{wanted} expected, not {token[1]}")
        return token

    def _ahead(self, text: str) -> bool:
        if self._tokens and self._tokens[0] == ("operator", text):
            self._tokens.pop(0)
            return True
        return False

    def _either(self) -> Matcher:
        parts = [self._both()]
        while self._ahead("||"):
            parts.append(self._both())
        return lambda asked: any(part(asked) for part in parts)

    def _both(self) -> Matcher:
        parts = [self._single()]
        while self._ahead("&&"):
            parts.append(self._single())
        return lambda asked: all(part(asked) for part in parts)

    def _single(self) -> Matcher:
        if self._ahead("!"):
            inner = self._single()
            return lambda asked: not inner(asked)
        if self._ahead("("):
            inner = self._either()
            self._next(")")
            return inner
        kind, name = self._next()
        if kind != "name":
            raise RuleError(f"a matcher expected, not {name}")
        return self._matcher(name, self._values())

    def _values(self) -> list[str]:
        self._next("(")
        values = []
        while True:
            kind, value = self._next()
            if kind != "text":
                raise RuleError(f"a quoted value expected, not {value}")
            values.append(value[1:-1])
            if not self._ahead(","):
                self._next(")")
                return values

    def _matcher(self, name: str, values: list[str]) -> Matcher:
        if name == "Header" and len(values) == 2:
            return _header(*values)
        if name not in _ONE:
            raise RuleError(f"unsupported function: {name}")
        if len(values) != 1:
            raise RuleError(f"unexpected number of parameters; got {len(values)}, expected 1")
        if name == "Host":
            self.hosts.append(values[0].lower())
        return _ONE[name](values[0])


@dataclass(frozen=True)
class Rule:
    """A rule that was read.

    Attributes:
        matches: Whether a request is taken.
        hosts: Host names in it, for which a certificate is asked.
    """

    matches: Matcher
    hosts: tuple[str, ...]


def read_rule(text: str) -> Rule:
    """Read a rule such as ``Host(`a`) && PathPrefix(`/b`)``.

    Raises:
        RuleError: Traefik would not read it either.
    """
    reader = _Reader(text)
    if not text.strip():
        raise RuleError("empty rule")
    return Rule(reader.read(), tuple(dict.fromkeys(reader.hosts)))
