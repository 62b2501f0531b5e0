"""The rule `hosts-declared`.

The web hosts that were declared are published and routed.
"""

from policies.stack import Stack
from tests.policies.planting import declared, messages, replaced

RULE = "hosts-declared"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_declared_host_that_nobody_knows_is_refused(good: Stack) -> None:
    stack = declared("web.webmail", "post")(good)

    assert "neither published nor routed" in " ".join(messages(RULE, stack))


def test_a_host_that_is_only_published_is_left_to_another_rule(good: Stack) -> None:
    stack = replaced("traefik-routes", "Host(`webmail.", "Host(`mail-admin.")(good)

    assert messages(RULE, stack) == []
