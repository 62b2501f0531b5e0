"""The rule `relay-is-smarthost`.

Every outbound message, bounces too, leaves through the declared smarthost.
"""

from policies.stack import Stack
from tests.policies.planting import messages, replaced

RULE = "relay-is-smarthost"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_direct_delivery_is_refused(good: Stack) -> None:
    stack = replaced("smarthost-extra-cf", "relayhost = [smtp.resend.com]:587", "relayhost =")(good)

    assert "delivered directly" in " ".join(messages(RULE, stack))


def test_the_last_of_two_lines_counts(good: Stack) -> None:
    stack = replaced(
        "smarthost-extra-cf", "relayhost = [", "relayhost = [other.example]:25\nrelayhost = ["
    )(good)

    assert messages(RULE, stack) == []


def test_a_line_in_a_comment_does_not_count(good: Stack) -> None:
    stack = replaced("smarthost-extra-cf", "relayhost = [", "# relayhost = [")(good)

    assert "delivered directly" in " ".join(messages(RULE, stack))
