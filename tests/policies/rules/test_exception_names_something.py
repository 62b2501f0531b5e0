"""The rule `exception-names-something`.

An exception names a rule and a resource that there are.
"""

from datetime import date

from declaration.model import PolicyException
from policies.stack import Stack
from tests.policies.planting import declared, messages

RULE = "exception-names-something"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_an_unknown_rule_is_refused(good: Stack) -> None:
    stack = declared(
        "exceptions",
        (
            PolicyException(
                rule="mx-presnt",
                resource="apex-mx",
                reason="until it is mended",
                until=date(2027, 1, 1),
            ),
        ),
    )(good)

    assert "no rule mx-presnt" in " ".join(messages(RULE, stack))


def test_the_stack_as_a_whole_may_be_named(good: Stack) -> None:
    stack = declared(
        "exceptions",
        (
            PolicyException(
                rule="mx-present",
                resource="stack",
                reason="until it is mended",
                until=date(2027, 1, 1),
            ),
        ),
    )(good)

    assert messages(RULE, stack) == []
