"""The rule `host-in-eu`.

The host stands in the EU.
"""

from policies.stack import Stack
from tests.policies.planting import declared, messages

RULE = "host-in-eu"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_switzerland_is_refused(good: Stack) -> None:
    stack = declared("host.country", "CH")(good)

    assert "CH" in " ".join(messages(RULE, stack))


def test_portugal_passes(good: Stack) -> None:
    stack = declared("host.country", "PT")(good)

    assert messages(RULE, stack) == []
