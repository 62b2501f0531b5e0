"""The rule `spf-includes-known`.

What an SPF record includes is known, so that its look-ups can be counted.
"""

from policies.stack import Stack
from tests.policies.planting import messages, replaced

RULE = "spf-includes-known"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_an_include_that_nobody_looked_at_is_refused(good: Stack) -> None:
    stack = replaced("apex-spf", "mx", "include:unknown.example")(good)

    assert "not in the snapshot" in " ".join(messages(RULE, stack))


def test_an_include_within_the_zone_needs_no_snapshot(good: Stack) -> None:
    stack = replaced("apex-spf", "mx", "include:send.portugalodyssey.pt")(good)

    assert messages(RULE, stack) == []


def test_a_macro_cannot_be_known_and_passes(good: Stack) -> None:
    stack = replaced("apex-spf", "mx", "exists:%{i}.spf.example")(good)

    assert messages(RULE, stack) == []
