"""The rule `resources-declared`.

Every file, secret, command, person, user and policy follows from the declaration.
"""

import pytest

from policies.stack import Stack
from tests.policies.planting import Mistake, added, messages, without

RULE = "resources-declared"
DOMAIN = "portugalodyssey.pt"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


MISTAKES: dict[str, Mistake] = {
    "/etc/profile.d/spy.sh": added("host:index:File", "spy", path="/etc/profile.d/spy.sh"),
    "DomainAdmin": added("mailcow:index:DomainAdmin", "spy", username="spy"),
    "AppPassword": added("mailcow:index:AppPassword", "spy", mailbox=f"info@{DOMAIN}"),
    "SyncJob": added(
        "mailcow:index:SyncJob", "spy", username=f"info@{DOMAIN}", host1="x.example", user1="x"
    ),
    "IamGroup": added("minio:index/iamGroup:IamGroup", "spies", name="spies"),
    "s3BucketReplication": added("minio:index/s3BucketReplication:S3BucketReplication", "copy"),
    "stands twice": added("minio:index/ilmPolicy:IlmPolicy", "more", bucket="po-mail-backups"),
    "command:remote:Command, spy": added("command:remote:Command", "spy", create="true"),
    "/opt/po-mail/secrets/redis": without("secret-redis"),
    "backup.service": without("backup-service"),
    "drill.json": without("backup-drill"),
    "iamServiceAccount": without("backup-key"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_what_nobody_declared_is_refused_by_its_name(good: Stack, what: str) -> None:
    assert what in " ".join(messages(RULE, MISTAKES[what](good)))
