"""The rule `hosts-published`.

Every host that Traefik routes is published in the zone.
"""

from policies.stack import Stack
from tests.policies.planting import both, messages, record, without

RULE = "hosts-published"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_routed_host_without_a_record_is_refused(good: Stack) -> None:
    stack = without("autoconfig-a")(good)

    assert "not published" in " ".join(messages(RULE, stack))


def test_an_alias_to_a_published_name_counts(good: Stack) -> None:
    stack = both(without("autoconfig-a"), record("autoconfig", "CNAME", "mx.portugalodyssey.pt"))(
        good
    )

    assert messages(RULE, stack) == []
