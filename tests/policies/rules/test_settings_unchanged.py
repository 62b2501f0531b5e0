"""The rule `settings-unchanged`.

A running stack keeps the settings that are unsafe to change.
"""

from policies.stack import Stack
from tests.policies.planting import after, messages, replaced

RULE = "settings-unchanged"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_another_project_is_refused_by_the_state(good: Stack) -> None:
    stack = after(replaced("mailcow-settings-guard", '"po-mail"', '"mail"', "create"))(good)

    assert "COMPOSE_PROJECT_NAME was po-mail" in " ".join(messages(RULE, stack))


def test_the_same_settings_pass(good: Stack) -> None:
    stack = after()(good)

    assert messages(RULE, stack) == []


def test_a_stack_without_a_state_has_nothing_to_compare(good: Stack) -> None:
    stack = replaced("mailcow-settings-guard", '"po-mail"', '"mail"', "create")(good)

    assert messages(RULE, stack) == []
