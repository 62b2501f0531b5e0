"""What the proof speaks of: checks, what they found, why it is so, and the whole of it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from operations.prove.subject import Subject


class Status(StrEnum):
    """What a check came to."""

    PASS = "pass"  # noqa: S105 - the word of a verdict
    WARN = "warn"
    """It works, but not as well as it could."""
    FAIL = "fail"
    SKIP = "skip"
    """Not judged on purpose: not declared, or not allowed; the reason is told."""
    UNKNOWN = "unknown"
    """It should have been judged, but could not be seen. Never taken for a pass."""


class Severity(StrEnum):
    """What a failure costs."""

    CRITICAL = "critical"
    """Mail is lost, or somebody else reads or sends it."""
    HIGH = "high"
    """Mail is refused or filed as junk, or people cannot log in."""
    MEDIUM = "medium"
    """Something that people rely on does not work."""
    LOW = "low"
    """Untidy; it will matter on a bad day."""


class Station(StrEnum):
    """Where on the way of a message a check stands."""

    SUBMISSION = "submission"
    """A person hands a message to the mail host."""
    RELAY = "relay"
    """The mail host hands it to the smarthost."""
    VERDICT = "verdict"
    """The receiver judges it."""
    NAMES = "names"
    """Somebody outside finds the mail host."""
    DELIVERY = "delivery"
    """Somebody outside hands a message to the mail host."""
    FILING = "filing"
    """The mail host files it in a mailbox."""
    READING = "reading"
    """A person reads it."""
    WEB = "web"
    """A browser or a mail program that sets itself up."""
    PROTECTION = "protection"
    """Somebody writes in the company's name without leave."""


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        status: What it came to.
        seen: What was seen, or why nothing was; never a secret.
        expected: What was expected.
        declared_at: Key of the declaration that says so, such as `mail:dmarc.stage`.
        mend: How to mend this very finding, where that is more than the check says.
        details: Further lines for whoever drills down.
        facts: What a diagnosis goes by, in words that do not change.
    """

    status: Status
    seen: str
    expected: str = ""
    declared_at: str = ""
    mend: str = ""
    details: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


CheckFunction = Callable[["Subject"], Awaitable[Finding]]


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        id: Stable, readable id, such as `mx-record`.
        title: What holds when it passes, in a sentence that anybody understands.
        severity: What a failure costs.
        station: Where on the way of a message it stands.
        why: Why it matters, in a sentence.
        source: Where that can be read.
        mend: How a failure is mended as a rule.
        function: Looks.
    """

    id: str
    title: str
    severity: Severity
    station: Station
    why: str
    source: str
    mend: str
    function: CheckFunction = field(repr=False)


@dataclass(frozen=True)
class Result:
    """A check with what it found and how long that took, in seconds."""

    check: Check
    finding: Finding
    seconds: float = 0.0

    @property
    def mend(self) -> str:
        """How to mend it."""
        return self.finding.mend or self.check.mend

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        check, finding = self.check, self.finding
        return {
            "id": check.id,
            "title": check.title,
            "station": check.station.value,
            "severity": check.severity.value,
            "status": finding.status.value,
            "seen": finding.seen,
            "expected": finding.expected,
            "declared_at": finding.declared_at,
            "why": check.why,
            "source": check.source,
            "mend": self.mend,
            "details": list(finding.details),
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True)
class Cause:
    """Why checks failed: one cause for the symptoms it explains.

    Attributes:
        id: Stable id, such as `smarthost-login`.
        title: The cause in a sentence.
        evidence: What shows it, in the words of the host that said it.
        declared_at: Key of the declaration or secret to look at, if any.
        mend: What to do.
        station: Where the way is broken.
        explains: Ids of the checks whose failure follows from it.
    """

    id: str
    title: str
    evidence: str
    declared_at: str
    mend: str
    station: Station
    explains: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "id": self.id,
            "title": self.title,
            "evidence": self.evidence,
            "declared_at": self.declared_at,
            "mend": self.mend,
            "station": self.station.value,
            "explains": list(self.explains),
        }


_WEIGHTS = {Severity.CRITICAL: 8, Severity.HIGH: 4, Severity.MEDIUM: 2, Severity.LOW: 1}
_WORTH = {Status.PASS: 1.0, Status.WARN: 0.5, Status.FAIL: 0.0}
_CEILINGS = {Severity.CRITICAL: 4.0, Severity.HIGH: 7.0}
_RANKS = (Status.FAIL, Status.UNKNOWN, Status.WARN, Status.PASS, Status.SKIP)

EXIT_FAILURE = 1
"""A check failed."""
EXIT_DECLARATION = 2
"""The declaration has mistakes; nothing was looked at."""
EXIT_UNJUDGED = 4
"""Nothing failed, but something could not be judged."""


def worst(statuses: "list[Status]") -> Status:
    """Return what matters most of several; `skip` where there is none."""
    return next((rank for rank in _RANKS if rank in statuses), Status.SKIP)


@dataclass(frozen=True)
class Proof:
    """Everything that one run found.

    Attributes:
        stack: Stack that was looked at.
        domain: Its mail domain.
        place: Where it was looked at: the rehearsed world, or the live internet.
        at: When, in UTC.
        results: Every check, in the order of the registry.
        causes: Why checks failed, the gravest first.
    """

    stack: str
    domain: str
    place: str
    at: datetime
    results: tuple[Result, ...]
    causes: tuple[Cause, ...] = ()

    def count(self, status: Status) -> int:
        """Return how many checks came to `status`."""
        return sum(result.finding.status is status for result in self.results)

    def at_station(self, station: Station) -> tuple[Result, ...]:
        """Return the checks that stand at `station`."""
        return tuple(result for result in self.results if result.check.station is station)

    def state(self, station: Station) -> Status:
        """Return what matters most of the checks at `station`.

        One that is low in severity cannot break the way: its failure shows as a warning.
        """
        return worst(
            [
                Status.WARN
                if result.finding.status is Status.FAIL and result.check.severity is Severity.LOW
                else result.finding.status
                for result in self.at_station(station)
            ]
        )

    @property
    def score(self) -> float | None:
        """Marks out of ten, by severity, over what could be judged; None if nothing could be.

        Rounded down, so that only a proof without a flaw has ten. A critical failure leaves at
        most four, a high one seven: mail that is lost is not made good by tidy records.
        """
        judged = [result for result in self.results if result.finding.status in _WORTH]
        if not judged:
            return None
        whole = sum(_WEIGHTS[result.check.severity] for result in judged)
        kept = sum(
            _WEIGHTS[result.check.severity] * _WORTH[result.finding.status] for result in judged
        )
        failed = [
            result.check.severity for result in judged if result.finding.status is Status.FAIL
        ]
        ceiling = min((_CEILINGS.get(severity, 9.9) for severity in failed), default=10.0)
        return min(ceiling, int(100 * kept / whole) / 10)

    @property
    def exit_code(self) -> int:
        """0 when everything that was looked at passed, otherwise what the constants say."""
        if self.count(Status.FAIL):
            return EXIT_FAILURE
        if self.count(Status.UNKNOWN) or self.score is None:
            return EXIT_UNJUDGED
        return 0

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "stack": self.stack,
            "domain": self.domain,
            "place": self.place,
            "at": self.at.isoformat(),
            "score": self.score,
            "exit_code": self.exit_code,
            "counts": {status.value: self.count(status) for status in Status},
            "path": {station.value: self.state(station).value for station in Station},
            "causes": [cause.as_dict() for cause in self.causes],
            "checks": [result.as_dict() for result in self.results],
        }
