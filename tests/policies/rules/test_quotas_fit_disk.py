"""The rule `quotas-fit-disk`.

All mailboxes together fit the disk, however full they are.
"""

from policies.stack import Stack
from tests.policies.planting import changed, messages

RULE = "quotas-fit-disk"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_more_than_the_disk_is_refused(good: Stack) -> None:
    stack = changed("mailbox-info", 90000.0, "quota")(good)

    assert "more than the 102400 MiB" in " ".join(messages(RULE, stack))


def test_exactly_the_disk_passes(good: Stack) -> None:
    stack = changed("mailbox-info", 102400.0 - 36864.0, "quota")(good)

    assert messages(RULE, stack) == []


def test_a_quota_of_zero_means_without_end(good: Stack) -> None:
    stack = changed("mailbox-info", 0.0, "quota")(good)

    assert "no quota" in " ".join(messages(RULE, stack))
