"""The rule `envelope-takes-bounces`.

Bounces come back to the smarthost's envelope domain.
"""

from policies.stack import Stack
from tests.policies.planting import changed, messages, without

RULE = "envelope-takes-bounces"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_an_envelope_without_mx_is_refused(good: Stack) -> None:
    stack = without("send-mx")(good)

    assert "has no MX record" in " ".join(messages(RULE, stack))


def test_capitals_in_the_target_are_the_same_name(good: Stack) -> None:
    stack = changed("send-mx", "Feedback-SMTP.eu-west-1.amazonses.com", "content")(good)

    assert messages(RULE, stack) == []
