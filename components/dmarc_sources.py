"""Who sent what the reports show: a declared sender, a forwarder, a stranger."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from components.dmarc_evidence import UNKNOWN_KEY, Row
from components.records import RecordType
from components.smarthost import Account

if TYPE_CHECKING:  # the declaration is made of the parts
    from components.declaration import Declaration


class Kind(StrEnum):
    """How a source stands to the domain."""

    DECLARED = "declared"
    """The smarthost, the mail host, a declared service."""
    ALIGNED = "aligned"
    """Not declared, but it signs with a key that the zone publishes, or SPF lets it in."""
    FORWARDED = "forwarded"
    """Mail of ours that somebody passed on, a mailing list for instance, and broke."""
    SERVICE = "service"
    """Authenticated as somebody else: a service that nobody set up for the domain, or a forger
    with a domain of his own."""
    STRANGER = "stranger"
    """Authenticated as nobody: a forger, or a machine that nobody thought of."""


@dataclass(frozen=True, order=True)
class Source:
    """A source.

    Attributes:
        name: A declared sender's name, otherwise a domain or a network.
        kind: How it stands to the domain.
    """

    name: str
    kind: Kind

    @property
    def known(self) -> bool:
        """Whether it is declared."""
        return self.kind is Kind.DECLARED

    @property
    def unknown(self) -> bool:
        """Whether somebody has to say what it is."""
        return self.kind in (Kind.SERVICE, Kind.STRANGER)


class Senders:
    """The declared senders, and by what each is recognised.

    A message that is aligned shows by its key or its envelope who sent it. One that is not could
    be a forgery, so a declared sender is recognised only where two things agree: it claims the
    sender's key or envelope, and it is authenticated by the name that the sender's aligned mail
    bears beside ours. For a sender without such a name, the network must do.
    """

    def __init__(self, declaration: "Declaration", rows: Iterable[Row] = ()) -> None:
        """Take the declared senders.

        Args:
            declaration: The declaration.
            rows: Everything that the reports show, to learn networks from.
        """
        self.domain = declaration.domain
        smarthost = declaration.smarthost
        self.smarthost = smarthost.row.title
        envelope = f"{smarthost.envelope_label}.{declaration.domain}"
        self._keys = {smarthost.selector: self.smarthost}
        if smarthost.second_selector is not None:
            self._keys[smarthost.second_selector.selector] = self.smarthost
        self._envelopes = {
            envelope: self.smarthost,
            declaration.domain: declaration.mail_host,
            declaration.mail_host: declaration.mail_host,
        }
        self._below: dict[str, str] = {}
        for one in declaration.transactional_senders:
            if one.selector is not None:
                self._keys.setdefault(one.selector, one.name)
            if one.domain != declaration.domain:
                self._below[one.domain] = one.name
                self._envelopes.setdefault(one.domain, one.name)
        self._networks: dict[str, set[str]] = defaultdict(set)
        self._companions: dict[str, set[str]] = defaultdict(set)
        self._usual = ""
        account = Account(self.domain, smarthost.region, envelope, smarthost.selector, "p=")
        for record in smarthost.row.records(account):
            if record.type is RecordType.MX:
                # SES signs all its mail a second time with its own name.
                self._usual = ".".join(str(record.value).split(".")[-2:])
        self._learn(rows)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the declared senders."""
        return tuple(sorted({*self._keys.values(), *self._envelopes.values()}))

    def _learn(self, rows: Iterable[Row]) -> None:
        for row in rows:
            found = self._aligned(row) if row.aligned else None
            if found is not None and found.known:
                self._networks[found.name] |= {row.network} - {""}
                self._companions[found.name] |= {row.other} - {""}

    def source(self, row: Row) -> Source:
        """Return who sent the messages of a row."""
        if row.aligned:
            return self._aligned(row)
        claimed = self._keys.get(row.broken) or self._envelope(row) or self._below.get(row.below)
        if claimed and self._recognised(claimed, row):
            return Source(claimed, Kind.DECLARED)
        if row.forwarded or row.broken:
            return Source(row.other or row.network or "unknown", Kind.FORWARDED)
        if row.other:
            return Source(row.other, Kind.SERVICE)
        return Source(row.network or "unknown", Kind.STRANGER)

    def _aligned(self, row: Row) -> Source:
        by_envelope = self._envelope(row) if row.spf else None
        if row.key in ("", UNKNOWN_KEY):
            named = by_envelope or self._below.get(row.below)
            if named is None and row.key:
                # Whoever holds a key that the zone publishes was let in; the smarthost is likely.
                named = self.smarthost
            return _declared(named) or Source(row.envelope, Kind.ALIGNED)
        named = self._keys.get(row.key) or by_envelope
        return _declared(named) or Source(f"selector {row.key}", Kind.ALIGNED)

    def _recognised(self, sender: str, row: Row) -> bool:
        companions = self._companions.get(sender, set())
        if row.other and (row.other in companions or row.other == self._usual):
            return True
        return not companions and row.network in self._networks.get(sender, set())

    def _envelope(self, row: Row) -> str | None:
        if row.envelope in self._envelopes:
            return self._envelopes[row.envelope]
        # A service may write names below its own; everything lies below the domain itself.
        wider = (
            name
            for envelope, name in self._envelopes.items()
            if envelope != self.domain and row.envelope.endswith(f".{envelope}")
        )
        return next(wider, None)


def _declared(name: str | None) -> Source | None:
    return None if name is None else Source(name, Kind.DECLARED)
