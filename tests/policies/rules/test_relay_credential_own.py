"""The rule `relay-credential-own`.

The company's mail and each transactional sender have credentials of their own.
"""

from components.smarthost import TransactionalSender
from policies.stack import Stack
from tests.policies.planting import declared, messages

RULE = "relay-credential-own"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_sender_without_a_selector_of_its_own_is_refused(good: Stack) -> None:
    stack = declared(
        "transactional_senders", (TransactionalSender(name="app", domain="portugalodyssey.pt"),)
    )(good)

    assert "as the company itself" in " ".join(messages(RULE, stack))


def test_a_sender_with_another_domain_passes(good: Stack) -> None:
    stack = declared(
        "transactional_senders", (TransactionalSender(name="app", domain="app.portugalodyssey.pt"),)
    )(good)

    assert messages(RULE, stack) == []
