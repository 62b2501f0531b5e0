"""The rule `bucket-private`.

The bucket is private, and its content survives a mistake.
"""

from policies.stack import Stack
from tests.policies.planting import added, changed, messages

RULE = "bucket-private"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_public_bucket_is_refused(good: Stack) -> None:
    stack = changed("backup-bucket", "public-read", "acl")(good)

    assert "public-read" in " ".join(messages(RULE, stack))


def test_a_bucket_without_a_word_on_it_is_refused(good: Stack) -> None:
    stack = changed("backup-bucket", None, "acl")(good)

    assert "whatever the provider says" in " ".join(messages(RULE, stack))


def test_a_policy_that_lets_everybody_in_is_refused(good: Stack) -> None:
    stack = added(
        "minio:index/s3BucketPolicy:S3BucketPolicy",
        "open",
        policy='{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",'
        ' "Resource": "*"}]}',
    )(good)

    assert "everybody" in " ".join(messages(RULE, stack))


def test_everybody_but_one_is_everybody(good: Stack) -> None:
    stack = added(
        "minio:index/s3BucketPolicy:S3BucketPolicy",
        "open",
        policy='{"Statement": [{"Effect": "Allow", "NotPrincipal": {"AWS": "x"},'
        ' "Action": "s3:*", "Resource": "*"}]}',
    )(good)

    assert "everybody" in " ".join(messages(RULE, stack))


def test_a_policy_that_denies_plain_http_to_everybody_passes(good: Stack) -> None:
    stack = added(
        "minio:index/s3BucketPolicy:S3BucketPolicy",
        "tls",
        policy='{"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*",'
        ' "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]}',
    )(good)

    assert messages(RULE, stack) == []


def test_a_policy_that_cannot_be_read_is_refused(good: Stack) -> None:
    stack = added("minio:index/s3BucketPolicy:S3BucketPolicy", "odd", policy="{")(good)

    assert "cannot be read" in " ".join(messages(RULE, stack))
