"""The rule `tiers-complete`.

Every service of the release has limits of memory and processor.
"""

from policies.stack import Stack
from tests.policies.planting import messages, replaced

RULE = "tiers-complete"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_service_without_processors_is_refused(good: Stack) -> None:
    stack = replaced("mailcow-limits", "mem_limit: 768m\n    cpus: 1.0", "mem_limit: 768m")(good)

    assert "mysql-mailcow" in " ".join(messages(RULE, stack))


def test_a_service_with_limits_and_no_tier_is_refused(good: Stack) -> None:
    stack = replaced(
        "mailcow-limits", "services:\n", "services:\n  x-mailcow: {mem_limit: 1m, cpus: 1}\n"
    )(good)

    assert "no tier" in " ".join(messages(RULE, stack))


def test_other_units_of_memory_are_read(good: Stack) -> None:
    stack = replaced("mailcow-limits", "mem_limit: 768m", "mem_limit: 786432k")(good)

    assert messages(RULE, stack) == []
