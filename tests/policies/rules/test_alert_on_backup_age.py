"""The rule `alert-on-backup-age`.

An alert is raised when the last good backup is older than declared, or unknown.
"""

from policies.stack import Stack
from tests.policies.planting import declared, messages, replaced

RULE = "alert-on-backup-age"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_another_age_than_declared_is_refused(good: Stack) -> None:
    stack = declared("monitoring.backup_age_hours", 48)(good)

    assert "before 48 hours" in " ".join(messages(RULE, stack))


def test_a_backup_that_never_was_must_raise_it_too(good: Stack) -> None:
    stack = replaced(
        "monitoring-rules", "absent(po_mail_backup_last_success_timestamp_seconds)", "absent(up)"
    )(good)

    assert "never made" in " ".join(messages(RULE, stack))
