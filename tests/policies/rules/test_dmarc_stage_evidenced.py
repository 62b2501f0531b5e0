"""The rule `dmarc-stage-evidenced`.

A DMARC stage above none rests on aggregate reports.
"""

import json
from datetime import date, timedelta

from declaration.dmarc import DmarcStage
from dmarc.evidence import render
from policies.stack import Stack
from tests.dmarc.simulated import after
from tests.policies.planting import both, declared, evident, messages

RULE = "dmarc-stage-evidenced"
QUARANTINE = both(
    declared("dmarc.stage", DmarcStage.QUARANTINE),
    declared("dmarc.since", date(2026, 12, 1)),
    declared("dmarc.reports_since", date(2026, 11, 1)),
)


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_stage_without_reports_is_refused(good: Stack) -> None:
    assert "no reports" in " ".join(messages(RULE, QUARANTINE(good)))


def test_a_stage_on_a_month_of_clean_reports_passes(good: Stack) -> None:
    evidence, today = after(30, start=date(2026, 11, 1))
    assert today == date(2026, 12, 1)
    stack = both(QUARANTINE, evident("dmarc", json.loads(render(evidence))))(good)

    assert messages(RULE, stack) == []


def test_a_stage_on_too_few_days_is_refused(good: Stack) -> None:
    evidence, _ = after(20, start=date(2026, 12, 1) - timedelta(days=20))
    stack = both(QUARANTINE, evident("dmarc", json.loads(render(evidence))))(good)

    assert "reports for 20 days, of 21" in " ".join(messages(RULE, stack))


def test_evidence_of_another_domain_is_none(good: Stack) -> None:
    evidence, _ = after(30, start=date(2026, 11, 1))
    evidence.domain = "example.org"
    stack = both(QUARANTINE, evident("dmarc", json.loads(render(evidence))))(good)

    assert "no reports" in " ".join(messages(RULE, stack))


def test_evidence_that_cannot_be_read_is_none(good: Stack) -> None:
    for document in ({}, {"domain": "portugalodyssey.pt", "days": [], "last": 3, "steps": None}):
        stack = both(QUARANTINE, evident("dmarc", document))(good)

        assert "no reports" in " ".join(messages(RULE, stack))
