"""The rule `backup-complete`.

Everything that cannot be made anew is stored, what Mailcow's own leaves out too.
"""

from policies.stack import Stack
from tests.policies.planting import messages, replaced

RULE = "backup-complete"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_mail_that_is_not_stored_is_refused(good: Stack) -> None:
    stack = replaced("backup-settings", "vmail-vol-1", "vmail-index-vol-1")(good)

    assert "all mail" in " ".join(messages(RULE, stack))


def test_the_override_is_stored_too(good: Stack) -> None:
    stack = replaced("backup-settings", "docker-compose.override.yml", "docker-compose.yml")(good)

    assert "docker-compose.override.yml" in " ".join(messages(RULE, stack))


def test_a_folder_above_stores_what_lies_in_it(good: Stack) -> None:
    stack = replaced("backup-settings", "mailcow/data/hooks", "mailcow/data")(good)

    assert messages(RULE, stack) == []


def test_a_path_that_begins_alike_stores_nothing_of_it(good: Stack) -> None:
    stack = replaced("backup-settings", "mailcow/data/hooks", "mailcow/data/hook")(good)

    assert "data/hooks" in " ".join(messages(RULE, stack))
