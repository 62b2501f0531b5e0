"""Macros in SPF records (RFC 7208 section 7): what they look like and what they become."""

import re
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address

from readers.addresses import Address
from readers.mistake import MistakeError

_LETTERS = "slodiphv"
_EXPLAINING = _LETTERS + "crt"
_EXPANDED = re.compile(
    r"%(?:(?P<plain>[%_-])"
    r"|\{(?P<letter>[a-z])(?P<digits>[0-9]*)(?P<reversed>r?)(?P<delimiters>[-.+,/_=]*)\})",
    re.IGNORECASE,
)
_PLAIN = {"%": "%", "_": " ", "-": "%20"}
_TOP_LABEL = re.compile(
    r"\.(?:[a-z0-9]*[a-z][a-z0-9]*|[a-z0-9]+-[a-z0-9-]*[a-z0-9])\.?$", re.IGNORECASE
)
_NAME_LIMIT = 253


@dataclass(frozen=True)
class Client:
    """Who connects and what it says of itself.

    Attributes:
        address: IP address; an IPv4 address that is written in IPv6 counts as IPv4 (section 5).
        sender: Envelope sender with a local part.
        helo: Name given in HELO or EHLO.
        receiver: Name of the receiving host, for explanations.
    """

    address: Address
    sender: str
    helo: str
    receiver: str = "unknown"

    @property
    def version(self) -> int:
        """Version of IP, 4 or 6."""
        return self.address.version

    @property
    def reverse(self) -> str:
        """The name at which its PTR records stand."""
        kind = "in-addr" if self.version == 4 else "ip6"
        return ".".join([*reversed(_dotted(self.address).split(".")), kind, "arpa"])


def check_macros(text: str, place: str, *, explaining: bool = False) -> None:
    """Check that a text is a macro-string (section 7.1).

    Args:
        text: The text.
        place: Where it stands, for the mistake.
        explaining: Whether it is the text of an explanation, which may hold blanks and the
            letters c, r and t.

    Raises:
        MistakeError: it is none.
    """
    letters = _EXPLAINING if explaining else _LETTERS
    for macro in _EXPANDED.finditer(text):
        if macro["letter"] and macro["letter"].lower() not in letters:
            raise MistakeError(place, f"knows no macro {macro[0]} here")
        if macro["digits"] and not int(macro["digits"]):
            raise MistakeError(place, f"{macro[0]} would keep no part")
    rest = _EXPANDED.sub("", text)
    allowed = r"[\x20-\x24\x26-\x7e]*" if explaining else r"[\x21-\x24\x26-\x7e]*"
    if not re.fullmatch(allowed, rest):
        raise MistakeError(place, "holds a % that begins no macro, or a character that none may")


def check_domain(text: str, place: str) -> None:
    """Check that a text is a domain-spec (section 7.1): it ends in a top label or in a macro.

    Raises:
        MistakeError: it is none.
    """
    check_macros(text, place)
    ending = [macro.end() for macro in _EXPANDED.finditer(text)][-1:]
    if ending != [len(text)] and not _TOP_LABEL.search(text):
        raise MistakeError(place, f"{text or 'nothing'} is no domain name")


def has_macro(text: str) -> bool:
    """Tell whether what a text becomes depends on the client."""
    return "%" in text


def expand(
    text: str,
    client: Client,
    domain: str,
    validated: Callable[[], str],
    *,
    explaining: bool = False,
) -> str:
    """Return what a text becomes for a client.

    Args:
        text: A macro-string that `check_macros` has let pass.
        client: The client.
        domain: Domain whose record it stands in.
        validated: Gives the client's validated name, `unknown` where it has none.
        explaining: Whether it is an explanation, whose length is not cut.
    """

    def become(macro: re.Match[str]) -> str:
        if macro["plain"]:
            return _PLAIN[macro["plain"]]
        letter = macro["letter"].lower()
        value = validated() if letter == "p" else _value(letter, client, domain)
        parts = re.split(f"[{re.escape(macro['delimiters'] or '.')}]", value)
        if macro["reversed"]:
            parts.reverse()
        if macro["digits"]:
            parts = parts[-int(macro["digits"]) :]
        value = ".".join(parts)
        return urllib.parse.quote(value, safe="-._~") if macro["letter"].isupper() else value

    expanded = _EXPANDED.sub(become, text)
    if explaining:
        return expanded
    expanded = expanded.removesuffix(".")
    while len(expanded) > _NAME_LIMIT and "." in expanded:
        expanded = expanded.partition(".")[2]
    return expanded


def _value(letter: str, client: Client, domain: str) -> str:
    local, _, sender_domain = client.sender.rpartition("@")
    values = {
        "s": client.sender,
        "l": local,
        "o": sender_domain,
        "d": domain,
        "i": _dotted(client.address),
        "h": client.helo,
        "v": "in-addr" if client.version == 4 else "ip6",
        "c": str(client.address),
        "r": client.receiver,
        "t": str(int(time.time())),
    }
    return values[letter]


def _dotted(address: Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return ".".join(address.exploded.replace(":", "").upper())
