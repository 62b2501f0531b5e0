"""The rule `bucket-versioned`.

What is overwritten or deleted can be brought back for the declared time.
"""

from policies.stack import Stack
from tests.policies.planting import changed, messages, without

RULE = "bucket-versioned"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_bucket_without_versions_is_refused(good: Stack) -> None:
    stack = without("backup-versioning")(good)

    assert "keeps no versions" in " ".join(messages(RULE, stack))


def test_versions_of_another_bucket_do_not_count(good: Stack) -> None:
    stack = changed("backup-versioning", "other", "bucket")(good)

    assert "keeps no versions" in " ".join(messages(RULE, stack))
