"""What an SPF record says, term by term (RFC 7208 sections 4.5, 4.6, 5, 6 and 12)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_network

from readers.addresses import Network
from readers.mistake import Mistake, MistakeError
from readers.spf.macros import check_domain, check_macros, has_macro

VERSION = "v=spf1"

_DIRECTIVE = re.compile(
    r"(?P<qualifier>[+?~-]?)(?P<name>[a-z0-9]*)(?P<rest>(?:[:/].*)?)", re.IGNORECASE | re.DOTALL
)
_MODIFIER = re.compile(r"(?P<name>[a-z][a-z0-9._-]*)=(?P<value>.*)", re.IGNORECASE | re.DOTALL)
_DUAL = re.compile(r"(?P<domain>.*?)(?:/(?P<v4>[0-9]+))?(?://(?P<v6>[0-9]+))?", re.DOTALL)
_ONCE = ("redirect", "exp")
_LENGTH = re.compile("0|[1-9][0-9]*")


@dataclass(frozen=True)
class Term:
    """One term as it is written.

    Attributes:
        position: Its place among the terms, from 1.
        text: The term.
    """

    position: int
    text: str

    @property
    def place(self) -> str:
        """Where it stands, in words."""
        return f"term {self.position}, {self.text}"


@dataclass(frozen=True)
class Mechanism(Term):
    """A mechanism with its qualifier.

    Attributes:
        qualifier: `+`, `-`, `~` or `?`.
        name: In lower case.
        domain: What it names, macros not expanded; empty for the record's own domain.
        v4_length: Bits that must match, for IPv4.
        v6_length: The same for IPv6.
        network: What `ip4` and `ip6` name.
    """

    qualifier: str = "+"
    name: str = "all"
    domain: str = ""
    v4_length: int = 32
    v6_length: int = 128
    network: Network | None = None

    @property
    def costs(self) -> bool:
        """Whether it counts as a look-up (section 4.6.4)."""
        return self.name not in ("all", "ip4", "ip6")


@dataclass(frozen=True)
class Modifier(Term):
    """A modifier: `redirect`, `exp`, or one that nobody knows."""

    name: str = ""
    value: str = ""


@dataclass(frozen=True)
class Record:
    """A record.

    Attributes:
        text: The whole of it.
        mechanisms: In their order.
        modifiers: In their order, those that nobody knows too.
        mistakes: What makes it a permanent error.
    """

    text: str
    mechanisms: tuple[Mechanism, ...] = ()
    modifiers: tuple[Modifier, ...] = ()
    mistakes: tuple[Mistake, ...] = field(default=())

    @property
    def used(self) -> tuple[Mechanism, ...]:
        """The mechanisms that are ever tried: none behind `all` is (section 5.1)."""
        tried = []
        for mechanism in self.mechanisms:
            tried.append(mechanism)
            if mechanism.name == "all":
                break
        return tuple(tried)

    @property
    def redirect(self) -> Modifier | None:
        """Where it goes on; nowhere if there is an `all` (section 6.1)."""
        if any(mechanism.name == "all" for mechanism in self.mechanisms):
            return None
        return next((modifier for modifier in self.modifiers if modifier.name == "redirect"), None)

    @property
    def explanation(self) -> Modifier | None:
        """Where the words for a refused client stand."""
        return next((modifier for modifier in self.modifiers if modifier.name == "exp"), None)

    def names(self) -> tuple[str, ...]:
        """Return the names whose records it goes on to, those that macros decide left out."""
        names = [term.domain for term in self.used if term.name == "include"]
        names += [self.redirect.value] if self.redirect else []
        return tuple(name.removesuffix(".").lower() for name in names if not has_macro(name))


def is_spf(text: str) -> bool:
    """Tell whether the text of a TXT record is an SPF record (section 4.5): nothing before it."""
    return text[:6].lower() == VERSION and text[6:7] in ("", " ")


def records_among(texts: Iterable[str]) -> list[str]:
    """Return the SPF records among the TXT records of a name."""
    return [text for text in texts if is_spf(text)]


def parse(text: str) -> Record:
    """Read the text of a record, all of its terms even where one is wrong.

    Args:
        text: The strings of the TXT record joined.
    """
    if not is_spf(text):
        return Record(text, mistakes=(Mistake("beginning", "does not begin with v=spf1"),))
    mechanisms: list[Mechanism] = []
    modifiers: list[Modifier] = []
    mistakes: list[Mistake] = []
    written = [word for word in text[6:].split(" ") if word]
    for position, word in enumerate(written, 1):
        try:
            term = _term(position, word)
        except MistakeError as error:
            mistakes.append(error.mistake)
            continue
        if isinstance(term, Mechanism):
            mechanisms.append(term)
        elif term.name in _ONCE and any(term.name == before.name for before in modifiers):
            mistakes.append(Mistake(term.place, "stands twice"))
        else:
            modifiers.append(term)
    return Record(text, tuple(mechanisms), tuple(modifiers), tuple(mistakes))


def _term(position: int, word: str) -> Mechanism | Modifier:
    place = Term(position, word).place
    modifier = _MODIFIER.fullmatch(word)
    if modifier:
        name, value = modifier["name"].lower(), modifier["value"]
        if name in _ONCE:
            check_domain(value, place)
        else:
            check_macros(value, place)
        return Modifier(position, word, name, value)
    directive = _DIRECTIVE.fullmatch(word)
    name = directive["name"].lower() if directive else ""
    if directive is None or name not in _READ:
        raise MistakeError(place, "is no mechanism and no modifier")
    return _READ[name](position, word, directive["qualifier"] or "+", name, directive["rest"])


def _all(position: int, word: str, qualifier: str, name: str, rest: str) -> Mechanism:
    if rest:
        raise MistakeError(Term(position, word).place, "all takes no argument")
    return Mechanism(position, word, qualifier, name)


def _named(position: int, word: str, qualifier: str, name: str, rest: str) -> Mechanism:
    """Read a mechanism with a domain: `include`, `exists`, and `ptr`, which may leave it out."""
    place = Term(position, word).place
    if rest or name != "ptr":
        if not rest.startswith(":"):
            raise MistakeError(place, f"{name} asks for a domain after a colon")
        check_domain(rest[1:], place)
    return Mechanism(position, word, qualifier, name, rest[1:])


def _hosts(position: int, word: str, qualifier: str, name: str, rest: str) -> Mechanism:
    """Read `a` and `mx`: a domain and two prefix lengths, each of which may be left out."""
    place = Term(position, word).place
    parts = _DUAL.fullmatch(rest)
    domain = parts["domain"] if parts else rest
    if domain:
        check_domain(domain.removeprefix(":"), place)
        if not domain.startswith(":"):
            raise MistakeError(place, "has something other than a domain and prefix lengths")
    v4, v6 = (parts["v4"], parts["v6"]) if parts else (None, None)
    return Mechanism(
        position, word, qualifier, name, domain[1:], _length(v4, 32, place), _length(v6, 128, place)
    )


def _length(text: str | None, most: int, place: str) -> int:
    if text is None:
        return most
    if not _LENGTH.fullmatch(text) or int(text) > most:
        raise MistakeError(place, f"/{text} is no prefix length of 0 to {most}")
    return int(text)


def _network(position: int, word: str, qualifier: str, name: str, rest: str) -> Mechanism:
    place = Term(position, word).place
    address, slash, length = rest.removeprefix(":").partition("/")
    family, most = (IPv4Address, 32) if name == "ip4" else (IPv6Address, 128)
    try:
        # Python takes a zone behind a percent sign for part of an address; SPF does not.
        known = family(address.replace("%", "no zone") if rest.startswith(":") else "")
    except AddressValueError:
        raise MistakeError(place, f"{address or 'nothing'} is no address of IPv{name[2]}") from None
    bits = _length(length if slash else None, most, place)
    network = ip_network(f"{known}/{bits}", strict=False)
    return Mechanism(position, word, qualifier, name, network=network)


_READ = {
    "all": _all,
    "include": _named,
    "exists": _named,
    "ptr": _named,
    "a": _hosts,
    "mx": _hosts,
    "ip4": _network,
    "ip6": _network,
}
