"""The rule `dmarc-reports-authorised`.

A report address outside the domain has agreed to take the reports.
"""

from policies.stack import Stack
from tests.policies.planting import both, messages, replaced, switched_on

RULE = "dmarc-reports-authorised"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_an_outside_address_without_consent_is_refused(good: Stack) -> None:
    stack = replaced("dmarc", "postmaster@portugalodyssey.pt", "r@example.org")(good)

    assert "has not agreed" in " ".join(messages(RULE, stack))


def test_a_declared_consent_passes(good: Stack) -> None:
    stack = both(
        switched_on("dmarc.rua_authorised"),
        replaced("dmarc", "postmaster@portugalodyssey.pt", "r@example.org"),
    )(good)

    assert messages(RULE, stack) == []


def test_a_domain_that_ends_alike_is_outside(good: Stack) -> None:
    stack = replaced("dmarc", "postmaster@portugalodyssey.pt", "r@notportugalodyssey.pt")(good)

    assert "has not agreed" in " ".join(messages(RULE, stack))
