"""The rule `alias-targets-exist`.

Every target of an alias exists, or lies outside on purpose.
"""

from policies.stack import Stack
from tests.policies.planting import both, changed, messages, switched_on

RULE = "alias-targets-exist"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_missing_target_is_refused(good: Stack) -> None:
    stack = changed("alias-hello", ["nobody@portugalodyssey.pt"], "goto")(good)

    assert "does not exist" in " ".join(messages(RULE, stack))


def test_a_target_outside_on_purpose_passes(good: Stack) -> None:
    stack = both(
        changed("alias-hello", ["x@example.org"], "goto"), switched_on("aliases.4.outside")
    )(good)

    assert messages(RULE, stack) == []


def test_capitals_in_a_target_are_the_same_address(good: Stack) -> None:
    stack = changed("alias-hello", ["Info@PortugalOdyssey.pt"], "goto")(good)

    assert messages(RULE, stack) == []
