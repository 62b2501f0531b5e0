"""The rule `dmarc-single`.

There is exactly one DMARC record.
"""

from policies.stack import Stack
from tests.policies.planting import messages, record, without

RULE = "dmarc-single"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_missing_record_is_refused(good: Stack) -> None:
    stack = without("dmarc")(good)

    assert "no DMARC record" in " ".join(messages(RULE, stack))


def test_a_note_beside_the_record_is_no_second_record(good: Stack) -> None:
    stack = record("_dmarc", "TXT", '"see the runbook"')(good)

    assert messages(RULE, stack) == []
