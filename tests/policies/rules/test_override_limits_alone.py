"""The rule `override-limits-alone`.

The override limits the services of the release, and changes nothing else of them.
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

    assert "holds no services" in " ".join(messages(RULE, stack))


def test_a_comment_passes(good: Stack) -> None:
    stack = replaced("mailcow-limits", "services:", "# limits\nservices:")(good)

    assert messages(RULE, stack) == []
