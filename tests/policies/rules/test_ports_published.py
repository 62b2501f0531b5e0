"""The rule `ports-published`.

The ports that containers publish to anyone are exactly the declared ones.
"""

from policies.stack import Stack
from tests.policies.planting import changed, messages, replaced

RULE = "ports-published"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_redis_open_to_anyone_is_refused(good: Stack) -> None:
    stack = replaced("mailcow-conf", "REDIS_PORT=127.0.0.1:7654", "REDIS_PORT=0.0.0.0:7654")(good)

    assert "REDIS_PORT opens 7654" in " ".join(messages(RULE, stack))


def test_a_variable_left_out_means_the_default_of_the_release(good: Stack) -> None:
    stack = replaced("mailcow-conf", "POP_PORT=127.0.0.1:110\n", "")(good)

    assert "POP_PORT is not set" in " ".join(messages(RULE, stack))


def test_any_address_of_the_loopback_passes(good: Stack) -> None:
    stack = replaced("mailcow-conf", "SQL_PORT=127.0.0.1:", "SQL_PORT=127.0.0.53:")(good)

    assert messages(RULE, stack) == []


def test_the_hosts_network_is_refused(good: Stack) -> None:
    stack = changed("exporter", "host", "networkMode")(good)

    assert "host's network" in " ".join(messages(RULE, stack))
