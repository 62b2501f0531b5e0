"""The rule `dmarc-without-gaps`.

The policy holds for every name below the domain too, and for names that are not.
"""

from policies.stack import Stack
from tests.policies.planting import messages, replaced

RULE = "dmarc-without-gaps"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_milder_policy_below_is_refused(good: Stack) -> None:
    stack = replaced("dmarc", "p=none", "p=quarantine; sp=none")(good)

    assert "for names below" in " ".join(messages(RULE, stack))


def test_a_milder_policy_for_names_that_are_not_is_refused(good: Stack) -> None:
    stack = replaced("dmarc", "p=none", "p=quarantine; np=none")(good)

    assert "do not exist" in " ".join(messages(RULE, stack))


def test_a_policy_on_trial_is_refused(good: Stack) -> None:
    stack = replaced("dmarc", "p=none", "p=none; t=y")(good)

    assert "test mode" in " ".join(messages(RULE, stack))


def test_a_stricter_policy_below_passes(good: Stack) -> None:
    stack = replaced("dmarc", "p=none", "p=none; sp=quarantine")(good)

    assert messages(RULE, stack) == []
