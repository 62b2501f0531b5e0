"""The rule `zone-quota`.

The zone stays within what its plan allows.
"""

from policies.stack import Stack
from tests.policies.planting import declared, messages

RULE = "zone-quota"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_one_record_too_many_is_refused(good: Stack) -> None:
    stack = declared("zone.record_quota", 22)(good)

    assert "the plan allows 22" in " ".join(messages(RULE, stack))


def test_exactly_the_quota_passes(good: Stack) -> None:
    stack = declared("zone.record_quota", 23)(good)

    assert messages(RULE, stack) == []
