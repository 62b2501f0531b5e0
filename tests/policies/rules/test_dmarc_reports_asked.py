"""The rule `dmarc-reports-asked`.

Aggregate reports are asked for, at addresses that can be read.
"""

from policies.stack import Stack
from tests.policies.planting import messages, replaced

RULE = "dmarc-reports-asked"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_record_without_rua_is_refused(good: Stack) -> None:
    stack = replaced("dmarc", "rua=mailto:postmaster@portugalodyssey.pt; ", "")(good)

    assert "no rua" in " ".join(messages(RULE, stack))


def test_a_size_limit_is_refused(good: Stack) -> None:
    stack = replaced("dmarc", "portugalodyssey.pt; adkim", "portugalodyssey.pt!10m; adkim")(good)

    assert "size limit" in " ".join(messages(RULE, stack))


def test_two_addresses_pass(good: Stack) -> None:
    stack = replaced(
        "dmarc",
        "portugalodyssey.pt; adkim",
        "portugalodyssey.pt,mailto:info@portugalodyssey.pt; adkim",
    )(good)

    assert messages(RULE, stack) == []
