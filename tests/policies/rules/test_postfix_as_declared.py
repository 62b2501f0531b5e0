"""The rule `postfix-as-declared`.

Postfix's own file sets what follows from the declaration, and nothing else.
"""

from policies.stack import Stack
from tests.policies.planting import messages, replaced

RULE = "postfix-as-declared"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_parameter_that_nobody_declared_is_refused(good: Stack) -> None:
    stack = replaced("smarthost-extra-cf", "myorigin =", "always_bcc = a@b.example\nmyorigin =")(
        good
    )

    assert "always_bcc" in " ".join(messages(RULE, stack))


def test_a_line_that_postfix_cannot_read_is_refused(good: Stack) -> None:
    stack = replaced("smarthost-extra-cf", "myorigin =", "myorigin")(good)

    assert 'missing "="' in " ".join(messages(RULE, stack))


def test_another_value_is_refused(good: Stack) -> None:
    stack = replaced("smarthost-extra-cf", "soft_bounce = yes", "soft_bounce = no")(good)

    assert "soft_bounce" in " ".join(messages(RULE, stack))


def test_stricter_tls_for_everybody_passes(good: Stack) -> None:
    stack = replaced(
        "smarthost-extra-cf", "myorigin =", "smtp_tls_security_level = encrypt\nmyorigin ="
    )(good)

    assert messages(RULE, stack) == []
