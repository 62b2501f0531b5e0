"""What the evidence says about the DMARC stage: tighten it, keep it, or step back."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

from dmarc.domain import MailDomain, Thresholds
from dmarc.evidence import Evidence, Override, Row, StepTaken
from dmarc.sources import Kind, Senders, Source

_DAY = timedelta(days=1)


class Verdict(StrEnum):
    """What is advised."""

    ADVANCE = "advance"
    """The evidence carries the next stage."""
    KEEP = "keep"
    """The goal is reached, or something is still missing."""
    STEP_BACK = "step back"
    """Declared senders have begun to fail: a milder stage spares their mail."""
    UNJUDGED = "cannot judge"
    """There are no reports, or none that are new."""


@dataclass(frozen=True)
class Condition:
    """One thing that must hold before the stage is tightened.

    Attributes:
        name: What it is about, in a word or two.
        met: Whether it holds.
        text: What was seen, and what is asked for.
        evidence: Whether it rests on reports; otherwise on the calendar or the declaration.
    """

    name: str
    met: bool
    text: str
    evidence: bool = True


@dataclass
class Tally:
    """What one source sent within a period.

    Attributes:
        source: Who.
        messages: Messages.
        aligned: Those that were aligned.
        signed: Those that were aligned by DKIM.
        days: Days on which there were any.
        overrides: Why receivers took in what was not aligned.
    """

    source: Source
    messages: int = 0
    aligned: int = 0
    signed: int = 0
    days: set[date] = field(default_factory=set)
    overrides: set[Override] = field(default_factory=set)

    @property
    def failing(self) -> int:
        """Messages that would be hurt."""
        return self.messages - self.aligned

    @property
    def percent(self) -> float:
        """Aligned messages in per cent."""
        return 100 * self.aligned / self.messages if self.messages else 100.0

    def count(self, day: date, row: Row, messages: int) -> None:
        """Count messages of one kind on one day."""
        self.messages += messages
        self.aligned += messages if row.aligned else 0
        self.signed += messages if row.key else 0
        self.days.add(day)
        if row.forwarded and not row.aligned:
            self.overrides.add(row.override)


@dataclass(frozen=True)
class Figures:
    """What a period shows.

    Attributes:
        start: First day.
        end: Last day.
        days: Days with reports.
        gap: Longest run of days without.
        reporters: Receivers that report.
        tallies: What each source sent, the largest first.
        recent: The same for the last days of the period.
    """

    start: date
    end: date
    days: int
    gap: int
    reporters: int
    tallies: tuple[Tally, ...]
    recent: tuple[Tally, ...]

    @property
    def messages(self) -> int:
        """Messages of declared senders."""
        return sum(tally.messages for tally in self.tallies if tally.source.known)

    @property
    def aligned(self) -> int:
        """Aligned messages of declared senders."""
        return sum(tally.aligned for tally in self.tallies if tally.source.known)


@dataclass(frozen=True)
class Advice:
    """What is advised, and why.

    Attributes:
        stage: The declared stage.
        verdict: What to do.
        target: The stage to go to, or to which conditions are still missing; None at the goal.
        reasons: Why, in sentences.
        conditions: What the next stage asks for.
        figures: What the period shows; None without reports.
        strangers: Regular unknown sources of which nobody has said what they are.
        hurt: Sources that would lose, or lose, mail that is likely ours.
    """

    stage: str
    verdict: Verdict
    target: str | None
    reasons: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()
    figures: Figures | None = None
    strangers: tuple[Tally, ...] = ()
    hurt: tuple[Tally, ...] = ()


def advise(domain: MailDomain, evidence: Evidence, today: date) -> Advice:
    """Return what the evidence says on a day.

    Args:
        domain: The mail domain.
        evidence: What the reports said.
        today: The day; reports of that day itself are not complete and do not count.
    """
    wanted = domain.thresholds
    figures = look(domain, evidence, today)
    if domain.reported_since is None:
        why = "no day counts before the first that had rua: declare mail:dmarc.reportsSince"
        return Advice(domain.stage, Verdict.UNJUDGED, domain.next_stage, (why,))
    if figures is None or today - figures.end > timedelta(days=wanted.fresh_days):
        none = "there is none of a day that is over"
        newest = f"the newest is of {figures.end}" if figures else none
        why = f"no report of the last {wanted.fresh_days} days: {newest}; see `collect`"
        return Advice(domain.stage, Verdict.UNJUDGED, domain.next_stage, (why,), figures=figures)
    failing = tuple(_failing_now(figures, wanted))
    if failing and domain.milder_stage is not None:
        reasons = tuple(_fails(tally, wanted) for tally in failing)
        return Advice(
            domain.stage, Verdict.STEP_BACK, domain.milder_stage, reasons, figures=figures,
            hurt=failing,
        )  # fmt: skip
    strangers = tuple(_unexplained(domain, figures))
    hurt = _hurt(figures, wanted)
    if domain.next_stage is None:
        goal = (f"{domain.stage} is the goal",)
        return Advice(
            domain.stage, Verdict.KEEP, None, goal, figures=figures, strangers=strangers, hurt=hurt
        )
    conditions = (
        *_calendar(domain, domain.next_stage, today),
        *_conditions(domain, figures, domain.next_stage),
    )
    missing = tuple(condition.text for condition in conditions if not condition.met)
    verdict = Verdict.KEEP if missing else Verdict.ADVANCE
    reasons = missing or (f"the reports of {figures.days} days carry {domain.next_stage}",)
    return Advice(
        domain.stage, verdict, domain.next_stage, reasons, conditions, figures, strangers, hurt
    )


def carried(domain: MailDomain, evidence: Evidence, today: date) -> str:
    """Return why the evidence does not carry the declared stage; empty if it does.

    It is carried by the figures with which it was begun, by the reports before its first day, or
    by those of today. The calendar is another rule's business.
    """
    if domain.milder_stage is None:
        return ""
    wanted = domain.thresholds
    for step in evidence.steps:
        if (step.stage, step.on) == (domain.stage, domain.since) and _carries(step, wanted):
            return ""
    fault = "there are no reports"
    for day in (today, domain.since):
        figures = look(domain, evidence, day, whole=True)
        if figures is None or day - figures.end > timedelta(days=wanted.fresh_days):
            continue
        missing = [
            condition.text
            for condition in _conditions(domain, figures, domain.stage)
            if not condition.met
        ]
        if not missing:
            return ""
        fault = "; ".join(missing)
    return fault


def step_of(stage: str, on: date, figures: Figures) -> StepTaken:
    """Return the note of a stage that begins on these figures."""
    return StepTaken(stage, on, figures.days, figures.reporters, figures.messages, figures.aligned)


def look(
    domain: MailDomain, evidence: Evidence, today: date, *, whole: bool = False
) -> Figures | None:
    """Return what the period before a day shows; None without a report.

    Args:
        domain: The mail domain.
        evidence: What the reports said.
        today: The day; the period ends with the newest report before it.
        whole: Whether days count that lie before the declared stage began.
    """
    wanted = domain.thresholds
    asked = domain.reported_since or date.max
    reported = [
        day for day, known in evidence.days.items() if known.reports and asked <= day < today
    ]
    if not reported:
        return None
    end = max(reported)
    start = end - timedelta(days=wanted.days - 1)
    start = max(start, asked)
    if not whole:
        start = min(max(start, domain.since), end)
    covered = sorted(day for day in reported if day >= start)
    senders = Senders(domain, rows_of(evidence))
    recent = end - timedelta(days=wanted.recent_days - 1)
    return Figures(
        start=start,
        end=end,
        days=len(covered),
        gap=_longest_gap(start, covered),
        reporters=len({name for day in covered for name in evidence.days[day].reports}),
        tallies=tally_up(evidence, senders, start, end),
        recent=tally_up(evidence, senders, max(start, recent), end),
    )


def rows_of(evidence: Evidence) -> Iterator[Row]:
    """Yield every kind of message that was ever seen, in an order that is always the same."""
    for day in sorted(evidence.days):
        yield from sorted(evidence.days[day].messages)


def tally_up(evidence: Evidence, senders: Senders, start: date, end: date) -> tuple[Tally, ...]:
    """Return what each source sent from one day to another, the largest first."""
    tallies: dict[Source, Tally] = {}
    for day, known in sorted(evidence.days.items()):
        if start <= day <= end:
            for row, messages in known.messages.items():
                source = senders.source(row)
                tallies.setdefault(source, Tally(source)).count(day, row, messages)
    return tuple(sorted(tallies.values(), key=lambda tally: (-tally.messages, tally.source)))


def by_day(evidence: Evidence, senders: Senders) -> dict[date, Counter[tuple[Source, bool]]]:
    """Return the messages of each day by source and alignment."""
    messages: dict[date, Counter[tuple[Source, bool]]] = defaultdict(Counter)
    for day, known in sorted(evidence.days.items()):
        for row, count in known.messages.items():
            messages[day][senders.source(row), row.aligned] += count
    return dict(messages)


def earliest(domain: MailDomain, stage: str) -> date:
    """Return the first day on which a stage may begin by the calendar.

    `reject` also asks for as long of `quarantine` as that took. A domain that never asked for
    reports has no such day.
    """
    if domain.reported_since is None:
        return date.max
    day = domain.reported_since + domain.minimum_age[stage]
    if (domain.stage, stage) == ("quarantine", "reject"):
        day = max(day, domain.since + domain.minimum_age["quarantine"])
    return day


def _longest_gap(start: date, covered: Iterable[date]) -> int:
    longest, before = 0, start - _DAY
    for day in covered:
        longest = max(longest, (day - before).days - 1)
        before = day
    return longest


def _calendar(domain: MailDomain, stage: str, today: date) -> Iterator[Condition]:
    day = earliest(domain, stage)
    text = f"{stage} may begin on {day} at the earliest"
    yield Condition("calendar", today >= day, text, evidence=False)


def _conditions(domain: MailDomain, figures: Figures, stage: str) -> Iterator[Condition]:
    """Yield what a stage asks of the reports."""
    wanted = domain.thresholds
    yield Condition(
        "days", figures.days >= wanted.least_days,
        f"reports for {figures.days} days, of {wanted.least_days} that are asked for",
    )  # fmt: skip
    yield Condition(
        "gap", figures.gap <= wanted.longest_gap,
        f"longest gap {figures.gap} days, of {wanted.longest_gap} that are allowed",
    )  # fmt: skip
    yield Condition(
        "reporters", figures.reporters >= wanted.least_reporters,
        f"{figures.reporters} receivers report, of {wanted.least_reporters} that are asked for",
    )  # fmt: skip
    yield Condition(
        "volume", figures.messages >= wanted.least_messages,
        f"{figures.messages} messages of declared senders, of {wanted.least_messages} that are"
        " asked for",
    )  # fmt: skip
    for tally in figures.tallies:
        if tally.source.known and (tally.messages >= wanted.regular_messages or not tally.aligned):
            yield Condition(
                f"alignment of {tally.source.name}", tally.percent >= wanted.aligned_percent,
                f"{tally.source.name}: {_percent(tally.percent)} of {tally.messages} messages"
                f" aligned, {_percent(wanted.aligned_percent)} asked for; {stage} would hurt"
                f" {tally.failing}",
            )  # fmt: skip
    for tally in _unexplained(domain, figures):
        yield Condition(f"unknown {tally.source.name}", met=False, text=_asks(tally))
    if stage == "reject":
        signed = sum(tally.signed for tally in figures.tallies if tally.source.known)
        share = 100 * signed / figures.messages if figures.messages else 0.0
        yield Condition(
            "signatures", share >= wanted.aligned_percent,
            f"{_percent(share)} of declared senders' mail aligned by DKIM,"
            f" {_percent(wanted.aligned_percent)} asked for: reject must not rest on SPF",
        )  # fmt: skip


def _unexplained(domain: MailDomain, figures: Figures) -> Iterator[Tally]:
    wanted = domain.thresholds
    for tally in figures.tallies:
        regular = (
            len(tally.days) >= wanted.regular_days and tally.messages >= wanted.regular_messages
        )
        if tally.source.unknown and regular and tally.source.name not in domain.acknowledged:
            yield tally


def _asks(tally: Tally) -> str:
    """Return the question that an unknown source puts to the operator."""
    looks = {
        Kind.SERVICE: "it authenticates as itself: a forgotten service, or a forger's own domain",
        Kind.STRANGER: "it authenticates as nobody: a forgery, or a machine that sends by itself",
    }[tally.source.kind]
    return (
        f"{tally.source.name} is unknown, {tally.messages} messages on {len(tally.days)} days,"
        f" never aligned; {looks}. Declare it (mail:transactionalSenders) and let it sign, or"
        " acknowledge it (mail:dmarc.acknowledgedSources)"
    )


def _hurt(figures: Figures, wanted: Thresholds) -> tuple[Tally, ...]:
    return tuple(
        tally
        for tally in figures.tallies
        if tally.failing
        and (tally.source.kind is Kind.FORWARDED
             or (tally.source.known and tally.percent < wanted.aligned_percent))
    )  # fmt: skip


def _failing_now(figures: Figures, wanted: Thresholds) -> Iterator[Tally]:
    for tally in figures.recent:
        many = tally.failing >= wanted.step_back_messages
        if tally.source.known and many and tally.percent < wanted.step_back_percent:
            yield tally


def _fails(tally: Tally, wanted: Thresholds) -> str:
    return (
        f"{tally.source.name} fails: {tally.failing} of {tally.messages} messages not aligned in"
        f" the last {wanted.recent_days} days ({_percent(tally.percent)} aligned, under"
        f" {_percent(wanted.step_back_percent)})"
    )


def _carries(step: StepTaken, wanted: Thresholds) -> bool:
    share = 100 * step.aligned / step.messages if step.messages else 0.0
    return (
        step.days >= wanted.least_days
        and step.reporters >= wanted.least_reporters
        and step.messages >= wanted.least_messages
        and share >= wanted.aligned_percent
    )


def _percent(value: float) -> str:
    return f"{value:.1f} %".replace(".0 %", " %")
