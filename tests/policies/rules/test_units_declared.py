"""The rule `units-declared`.

Units, and files of the host, are those that follow from the declaration.
"""

from policies.stack import Stack
from tests.policies.planting import added, messages, replaced

RULE = "units-declared"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_another_command_is_refused(good: Stack) -> None:
    stack = replaced("backup-service", "Nice=10", "ExecStartPre=/tmp/x")(good)

    assert "runs /tmp/x, not backup.py" in " ".join(messages(RULE, stack))


def test_a_file_of_cron_is_refused(good: Stack) -> None:
    stack = added("host:index:File", "x", path="/etc/cron.d/x", content="", mode="0644")(good)

    assert messages(RULE, stack) == ["/etc/cron.d/x is written, which nobody declared"]


def test_a_limit_more_passes(good: Stack) -> None:
    stack = replaced("backup-service", "Nice=10", "Nice=10\nMemoryMax=2G")(good)

    assert messages(RULE, stack) == []
