"""What the evidence says about the DMARC stage: tighten it, keep it, or step back."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from components.dmarc import DmarcStage, EvidenceThresholds
from components.dmarc_evidence import Evidence, Row, StepTaken
from components.dmarc_sources import Kind, Senders, Source

if TYPE_CHECKING:  # the declaration is made of the parts
    from components.declaration import Declaration

STAGES = tuple(DmarcStage)
"""From mild to strict."""
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
    """

    source: Source
    messages: int = 0
    aligned: int = 0
    signed: int = 0
    days: set[date] = field(default_factory=set)

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
        return sum(one.messages for one in self.tallies if one.source.known)

    @property
    def aligned(self) -> int:
        """Aligned messages of declared senders."""
        return sum(one.aligned for one in self.tallies if one.source.known)


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

    stage: DmarcStage
    verdict: Verdict
    target: DmarcStage | None
    reasons: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()
    figures: Figures | None = None
    strangers: tuple[Tally, ...] = ()
    hurt: tuple[Tally, ...] = ()


def advise(declaration: "Declaration", evidence: Evidence, today: date) -> Advice:
    """Return what the evidence says on a day.

    Args:
        declaration: The declaration.
        evidence: What the reports said.
        today: The day; reports of that day itself are not complete and do not count.
    """
    dmarc = declaration.dmarc
    wanted = dmarc.evidence
    figures = look(declaration, evidence, today)
    following = _next(dmarc.stage, dmarc.goal)
    if figures is None or today - figures.end > timedelta(days=wanted.fresh_days):
        none = "there is none of a day that is over"
        newest = f"the newest is of {figures.end}" if figures else none
        why = f"no report of the last {wanted.fresh_days} days: {newest}; see `collect`"
        return Advice(dmarc.stage, Verdict.UNJUDGED, following, (why,), figures=figures)
    failing = tuple(_failing_now(figures, wanted))
    if failing and dmarc.stage is not DmarcStage.NONE:
        milder = STAGES[STAGES.index(dmarc.stage) - 1]
        reasons = tuple(_fails(one, wanted) for one in failing)
        return Advice(
            dmarc.stage, Verdict.STEP_BACK, milder, reasons, figures=figures, hurt=failing
        )
    strangers = tuple(_unexplained(declaration, figures))
    if following is None:
        goal = (f"{dmarc.stage} is the goal",)
        return Advice(
            dmarc.stage, Verdict.KEEP, None, goal, figures=figures, strangers=strangers,
            hurt=_hurt(figures, wanted),
        )  # fmt: skip
    conditions = (
        *_calendar(declaration, following, today),
        *_conditions(declaration, figures, following),
    )
    missing = tuple(one.text for one in conditions if not one.met)
    verdict = Verdict.KEEP if missing else Verdict.ADVANCE
    reasons = missing or (f"the reports of {figures.days} days carry {following}",)
    return Advice(
        dmarc.stage, verdict, following, reasons, conditions, figures, strangers,
        _hurt(figures, wanted),
    )  # fmt: skip


def carried(declaration: "Declaration", evidence: Evidence, today: date) -> str:
    """Return why the evidence does not carry the declared stage; empty if it does.

    It is carried by the figures with which it was begun, by the reports before its first day, or
    by those of today. The calendar is another rule's business.
    """
    dmarc = declaration.dmarc
    if dmarc.stage is DmarcStage.NONE:
        return ""
    wanted = dmarc.evidence
    for step in evidence.steps:
        if (step.stage, step.on) == (dmarc.stage, dmarc.since) and _carries(step, wanted):
            return ""
    fault = "there are no reports"
    for day in (today, dmarc.since):
        figures = look(declaration, evidence, day, whole=True)
        if figures is None or day - figures.end > timedelta(days=wanted.fresh_days):
            continue
        missing = [
            one.text for one in _conditions(declaration, figures, dmarc.stage) if not one.met
        ]
        if not missing:
            return ""
        fault = "; ".join(missing)
    return fault


def step_of(stage: DmarcStage, on: date, figures: Figures) -> StepTaken:
    """Return the note of a stage that begins on these figures."""
    return StepTaken(stage, on, figures.days, figures.reporters, figures.messages, figures.aligned)


def look(
    declaration: "Declaration", evidence: Evidence, today: date, *, whole: bool = False
) -> Figures | None:
    """Return what the period before a day shows; None without a report.

    Args:
        declaration: The declaration.
        evidence: What the reports said.
        today: The day; the period ends with the newest report before it.
        whole: Whether days count that lie before the declared stage began.
    """
    wanted = declaration.dmarc.evidence
    reported = [day for day, one in evidence.days.items() if one.reports and day < today]
    if not reported:
        return None
    end = max(reported)
    start = end - timedelta(days=wanted.days - 1)
    if not whole:
        start = min(max(start, declaration.dmarc.since), end)
    covered = sorted(day for day in reported if day >= start)
    senders = Senders(declaration, rows_of(evidence))
    recent = end - timedelta(days=wanted.recent_days - 1)
    return Figures(
        start=start,
        end=end,
        days=len(covered),
        gap=_longest_gap(start, covered),
        reporters=len({name for day in covered for name in evidence.days[day].reports}),
        tallies=tally(evidence, senders, start, end),
        recent=tally(evidence, senders, max(start, recent), end),
    )


def rows_of(evidence: Evidence) -> Iterator[Row]:
    """Yield every kind of message that was ever seen, in an order that is always the same."""
    for day in sorted(evidence.days):
        yield from sorted(evidence.days[day].messages)


