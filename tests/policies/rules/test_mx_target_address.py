"""The rule `mx-target-address`.

Every MX record points at a name that has an address of its own.
"""

from policies.stack import Stack
from tests.policies.planting import changed, messages, record, without

RULE = "mx-target-address"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_target_without_an_address_is_refused(good: Stack) -> None:
    stack = without("mx-a")(good)

    assert "has no address" in " ".join(messages(RULE, stack))


def test_an_address_in_brackets_is_still_an_address(good: Stack) -> None:
    stack = changed("apex-mx", "[31.97.159.7]", "content")(good)

    assert "an address as MX" in " ".join(messages(RULE, stack))


def test_a_target_outside_the_zone_is_not_judged(good: Stack) -> None:
    stack = record("lists", "MX", "lists.example.org", priority=10)(good)

    assert messages(RULE, stack) == []
