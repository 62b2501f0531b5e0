"""The rule `units-switched-on`.

Every unit is there, starts at boot, and was started after systemd had read it.
"""

from policies.stack import Stack
from tests.policies.planting import messages, replaced, without

RULE = "units-switched-on"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_command_that_is_missing_is_told(good: Stack) -> None:
    stack = without("queue-metrics-schedule")(good)

    assert messages(RULE, stack) == ["po-mail-queue.timer is not switched on"]


def test_a_mask_is_refused(good: Stack) -> None:
    stack = replaced("backup-schedule", "systemctl restart", "systemctl mask", "create")(good)

    assert messages(RULE, stack) == ["po-mail-backup.timer is not switched on"]


def test_a_timer_that_is_started_and_not_enabled_is_refused_by_its_name(good: Stack) -> None:
    stack = replaced("queue-metrics-schedule", "enable --now", "start", "create")(good)

    assert messages(RULE, stack) == ["po-mail-queue.timer is not switched on"]


def test_two_commands_pass(good: Stack) -> None:
    stack = replaced("firewall", "enable --now po-mail", "enable -q po-mail", "create")(good)

    assert messages(RULE, stack) == []
