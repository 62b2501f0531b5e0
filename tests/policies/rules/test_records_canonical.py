"""The rule `records-canonical`.

Records are written as Cloudflare keeps them, so that they do not drift.
"""

from policies.stack import Stack
from tests.policies.planting import changed, messages, record

RULE = "records-canonical"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_short_name_is_refused(good: Stack) -> None:
    stack = changed("webmail-a", "webmail", "name")(good)

    assert "full name" in " ".join(messages(RULE, stack))


def test_a_dot_at_the_end_of_a_target_is_refused(good: Stack) -> None:
    stack = changed("apex-mx", "mx.portugalodyssey.pt.", "content")(good)

    assert "trailing dot" in " ".join(messages(RULE, stack))


def test_a_quote_within_a_text_is_read_as_one(good: Stack) -> None:
    stack = record("note", "TXT", r'"he said \"yes\""')(good)

    assert messages(RULE, stack) == []


def test_a_string_of_255_bytes_passes(good: Stack) -> None:
    stack = record("note", "TXT", f'"{"a" * 255}"')(good)

    assert messages(RULE, stack) == []
