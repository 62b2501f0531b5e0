"""The rule `records-declared`.

The zone publishes what follows from the declaration, and nothing else about mail.
"""

from policies.stack import Stack
from tests.policies.planting import messages, record, replaced, without

RULE = "records-declared"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_record_that_nobody_declared_is_refused(good: Stack) -> None:
    stack = record("*", "MX", "mail.elsewhere.example", priority=10.0)(good)

    assert "follows from no declaration" in " ".join(messages(RULE, stack))


def test_a_declared_record_that_is_missing_is_refused(good: Stack) -> None:
    stack = without("path-caldavs")(good)

    assert "is declared and not published" in " ".join(messages(RULE, stack))


def test_another_sender_than_declared_is_refused(good: Stack) -> None:
    stack = replaced("apex-spf", "mx", "mx ip4:192.0.2.1")(good)

    assert "says other than what is declared" in " ".join(messages(RULE, stack))


def test_words_of_others_at_the_domain_pass(good: Stack) -> None:
    stack = record("", "TXT", '"google-site-verification=abc"')(good)

    assert messages(RULE, stack) == []
