"""The backup's bucket and user, deployed as declared and tried out by that user, on MinIO too."""

import asyncio
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from minio import Minio, MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.datatypes import Object
from minio.deleteobjects import DeleteObject
from minio.error import MinioAdminException, S3Error
from minio.versioningconfig import SUSPENDED, VersioningConfig
from urllib3 import PoolManager

from policies.program import prepare
from policies.recording import record
from rehearsal.parts import need
from rehearsal.standins import PROVIDERS
from rehearsal.world.storage.service import ObjectStorage
from tests.conftest import FACTS, PROJECT
from tests.policies.planting import TODAY
from tests.real.both import BOTH
from tests.standins.conformity import Deployed, configured, secret
from tests.world.host_neighbourhood import started

ADMINISTRATOR, PASSWORD = "administrator", "password-planted-in-this-test"
SECRETS = {"storageAccessKey": ADMINISTRATOR, "storageSecretKey": PASSWORD}
BUCKET, OTHER = "po-mail-backups", "somebody-elses"
ORDER = (
    "backup-bucket", "backup-versioning", "backup-lifecycle", "backup-user", "backup-policy",
    "backup-policy-attachment", "backup-key",
)  # fmt: skip


@dataclass(frozen=True)
class Stored:
    """A storage on which the backup was deployed."""

    administrator: Minio
    user: Minio
    user_admin: MinioAdmin
    state: dict[str, Deployed]
    inputs: dict[str, dict[str, Any]]


def client(address: str, access: str, key: str) -> Minio:
    return Minio(
        address, access_key=access, secret_key=key, secure=False, region="eu-west-1",
        http_client=PoolManager(retries=False, timeout=20.0),
    )  # fmt: skip


@pytest.fixture(scope="module")
def declared() -> dict[str, tuple[str, dict[str, Any]]]:
    """Return type and inputs of what the program declares at the storage, by name."""
    prepared = prepare(PROJECT / "Pulumi.qual.yaml", FACTS, TODAY)
    resources = record(PROJECT, prepared.configuration)
    return {
        resource.name: (resource.type, dict(resource.properties))
        for resource in resources
        if resource.type.startswith("minio:index/")
    }


async def deployed(
    address: str, declared: dict[str, tuple[str, dict[str, Any]]]
) -> tuple[dict[str, Deployed], dict[str, dict[str, Any]]]:
    """Deploy what was declared, in its order; nothing changes at a second look."""
    provider = await configured(
        PROVIDERS["minio"](),
        {"minioServer": address, "minioUser": ADMINISTRATOR, "minioPassword": secret(PASSWORD),
         "minioSsl": "false", "minioRegion": "eu-west-1"},
    )  # fmt: skip
    state, inputs = {}, {}
    for name in ORDER:
        token, wanted = declared[name]
        one = await Deployed(provider, token, name=name).create(wanted)
        assert await one.refresh()
        assert (await one.diff(wanted)).diffs == [], name
        state[name], inputs[name] = one, wanted
    await provider.cancel()
    return state, inputs


@pytest.fixture(scope="module", params=BOTH)
def stored(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory,
    declared: dict[str, tuple[str, dict[str, Any]]],
) -> Iterator[Stored]:  # fmt: skip
    genuine = request.param == "genuine"
    if genuine:
        need("minio")
    storage = ObjectStorage(prefer_genuine=genuine)
    with started(tmp_path_factory.mktemp("storage"), storage, secrets=SECRETS):
        assert storage.genuine == genuine
        address = storage.overlay()["endpoints"]["storage"]
        state, inputs = asyncio.run(deployed(address, declared))
        key = state["backup-key"].plain
        administrator = client(address, ADMINISTRATOR, PASSWORD)
        administrator.make_bucket(bucket_name=OTHER)
        write(administrator, "private", OTHER)
        credentials = StaticProvider(key["accessKey"], key["secretKey"])
        yield Stored(
            administrator, client(address, key["accessKey"], key["secretKey"]),
            MinioAdmin(endpoint=address, credentials=credentials, secure=False), state, inputs,
        )  # fmt: skip


def write(by: Minio, name: str, bucket: str = BUCKET, content: bytes = b"content") -> str:
    done = by.put_object(
        bucket_name=bucket, object_name=name, data=io.BytesIO(content), length=len(content)
    )
    return str(done.version_id)


def read(by: Minio, name: str, bucket: str = BUCKET, **options: Any) -> bytes:
    answer = by.get_object(bucket_name=bucket, object_name=name, **options)
    try:
        return bytes(answer.read())
    finally:
        answer.close()
        answer.release_conn()


def names(by: Minio, bucket: str = BUCKET, **options: Any) -> list[str]:
    found = by.list_objects(bucket_name=bucket, recursive=True, **options)
    return [str(item.object_name) for item in found]


def versions(stored: Stored, name: str) -> list[Object]:
    found = stored.administrator.list_objects(bucket_name=BUCKET, prefix=name, include_version=True)
    return list(found)


def refused(call: Any, code: str = "AccessDenied", status: int = 403, **arguments: Any) -> None:
    with pytest.raises(S3Error) as caught:
        call(**arguments)
    assert (caught.value.code, caught.value.response.status) == (code, status)


