"""The rule `records-in-one-zone`.

Every record is published in the zone of the domain.
"""

from policies.stack import Stack
from tests.policies.planting import changed, messages

RULE = "records-in-one-zone"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_another_zone_is_refused(good: Stack) -> None:
    stack = changed("mx-a", "1" * 32, "zoneId")(good)

    assert "another zone" in " ".join(messages(RULE, stack))
