"""Postfix's configuration (postconf(5), postmap(1)): parameters as they take effect, and maps."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from readers.mistake import MistakeError

_ASSIGNMENT = re.compile(r"(?P<name>[A-Za-z0-9_]+)\s*=\s*(?P<value>.*)", re.DOTALL)
_HOP = re.compile(
    r"(?P<open>\[)?(?P<host>[^\[\]:\s]+|[^\[\]\s]+(?=\]))(?(open)\])(?::(?P<port>\w+))?"
)
_REFERENCE = re.compile(r"\$\$|\$(?:\{(?P<braced>\w+)\}|\((?P<round>\w+)\)|(?P<bare>\w+))")
MANDATORY = ("encrypt", "dane-only", "fingerprint", "verify", "secure")
"""TLS levels at which nothing is sent in clear, whatever the server offers (TLS_README)."""
VERIFYING = ("secure", "verify", "fingerprint", "dane-only")
"""TLS levels at which mail waits unless the server has proved who it is (TLS_README)."""


@dataclass(frozen=True)
class Hop:
    """Where mail is handed on.

    Attributes:
        host: Name or address.
        port: Port or name of a service; empty for 25.
        direct: Whether the host itself is meant, not the mail hosts (MX) of a domain.
    """

    host: str
    port: str
    direct: bool


def parameters(text: str) -> dict[str, str]:
    """Return the parameters that a file sets, the last assignment of each as Postfix takes it.

    A line that begins with white space goes on with the one before; a `#` begins a comment only at
    the beginning of a line.

    Raises:
        MistakeError: a line is no assignment; Postfix would not start.
    """
    logical: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0].isspace() and logical:
            first, before = logical[-1]
            logical[-1] = (first, f"{before} {line.strip()}")
        else:
            logical.append((number, line.strip()))
    values: dict[str, str] = {}
    for number, line in logical:
        assignment = _ASSIGNMENT.fullmatch(line)
        if assignment is None:
            raise MistakeError(f"line {number}", 'missing "=" after attribute name')
        values[assignment["name"]] = assignment["value"].strip()
    return values


def expanded(value: str, values: Mapping[str, str], depth: int = 0) -> str:
    """Return a value with `$name` put in; a parameter that is not set here stays as written."""

    def put(match: re.Match[str]) -> str:
        name = match["braced"] or match["round"] or match["bare"]
        if name is None:
            return "$"
        known = name in values and depth < 20
        return expanded(values[name], values, depth + 1) if known else match[0]

    return _REFERENCE.sub(put, value)


def words(value: str) -> list[str]:
    """Return the members of a list, which commas or blanks set apart."""
    return [word for word in re.split(r"[,\s]+", value) if word]


def table(text: str) -> dict[str, str]:
    """Return a map's text by key; the first entry of a key counts (texthash)."""
    entries: dict[str, str] = {}
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            key, *rest = line.strip().split(None, 1)
            entries.setdefault(key, rest[0].strip() if rest else "")
    return entries


def hop(value: str) -> Hop:
    """Read a next hop, such as `[smtp.example.com]:587`.

    Raises:
        MistakeError: it is none.
    """
    match = _HOP.fullmatch(value.strip())
    if match is None:
        raise MistakeError(value, "is no next hop")
    return Hop(match["host"].lower(), match["port"] or "", match["open"] is not None)


def wraps(values: Mapping[str, str], level: str) -> bool:
    """Tell whether TLS begins with the first byte, without STARTTLS (smtp_tls_wrappermode).

    Args:
        values: The parameters.
        level: TLS level at the next hop, which the policy map may set higher than they do.

    Raises:
        MistakeError: it should, and the level lets mail go in clear, which postconf(5) rules out.
    """
    if values.get("smtp_tls_wrappermode", "no").lower() != "yes":
        return False
    if level not in MANDATORY:
        lacking = f"asks for the TLS level encrypt or more, not {level or 'none'}"
        raise MistakeError("smtp_tls_wrappermode", lacking)
    return True


@dataclass(frozen=True)
class TlsPolicy:
    """How TLS is spoken with a next hop.

    Attributes:
        level: Such as `may` or `secure`.
        match: Names that the server's certificate may bear; empty for those of the level.
        others: Further attributes, as written.
    """

    level: str
    match: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    def verifies(self, host: str) -> bool:
        """Tell whether mail waits unless the server proves to be this host."""
        allowed = {"nexthop", "dot-nexthop", host, f".{host}"}
        return self.level in VERIFYING and {*self.match} <= allowed


def tls_policy(text: str) -> TlsPolicy:
    """Read the right side of a TLS policy map, such as `secure match=nexthop`."""
    level, *attributes = [*text.split(), ""][: len(text.split()) or 1]
    names: list[str] = []
    others = []
    for attribute in attributes:
        name, _, value = attribute.partition("=")
        if name == "match":
            names += value.lower().split(":")
        else:
            others.append(attribute)
    return TlsPolicy(level, tuple(names), tuple(others))
