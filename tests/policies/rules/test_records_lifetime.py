"""The rule `records-lifetime`.

A record is kept for minutes or hours: neither never, nor for weeks.
"""

from policies.stack import Stack
from tests.policies.planting import changed, messages

RULE = "records-lifetime"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_week_is_refused(good: Stack) -> None:
    stack = changed("apex-mx", 604800.0, "ttl")(good)

    assert "604800 seconds" in " ".join(messages(RULE, stack))


def test_no_time_at_all_is_refused(good: Stack) -> None:
    stack = changed("apex-mx", 0.0, "ttl")(good)

    assert "0 seconds" in " ".join(messages(RULE, stack))


def test_the_time_that_cloudflare_chooses_passes(good: Stack) -> None:
    stack = changed("apex-mx", 1.0, "ttl")(good)

    assert messages(RULE, stack) == []
