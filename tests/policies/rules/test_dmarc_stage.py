"""The rule `dmarc-stage`.

The published DMARC policy is the declared stage, and its time has come.
"""

from datetime import date

from declaration.dmarc import DmarcStage
from policies.stack import Stack
from tests.policies.planting import both, declared, messages, replaced

RULE = "dmarc-stage"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_record_ahead_of_the_declaration_is_refused(good: Stack) -> None:
    stack = replaced("dmarc", "p=none", "p=quarantine")(good)

    assert "goes further" in " ".join(messages(RULE, stack))


def test_quarantine_after_a_month_passes(good: Stack) -> None:
    stack = both(
        declared("dmarc.stage", DmarcStage.QUARANTINE),
        declared("dmarc.reports_since", date(2026, 11, 1)),
        declared("dmarc.since", date(2026, 12, 1)),
        replaced("dmarc", "p=none", "p=quarantine"),
    )(good)

    assert messages(RULE, stack) == []


def test_quarantine_a_day_early_is_refused(good: Stack) -> None:
    stack = both(
        declared("dmarc.stage", DmarcStage.QUARANTINE),
        declared("dmarc.reports_since", date(2026, 11, 1)),
        declared("dmarc.since", date(2026, 11, 30)),
        replaced("dmarc", "p=none", "p=quarantine"),
    )(good)

    assert "2026-12-01 at the earliest" in " ".join(messages(RULE, stack))


def test_a_month_of_a_record_without_reports_starts_no_clock(good: Stack) -> None:
    stack = both(
        declared("dmarc.stage", DmarcStage.QUARANTINE),
        declared("dmarc.since", date(2026, 11, 20)),
        replaced("dmarc", "p=none", "p=quarantine"),
    )(good)

    assert "reportsSince is missing" in " ".join(messages(RULE, stack))
