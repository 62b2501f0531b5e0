"""The rule `units-stand`.

systemd takes every unit that is written whole, and ignores nothing in it.
"""

from policies.stack import Stack
from tests.policies.planting import messages, replaced

RULE = "units-stand"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_setting_that_is_misspelt_is_refused_with_its_line(good: Stack) -> None:
    stack = replaced("backup-timer", "Persistent=", "Persistant=")(good)

    assert messages(RULE, stack) == [
        "systemd: po-mail-backup.timer:6: Unknown key 'Persistant' in section [Timer], ignoring."
    ]


def test_a_comment_passes(good: Stack) -> None:
    assert messages(RULE, replaced("backup-timer", "[Timer]", "# nightly\n[Timer]")(good)) == []
