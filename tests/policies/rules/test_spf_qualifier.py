"""The rule `spf-qualifier`.

An SPF record says no to everybody whom it does not name.
"""

from policies.stack import Stack
from tests.policies.planting import messages, replaced

RULE = "spf-qualifier"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_an_open_end_is_refused(good: Stack) -> None:
    stack = replaced("apex-spf", "-all", "?all")(good)

    assert "says nothing" in " ".join(messages(RULE, stack))


def test_all_without_a_sign_means_yes(good: Stack) -> None:
    stack = replaced("apex-spf", "-all", "all")(good)

    assert "lets anybody send" in " ".join(messages(RULE, stack))


def test_a_redirect_may_end_a_record(good: Stack) -> None:
    stack = replaced("apex-spf", "-all", "redirect=send.portugalodyssey.pt")(good)

    assert messages(RULE, stack) == []


def test_ranges_that_make_up_the_world_are_refused(good: Stack) -> None:
    stack = replaced("apex-spf", "mx", "ip4:0.0.0.0/1 ip4:128.0.0.0/1")(good)

    assert "lets anybody send" in " ".join(messages(RULE, stack))


def test_the_ranges_of_large_senders_pass(good: Stack) -> None:
    stack = replaced("apex-spf", "mx", "ip4:52.100.0.0/14 ip4:40.92.0.0/15 ip6:2a01:111::/32")(good)

    assert messages(RULE, stack) == []
