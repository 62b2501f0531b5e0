"""The rule `backup-retention`.

At least seven daily, four weekly and six monthly snapshots are kept.
"""

from policies.stack import Stack
from tests.policies.planting import both, declared, messages, replaced

RULE = "backup-retention"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_less_than_declared_is_refused(good: Stack) -> None:
    stack = replaced("backup-settings", '"weekly": 4', '"weekly": 2')(good)

    assert "2 weekly" in " ".join(messages(RULE, stack))


def test_more_than_needed_passes_when_both_say_so(good: Stack) -> None:
    stack = both(
        declared("backup.retention.daily", 14),
        replaced("backup-settings", '"daily": 7', '"daily": 14'),
    )(good)

    assert messages(RULE, stack) == []


def test_a_kind_that_is_not_kept_at_all_is_refused(good: Stack) -> None:
    stack = replaced("backup-settings", '"monthly": 6', '"yearly": 6')(good)

    assert "no monthly" in " ".join(messages(RULE, stack))
