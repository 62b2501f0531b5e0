"""What aggregate reports said about the mail of a domain, day by day, kept small.

The file is `evidence/<stack>/dmarc.json` (`components.evidence`). It holds no address of a person
or of a machine: rows of a day that differ in nothing but the sender's address are added up, and a
network stands where the address stood.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final

from components.dmarc import DmarcStage

SUBJECT: Final = "dmarc"
"""Name of the evidence."""
WINDOW_DAYS: Final = 120
"""Days that are kept: both minima of the stages, twice over."""
MOST_ROWS: Final = 60
"""Rows of a day that are kept apart; the smallest beyond are added up by what decides."""
MOST_REPORTS: Final = 200
"""Reports of a day that are counted: a flood of forged ones must not grow the file."""
UNKNOWN_KEY: Final = "?"
"""Selector of a signature whose report names none, as older reports may."""


@dataclass(frozen=True, order=True)
class Row:
    """What messages have in common that were sent and judged alike.

    Attributes:
        network: Whose network they came from: the domain of its operator, as a data base of
            networks names it.
        key: Selector of the aligned DKIM signature that held; empty without one.
        envelope: Envelope domain, where it is one of ours.
        spf: Whether SPF held for that envelope domain, and it aligned.
        broken: Selector of a signature of ours that did not hold; empty without one.
        other: Domain of somebody else by which they were authenticated; empty without one.
        below: Domain of the From header, where it is a name below ours; otherwise empty.
        forwarded: Whether the receiver took them for forwarded mail or for that of a list.
        disposition: What the receiver did: `none`, `quarantine`, `reject`.
    """

    network: str = ""
    key: str = ""
    envelope: str = ""
    spf: bool = False
    broken: str = ""
    other: str = ""
    below: str = ""
    forwarded: bool = False
    disposition: str = "none"

    @property
    def aligned(self) -> bool:
        """Whether DMARC passes: one aligned mechanism is enough."""
        return bool(self.key) or self.spf


@dataclass(frozen=True)
class Report:
    """One aggregate report, of which only what is needed is left.

    Attributes:
        reporter: Organisation that reports.
        digest: Stands for reporter, number and period: the same report has the same one.
        day: Day to which it belongs.
        end: End of its period, in UTC.
        rows: Messages by day and kind.
    """

    reporter: str
    digest: str
    day: date
    end: datetime
    rows: Mapping[tuple[date, Row], int]


@dataclass
class Day:
    """What is known of one day.

    Attributes:
        reports: Digests of the reports by reporter.
        messages: Messages by kind.
    """

    reports: dict[str, set[str]] = field(default_factory=dict)
    messages: Counter[Row] = field(default_factory=Counter)


@dataclass(frozen=True)
class StepTaken:
    """A stage that was begun, with the figures that carried it."""

    stage: DmarcStage
    on: date
    days: int
    reporters: int
    messages: int
    aligned: int


@dataclass
class Evidence:
    """Everything that is known.

    Attributes:
        domain: The mail domain.
        days: What is known of each day with reports.
        last: End of the newest report's period, in UTC; None without any.
        steps: Stages that were begun on this evidence, oldest first.
    """

    domain: str
    days: dict[date, Day] = field(default_factory=dict)
    last: datetime | None = None
    steps: tuple[StepTaken, ...] = ()

    def knows(self, digest: str) -> bool:
        """Return whether a report has been counted."""
        return any(
            digest in digests for day in self.days.values() for digests in day.reports.values()
        )

    def add(self, report: Report, today: date) -> str:
        """Count a report; return why it is left out, or an empty text if it is counted.

        Args:
            report: The report.
            today: The day on which it is read.
        """
        if self.knows(report.digest):
            return "duplicate"
        if report.day > today:
            return "from the future"
        if report.day <= today - timedelta(days=WINDOW_DAYS):
            return "too old"
        if sum(map(len, self._day(report.day).reports.values())) >= MOST_REPORTS:
            return "too many for one day"
        self._day(report.day).reports.setdefault(report.reporter, set()).add(report.digest)
        for (day, row), count in report.rows.items():
            self._day(day).messages[row] += count
        self.last = max(self.last or report.end, report.end)
        self.trim(today)
        return ""

    def trim(self, today: date) -> None:
        """Forget what is older than the window, and bound what is left."""
        oldest = today - timedelta(days=WINDOW_DAYS - 1)
        self.days = {
            day: one
            for day, one in sorted(self.days.items())
            if day >= oldest and (one.reports or one.messages)
        }
        for one in self.days.values():
            one.messages = _bounded(one.messages)

    def _day(self, day: date) -> Day:
        return self.days.setdefault(day, Day())


def _bounded(messages: Counter[Row]) -> Counter[Row]:
    """Return the largest rows, and the rest added up; whether it was aligned stays."""
    if len(messages) <= MOST_ROWS:
        return messages
    ordered = sorted(messages.items(), key=lambda one: (-one[1], one[0]))
    kept = Counter(dict(ordered[: MOST_ROWS - 6]))
    for row, count in ordered[MOST_ROWS - 6 :]:
        kept[Row(network="others", key=row.key and UNKNOWN_KEY, disposition=row.disposition)] += (
            count
        )
    return kept


def parse(document: Mapping[str, Any], domain: str) -> Evidence:
    """Return the evidence in a document; empty if it is of another domain or cannot be read."""
    try:
        if document.get("domain") != domain:
            return Evidence(domain)
        last = document["last"]
        return Evidence(
            domain=domain,
            days={date.fromisoformat(day): _day(one) for day, one in document["days"].items()},
            last=datetime.fromisoformat(last) if last else None,
            steps=tuple(_step(one) for one in document["steps"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return Evidence(domain)


def _day(given: Mapping[str, Any]) -> Day:
    messages: Counter[Row] = Counter()
    for one in given["rows"]:
        count = int(one["messages"])
        messages[Row(**{key: value for key, value in one.items() if key != "messages"})] += count
    return Day({name: set(digests) for name, digests in given["reports"].items()}, messages)


def _step(given: Mapping[str, Any]) -> StepTaken:
    taken = {**given, "stage": DmarcStage(given["stage"]), "on": date.fromisoformat(given["on"])}
    return StepTaken(**taken)


_EMPTY = Row()


def render(evidence: Evidence) -> str:
    """Return the evidence as text: the same evidence is the same text, a row a line."""
    last = evidence.last.isoformat() if evidence.last else None
    steps = [{**asdict(one), "on": one.on.isoformat()} for one in evidence.steps]
    days = ",\n".join(_rendered(day, one) for day, one in sorted(evidence.days.items()))
    return (
        f'{{\n"days": {{\n{days}\n}},\n"domain": {json.dumps(evidence.domain)},\n'
        f'"last": {json.dumps(last)},\n"steps": {_lines(steps)}\n}}\n'
    )


def _rendered(day: date, one: Day) -> str:
    reports = json.dumps({name: sorted(found) for name, found in sorted(one.reports.items())})
    rows = [
        {
            **{key: value for key, value in asdict(row).items() if value != getattr(_EMPTY, key)},
            "messages": count,
        }
        for row, count in sorted(one.messages.items())
    ]
    return f'"{day.isoformat()}": {{\n "reports": {reports},\n "rows": {_lines(rows)}}}'


def _lines(entries: Iterable[Mapping[str, Any]]) -> str:
    texts = [json.dumps(one, sort_keys=True) for one in entries]
    return "[\n  " + ",\n  ".join(texts) + "]" if texts else "[]"
