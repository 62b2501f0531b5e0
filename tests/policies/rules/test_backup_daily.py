"""The rule `backup-daily`.

The backup runs every day, at the declared time, and later if the host was off.
"""

from policies.stack import Stack
from tests.policies.planting import both, declared, messages, replaced

RULE = "backup-daily"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_weekly_timer_is_refused(good: Stack) -> None:
    stack = replaced("backup-timer", "*-*-* 03", "Sun *-*-* 03")(good)

    assert "declared is" in " ".join(messages(RULE, stack))


def test_another_hour_passes_when_it_is_declared(good: Stack) -> None:
    stack = both(
        declared("backup.schedule", "*-*-* 04:30:00 UTC"),
        replaced("backup-timer", "03:00:00", "04:30:00"),
    )(good)

    assert messages(RULE, stack) == []


def test_the_first_of_the_month_is_not_every_day(good: Stack) -> None:
    stack = declared("backup.schedule", "*-*-01 03:00:00 UTC")(good)

    assert "not every day" in " ".join(messages(RULE, stack))


def test_the_same_time_in_other_words_passes(good: Stack) -> None:
    assert messages(RULE, replaced("backup-timer", "*-*-* 03:00:00", "3:00")(good)) == []


def test_a_run_that_is_missed_is_made_up_for(good: Stack) -> None:
    stack = replaced("backup-timer", "Persistent=true", "Persistent=false")(good)

    assert "not made up for" in " ".join(messages(RULE, stack))
