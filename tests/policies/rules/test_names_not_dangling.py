"""The rule `names-not-dangling`.

Every name that a record points at inside the zone is there.
"""

from policies.stack import Stack
from tests.policies.planting import both, messages, record

RULE = "names-not-dangling"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_target_that_is_gone_is_refused(good: Stack) -> None:
    stack = record("old", "CNAME", "gone.portugalodyssey.pt")(good)

    assert "has no address" in " ".join(messages(RULE, stack))


def test_a_target_outside_the_zone_is_not_judged(good: Stack) -> None:
    stack = record("old", "CNAME", "gone.example.org")(good)

    assert messages(RULE, stack) == []


def test_an_alias_to_an_alias_is_followed(good: Stack) -> None:
    stack = both(
        record("a", "CNAME", "b.portugalodyssey.pt"), record("b", "CNAME", "mx.portugalodyssey.pt")
    )(good)

    assert messages(RULE, stack) == []


def test_aliases_in_a_circle_are_refused(good: Stack) -> None:
    stack = both(
        record("a", "CNAME", "b.portugalodyssey.pt"), record("b", "CNAME", "a.portugalodyssey.pt")
    )(good)

    assert "has no address" in " ".join(messages(RULE, stack))
