"""The rule `resources-as-declared`.

What is made is as it was declared: modes, quotas, targets, accounts, switches.
"""

import pytest

from policies.stack import Stack
from tests.policies.planting import Mistake, changed, messages, switched

RULE = "resources-as-declared"
DOMAIN = "portugalodyssey.pt"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


MISTAKES: dict[str, Mistake] = {
    "active 0": changed("mailbox-postmaster", 0.0, "active"),
    "imapAccess": switched("mailbox-info", "imapAccess", on=False),
    "gotoNull": switched("alias-abuse", "gotoNull", on=True),
    "backupmx": switched("domain", "backupmx", on=True),
    "active False": switched("domain", "active", on=False),
    "quota 9000.0": changed("mailbox-info", 9000.0, "quota"),
    "goto": changed("alias-hello", [f"info@{DOMAIN}", f"cristina@{DOMAIN}"], "goto"),
    "mode 0777": changed("program-backup", "0777", "mode"),
    "length 4.0": changed("secret-redis", 4.0, "length"),
    "excludedPrefixes": changed(
        "backup-versioning", ["data/"], "versioningConfiguration", "excludedPrefixes"
    ),
    "minioServer": changed("minio", "minio.elsewhere.example:443", "minioServer"),
    "connectTo": changed("mailcow", "198.51.100.9:443", "connectTo", kind="providers"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_what_nobody_declared_is_refused_by_its_name(good: Stack, what: str) -> None:
    assert what in " ".join(messages(RULE, MISTAKES[what](good)))
