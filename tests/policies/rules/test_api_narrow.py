"""The rule `api-narrow`.

Mailcow's API may be used by the declared operators and the host itself alone.
"""

from policies.stack import Stack
from tests.policies.planting import messages, replaced

RULE = "api-narrow"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_the_whole_world_is_refused(good: Stack) -> None:
    stack = replaced("mailcow-conf", "API_ALLOW_FROM=", "API_ALLOW_FROM=::/0,")(good)

    assert "too many" in " ".join(messages(RULE, stack))


def test_an_empty_list_is_refused(good: Stack) -> None:
    stack = replaced(
        "mailcow-conf", "API_ALLOW_FROM=203.0.113.7,31.97.159.7,172.20.0.1", "API_ALLOW_FROM="
    )(good)

    assert "empty" in " ".join(messages(RULE, stack))


def test_an_address_is_the_network_of_one(good: Stack) -> None:
    stack = replaced(
        "mailcow-conf", "API_ALLOW_FROM=203.0.113.7,", "API_ALLOW_FROM=203.0.113.7/32,"
    )(good)

    assert messages(RULE, stack) == []
