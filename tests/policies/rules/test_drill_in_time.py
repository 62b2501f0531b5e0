"""The last drill is not older than declared; without one there is a day by which it is due."""

from datetime import date
from typing import Any

import pytest

from policies.stack import Stack
from tests.policies.planting import both, declared, evident, judged, messages, on

RULE = "drill-in-time"
GOOD = {
    "bucket": "po-mail-backups", "domain": "portugalodyssey.pt", "good": True,
    "held": "2026-12-01T09:00:00+00:00", "rehearsed": False,
}  # fmt: skip


def certified(**changes: Any) -> dict[str, Any]:
    return GOOD | changes


def test_a_drill_is_good_until_the_last_day_and_not_the_day_after(good: Stack) -> None:
    stack = evident("drill", GOOD)(good)
    assert messages(RULE, on(date(2027, 3, 1))(stack)) == []
    assert messages(RULE, on(date(2027, 3, 2))(stack)) == [
        "the last drill is 91 days old, declared are 90"
    ]


def test_without_a_certificate_and_a_day_it_is_noted_alone(good: Stack) -> None:
    judgement = judged(RULE, good)
    assert judgement.violations == ()
    assert [note.message for note in judgement.notes] == [
        "no drill is on record; hold the first one"
    ]


def test_the_first_drill_is_due_by_the_declared_day(good: Stack) -> None:
    stack = declared("backup.first_drill_by", date(2026, 12, 31))(good)
    assert messages(RULE, on(date(2026, 12, 31))(stack)) == []
    assert messages(RULE, on(date(2027, 1, 1))(stack)) == [
        "no drill is on record, and the first was due by 2026-12-31"
    ]
    late = on(date(2027, 1, 1))(stack)
    assert messages(RULE, evident("drill", GOOD)(late)) == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"good": False}, "is not of a good one"),
        ({"good": "yes"}, "is not of a good one"),
        ({"rehearsed": True}, "is of a rehearsal, which says nothing of the real backup"),
        ({"domain": "example.org"}, "is of another domain"),
        ({"bucket": "other"}, "is of another bucket"),
        ({"held": "yesterday"}, "has no date"),
        ({"held": None}, "has no date"),
    ],
    ids=str,
)
def test_a_certificate_that_proves_nothing_is_refused(
    good: Stack, changes: dict[str, Any], fault: str
) -> None:
    found = messages(RULE, evident("drill", certified(**changes))(good))
    assert found == [f"the certificate of the drill {fault}"]


def test_a_drill_of_the_future_is_refused(good: Stack) -> None:
    planted = both(
        evident("drill", certified(held="2027-12-01T09:00:00+00:00")), on(date(2026, 12, 1))
    )
    assert messages(RULE, planted(good)) == ["the drill of 2027-12-01 lies in the future"]
