"""The rule `records-unique`.

No record stands twice.
"""

from policies.stack import Stack
from tests.policies.planting import messages, record

RULE = "records-unique"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_the_same_record_twice_is_refused(good: Stack) -> None:
    stack = record("mx", "A", "31.97.159.7")(good)

    assert "stands twice" in " ".join(messages(RULE, stack))


def test_two_addresses_at_one_name_are_two_records(good: Stack) -> None:
    stack = record("mx", "A", "31.97.159.8")(good)

    assert messages(RULE, stack) == []
