"""The rule `relay-credential-own`.

The company's mail and each transactional sender have credentials of their own.
"""

from declaration.smarthost import TransactionalSender
from policies.stack import Stack
from tests.policies.planting import declared, messages

RULE = "relay-credential-own"


def test_senders_that_share_domain_and_selector_with_the_company_pass(good: Stack) -> None:
    senders = (
        TransactionalSender(name="notification-service", domain="portugalodyssey.pt"),
        TransactionalSender(name="keycloak", domain="portugalodyssey.pt", selector="resend"),
    )

    assert messages(RULE, declared("transactional_senders", senders)(good)) == []
