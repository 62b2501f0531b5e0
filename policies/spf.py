"""SPF records (RFC 7208), and how many look-ups they cost, counted through their includes."""

import re
from collections.abc import Callable
from dataclasses import dataclass

LOOKUP_LIMIT = 10
"""Terms that may cause a look-up (RFC 7208 section 4.6.4)."""
VOID_LIMIT = 2
"""Look-ups that may find nothing (RFC 7208 section 4.6.4)."""

_MECHANISMS = ("all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists")
_COSTLY = ("include", "a", "mx", "ptr", "exists")
_TERM = re.compile(r"(?P<qualifier>[+?~-]?)(?P<name>[a-z0-9]+)(?P<value>[:/].*)?$", re.IGNORECASE)
_MODIFIER = re.compile(r"(?P<name>[a-z][a-z0-9._-]*)=(?P<value>.*)$", re.IGNORECASE)


@dataclass(frozen=True)
class Term:
    """One term: a mechanism with its qualifier, or a modifier (qualifier `=`)."""

    qualifier: str
    name: str
    value: str

    @property
    def domain(self) -> str:
        """Domain that it names, without a prefix length; empty for the record's own."""
        return self.value.partition("/")[0].rstrip(".").lower()

    @property
    def costs(self) -> bool:
        """Whether it causes a look-up."""
        return self.name == "redirect" if self.qualifier == "=" else self.name in _COSTLY


@dataclass(frozen=True)
class SpfRecord:
    """A record's terms in their order, and what is not understood in it."""

    terms: tuple[Term, ...]
    faults: tuple[str, ...]

    def ending(self) -> Term | None:
        """Return the term that decides about everybody else: `all`, or `redirect=`."""
        for one in self.terms:
            if one.name == "all" and one.qualifier != "=":
                return one
        return next((one for one in self.terms if one.name == "redirect"), None)


def parse_spf(text: str) -> SpfRecord:
    """Return the terms of a record's text, after `v=spf1`."""
    terms: list[Term] = []
    faults: list[str] = []
    for word in text.split()[1:]:
        modifier = _MODIFIER.fullmatch(word)
        if modifier:
            terms.append(Term("=", modifier["name"].lower(), modifier["value"]))
            continue
        found = _TERM.fullmatch(word)
        if found is None or found["name"].lower() not in _MECHANISMS:
            faults.append(word)
            continue
        value = found["value"] or ""
        name = found["name"].lower()
        if name in ("include", "exists", "ip4", "ip6") and not value.startswith(":"):
            faults.append(word)
        terms.append(Term(found["qualifier"] or "+", name, value.removeprefix(":")))
    return SpfRecord(tuple(terms), tuple(faults))


@dataclass
class Cost:
    """What evaluating a record costs at worst.

    Attributes:
        lookups: Terms that cause a look-up, nested ones too.
        voids: Names that were looked up in vain.
        unseen: Names that neither the zone nor the snapshot knows.
    """

    lookups: int
    voids: list[str]
    unseen: list[str]


Texts = Callable[[str], "str | None"]
"""Returns the SPF text at a name, empty where the name has none, None where nobody knows."""
Exists = Callable[[str], "bool | None"]
"""Tells whether a name has an address or MX, None where nobody knows."""


def cost_of(name: str, text: str, texts: Texts, exists: Exists) -> Cost:
    """Return what evaluating the record at a name costs at worst: all of its terms.

    Args:
        name: Owner name.
        text: Text of its record.
        texts: Where further records are found.
        exists: Whether names that `a`, `mx` and `exists` name are there.
    """
    cost = Cost(0, [], [])
    _count(name.lower(), text, texts, exists, cost, (name.lower(),))
    return cost


def _count(
    name: str, text: str, texts: Texts, exists: Exists, cost: Cost, way: tuple[str, ...]
) -> None:
    for term in parse_spf(text).terms:
        if not term.costs:
            continue
        cost.lookups += 1
        target = term.domain or name
        if "%" in target:  # a macro; what it becomes depends on the message
            continue
        if term.name not in ("include", "redirect"):
            if exists(target) is False:
                cost.voids.append(target)
            continue
        if target in way:  # a circle costs more than any limit
            cost.lookups += LOOKUP_LIMIT + 1
            continue
        nested = texts(target)
        if nested is None:
            cost.unseen.append(target)
        elif nested == "":
            cost.voids.append(target)
        else:
            _count(target, nested, texts, exists, cost, (*way, target))
