"""The rule `certificate-delivered`.

Postfix and Dovecot are given the certificate of the mail host, before they start.
"""

from policies.stack import Stack
from tests.policies.planting import messages, not_waiting, replaced

RULE = "certificate-delivered"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_another_hosts_certificate_is_refused(good: Stack) -> None:
    stack = replaced("certificate-delivery", "--host mx.", "--host www.", "create")(good)

    assert "www.portugalodyssey.pt" in " ".join(messages(RULE, stack))


def test_a_stack_that_does_not_wait_is_refused(good: Stack) -> None:
    stack = not_waiting("mailcow", "certificate-delivery", kind="command")(good)

    assert "does not wait" in " ".join(messages(RULE, stack))


def test_waiting_over_another_resource_is_waiting(good: Stack) -> None:
    stack = not_waiting("certificate-delivery", "mailcow-release")(good)

    assert messages(RULE, stack) == []
