"""The rule `one-tenant`.

The stack serves the declared domain and no other.
"""

from policies.stack import Stack
from tests.policies.planting import changed, messages

RULE = "one-tenant"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_mailbox_of_another_domain_is_refused(good: Stack) -> None:
    stack = changed("mailbox-info", "example.org", "domain")(good)

    assert "example.org" in " ".join(messages(RULE, stack))


def test_an_alias_of_another_domain_is_refused(good: Stack) -> None:
    stack = changed("alias-hello", "hello@example.org", "address")(good)

    assert "example.org" in " ".join(messages(RULE, stack))


def test_an_alias_that_leads_to_another_domain_belongs_to_ours(good: Stack) -> None:
    stack = changed("alias-hello", ["x@example.org"], "goto")(good)

    assert messages(RULE, stack) == []
