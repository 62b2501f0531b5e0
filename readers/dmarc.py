"""DMARC (RFC 9989, RFC 9990): which policy holds for a name, what aligns, where reports go."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from readers.dns import Resolver
from readers.mistake import Mistake
from readers.tags import Tags, parse_tags

WALK_LIMIT = 8
"""Questions of one tree walk (RFC 9989 section 4.10)."""

_KNOWN = ("v", "p", "sp", "np", "rua", "ruf", "fo", "adkim", "aspf", "psd", "t")
_GONE = ("pct", "rf", "ri")
_VALUES = {
    "p": ("none", "quarantine", "reject"),
    "sp": ("none", "quarantine", "reject"),
    "np": ("none", "quarantine", "reject"),
    "adkim": ("r", "s"),
    "aspf": ("r", "s"),
    "psd": ("y", "n", "u"),
    "t": ("y", "n"),
}
_BEGINNING = re.compile(r"v[ \t]*=[ \t]*DMARC1[ \t]*(?:;|$)")
_MAILTO = re.compile(r"mailto:([^@,!?\s]+@[^@,!?\s]+\.[^@,!?\s]+)(?:!\d+[kmgt]?)?", re.IGNORECASE)


class Policy(IntEnum):
    """What becomes of mail that fails, from mild to strict."""

    NONE = 0
    QUARANTINE = 1
    REJECT = 2

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True)
class Record:
    """A DMARC record.

    Attributes:
        text: The whole of it.
        tags: Its tags, names and values in lower case where they are words.
        mistakes: What RFC 9989 does not allow, or no longer knows.
    """

    text: str
    tags: Tags
    mistakes: tuple[Mistake, ...]

    @property
    def p(self) -> Policy:
        """The policy of the domain itself."""
        return self.stated("p")

    def stated(self, tag: str) -> Policy:
        """Return what `p`, `sp` or `np` says; none where it says nothing."""
        return self._policy(tag) or Policy.NONE

    def policy(self, *, below: bool = False, exists: bool = True) -> Policy:
        """Return the policy for a name, as receivers of RFC 9989 apply it.

        Args:
            below: Whether it is a name below the domain.
            exists: Whether that name exists at all.
        """
        asked = ("np", "sp", "p") if below and not exists else ("sp", "p") if below else ("p",)
        chosen = next((value for name in asked if (value := self._policy(name)) is not None), None)
        full = Policy.NONE if chosen is None else chosen
        return Policy(max(full - 1, 0)) if self.testing else full

    @property
    def testing(self) -> bool:
        """Whether receivers apply the policy one level lower (section 4.7, `t`)."""
        return self.tags.get("t") == "y"

    @property
    def psd(self) -> str:
        """`y` for a public suffix, `n` for an organization, `u` where the walk decides."""
        return self.tags.get("psd") or "u"

    def strict(self, what: str) -> bool:
        """Tell whether `dkim` or `spf` must name the very domain."""
        return self.tags.get(f"a{what}") == "s"

    def reports(self, tag: str = "rua") -> list[str]:
        """Return the addresses of reports in lower case; what is no mailto: URI is left out."""
        uris = (uri.strip() for uri in (self.tags.get(tag) or "").split(","))
        matches = (_MAILTO.fullmatch(uri) for uri in uris)
        return [match[1].lower() for match in matches if match]

    def uris(self, tag: str = "rua") -> list[str]:
        """Return the URIs of reports as written."""
        return [uri.strip() for uri in (self.tags.get(tag) or "").split(",") if uri.strip()]

    def _policy(self, name: str) -> Policy | None:
        value = (self.tags.get(name) or "").upper()
        return Policy[value] if value in Policy.__members__ else None


def is_dmarc(text: str) -> bool:
    """Tell whether a TXT record is one of DMARC: the version comes first, in capitals."""
    return _BEGINNING.match(text) is not None


def parse(text: str) -> Record:
    """Read the text of a record, its strings joined."""
    written = parse_tags(text)
    pairs = [(name.lower(), value) for name, value in written.pairs]
    tags = Tags(
        tuple((name, value.lower() if name in _VALUES else value) for name, value in pairs),
        written.malformed,
    )
    return Record(text, tags, tuple(_mistakes(text, tags)))


def _mistakes(text: str, tags: Tags) -> Iterator[Mistake]:
    if not is_dmarc(text):
        yield Mistake("v", "does not begin with v=DMARC1, in capitals")
    yield from tags.mistakes()
    if tags.get("p") is None:
        yield Mistake("p", "is missing: receivers take it for none")
    for name, value in tags.pairs:
        if name in _GONE:
            yield Mistake(name, "is a tag that RFC 9989 has done away with")
        elif name not in _KNOWN:
            yield Mistake(name, "is a tag that RFC 9989 does not know")
        elif name in _VALUES and value not in _VALUES[name]:
            yield Mistake(name, f"{name}={value} means nothing")
        elif name == "fo" and not {*tags.listed("fo")} <= {"0", "1", "d", "s"}:
            yield Mistake(name, f"fo={value} means nothing")
    yield from _uri_mistakes(tags)


def _uri_mistakes(tags: Tags) -> Iterator[Mistake]:
    for tag in ("rua", "ruf"):
        for uri in [uri.strip() for uri in (tags.get(tag) or "").split(",")]:
            if tags.get(tag) is not None and not _MAILTO.fullmatch(uri):
                yield Mistake(tag, f"{uri or 'nothing'} is no mailto: address")
            elif "!" in uri:
                yield Mistake(tag, f"{uri} has a size limit, which RFC 9990 has done away with")


def record_at(domain: str, ask: Resolver) -> Record | None:
    """Return the record of a domain; None where it has none, or several, which count for none."""
    texts = [text for text in ask(f"_dmarc.{domain}", "TXT") if is_dmarc(text)]
    return parse(texts[0]) if len(texts) == 1 else None


def walk(domain: str, ask: Resolver) -> list[tuple[str, Record]]:
    """Return the records from a domain upwards, with the names they stand at (section 4.10)."""
    labels = domain.lower().strip(".").split(".")
    steps = [labels, *(labels[index:] for index in range(1, len(labels)))]
    if len(labels) > WALK_LIMIT:
        steps = [labels, *(labels[index:] for index in range(len(labels) - 7, len(labels)))]
    found = []
    for step in steps:
        name = ".".join(step)
        record = record_at(name, ask)
        if record is not None:
            found.append((name, record))
            if record.psd in ("y", "n"):
                break
    return found


def organization(domain: str, ask: Resolver) -> str:
    """Return the organizational domain of a name (section 4.10.2)."""
    domain = domain.lower().strip(".")
    found = walk(domain, ask)
    for name, record in found:
        if record.psd == "n":
            return name
        if record.psd == "y" and name != domain:
            depth = name.count(".") + 2
            return ".".join(domain.split(".")[-depth:])
    return found[-1][0] if found else domain


@dataclass(frozen=True)
class Found:
    """The policy that applies to a name.

    Attributes:
        domain: Where the record stands.
        record: The record.
        policy: What becomes of mail that fails.
    """

    domain: str
    record: Record
    policy: Policy


def discover(domain: str, ask: Resolver, *, exists: bool = True) -> Found | None:
    """Return the policy for mail from a domain; None where nothing is said (section 4.10.1).

    Args:
        domain: Domain of the From header.
        ask: Who answers for names.
        exists: Whether that domain exists.
    """
    domain = domain.lower().strip(".")
    found = walk(domain, ask)
    home = organization(domain, ask)
    for name, record in found:
        if name in (domain, home) or record.psd == "y":
            return Found(name, record, record.policy(below=name != domain, exists=exists))
    return None


def aligned(author: str, authenticated: str, ask: Resolver, *, strict: bool) -> bool:
    """Tell whether an authenticated domain speaks for the author's (section 4.4)."""
    author, authenticated = author.lower().strip("."), authenticated.lower().strip(".")
    if author == authenticated:
        return True
    return not strict and organization(author, ask) == organization(authenticated, ask)


def authorised(domain: str, address: str, ask: Resolver) -> bool:
    """Tell whether an address may be sent the reports of a domain (RFC 9990 section 4)."""
    place = address.rpartition("@")[2].lower()
    if organization(place, ask) == organization(domain, ask):
        return True
    return sum(is_dmarc(text) for text in ask(f"{domain}._report._dmarc.{place}", "TXT")) == 1
