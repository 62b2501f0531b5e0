"""Bucket, rules and account of the backup are known again by their names."""

import json
from dataclasses import replace
from typing import Any

from operations.adopt.model import Wanted
from operations.adopt.storage import Stored, match_storage
from tests.operations.adopt.wanted import MARKER, resource

RULE = {"id": "noncurrent", "expiration": "DeleteMarker", "noncurrentVersionExpirationDays": 30}
ALLOW: dict[str, Any] = {"Effect": "Allow", "Action": ["s3:Get", "s3:Put"], "Resource": "r"}
POLICY = json.dumps({"Statement": [ALLOW]})


def declared(kind: str, **inputs: Any) -> Wanted:
    """Return a declared resource of the storage."""
    return resource(f"minio:index/{kind[:1].lower()}{kind[1:]}:{kind}", kind.lower(), **inputs)


WANTED = [
    declared("S3Bucket", bucket="backups", acl="private"),
    declared("S3BucketVersioning", bucket="backups", versioningConfiguration={"status": "Enabled"}),
    declared("IlmPolicy", bucket="backups", rules=[RULE]),
    declared("IamUser", name="backup", forceDestroy=False),
    declared("IamPolicy", name="backup", policy=POLICY),
    declared("IamUserPolicyAttachment", userName="backup", policyName="backup"),
    declared("IamServiceAccount", targetUser="backup", policy=POLICY),
]
STORED = Stored(
    buckets=["backups"],
    versioning={"backups": "Enabled"},
    rules={"backups": [RULE]},
    users={"backup": ["backup"]},
    policies={"backup": {"Statement": [{**ALLOW, "Action": ["s3:Put", "s3:Get"]}]}},
    keys={"backup": ["KEY1"]},
    key="KEY1",
    secret=MARKER,
)


def test_everything_as_declared_is_imported_by_its_name() -> None:
    area = match_storage(WANTED, STORED)
    assert [match.id for match in area.matches] == [
        "backups", "backups", "backups", "backup", "backup", "backup/backup", "KEY1",
    ]  # fmt: skip
    assert not [match for match in area.matches if match.differences]
    assert [*area.missing, *area.strangers] == []


def test_a_secret_key_comes_from_the_hosts_own_copy_and_is_not_shown() -> None:
    key = match_storage(WANTED, STORED).matches[-1]
    assert key.supplied is not None
    assert key.supplied.outputs["secretKey"].open() == MARKER
    assert MARKER not in repr(key)
    assert MARKER not in repr(STORED)


def test_a_key_that_the_host_does_not_hold_is_not_taken_over() -> None:
    area = match_storage(WANTED, replace(STORED, key="", secret=""))
    assert [wanted.name for wanted in area.missing] == ["iamserviceaccount"]
    assert [stranger.what for stranger in area.strangers] == ["KEY1... of backup"]


def test_other_rules_of_the_bucket_are_shown_before_they_go() -> None:
    other = {"id": "by-hand", "expiration": "7d"}
    area = match_storage(WANTED, replace(STORED, rules={"backups": [RULE, other]}))
    (difference,) = area.matches[2].differences
    assert difference.live == [RULE, other]
    assert difference.declared == [RULE]


def test_versions_that_are_off_are_switched_on_later() -> None:
    area = match_storage(WANTED, replace(STORED, versioning={"backups": "Suspended"}))
    assert [difference.path for difference in area.matches[1].differences] == [
        "versioningConfiguration"
    ]
    area = match_storage(WANTED, replace(STORED, versioning={}))
    assert "s3bucketversioning" in {wanted.name for wanted in area.missing}


def test_other_buckets_and_wider_policies_are_named() -> None:
    stored = replace(STORED, buckets=["backups", "web"], users={"backup": ["backup", "readwrite"]})
    said = [(stranger.kind, stranger.what) for stranger in match_storage(WANTED, stored).strangers]
    assert said == [("bucket", "web"), ("policy", "readwrite")]
