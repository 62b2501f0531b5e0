"""The rule `caa-allows-issuer`.

Whoever issues the certificate may do so.
"""

from policies.stack import Stack
from tests.policies.planting import both, messages, record

RULE = "caa-allows-issuer"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_set_without_the_issuer_is_refused(good: Stack) -> None:
    stack = record("", "CAA", '0 issue "digicert.com"')(good)

    assert "shuts out" in " ".join(messages(RULE, stack))


def test_one_of_several_is_enough(good: Stack) -> None:
    stack = both(
        record("", "CAA", '0 issue "digicert.com"'),
        record("", "CAA", "", data={"flags": 0.0, "tag": "issue", "value": "letsencrypt.org"}),
    )(good)

    assert messages(RULE, stack) == []


def test_a_report_address_alone_shuts_nobody_out(good: Stack) -> None:
    stack = record("", "CAA", '0 iodef "mailto:security@portugalodyssey.pt"')(good)

    assert messages(RULE, stack) == []
