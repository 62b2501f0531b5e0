"""The rule `secret-files-closed`.

Files with secrets can be read by root alone.
"""

from policies.stack import Stack
from tests.policies.planting import changed, messages

RULE = "secret-files-closed"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_secret_that_everybody_reads_is_refused(good: Stack) -> None:
    stack = changed("backup-environment", "0644", "mode")(good)

    assert "0644" in " ".join(messages(RULE, stack))


def test_a_group_may_not_read_it_either(good: Stack) -> None:
    stack = changed("backup-environment", "0640", "mode")(good)

    assert "0640" in " ".join(messages(RULE, stack))


def test_the_owner_may_read_alone(good: Stack) -> None:
    stack = changed("backup-environment", "0400", "mode")(good)

    assert messages(RULE, stack) == []
