"""The rule `exception-in-time`.

An exception ends on its day.
"""

from datetime import date

from declaration.model import PolicyException
from policies.stack import Stack
from tests.policies.planting import declared, messages

RULE = "exception-in-time"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_past_exception_is_refused(good: Stack) -> None:
    stack = declared(
        "exceptions",
        (
            PolicyException(
                rule="mx-present",
                resource="apex-mx",
                reason="until it is mended",
                until=date(2026, 11, 30),
            ),
        ),
    )(good)

    assert "ended on 2026-11-30" in " ".join(messages(RULE, stack))


def test_the_last_day_counts(good: Stack) -> None:
    stack = declared(
        "exceptions",
        (
            PolicyException(
                rule="mx-present",
                resource="apex-mx",
                reason="until it is mended",
                until=date(2026, 12, 1),
            ),
        ),
    )(good)

    assert messages(RULE, stack) == []
