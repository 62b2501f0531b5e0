"""The rule `exporter-confined`.

The exporter runs alone of all containers, and with nothing but what it needs.
"""

from policies.stack import Stack
from tests.policies.planting import added, changed, messages

RULE = "exporter-confined"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_mount_is_refused(good: Stack) -> None:
    stack = changed("exporter", [{"hostPath": "/", "containerPath": "/host"}], "volumes")(good)

    assert messages(RULE, stack) == ["exporter is not held as it should be: volumes"]


def test_another_container_is_refused(good: Stack) -> None:
    stack = added("docker:index/container:Container", "miner", name="miner")(good)

    assert messages(RULE, stack) == ["miner follows from no declaration"]


def test_what_an_engine_adds_of_itself_passes(good: Stack) -> None:
    assert messages(RULE, changed("exporter", "bridge", "networkMode")(good)) == []
