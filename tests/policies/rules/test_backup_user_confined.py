"""The rule `backup-user-confined`.

The backup's key opens its own bucket, and can neither change nor open it.
"""

from policies.stack import Stack
from tests.policies.planting import changed, messages, replaced

RULE = "backup-user-confined"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_wildcard_of_buckets_is_refused(good: Stack) -> None:
    stack = replaced("backup-policy", "arn:aws:s3:::po-mail-backups/*", "arn:aws:s3:::*", "policy")(
        good
    )

    assert "reaches arn:aws:s3:::*" in " ".join(messages(RULE, stack))


def test_a_bucket_whose_name_begins_alike_is_another(good: Stack) -> None:
    stack = replaced("backup-policy", ":::po-mail-backups/*", ":::po-mail-backups-old/*", "policy")(
        good
    )

    assert "po-mail-backups-old" in " ".join(messages(RULE, stack))


def test_writing_the_policy_of_the_bucket_is_refused(good: Stack) -> None:
    stack = replaced("backup-policy", "s3:PutObject", "s3:PutBucketPolicy", "policy")(good)

    assert "s3:PutBucketPolicy" in " ".join(messages(RULE, stack))


def test_a_key_of_another_user_is_refused(good: Stack) -> None:
    stack = changed("backup-key", "root", "targetUser")(good)

    assert "key of root" in " ".join(messages(RULE, stack))


def test_a_statement_that_denies_may_be_wide(good: Stack) -> None:
    stack = changed(
        "backup-policy",
        '{"Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}',
        "policy",
    )(good)

    assert messages(RULE, stack) == []
