"""The rule `tiers-complete`.

Every service of the release has the limits of its tier, of memory and processors.
"""

from policies.stack import Stack
from tests.policies.planting import messages, replaced

RULE = "tiers-complete"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_service_without_processors_is_refused(good: Stack) -> None:
    stack = replaced("mailcow-limits", "mem_limit: 768m\n    cpus: 1.0", "mem_limit: 768m")(good)

    assert "mysql-mailcow" in " ".join(messages(RULE, stack))


def test_a_service_that_the_release_brings_without_a_tier_is_refused(good: Stack) -> None:
    stack = replaced("mailcow-release", "--service acme", "--service x --service acme", "create")

    assert "x has no tier" in " ".join(messages(RULE, stack(good)))


def test_other_limits_than_those_of_the_tier_are_refused(good: Stack) -> None:
    stack = replaced("mailcow-limits", "mem_limit: 768m", "mem_limit: 8g")(good)

    assert "may take 8192 MiB, its tier says 768" in " ".join(messages(RULE, stack))


def test_other_units_of_memory_are_read(good: Stack) -> None:
    stack = replaced("mailcow-limits", "mem_limit: 768m", "mem_limit: 786432k")(good)

    assert messages(RULE, stack) == []
