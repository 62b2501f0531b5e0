"""A mail domain as far as its reports concern it: its stage, and who may send as it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

STAGES: Final = ("none", "quarantine", "reject")
"""Policies of a DMARC record (RFC 9989 section 4.7), from mild to strict."""


@dataclass(frozen=True)
class Thresholds:
    """How much evidence a stage needs; docs/dmarc.md gives the reason of each.

    Attributes:
        days: Length of the judged period.
        least_days: Days of it for which there must be reports.
        longest_gap: Longest run of days without any.
        fresh_days: Age of the newest report in days, beyond which nothing is judged.
        least_messages: Messages of declared senders.
        least_reporters: Receivers that report.
        aligned_percent: Share of each declared sender's messages that must be aligned.
        regular_days: Days from which on an unknown source is a regular one.
        regular_messages: Messages from which on it is.
        recent_days: Last days, in which a rise of failures is looked for.
        step_back_percent: Aligned share of a declared sender in those, under which it is one.
        step_back_messages: Failing messages that it takes at least.
    """

    days: int
    least_days: int
    longest_gap: int
    fresh_days: int
    least_messages: int
    least_reporters: int
    aligned_percent: float
    regular_days: int
    regular_messages: int
    recent_days: int
    step_back_percent: float
    step_back_messages: int


@dataclass(frozen=True)
class Sender:
    """Somebody who is declared to send as the domain, and by what his mail is recognised.

    Attributes:
        name: Its name.
        selectors: DKIM selectors of its keys under the domain.
        envelopes: Domains of its envelope senders.
        author: Domain of its From header, if that is a name below the mail domain.
        companion: Domain by which all its mail is authenticated beside ours, if that is known.
    """

    name: str
    selectors: tuple[str, ...] = ()
    envelopes: tuple[str, ...] = ()
    author: str = ""
    companion: str = ""


@dataclass(frozen=True)
class MailDomain:
    """What the advice must know of a mail domain.

    Attributes:
        name: The domain.
        stage: Its published policy, one of `STAGES`.
        since: Day from which that holds.
        reported_since: First day on which its record asked for reports (`rua`); None if it never
            did. The calendar begins there: a stage that nobody reported on has no days.
        goal: The strictest stage that is wanted.
        minimum_age: How long reports must have been asked for before a stage may begin.
        thresholds: How much evidence a stage needs.
        senders: Who may send; the first is the one through which most mail goes.
        acknowledged: Unknown sources of which somebody decided that they may be refused.
    """

    name: str
    stage: str
    since: date
    reported_since: date | None
    goal: str
    minimum_age: Mapping[str, timedelta]
    thresholds: Thresholds
    senders: tuple[Sender, ...]
    acknowledged: frozenset[str] = frozenset()

    @property
    def next_stage(self) -> str | None:
        """The stage to go to; None at the goal."""
        place = STAGES.index(self.stage)
        return STAGES[place + 1] if place < STAGES.index(self.goal) else None

    @property
    def milder_stage(self) -> str | None:
        """The stage to step back to; None at the mildest."""
        place = STAGES.index(self.stage)
        return STAGES[place - 1] if place else None
