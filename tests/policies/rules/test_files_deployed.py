"""The rule `files-deployed`.

Every file that decides where mail goes, and to whom a port is open, is deployed.
"""

from policies.stack import Stack
from tests.policies.planting import messages, without

RULE = "files-deployed"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_missing_configuration_is_refused(good: Stack) -> None:
    stack = without("mailcow-conf")(good)

    assert "mailcow.conf is not written" in " ".join(messages(RULE, stack))


def test_missing_routes_are_refused(good: Stack) -> None:
    stack = without("traefik-routes")(good)

    assert "no file of routes" in " ".join(messages(RULE, stack))
