"""How the API's language takes values: what is empty, what a number is, what an address is."""

import html
import json
import re
from typing import Any

import idna

_LABEL = r"[a-z\d](?:-*[a-z\d])*"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.IGNORECASE)
_LOCAL = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*", re.ASCII)
_HOST = re.compile(
    r"(?:(?:xn--)?[a-z0-9]+(?:-+[a-z0-9]+)*\.)+(?:[a-z][a-z0-9]*|xn--[a-z0-9]+)(?:-+[a-z0-9]+)*",
    re.IGNORECASE,
)
_SLASH = re.compile(r"(?<!\\)/")
_NUMBER = re.compile(r"\s*[+-]?\d+")
_SEPARATOR = re.compile(r"[ ,;\n]")


class UncaughtError(Exception):
    """An error that nothing catches: the answer is then an empty body with status 200."""


def empty(value: object) -> bool:
    """Return whether the language takes `value` for empty: "0" and 0 are, too."""
    return value is None or value in (False, 0, "", "0") or value in ([], {})


def intval(value: object) -> int:
    """Return `value` as a whole number: the digits in front, 0 for anything else."""
    if isinstance(value, (bool, int, float)):
        return int(value)
    if isinstance(value, str):
        found = _NUMBER.match(value)
        return int(found.group()) if found else 0
    return 1 if value else 0


def text(value: object) -> str:
    """Return `value` as a string.

    Raises:
        UncaughtError: it is a list or an object, which a string function refuses.
    """
    if value is None or value is False:
        return ""
    if value is True:
        return "1"
    if isinstance(value, (list, dict)):
        raise UncaughtError("a string was expected")
    return str(value)


def trimmed(value: object) -> str:
    """Return `value` as a string without space around it."""
    return text(value).strip()


def listed(value: object) -> list[Any]:
    """Return `value` as a list: itself, its values, or itself alone; empty for null."""
    if value is None:
        return []
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else [value]


def split(value: object) -> list[str]:
    """Return what stands between spaces, commas, semicolons and line ends, empty parts too."""
    return [part.strip() for part in _SEPARATOR.split(text(value))]


def numeric(value: object) -> bool:
    """Return whether `value` is a number or reads as one."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return True
    number = r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*"
    return isinstance(value, str) and re.fullmatch(number, value) is not None


def to_ascii(name: str) -> str:
    """Return a domain in lower case and in its ASCII form."""
    name = name.strip().lower()
    if name.isascii():
        return name
    try:
        return idna.encode(name, uts46=True).decode()
    except UnicodeError:
        return ""


def to_unicode(name: str) -> str:
    """Return a domain as people write it."""
    try:
        return idna.decode(name)
    except UnicodeError:
        return name


def escaped(value: object) -> str:
    """Return `value` as text that HTML takes for text."""
    return html.escape(text(value)).replace("&#x27;", "&#039;")


def is_domain(value: object, *, wildcard: bool = False) -> bool:
    """Return whether `value` is a domain name as the API takes one; one label suffices."""
    if not isinstance(value, str) or not value:
        return False
    name = to_ascii(value)
    if wildcard:
        name = name.removeprefix("*.")
    labels = name.split(".")
    return (
        _DOMAIN.fullmatch(name) is not None
        and len(name) <= 253
        and all(len(label) <= 63 for label in labels)
    )


def is_email(value: object) -> bool:
    """Return whether `filter_var` takes `value` for an address: ASCII, a dot in its domain."""
    if not isinstance(value, str) or len(value) > 254:
        return False
    local, _, domain = value.rpartition("@")
    labels = domain.split(".")
    return (
        len(local) <= 64
        and _LOCAL.fullmatch(local) is not None
        and _HOST.fullmatch(domain) is not None
        and all(len(label) <= 63 for label in labels)
    )


def address(value: str) -> str:
    """Return an address with its domain in lower case; the local part is left alone."""
    local, _, domain = value.partition("@")
    return f"{local}@{to_ascii(domain)}"


def decoded(text: str) -> Any:
    """Return what JSON says, None where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def encoded(value: object, *, pretty: bool = False) -> str:
    """Return a value as JSON."""
    return json.dumps(value, ensure_ascii=not pretty, indent=4 if pretty else None)


def alphanumeric(value: str, besides: str) -> bool:
    """Return whether `value` holds only ASCII letters, digits and what is listed `besides`."""
    bare = value.translate({ord(beside): None for beside in besides})
    return bool(bare) and bare.isascii() and bare.isalnum()


def is_pattern(value: str) -> bool:
    """Return whether `value` is a regular expression; flags may stand anywhere in it.

    It is put between slashes: after one of its own, nothing but flags may follow.
    """
    whole = _SLASH.split(value, maxsplit=1)
    if len(whole) > 1 and not set(whole[1]) <= set("imsxuADUXJSn"):
        return False
    try:
        re.compile(re.sub(r"\(\?[imsx]+\)", "", whole[0]))
    except re.error:
        return False
    return True
