"""The rule `bucket-lifecycle`.

Old versions end after the declared time, and nothing that is in use ends at all.
"""

from policies.stack import Stack
from tests.policies.planting import changed, declared, messages

RULE = "bucket-lifecycle"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_data_that_expires_is_refused(good: Stack) -> None:
    stack = changed("backup-lifecycle", "90d", "rules", "0", "expiration")(good)

    assert "expire after 90d" in " ".join(messages(RULE, stack))


def test_markers_of_deleted_objects_may_expire(good: Stack) -> None:
    stack = changed("backup-lifecycle", "DeleteMarker", "rules", "0", "expiration")(good)

    assert messages(RULE, stack) == []


def test_another_time_than_declared_is_refused(good: Stack) -> None:
    stack = declared("backup.noncurrent_days", 60)(good)

    assert "60 days" in " ".join(messages(RULE, stack))
