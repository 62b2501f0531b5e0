"""The rule `relay-login`.

Postfix logs in at the smarthost, as the user that it knows.
"""

from policies.stack import Stack
from tests.policies.planting import messages, replaced

RULE = "relay-login"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_map_for_another_smarthost_is_refused(good: Stack) -> None:
    stack = replaced("smarthost-login", "[smtp.resend.com]:587", "smtp.resend.com")(good)

    assert "no entry" in " ".join(messages(RULE, stack))


def test_a_login_without_a_password_is_refused(good: Stack) -> None:
    stack = replaced("smarthost-login", "placeholder-of-smarthostPassword", "")(good)

    assert "no entry" in " ".join(messages(RULE, stack))


def test_a_password_with_a_colon_passes(good: Stack) -> None:
    stack = replaced("smarthost-login", "placeholder-of-", "pass:word")(good)

    assert messages(RULE, stack) == []
