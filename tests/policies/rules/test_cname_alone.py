"""The rule `cname-alone`.

An alias stands alone at its name.
"""

from policies.stack import Stack
from tests.policies.planting import messages, record

RULE = "cname-alone"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_an_alias_beside_an_address_is_refused(good: Stack) -> None:
    stack = record("webmail", "CNAME", "mx.portugalodyssey.pt")(good)

    assert "beside it" in " ".join(messages(RULE, stack))


def test_an_alias_alone_passes(good: Stack) -> None:
    stack = record("old", "CNAME", "mx.portugalodyssey.pt")(good)

    assert messages(RULE, stack) == []
