"""What aggregate reports said about the mail of a domain, day by day, kept small.

As a document it holds no address of a person or of a machine: rows of a day that differ in nothing
but the sender's address are added up, and a network stands where the address stood.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from dmarc.domain import STAGES

SUBJECT: Final = "dmarc"
"""Name of the evidence."""
WINDOW_DAYS: Final = 120
"""Days that are kept: both minima of the stages, twice over."""
MOST_ROWS: Final = 60
"""Rows of a day that are kept apart; the smallest beyond are added up by what decides."""
MOST_REPORTS: Final = 200
"""Reports of a day that are counted of receivers of which no other day has any: a flood of forged
ones must not grow the file, and must not keep out those that report every day."""
MOST_OF_ONE: Final = 40
"""Reports of a day that are counted of one receiver."""
UNKNOWN_KEY: Final = "?"
"""Selector of a signature whose report names none, as older reports may."""


class Override(StrEnum):
    """Why a receiver took a message in although it was not aligned."""

    NONE = ""
    FORWARDER = "forwarder"
    """It knows who passed it on."""
    LIST = "list"
    """It knows the mailing list."""
    ARC = "arc"
    """Who passed it on vouches for what it was before (RFC 8617)."""


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
        override: Why the receiver did not do what the policy asks for.
        disposition: What the receiver did: `none`, `quarantine`, `reject`.
    """

    network: str = ""
    key: str = ""
    envelope: str = ""
    spf: bool = False
    broken: str = ""
    other: str = ""
    below: str = ""
    override: Override = Override.NONE
    disposition: str = "none"

    @property
    def aligned(self) -> bool:
        """Whether DMARC passes: one aligned mechanism is enough."""
        return bool(self.key) or self.spf

    @property
    def forwarded(self) -> bool:
        """Whether the receiver took them for mail that was passed on."""
        return bool(self.override)


@dataclass(frozen=True)
class Report:
    """One aggregate report, of which only what is needed is left.

    Attributes:
        reporter: Organisation that reports.
        digest: Stands for reporter, number and period: the same report has the same one.
        day: Day to which it belongs.
        end: End of its period, in UTC.
        rows: Messages by day and kind.
        left_out: Records that are not counted, by reason.
    """

    reporter: str
    digest: str
    day: date
    end: datetime
    rows: Mapping[tuple[date, Row], int]
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class TlsReport:
    """One TLS report (RFC 8460): sessions of a sender with our mail host.

    Attributes:
        reporter: Organisation that reports.
        digest: Stands for reporter, number and period.
        day: Day to which it belongs.
        successful: Sessions that the policy was kept in.
        failures: Failed sessions by kind (RFC 8460 section 4.3).
    """

    reporter: str
    digest: str
    day: date
    successful: int
    failures: Mapping[str, int]


