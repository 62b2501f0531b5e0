"""The rule `backup-there`.

There is a backup: a bucket, and settings of what is stored in it.
"""

from policies.stack import Stack
from tests.policies.planting import messages, without

RULE = "backup-there"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_missing_bucket_is_refused(good: Stack) -> None:
    stack = without("backup-bucket")(good)

    assert "no bucket" in " ".join(messages(RULE, stack))
