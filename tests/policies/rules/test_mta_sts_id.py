"""The rule `mta-sts-id`.

The MTA-STS record can be read: one record with an id of letters and digits.
"""

from policies.stack import Stack
from tests.policies.planting import messages, record

RULE = "mta-sts-id"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_an_id_with_a_hyphen_is_refused(good: Stack) -> None:
    stack = record("_mta-sts", "TXT", '"v=STSv1; id=2026-11-01"')(good)

    assert "letters and digits" in " ".join(messages(RULE, stack))


def test_thirty_two_characters_pass(good: Stack) -> None:
    stack = record("_mta-sts", "TXT", f'"v=STSv1; id={"a1" * 16};"')(good)

    assert messages(RULE, stack) == []


def test_thirty_three_characters_are_refused(good: Stack) -> None:
    stack = record("_mta-sts", "TXT", f'"v=STSv1; id={"a" * 33};"')(good)

    assert "letters and digits" in " ".join(messages(RULE, stack))
