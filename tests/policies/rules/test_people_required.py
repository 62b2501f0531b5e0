"""The rule `people-required`.

postmaster and abuse reach a mailbox of the domain.
"""

from policies.stack import Stack
from tests.policies.planting import changed, messages, without

RULE = "people-required"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_missing_postmaster_is_refused(good: Stack) -> None:
    stack = without("mailbox-postmaster")(good)

    assert "postmaster@" in " ".join(messages(RULE, stack))


def test_an_alias_over_another_alias_passes(good: Stack) -> None:
    stack = changed("alias-abuse", ["security@portugalodyssey.pt"], "goto")(good)

    assert messages(RULE, stack) == []


def test_an_alias_that_leads_outside_alone_is_refused(good: Stack) -> None:
    stack = changed("alias-abuse", ["abuse@example.org"], "goto")(good)

    assert "reaches no mailbox" in " ".join(messages(RULE, stack))
