"""The rule `tls-reports-arrive`.

Reports on TLS failures reach a mailbox.
"""

from policies.stack import Stack
from tests.policies.planting import messages, record

RULE = "tls-reports-arrive"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_reports_to_nobody_are_refused(good: Stack) -> None:
    stack = record("_smtp._tls", "TXT", '"v=TLSRPTv1; rua=mailto:tls@portugalodyssey.pt"')(good)

    assert "tls@" in " ".join(messages(RULE, stack))


def test_reports_to_an_alias_pass(good: Stack) -> None:
    stack = record("_smtp._tls", "TXT", '"v=TLSRPTv1; rua=mailto:security@portugalodyssey.pt"')(
        good
    )

    assert messages(RULE, stack) == []


def test_a_record_without_any_address_is_refused(good: Stack) -> None:
    stack = record("_smtp._tls", "TXT", '"v=TLSRPTv1"')(good)

    assert "nobody" in " ".join(messages(RULE, stack))
