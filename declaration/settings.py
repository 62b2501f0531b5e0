"""What all settings have in common: frozen, camel-case in YAML, unknown keys refused."""

import ast
import inspect
import ipaddress
import re
import unicodedata
from collections.abc import Mapping
from datetime import date
from functools import cache
from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict
from pydantic.alias_generators import to_camel

_LABEL = re.compile(r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
_LOCAL_PART = re.compile(r"^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$")


class Settings(BaseModel):
    """Base of every settings class.

    Keys are written in camel case in `Pulumi.<stack>.yaml` and read in snake case here.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        str_strip_whitespace=True,
        # Each part would be compiled twice: by itself, and within the declaration.
        defer_build=True,
    )


@cache
def meanings(model: type[BaseModel]) -> Mapping[str, str]:
    """Return the text below each field of a settings class, by the field's name.

    pydantic can read it as well, of every class at every start: a fifth of the time that reading a
    declaration takes, and few readings need it.
    """
    (definition,) = ast.parse(inspect.getsource(model)).body
    assert isinstance(definition, ast.ClassDef)  # noqa: S101 - the source of a class
    found = {}
    for field, below in pairwise(definition.body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            text = below.value if isinstance(below, ast.Expr) else None
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                found[field.target.id] = inspect.cleandoc(text.value)
    return found


def _ascii(value: str) -> str:
    """Return the way out for a name with letters beyond ASCII (RFC 5891): how DNS spells it."""
    if value.isascii():
        return ""
    try:
        import idna  # noqa: PLC0415 - its tables load slowly, and few names need them

        return f"; in DNS it is spelled {idna.encode(value, uts46=True).decode()}"
    except (UnicodeError, ValueError):
        return "; take letters of ASCII"


def _label(value: str) -> str:
    if not _LABEL.fullmatch(value):
        rule = "lower-case letters, digits and inner hyphens"
        msg = f'"{value}" is not a host label: {rule}{_ascii(value)}'
        raise ValueError(msg)
    return value


def _domain(value: str) -> str:
    if value.endswith("."):
        msg = f'"{value}" ends in a dot; write the name without it'
        raise ValueError(msg)
    labels = value.split(".")
    if len(labels) < 2 or len(value) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        msg = f'"{value}" is not a domain name in lower case, such as example.com{_ascii(value)}'
        raise ValueError(msg)
    return value


def _local_part(value: str) -> str:
    if not _LOCAL_PART.fullmatch(value) or ".." in value:
        msg = (
            f'"{value}" is not a local part: what stands before the @, in lower case, '
            "letters, digits, dots, hyphens and underscores"
        )
        raise ValueError(msg)
    return value


def _shown(value: str) -> str:
    if any(unicodedata.category(character).startswith("C") for character in value):
        msg = "has a control character; take it out"
        raise ValueError(msg)
    return value


def _account(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}", value):
        msg = f'"{value}" is no name of an account: letters, digits, and inner dots and hyphens'
        raise ValueError(msg)
    return value


def _ipv4(value: str) -> str:
    try:
        return str(ipaddress.IPv4Address(value))
    except ValueError:
        msg = f'"{value}" is not an IPv4 address'
        raise ValueError(msg) from None


def _ipv6(value: str) -> str:
    try:
        return str(ipaddress.IPv6Address(value))
    except ValueError:
        msg = f'"{value}" is not an IPv6 address'
        raise ValueError(msg) from None


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError as error:
        msg = f'"{value}" is not an address or a network in CIDR notation: {error}'
        raise ValueError(msg) from None


def _day(value: object) -> object:
    # `pulumi` rewrites a date without quotes as a moment, at midnight UTC.
    return re.sub(r"[ T]00:00:00.*$", "", value) if isinstance(value, str) else value


Day = Annotated[date, BeforeValidator(_day)]
"""A date such as 2026-11-01."""

HostLabel = Annotated[str, AfterValidator(_label)]
"""One label of a host name (RFC 1123 section 2.1), lower case."""

DomainName = Annotated[str, AfterValidator(_domain)]
"""A fully qualified name without the trailing dot, lower case."""

LocalPart = Annotated[str, AfterValidator(_local_part)]
"""The part of an address before the `@`. Mailcow keeps it in lower case."""

ShownName = Annotated[str, AfterValidator(_shown)]
"""A name as people read it, on one line."""
AccountName = Annotated[str, AfterValidator(_account)]
"""A name of an account that stands in command lines."""
IPv4 = Annotated[str, AfterValidator(_ipv4)]
"""An IPv4 address in dotted decimal."""

IPv6 = Annotated[str, AfterValidator(_ipv6)]
"""An IPv6 address in its shortest form."""

Network = Annotated[str, AfterValidator(_network)]
"""An address or a network, in CIDR notation."""
