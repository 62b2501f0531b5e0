"""Who sent what the reports show: a declared sender, a forwarder, a stranger."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from dmarc.domain import MailDomain, Sender
from dmarc.evidence import UNKNOWN_KEY, Row


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

    def __init__(self, domain: MailDomain, rows: Iterable[Row] = ()) -> None:
        """Take the declared senders.

        Args:
            domain: The mail domain.
            rows: Everything that the reports show, to learn networks from.
        """
        self._domain = domain
        self._keys: dict[str, Sender] = {}
        self._envelopes: dict[str, Sender] = {}
        self._authors: dict[str, Sender] = {}
        for sender in domain.senders:
            for selector in sender.selectors:
                self._keys.setdefault(selector, sender)
            for envelope in sender.envelopes:
                self._envelopes.setdefault(envelope, sender)
            if sender.author:
                self._authors.setdefault(sender.author, sender)
        self._networks: dict[str, set[str]] = defaultdict(set)
        self._companions: dict[str, set[str]] = defaultdict(set)
        for row in rows:
            source = self._aligned(row) if row.aligned else None
            if source is not None and source.known:
                self._networks[source.name] |= {row.network} - {""}
                self._companions[source.name] |= {row.other} - {""}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the declared senders."""
        claimed = (*self._keys.values(), *self._envelopes.values())
        return tuple(sorted({sender.name for sender in claimed}))

    def source(self, row: Row) -> Source:
        """Return who sent the messages of a row."""
        if row.aligned:
            return self._aligned(row)
        claimed = self._keys.get(row.broken) or self._envelope(row) or self._authors.get(row.below)
        if claimed and self._recognised(claimed, row):
            return Source(claimed.name, Kind.DECLARED)
        if row.forwarded or row.broken:
            return Source(row.other or row.network or "unknown", Kind.FORWARDED)
        if row.other:
            return Source(row.other, Kind.SERVICE)
        return Source(row.network or "unknown", Kind.STRANGER)

    def _aligned(self, row: Row) -> Source:
        by_envelope = self._envelope(row) if row.spf else None
        if row.key in ("", UNKNOWN_KEY):
            sender = by_envelope or self._authors.get(row.below)
            if sender is None and row.key:
                # Whoever holds a key that the zone publishes was let in; most likely the first.
                sender = self._domain.senders[0]
            undeclared = row.envelope or self._domain.name
        else:
            sender = self._keys.get(row.key) or by_envelope
            undeclared = f"selector {row.key}"
        return Source(sender.name, Kind.DECLARED) if sender else Source(undeclared, Kind.ALIGNED)

    def _recognised(self, sender: Sender, row: Row) -> bool:
        companions = self._companions.get(sender.name, set())
        if row.other and row.other in companions | {self._domain.senders[0].companion}:
            return True
        return not companions and row.network in self._networks.get(sender.name, set())

    def _envelope(self, row: Row) -> Sender | None:
        if row.envelope in self._envelopes:
            return self._envelopes[row.envelope]
        # A service may write names below its own; everything lies below the domain itself.
        wider = (
            sender
            for envelope, sender in self._envelopes.items()
            if envelope != self._domain.name and row.envelope.endswith(f".{envelope}")
        )
        return next(wider, None)
