"""The rule `spf-single`.

There is at most one SPF record at each name.
"""

from policies.stack import Stack
from tests.policies.planting import messages, record

RULE = "spf-single"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_second_record_is_refused(good: Stack) -> None:
    stack = record("", "TXT", '"v=spf1 -all"')(good)

    assert "second SPF record" in " ".join(messages(RULE, stack))


def test_another_text_at_the_same_name_is_no_spf_record(good: Stack) -> None:
    stack = record("", "TXT", '"v=spf10 is not SPF"')(good)

    assert messages(RULE, stack) == []


def test_capitals_do_not_hide_a_second_record(good: Stack) -> None:
    stack = record("", "TXT", '"V=SPF1 -all"')(good)

    assert "second SPF record" in " ".join(messages(RULE, stack))
