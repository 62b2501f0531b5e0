"""The rule `backup-as-declared`.

Backup and drill are told what follows from the declaration, and nothing else.
"""

import pytest

from policies.stack import Stack
from tests.policies.planting import Mistake, messages, replaced

RULE = "backup-as-declared"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


MISTAKES: dict[str, Mistake] = {
    "database is other": replaced(
        "backup-settings", '"database": "mailcow"', '"database": "other"'
    ),
    "volumes.vmail": replaced("backup-settings", "vmail-vol-1", "crypt-vol-1"),
    "checkPercent is 0": replaced("backup-settings", '"checkPercent": 5', '"checkPercent": 0'),
    "keep.yearly": replaced("backup-settings", '"daily": 7', '"yearly": 1, "daily": 7'),
    "paths.hooks": replaced("backup-settings", "mailcow/data/hooks", "mailcow/data"),
    "exclude": replaced("backup-settings", '"keep"', '"exclude": ["*"], "keep"'),
    "drill.json: project": replaced("backup-drill", "po-mail-drill", "po-mail"),
    "sets RESTIC_CACERT": replaced("backup-environment", "AWS_DEF", "RESTIC_CACERT=/x\nAWS_DEF"),
    "AWS_DEFAULT_REGION": replaced("backup-environment", "eu-west-1", "us-east-1"),
    "does not set AWS_SECRET_ACCESS_KEY": replaced("backup-environment", "AWS_SECRET", "OTHER"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_what_nobody_declared_is_refused_by_its_name(good: Stack, what: str) -> None:
    assert what in " ".join(messages(RULE, MISTAKES[what](good)))
