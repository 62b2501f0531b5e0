"""The words in which objects are described: properties, their types, what equals what."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any
from urllib.parse import quote

import idna

COLUMN = 255
"""Characters that most of Mailcow's columns hold; what is longer is cut, or breaks the request."""
_LABEL = r"[a-z\d](?:-*[a-z\d])*"
_DOMAIN = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*")
_ATOM = r"[A-Za-z0-9!#$%&'*+=?^_`{|}~-]+"
_LOCAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_LAST = re.compile(r"[a-z][a-z0-9-]*")
_LOCAL_LIMIT = 64
Value = str | int | float | bool | list[str] | None
"""What a property holds, once unwrapped from Pulumi's `PropertyValue`."""
Values = dict[str, Any]
"""Properties of one object by their name in snake case."""


class Kind(StrEnum):
    """Type of a property."""

    TEXT = "string"
    WHOLE = "integer"
    NUMBER = "number"
    FLAG = "boolean"
    TEXTS = "array"


@dataclass(frozen=True)
class Property:
    """One property of an object.

    Attributes:
        name: Name in snake case: Mailcow's own word where it has one.
        kind: Type.
        doc: What it is, with its unit.
        required: Whether it must be declared.
        secret: Whether it is kept encrypted, and never shown.
        replaces: Whether a change makes a new object.
        default: Value that stands for a property left out. None: what is left out is not managed.
        choices: The only values allowed, if not empty.
        least: Smallest number allowed.
        limit: Most characters that Mailcow keeps of a text; None where it is no text of a column.
        form: Returns what is wrong with the form of a text, and None if nothing is.
        same: Canonical form; two values are the same if theirs are.
        readable: Whether Mailcow tells the value. What it does not tell is remembered instead.
        only_at_creation: Whether a later change means nothing.
        output: Whether Mailcow decides it.
    """

    name: str
    kind: Kind
    doc: str
    required: bool = False
    secret: bool = False
    replaces: bool = False
    default: Value = None
    choices: tuple[str | int, ...] = ()
    least: int | None = None
    limit: int | None = COLUMN
    form: Callable[[str], str | None] | None = None
    same: Callable[[Any], Any] | None = None
    readable: bool = True
    only_at_creation: bool = False
    output: bool = False

    @property
    def wire(self) -> str:
        """Name as Pulumi knows it, in camel case."""
        return camel(self.name)

    def canonical(self, value: Any) -> Any:
        """Return the form of `value` in which two spellings of one thing are equal."""
        if value is None:
            return None
        if self.kind is Kind.TEXTS:
            each = self.same or (lambda item: item)
            return frozenset(each(item) for item in value)
        return self.same(value) if self.same else value


@cache
def camel(name: str) -> str:
    """Return `max_quota` as `maxQuota`."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def snake(name: str) -> str:
    """Return `maxQuota` as `max_quota`."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def domain_name(value: str) -> str:
    """Return a domain as Mailcow keeps it: lower case, in its ASCII form."""
    text = value.strip().lower()
    if text.isascii():
        return text
    try:
        return idna.encode(text, uts46=True).decode()
    except idna.IDNAError:
        return text


def domain_mistake(value: str) -> str | None:
    """Return why Mailcow would not take `value` for a domain, or None if it would."""
    name = domain_name(value)
    if not name.isascii():
        return f"{value!r} is not a domain: IDNA has no ASCII form of it"
    if not _DOMAIN.fullmatch(name) or any(len(label) > 63 for label in name.split(".")):
        return f"{value!r} is not a domain"
    return None


def local_part_mistake(value: str) -> str | None:
    """Return why Mailcow would not take `value` for what stands before an @, or None."""
    local = value.strip()
    if "/" in local:
        return "must not hold a /: Mailcow can be told of such an address, and never asked for it"
    if not _LOCAL.fullmatch(local) or len(local) > _LOCAL_LIMIT:
        return f"{value!r} is not what can stand before an @"
    return None


def address_mistake(value: str) -> str | None:
    """Return why Mailcow would not take `value` for an address, or None if it would."""
    local, at, domain = value.strip().rpartition("@")
    if not at:
        return f"{value!r} is not an address"
    mistake = local_part_mistake(local) or domain_mistake(domain)
    last = domain_name(domain).rpartition(".")
    if mistake is None and not (last[1] and _LAST.fullmatch(last[2])):
        return (
            f"{value!r} is not an address that Mailcow takes: its domain has no dot or ends oddly"
        )
    return mistake


def either_mistake(value: str) -> str | None:
    """Return why Mailcow would take `value` neither for a domain nor for an address, or None."""
    plain = value.strip().removeprefix("@")
    return address_mistake(plain) if "@" in plain else domain_mistake(plain)


def asked(value: str) -> str:
    """Return a name as a path must carry it: nginx decodes a path, and PHP its query once more."""
    return quote(quote(value, safe="@"), safe="@")


def address(value: str) -> str:
    """Return an address in the form in which Mailcow compares it."""
    local, at, domain = value.strip().rpartition("@")
    return f"{local.lower()}{at}{domain_name(domain)}"


def sent_address(value: str) -> str:
    """Return an address as it is to be sent: its local part kept, its domain in ASCII."""
    local, at, domain = value.strip().rpartition("@")
    return f"{local}{at}{domain_name(domain)}"


def whole(value: Any) -> int | None:
    """Return the number in `value`: Mailcow answers numbers, and numbers as strings."""
    if value is None or value == "":
        return None
    return int(float(value))


def flag(value: Any) -> bool:
    """Return the truth in `value`: Mailcow answers 0, 1, "0", "1", "", null, true and false."""
    return value not in (None, "", "0", 0, False, "false")


def text(value: Any) -> str:
    """Return `value` as text, and nothing as the empty one."""
    return "" if value is None else str(value)


def number_text(value: Any) -> str:
    """Return an id as text, and none as "0"."""
    found = str(value).strip() if value not in (None, "") else "0"
    return found.removesuffix(".0")


def decimal(value: Any) -> float | None:
    """Return the number in `value`, with its fraction."""
    return None if value in (None, "") else float(value)


def mebibytes(value: Any) -> int | None:
    """Return bytes as MiB: Mailcow takes the one and answers the other."""
    number = whole(value)
    return None if number is None else number // 1048576


def defaults(properties: tuple[Property, ...]) -> Mapping[str, Value]:
    """Return what stands for properties that are left out."""
    return {item.name: item.default for item in properties if item.default is not None}
