"""The rule `dmarc-reports-arrive`.

Reports reach a mailbox.
"""

from policies.stack import Stack
from tests.policies.planting import both, changed, messages, replaced

RULE = "dmarc-reports-arrive"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_an_address_that_nobody_serves_is_refused(good: Stack) -> None:
    stack = replaced("dmarc", "postmaster@", "reports@")(good)

    assert "reaches no mailbox" in " ".join(messages(RULE, stack))


def test_an_alias_that_ends_in_a_mailbox_passes(good: Stack) -> None:
    stack = replaced("dmarc", "postmaster@", "hostmaster@")(good)

    assert messages(RULE, stack) == []


def test_an_alias_that_leads_outside_is_refused(good: Stack) -> None:
    stack = both(
        changed("alias-hello", ["x@example.org"], "goto"),
        replaced("dmarc", "postmaster@", "hello@"),
    )(good)

    assert "reaches no mailbox" in " ".join(messages(RULE, stack))
