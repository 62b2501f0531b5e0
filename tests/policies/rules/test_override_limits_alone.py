"""The rule `override-limits-alone`.

Compose reads the release's file and an override that sets limits, nothing else.
"""

from policies.stack import Stack
from tests.policies.planting import messages, replaced

RULE = "override-limits-alone"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_privilege_is_refused(good: Stack) -> None:
    stack = replaced(
        "mailcow-limits", "  acme-mailcow:\n", "  acme-mailcow:\n    privileged: true\n"
    )(good)

    assert "privileged" in " ".join(messages(RULE, stack))


def test_services_under_another_key_are_refused(good: Stack) -> None:
    stack = replaced("mailcow-limits", "services:", "servcies:")(good)

    assert "additional properties 'servcies'" in " ".join(messages(RULE, stack))


def test_a_comment_passes(good: Stack) -> None:
    stack = replaced("mailcow-limits", "services:", "# limits\nservices:")(good)

    assert messages(RULE, stack) == []
