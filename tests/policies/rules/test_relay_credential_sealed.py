"""The rule `relay-credential-sealed`.

The password of the smarthost is secret in the program and closed on the host.
"""

from policies.stack import Stack
from tests.policies.planting import changed, messages, unsealed

RULE = "relay-credential-sealed"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_readable_password_is_refused(good: Stack) -> None:
    stack = unsealed("smarthost-login", "content")(good)

    assert "not a secret" in " ".join(messages(RULE, stack))


def test_the_group_of_postfix_may_read_the_file(good: Stack) -> None:
    stack = changed("smarthost-login", "0640", "mode")(good)

    assert messages(RULE, stack) == []


def test_everybody_may_not(good: Stack) -> None:
    stack = changed("smarthost-login", "0644", "mode")(good)

    assert "0644" in " ".join(messages(RULE, stack))
