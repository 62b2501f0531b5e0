"""The rule `backup-of-this-stack`.

The backup stores this project, and reports where it is watched.
"""

from policies.stack import Stack
from tests.policies.planting import messages, replaced

RULE = "backup-of-this-stack"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_another_project_is_refused(good: Stack) -> None:
    stack = replaced("backup-settings", '"po-mail"', '"po-qual"')(good)

    assert "po-qual" in " ".join(messages(RULE, stack))


def test_a_report_that_nobody_reads_is_refused(good: Stack) -> None:
    stack = replaced("backup-settings", "textfile_collector/", "other/")(good)

    assert "reports to" in " ".join(messages(RULE, stack))