def test_the_user_writes_reads_and_lists(stored: Stored) -> None:
    write(stored.user, "data/one", content=b"first")
    assert read(stored.user, "data/one") == b"first"
    assert names(stored.user, prefix="data/") == ["data/one"]
    found = stored.user.stat_object(bucket_name=BUCKET, object_name="data/one")
    assert found.size == 5
    assert stored.user.bucket_exists(bucket_name=BUCKET)
    refused(read, by=stored.user, name="nothing", code="NoSuchKey", status=404)


def test_a_large_archive_comes_in_parts(stored: Stored) -> None:
    content = bytes(6 * 2**20)
    stored.user.put_object(
        bucket_name=BUCKET, object_name="data/large", data=io.BytesIO(content), length=-1,
        part_size=5 * 2**20,
    )  # fmt: skip
    assert len(read(stored.user, "data/large")) == len(content)


def test_what_the_user_deletes_the_administrator_brings_back(stored: Stored) -> None:
    first = write(stored.user, "deleted", content=b"archive")
    stored.user.remove_object(bucket_name=BUCKET, object_name="deleted")
    refused(read, by=stored.user, name="deleted", code="NoSuchKey", status=404)
    marker, kept = sorted(versions(stored, "deleted"), key=lambda one: not one.is_delete_marker)
    assert (marker.is_delete_marker, kept.version_id) == (True, first)
    assert read(stored.administrator, "deleted", version_id=first) == b"archive"
    stored.administrator.remove_object(
        bucket_name=BUCKET, object_name="deleted", version_id=marker.version_id
    )
    assert read(stored.user, "deleted") == b"archive"


def test_what_the_user_overwrites_is_kept(stored: Stored) -> None:
    first = write(stored.user, "overwritten", content=b"archive")
    write(stored.user, "overwritten", content=b"rubbish")
    assert read(stored.administrator, "overwritten", version_id=first) == b"archive"


def test_the_user_deletes_no_version(stored: Stored) -> None:
    first = write(stored.user, "kept")
    refused(stored.user.remove_object, bucket_name=BUCKET, object_name="kept", version_id=first)
    errors = stored.user.remove_objects(
        bucket_name=BUCKET, delete_object_list=[DeleteObject("kept", first)]
    )
    assert [error.code for error in errors] == ["AccessDenied"]
    assert [version.version_id for version in versions(stored, "kept")] == [first]


def test_the_user_sees_no_other_bucket(stored: Stored) -> None:
    write(stored.user, "seen")
    # It may look at versions; it cannot delete them.
    assert "seen" in names(stored.user, prefix="seen", include_version=True)
    refused(names, by=stored.user, bucket=OTHER)
    refused(read, by=stored.user, name="private", bucket=OTHER)
    refused(write, by=stored.user, name="planted", bucket=OTHER)
    # Those of which it may see nothing are not told.
    assert [bucket.name for bucket in stored.user.list_buckets()] == [BUCKET]


def test_the_user_makes_and_removes_no_bucket(stored: Stored) -> None:
    refused(stored.user.make_bucket, bucket_name="another")
    refused(stored.user.remove_bucket, bucket_name=BUCKET)
    refused(stored.user.remove_bucket, bucket_name=OTHER)


def test_the_user_changes_nothing_that_protects_the_archives(stored: Stored) -> None:
    user = stored.user
    everyone = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": ["s3:GetObject"],
                       "Resource": [f"arn:aws:s3:::{BUCKET}/*"]}],
    }  # fmt: skip
    refused(user.set_bucket_versioning, bucket_name=BUCKET, config=VersioningConfig(SUSPENDED))
    refused(user.delete_bucket_lifecycle, bucket_name=BUCKET)
    refused(user.set_bucket_policy, bucket_name=BUCKET, policy=json.dumps(everyone))
    refused(user.delete_bucket_policy, bucket_name=BUCKET)
    admin = stored.user_admin
    calls: tuple[Callable[[], object], ...] = (
        admin.user_list,
        lambda: admin.policy_add("po-mail-backup", policy=everyone),
        lambda: admin.user_add("intruder", "password-of-intruder"),
    )
    for call in calls:
        with pytest.raises(MinioAdminException) as caught:
            call()
        assert "AccessDenied" in str(caught.value)


def test_old_versions_expire_as_declared_and_the_bucket_is_versioned(stored: Stored) -> None:
    versioning = stored.administrator.get_bucket_versioning(bucket_name=BUCKET)
    assert versioning.status == "Enabled"
    lifecycle = stored.administrator.get_bucket_lifecycle(bucket_name=BUCKET)
    assert lifecycle is not None
    (rule,) = lifecycle.rules
    assert (rule.rule_id, rule.status) == ("noncurrent-versions", "Enabled")
    assert rule.noncurrent_version_expiration is not None
    declared = stored.inputs["backup-lifecycle"]["rules"][0]["noncurrentVersionExpirationDays"]
    assert rule.noncurrent_version_expiration.noncurrent_days == declared
    assert rule.expiration is not None
    assert rule.expiration.expired_object_delete_marker is True


def test_nobody_without_a_key_reads_anything(stored: Stored) -> None:
    stranger = client(stored.user._base_url.host, "", "")
    write(stored.user, "closed")
    refused(read, by=stranger, name="closed")
    refused(names, by=stranger)
