"""The rule `published-addresses-exist`.

Every address that stands on the website is served.
"""

from policies.stack import Stack
from tests.policies.planting import messages, switched_on, without

RULE = "published-addresses-exist"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_published_mailbox_that_is_missing_is_refused(good: Stack) -> None:
    stack = without("mailbox-bookings")(good)

    assert "bookings@" in " ".join(messages(RULE, stack))


def test_an_alias_may_be_the_published_address(good: Stack) -> None:
    stack = switched_on("aliases.4.published")(good)

    assert messages(RULE, stack) == []
