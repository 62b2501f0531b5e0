"""The rule `dkim-second-selector-ends`.

Two DKIM selectors of the smarthost are published for a time, and no longer.
"""

from datetime import date, timedelta

import pytest

from declaration.checks.delivery import SELECTOR_OVERLAP
from declaration.smarthost import SecondSelectorSettings
from policies.stack import Stack
from tests.policies.planting import declared, messages

RULE = "dkim-second-selector-ends"


def _until(stack: Stack, until: date) -> Stack:
    second = SecondSelectorSettings(selector="next", public_key="p=x", until=until)
    return declared("smarthost.second_selector", second)(stack)


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(days=7), SELECTOR_OVERLAP])
def test_a_second_selector_passes_up_to_its_last_day(good: Stack, ahead: timedelta) -> None:
    assert messages(RULE, _until(good, good.today + ahead)) == []


def test_a_second_selector_is_refused_the_day_after(good: Stack) -> None:
    stack = _until(good, good.today - timedelta(days=1))

    assert "was to go by" in " ".join(messages(RULE, stack))


def test_a_second_selector_for_ever_is_refused(good: Stack) -> None:
    stack = _until(good, good.today + SELECTOR_OVERLAP + timedelta(days=1))

    assert "may stay until" in " ".join(messages(RULE, stack))