def tally(evidence: Evidence, senders: Senders, start: date, end: date) -> tuple[Tally, ...]:
    """Return what each source sent from one day to another, the largest first."""
    found: dict[Source, Tally] = {}
    for day, one in sorted(evidence.days.items()):
        if start <= day <= end:
            for row, messages in one.messages.items():
                source = senders.source(row)
                found.setdefault(source, Tally(source)).count(day, row, messages)
    return tuple(sorted(found.values(), key=lambda one: (-one.messages, one.source)))


def by_day(evidence: Evidence, senders: Senders) -> dict[date, Counter[tuple[Source, bool]]]:
    """Return the messages of each day by source and alignment."""
    found: dict[date, Counter[tuple[Source, bool]]] = defaultdict(Counter)
    for day, one in sorted(evidence.days.items()):
        for row, messages in one.messages.items():
            found[day][senders.source(row), row.aligned] += messages
    return dict(found)


def _next(stage: DmarcStage, goal: DmarcStage) -> DmarcStage | None:
    place = STAGES.index(stage)
    return STAGES[place + 1] if place < STAGES.index(goal) else None


def _longest_gap(start: date, covered: Iterable[date]) -> int:
    longest, before = 0, start - _DAY
    for day in covered:
        longest = max(longest, (day - before).days - 1)
        before = day
    return longest


def _calendar(declaration: "Declaration", stage: DmarcStage, today: date) -> Iterator[Condition]:
    day = declaration.dmarc.earliest(stage)
    if day is None:
        text = f"{stage} counts from the first day that had rua: declare mail:dmarc.reportsSince"
        yield Condition("calendar", met=False, text=text, evidence=False)
        return
    text = f"{stage} may begin on {day} at the earliest"
    yield Condition("calendar", today >= day, text, evidence=False)


def _conditions(
    declaration: "Declaration", figures: Figures, stage: DmarcStage
) -> Iterator[Condition]:
    """Yield what a stage asks of the reports."""
    wanted = declaration.dmarc.evidence
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
    for one in figures.tallies:
        if one.source.known and (one.messages >= wanted.regular_messages or not one.aligned):
            yield Condition(
                f"alignment of {one.source.name}", one.percent >= wanted.aligned_percent,
                f"{one.source.name}: {_percent(one.percent)} of {one.messages} messages aligned,"
                f" {_percent(wanted.aligned_percent)} asked for; {stage} would hurt {one.failing}",
            )  # fmt: skip
    for one in _unexplained(declaration, figures):
        yield Condition(f"unknown {one.source.name}", met=False, text=_asks(one))
    if stage is DmarcStage.REJECT:
        signed = sum(one.signed for one in figures.tallies if one.source.known)
        share = 100 * signed / figures.messages if figures.messages else 0.0
        yield Condition(
            "signatures", share >= wanted.aligned_percent,
            f"{_percent(share)} of declared senders' mail aligned by DKIM,"
            f" {_percent(wanted.aligned_percent)} asked for: reject must not rest on SPF",
        )  # fmt: skip


def _unexplained(declaration: "Declaration", figures: Figures) -> Iterator[Tally]:
    dmarc = declaration.dmarc
    agreed = {one.name for one in dmarc.acknowledged_sources}
    for one in figures.tallies:
        regular = (
            len(one.days) >= dmarc.evidence.regular_days
            and one.messages >= dmarc.evidence.regular_messages
        )
        if one.source.unknown and regular and one.source.name not in agreed:
            yield one


def _asks(one: Tally) -> str:
    """Return the question that an unknown source puts to the operator."""
    looks = {
        Kind.SERVICE: "it authenticates as itself: a forgotten service, or a forger's own domain",
        Kind.STRANGER: "it authenticates as nobody: a forgery, or a machine that sends by itself",
    }[one.source.kind]
    return (
        f"{one.source.name} is unknown, {one.messages} messages on {len(one.days)} days, never"
        f" aligned; {looks}. Declare it (mail:transactionalSenders) and let it sign, or acknowledge"
        " it (mail:dmarc.acknowledgedSources)"
    )


def _hurt(figures: Figures, wanted: EvidenceThresholds) -> tuple[Tally, ...]:
    return tuple(
        one
        for one in figures.tallies
        if one.failing
        and (one.source.kind is Kind.FORWARDED
             or (one.source.known and one.percent < wanted.aligned_percent))
    )  # fmt: skip


def _failing_now(figures: Figures, wanted: EvidenceThresholds) -> Iterator[Tally]:
    for one in figures.recent:
        many = one.failing >= wanted.step_back_messages
        if one.source.known and many and one.percent < wanted.step_back_percent:
            yield one


def _fails(one: Tally, wanted: EvidenceThresholds) -> str:
    return (
        f"{one.source.name} fails: {one.failing} of {one.messages} messages not aligned in the last"
        f" {wanted.recent_days} days ({_percent(one.percent)} aligned, under"
        f" {_percent(wanted.step_back_percent)})"
    )


def _carries(step: StepTaken, wanted: EvidenceThresholds) -> bool:
    share = 100 * step.aligned / step.messages if step.messages else 0.0
    return (
        step.days >= wanted.least_days
        and step.reporters >= wanted.least_reporters
        and step.messages >= wanted.least_messages
        and share >= wanted.aligned_percent
    )


def _percent(value: float) -> str:
    return f"{value:.1f} %".replace(".0 %", " %")
