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

    assert "?all" in " ".join(messages(RULE, stack))


def test_all_without_a_sign_means_yes(good: Stack) -> None:
    stack = replaced("apex-spf", "-all", "all")(good)

    assert "+all" in " ".join(messages(RULE, stack))


def test_a_redirect_may_end_a_record(good: Stack) -> None:
    stack = replaced("apex-spf", "-all", "redirect=send.portugalodyssey.pt")(good)

    assert messages(RULE, stack) == []
