"""The rule `storage-in-eu`.

The backup lies in the EU, in the declared region.
"""

from policies.stack import Stack
from tests.policies.planting import both, changed, declared, messages

RULE = "storage-in-eu"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_london_is_refused_although_its_name_begins_with_eu(good: Stack) -> None:
    stack = declared("backup.region", "eu-west-2")(good)

    assert "lies in GB" in " ".join(messages(RULE, stack))


def test_a_region_of_the_eu_passes(good: Stack) -> None:
    stack = both(
        declared("backup.region", "eu-central-1"), changed("minio", "eu-central-1", "minioRegion")
    )(good)

    assert messages(RULE, stack) == []
