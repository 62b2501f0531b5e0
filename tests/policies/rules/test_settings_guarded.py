"""The rule `settings-guarded`.

Settings that are unsafe to change are compared on the host before any writing.
"""

from policies.stack import Stack
from tests.policies.planting import messages, not_waiting, replaced

RULE = "settings-guarded"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_guard_that_looks_at_another_value_is_refused(good: Stack) -> None:
    stack = replaced("mailcow-conf", "MAILDIR_SUB=Maildir", "MAILDIR_SUB=Mail")(good)

    assert "another MAILDIR_SUB" in " ".join(messages(RULE, stack))


def test_a_configuration_that_does_not_wait_is_refused(good: Stack) -> None:
    stack = not_waiting("mailcow-conf", "mailcow-settings-guard")(good)

    assert "before the guard" in " ".join(messages(RULE, stack))
