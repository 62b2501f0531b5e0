"""The rule `relay-tls-mandatory`.

The login and the mail reach the smarthost over TLS, with its name verified.
"""

from policies.stack import Stack
from tests.policies.planting import messages, replaced

RULE = "relay-tls-mandatory"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_opportunistic_tls_is_refused(good: Stack) -> None:
    stack = replaced("smarthost-tls-policy", "secure", "may")(good)

    assert "is may" in " ".join(messages(RULE, stack))


def test_dane_alone_verifies_too(good: Stack) -> None:
    stack = replaced("smarthost-tls-policy", "secure", "dane-only")(good)

    assert messages(RULE, stack) == []


def test_a_policy_with_options_passes(good: Stack) -> None:
    stack = replaced("smarthost-tls-policy", "secure", "secure match=nexthop")(good)

    assert messages(RULE, stack) == []
