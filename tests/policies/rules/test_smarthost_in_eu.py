"""The rule `smarthost-in-eu`.

The smarthost handles mail in the EU, in the declared region.
"""

from policies.stack import Stack
from tests.policies.planting import declared, messages, replaced

RULE = "smarthost-in-eu"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_region_outside_is_refused(good: Stack) -> None:
    stack = declared("smarthost.region", "us-east-1")(good)

    assert "lies in US" in " ".join(messages(RULE, stack))


def test_a_record_of_another_region_is_refused(good: Stack) -> None:
    stack = replaced("send-mx", "eu-west-1", "sa-east-1")(good)

    assert "sa-east-1" in " ".join(messages(RULE, stack))


def test_a_region_that_nobody_knows_is_refused(good: Stack) -> None:
    stack = declared("smarthost.region", "eu-moon-1")(good)

    assert "no country" in " ".join(messages(RULE, stack))
