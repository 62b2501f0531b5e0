"""The rule `timers-repeat`.

Every timer starts its own service, again and again, as often as declared.
"""

from policies.stack import Stack
from tests.policies.planting import messages, replaced

RULE = "timers-repeat"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_another_unit_is_refused(good: Stack) -> None:
    stack = replaced("queue-metrics-timer", "[Install]", "Unit=x.service\n[Install]")(good)

    assert messages(RULE, stack) == ["po-mail-queue.timer starts x.service"]


def test_a_timer_that_fires_once_is_refused(good: Stack) -> None:
    stack = replaced("queue-metrics-timer", "OnUnitActiveSec=1min\n", "")(good)

    assert "does not start it every" in " ".join(messages(RULE, stack))


def test_more_often_passes(good: Stack) -> None:
    assert messages(RULE, replaced("dnsbl-metrics-timer", "60min", "30min")(good)) == []
