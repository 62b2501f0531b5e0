"""The rule `relay-before-start`.

The way out is there before any container starts, and the firewall too.
"""

from policies.stack import Stack
from tests.policies.planting import messages, not_waiting

RULE = "relay-before-start"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_stack_that_does_not_wait_for_the_login_is_refused(good: Stack) -> None:
    stack = not_waiting("mailcow", "smarthost-login", kind="command")(good)

    assert "smarthost-login" in " ".join(messages(RULE, stack))


def test_the_firewall_is_waited_for_over_its_command(good: Stack) -> None:
    stack = not_waiting("firewall", "firewall-unit")(good)

    assert messages(RULE, stack) == []
