"""The rule `alerts-have-runbook`.

Every alert says what to do.
"""

import pytest

from policies.stack import Stack
from tests.policies.planting import messages, replaced

RULE = "alerts-have-runbook"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_an_alert_without_a_runbook_is_refused(good: Stack) -> None:
    stack = replaced("monitoring-rules", "      runbook_url: docs/runbook.md#mailqueueold\n", "")(
        good
    )

    assert "MailQueueOld" in " ".join(messages(RULE, stack))


def test_an_empty_runbook_is_none(good: Stack) -> None:
    stack = replaced("monitoring-rules", "docs/runbook.md#mailqueueold", "''")(good)

    assert "MailQueueOld" in " ".join(messages(RULE, stack))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("runbook.md#mailqueueold", "runbook.md#mailqueue"),
        ("severity: warning", "severity: page"),
        ("docs/runbook.md#mailqueueold", "https://elsewhere.example/#mailqueueold"),
        ("MailQueueOld", "MailQueueOlder"),
    ],
)  # fmt: skip
def test_a_section_that_is_not_there_or_a_severity_without_sense_is_refused(
    good: Stack, old: str, new: str
) -> None:
    assert messages(RULE, replaced("monitoring-rules", old, new)(good))
