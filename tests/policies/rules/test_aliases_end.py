"""The rule `aliases-end`.

No alias leads back to itself.
"""

from policies.stack import Stack
from tests.policies.planting import both, changed, messages

RULE = "aliases-end"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_an_alias_to_itself_is_refused(good: Stack) -> None:
    stack = changed("alias-hello", ["hello@portugalodyssey.pt"], "goto")(good)

    assert "goes round" in " ".join(messages(RULE, stack))


def test_two_ways_to_one_mailbox_are_no_circle(good: Stack) -> None:
    stack = both(
        changed(
            "alias-hello", ["info@portugalodyssey.pt", "reservations@portugalodyssey.pt"], "goto"
        ),
        changed("alias-reservations", ["info@portugalodyssey.pt"], "goto"),
    )(good)

    assert messages(RULE, stack) == []


def test_a_circle_behind_a_first_alias_is_found(good: Stack) -> None:
    stack = both(
        changed("alias-hello", ["security@portugalodyssey.pt"], "goto"),
        changed("alias-security", ["webmaster@portugalodyssey.pt"], "goto"),
        changed("alias-webmaster", ["security@portugalodyssey.pt"], "goto"),
    )(good)

    assert "goes round" in " ".join(messages(RULE, stack))