@dataclass
class TlsDay:
    """What TLS reports told of one day.

    Attributes:
        reports: Reporter of each report, by its digest.
        successful: Sessions that the policy was kept in.
        failures: Failed sessions by kind.
    """

    reports: dict[str, str] = field(default_factory=dict)
    successful: int = 0
    failures: Counter[str] = field(default_factory=Counter)


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

    stage: str
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
        tls: What TLS reports told of each day.
    """

    domain: str
    days: dict[date, Day] = field(default_factory=dict)
    last: datetime | None = None
    steps: tuple[StepTaken, ...] = ()
    tls: dict[date, TlsDay] = field(default_factory=dict)

    def add(self, report: Report, today: date) -> str:
        """Count a report; return why it is left out, or an empty text if it is counted.

        What has grown is bounded by `trim`, which whoever adds calls in the end.

        Args:
            report: The report.
            today: The day on which it is read.
        """
        fault = _untimely(report.day, today)
        if fault:
            return fault
        if self._counted(report):
            return "duplicate"
        reports = self._day(report.day).reports
        if len(reports.get(report.reporter, ())) >= MOST_OF_ONE:
            return "too many of one receiver for one day"
        elsewhere = (day.reports for on, day in self.days.items() if on != report.day)
        usual = any(report.reporter in known for known in elsewhere)
        if not usual and sum(map(len, reports.values())) >= MOST_REPORTS:
            return "too many for one day"
        reports.setdefault(report.reporter, set()).add(report.digest)
        for (day, row), count in report.rows.items():
            self._day(day).messages[row] += count
        self.last = max(self.last or report.end, report.end)
        if any(len(self._day(day).messages) > 10 * MOST_ROWS for day, _ in report.rows):
            self.trim(today)
        return ""

    def add_tls(self, report: TlsReport, today: date) -> str:
        """Count a TLS report; return why it is left out, or an empty text if it is counted."""
        fault = _untimely(report.day, today)
        if fault:
            return fault
        day = self.tls.setdefault(report.day, TlsDay())
        if report.digest in day.reports:
            return "duplicate"
        if len(day.reports) >= MOST_REPORTS:
            return "too many for one day"
        day.reports[report.digest] = report.reporter
        day.successful += report.successful
        day.failures.update(report.failures)
        return ""

    def _counted(self, report: Report) -> bool:
        """Return whether a report was counted; a receiver that has another name now gets it."""
        for day in self.days.values():
            for reporter, digests in day.reports.items():
                if report.digest in digests:
                    if reporter != report.reporter:
                        digests.remove(report.digest)
                        day.reports.setdefault(report.reporter, set()).add(report.digest)
                        day.reports = {name: kept for name, kept in day.reports.items() if kept}
                    return True
        return False

    def trim(self, today: date) -> None:
        """Forget what is older than the window, and bound what is left."""
        oldest = today - timedelta(days=WINDOW_DAYS - 1)
        self.tls = {day: told for day, told in sorted(self.tls.items()) if day >= oldest}
        self.days = {
            day: known
            for day, known in sorted(self.days.items())
            if day >= oldest and (known.reports or known.messages)
        }
        companions = {
            row.other for known in self.days.values() for row in known.messages if row.aligned
        } - {""}  # fmt: skip
        for known in self.days.values():
            known.messages = _bounded(known.messages, companions)

    def _day(self, day: date) -> Day:
        return self.days.setdefault(day, Day())


def _untimely(day: date, today: date) -> str:
    if day > today:
        return "from the future"
    return "too old" if day <= today - timedelta(days=WINDOW_DAYS) else ""


def _bounded(messages: Counter[Row], companions: set[str]) -> Counter[Row]:
    """Return the rows that matter most, and the rest added up; whether it was aligned stays.

    What is aligned goes first, then what claims to be ours and is authenticated as our aligned
    mail is, then other claims: a forger can make up any number of rows, but none of the first
    two.
    """
    if len(messages) <= MOST_ROWS:
        return messages

    def rank(entry: tuple[Row, int]) -> tuple[int, int, Row]:
        row, count = entry
        claims = bool(row.broken or row.envelope or row.below)
        ours = row.aligned or (claims and row.other in companions)
        return (0 if row.aligned else 1 if ours else 2 if claims else 3), -count, row

    ordered = sorted(messages.items(), key=rank)
    kept = Counter(dict(ordered[: MOST_ROWS - _MOST_MERGED]))
    for row, count in ordered[MOST_ROWS - _MOST_MERGED :]:
        merged = Row(
            network="others", key=row.key and UNKNOWN_KEY, spf=row.spf and not row.key,
            override=Override.FORWARDER if row.forwarded else Override.NONE,
            disposition=row.disposition,
        )  # fmt: skip
        kept[merged if not row.aligned else replace(merged, override=Override.NONE)] += count
    return kept


_MOST_MERGED: Final = 12
"""By key, by SPF, passed on, or neither, and each by what was done."""


def parse(document: Mapping[str, Any], domain: str) -> Evidence:
    """Return the evidence in a document; empty if it is of another domain or cannot be read."""
    try:
        if document.get("domain") != domain:
            return Evidence(domain)
        last = document["last"]
        return Evidence(
            domain=domain,
            days={date.fromisoformat(day): _day(told) for day, told in document["days"].items()},
            last=datetime.fromisoformat(last) if last else None,
            steps=tuple(_step(step) for step in document["steps"]),
            tls={
                date.fromisoformat(day): TlsDay(
                    dict(told["reports"]), int(told["successful"]), Counter(told["failures"])
                )
                for day, told in document.get("tls", {}).items()
            },
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return Evidence(domain)


def _day(document: Mapping[str, Any]) -> Day:
    messages: Counter[Row] = Counter()
    for row in document["rows"]:
        values = {key: value for key, value in row.items() if key != "messages"}
        if values.pop("forwarded", False):
            values["override"] = Override.FORWARDER  # as it was kept before kinds were told apart
        values["override"] = Override(values.get("override", ""))
        messages[Row(**values)] += int(row["messages"])
    return Day({name: set(digests) for name, digests in document["reports"].items()}, messages)


def _step(document: Mapping[str, Any]) -> StepTaken:
    step = StepTaken(**{**document, "on": date.fromisoformat(document["on"])})
    if step.stage not in STAGES:
        raise ValueError(step.stage)
    return step


_EMPTY = Row()


def render(evidence: Evidence) -> str:
    """Return the evidence as text: the same evidence is the same text, a row a line."""
    last = evidence.last.isoformat() if evidence.last else None
    steps = [{**asdict(step), "on": step.on.isoformat()} for step in evidence.steps]
    days = ",\n".join(_rendered(day, known) for day, known in sorted(evidence.days.items()))
    tls = {
        day.isoformat(): {
            "reports": told.reports, "successful": told.successful, "failures": told.failures
        }
        for day, told in evidence.tls.items()
    }  # fmt: skip
    told = f'"tls": {json.dumps(tls, sort_keys=True)},\n' if tls else ""
    return (
        f'{{\n"days": {{\n{days}\n}},\n"domain": {json.dumps(evidence.domain)},\n'
        f'"last": {json.dumps(last)},\n{told}"steps": {_lines(steps)}\n}}\n'
    )


def _rendered(day: date, known: Day) -> str:
    reports = json.dumps({name: sorted(told) for name, told in sorted(known.reports.items())})
    rows = [
        {
            **{key: value for key, value in asdict(row).items() if value != getattr(_EMPTY, key)},
            "messages": count,
        }
        for row, count in sorted(known.messages.items())
    ]
    return f'"{day.isoformat()}": {{\n "reports": {reports},\n "rows": {_lines(rows)}}}'


def _lines(entries: Iterable[Mapping[str, Any]]) -> str:
    texts = [json.dumps(entry, sort_keys=True) for entry in entries]
    return "[\n  " + ",\n  ".join(texts) + "]" if texts else "[]"
