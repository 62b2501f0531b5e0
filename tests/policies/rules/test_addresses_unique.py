"""The rule `addresses-unique`.

No address stands twice.
"""

from policies.stack import Stack
from tests.policies.planting import added, messages

RULE = "addresses-unique"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_an_alias_with_a_mailboxs_name_is_refused(good: Stack) -> None:
    stack = added(
        "mailcow:index:Alias",
        "twin",
        address="Info@portugalodyssey.pt",
        goto=["cristina@portugalodyssey.pt"],
    )(good)

    assert "stands twice" in " ".join(messages(RULE, stack))


def test_the_same_name_in_another_domain_is_another_address(good: Stack) -> None:
    stack = added(
        "mailcow:index:Alias",
        "twin",
        address="info@example.org",
        goto=["cristina@portugalodyssey.pt"],
    )(good)

    assert messages(RULE, stack) == []
