"""The rule `commands-quiet`.

Commands that are given a secret log nothing, and carry none in their words.
"""

from policies.stack import Stack
from tests.policies.planting import changed, messages

RULE = "commands-quiet"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_command_that_logs_everything_is_refused(good: Stack) -> None:
    stack = changed("mailcow", "stdoutAndStderr", "logging", kind="command")(good)

    assert "logs its output" in " ".join(messages(RULE, stack))


def test_a_command_that_says_nothing_about_logging_logs_everything(good: Stack) -> None:
    stack = changed("mailcow", None, "logging", kind="command")(good)

    assert "logs its output" in " ".join(messages(RULE, stack))


def test_a_command_without_a_secret_may_log(good: Stack) -> None:
    stack = changed("firewall", "stdoutAndStderr", "logging")(good)

    assert messages(RULE, stack) == []
