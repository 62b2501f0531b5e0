"""The rule `spf-lookups`.

An SPF record costs at most ten look-ups, those of its includes counted.
"""

from policies.stack import Stack
from tests.policies.planting import messages, replaced

RULE = "spf-lookups"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_eleven_lookups_are_refused(good: Stack) -> None:
    stack = replaced("apex-spf", "mx", " ".join(["a"] * 11))(good)

    assert "11 look-ups" in " ".join(messages(RULE, stack))


def test_ten_lookups_pass(good: Stack) -> None:
    stack = replaced("apex-spf", "mx", " ".join(["mx"] * 10))(good)

    assert messages(RULE, stack) == []


def test_addresses_cost_nothing(good: Stack) -> None:
    stack = replaced("apex-spf", "mx", " ".join(["ip4:192.0.2.1"] * 12))(good)

    assert messages(RULE, stack) == []
