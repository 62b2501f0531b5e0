"""The rule `tiers-fit-host`.

Services and containers fit the memory of the host, beside what is reserved.
"""

from policies.stack import Stack
from tests.policies.planting import changed, declared, messages

RULE = "tiers-fit-host"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_more_than_the_host_has_is_refused(good: Stack) -> None:
    stack = declared("host.memory_mib", 4096)(good)

    assert "more than the 4096 MiB" in " ".join(messages(RULE, stack))


def test_what_is_reserved_counts(good: Stack) -> None:
    stack = declared("host.reserved_memory_mib", 4096)(good)

    assert "4096 MiB reserved" in " ".join(messages(RULE, stack))


def test_containers_beside_the_stack_count(good: Stack) -> None:
    stack = changed("exporter", 4096.0, "memory")(good)

    assert "more than" in " ".join(messages(RULE, stack))
