"""The rule `people-declared`.

Mailboxes and aliases are the declared ones: nobody is missing, nobody hidden.
"""

from policies.stack import Stack
from tests.policies.planting import added, messages, without

RULE = "people-declared"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_hidden_mailbox_is_refused(good: Stack) -> None:
    stack = added(
        "mailcow:index:Mailbox", "x", localPart="x", domain="portugalodyssey.pt", quota=1.0
    )(good)

    assert "not declared" in " ".join(messages(RULE, stack))


def test_a_missing_alias_is_refused(good: Stack) -> None:
    stack = without("alias-webmaster")(good)

    assert "not served" in " ".join(messages(RULE, stack))
