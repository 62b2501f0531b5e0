"""The rule `hosts-serve-their-purpose`.

What people and mail programs look up on a host is answered.
"""

from policies.stack import Stack
from tests.policies.planting import messages, replaced

RULE = "hosts-serve-their-purpose"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_path_that_is_shut_is_refused(good: Stack) -> None:
    stack = replaced("traefik-routes", r"/mail/config-v1\.1\.xml$", r"/mail/config-v2\.xml$")(good)

    assert "nothing answers https://autoconfig" in " ".join(messages(RULE, stack))
