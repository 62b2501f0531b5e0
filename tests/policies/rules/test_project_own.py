"""The rule `project-own`.

Commands act on the project of mail and on no neighbour's.
"""

from policies.stack import Stack
from tests.policies.planting import messages, replaced

RULE = "project-own"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_another_project_in_the_configuration_is_refused(good: Stack) -> None:
    stack = replaced("mailcow-conf", "PROJECT_NAME=po-mail", "PROJECT_NAME=po-qual")(good)

    assert "po-qual" in " ".join(messages(RULE, stack))


def test_taking_down_a_neighbour_is_refused(good: Stack) -> None:
    stack = replaced("mailcow", "--project po-mail", "--project po-prod", "delete", kind="command")(
        good
    )

    assert "po-prod" in " ".join(messages(RULE, stack))
