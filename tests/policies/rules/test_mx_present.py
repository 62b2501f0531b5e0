"""The rule `mx-present`.

Mail to the domain finds the mail host, and only the mail host.
"""

from policies.stack import Stack
from tests.policies.planting import changed, messages, record

RULE = "mx-present"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_foreign_mx_is_refused(good: Stack) -> None:
    stack = changed("apex-mx", "mx.example.org", "content")(good)

    assert "mx.example.org" in " ".join(messages(RULE, stack))


def test_a_second_foreign_mx_is_refused(good: Stack) -> None:
    stack = record("", "MX", "backup.example.org", priority=20)(good)

    assert "backup.example.org" in " ".join(messages(RULE, stack))


def test_an_mx_of_a_name_below_is_not_the_domains(good: Stack) -> None:
    stack = record("lists", "MX", "lists.example.org", priority=10)(good)

    assert messages(RULE, stack) == []
