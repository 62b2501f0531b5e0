"""How the API's language takes values: what is empty, what a number is, what an address is."""

import re
from typing import Any

_LABEL = r"[a-z\d](?:-*[a-z\d])*"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.IGNORECASE)
_LOCAL = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*", re.ASCII)
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
    return isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d*\.?\d+\s*", value) is not None


def to_ascii(name: str) -> str:
    """Return a domain in lower case and in its ASCII form."""
    name = name.strip().lower()
    if name.isascii():
        return name
    try:
        return name.encode("idna").decode()
    except UnicodeError:
        return ""


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
    """Return whether `value` is an address with a local part and a domain."""
    if not isinstance(value, str):
        return False
    local, at, domain = value.rpartition("@")
    return bool(at) and len(local) <= 64 and bool(_LOCAL.fullmatch(local)) and is_domain(domain)


def address(value: str) -> str:
    """Return an address with its domain in lower case; the local part is left alone."""
    local, _, domain = value.partition("@")
    return f"{local}@{to_ascii(domain)}"


def alphanumeric(value: str, besides: str) -> bool:
    """Return whether `value` holds only ASCII letters, digits and what is listed `besides`."""
    bare = value.translate({ord(one): None for one in besides})
    return bool(bare) and bare.isascii() and bare.isalnum()


def is_pattern(value: str) -> bool:
    """Return whether `value` is a regular expression; flags may stand anywhere in it."""
    try:
        re.compile(re.sub(r"\(\?[imsx]+\)", "", value))
    except re.error:
        return False
    return True
