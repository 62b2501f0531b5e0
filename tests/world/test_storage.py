"""The object storage, as the official client and restic find it."""

import io
import json
import os
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from minio import Minio, MinioAdmin
from minio.commonconfig import ENABLED, CopySource, Filter
from minio.credentials.providers import StaticProvider
from minio.deleteobjects import DeleteObject
from minio.error import MinioAdminException, S3Error
from minio.lifecycleconfig import (
    Expiration,
    LifecycleConfig,
    NoncurrentVersionExpiration,
    Rule,
)
from minio.versioningconfig import VersioningConfig
from urllib3 import PoolManager
from urllib3.exceptions import HTTPError

from rehearsal.parts.finder import need
from rehearsal.world.storage.service import ObjectStorage
from tests.world.host_neighbourhood import Neighbourhood, started

OWNER = {"storageAccessKey": "administrator", "storageSecretKey": "secret-of-administrator"}
BUCKET = "po-mail-backups"
USER, SECRET = "po-mail-backup", "secret-of-the-backup-user"
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["s3:ListBucket", "s3:GetBucketLocation"],
            "Resource": [f"arn:aws:s3:::{BUCKET}"],
        },
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
            "Resource": [f"arn:aws:s3:::{BUCKET}/*"],
        },
    ],
}


@pytest.fixture(params=["stand-in", pytest.param("genuine", marks=pytest.mark.real)])
def storage(request: pytest.FixtureRequest) -> ObjectStorage:
    if request.param == "genuine":
        need("minio")
    return ObjectStorage(prefer_genuine=request.param == "genuine")


@pytest.fixture
def neighbourhood(tmp_path: Path, storage: ObjectStorage) -> Iterator[Neighbourhood]:
    with started(tmp_path / "world", storage, secrets=OWNER) as neighbourhood:
        yield neighbourhood


def client(storage: ObjectStorage, access: str = "administrator",
           secret: str = OWNER["storageSecretKey"]) -> Minio:  # fmt: skip
    place = storage.overlay()["endpoints"]
    return Minio(
        endpoint=place["storage"], access_key=access, secret_key=secret, region="eu-west-1",
        secure=place["storageTls"],
    )  # fmt: skip


def admin_of(storage: ObjectStorage, access: str = "administrator",
             secret: str = OWNER["storageSecretKey"]) -> MinioAdmin:  # fmt: skip
    place = storage.overlay()["endpoints"]
    return MinioAdmin(
        endpoint=place["storage"], credentials=StaticProvider(access, secret),
        secure=place["storageTls"],
    )  # fmt: skip


@pytest.fixture
def owner(neighbourhood: Neighbourhood, storage: ObjectStorage) -> Minio:
    return client(storage)


@pytest.fixture
def admin(neighbourhood: Neighbourhood, storage: ObjectStorage) -> MinioAdmin:
    return admin_of(storage)


def put(client: Minio, key: str, content: bytes, bucket: str = BUCKET) -> Any:
    return client.put_object(
        bucket_name=bucket, object_name=key, data=io.BytesIO(content), length=len(content)
    )


def get(client: Minio, key: str, bucket: str = BUCKET, **options: Any) -> bytes:
    answer = client.get_object(bucket_name=bucket, object_name=key, **options)
    try:
        content: bytes = answer.read()
        return content
    finally:
        answer.close()
        answer.release_conn()


def refused(code: str, call: Any, **arguments: Any) -> None:
    with pytest.raises(S3Error) as caught:
        call(**arguments)
    assert caught.value.code == code


def confine(owner: Minio, admin: MinioAdmin, storage: ObjectStorage) -> Minio:
    """Do what the deployment does: bucket, user, policy, attachment."""
    owner.make_bucket(bucket_name=BUCKET)
    admin.policy_add(policy_name="backup", policy=POLICY)
    admin.user_add(access_key=USER, secret_key=SECRET)
    admin.attach_policy(["backup"], user=USER)
    return client(storage, USER, SECRET)


# S3


def test_objects_are_kept_and_found(owner: Minio) -> None:
    owner.make_bucket(bucket_name=BUCKET)
    assert owner.bucket_exists(bucket_name=BUCKET)
    for key in ("a/1", "a/2 with space+ü", "b"):
        put(owner, key, key.encode())
    assert get(owner, "a/2 with space+ü").decode() == "a/2 with space+ü"
    assert get(owner, "a/1", offset=1, length=1) == b"/"
    top = [object_.object_name for object_ in owner.list_objects(bucket_name=BUCKET)]
    assert sorted(str(object_name) for object_name in top) == ["a/", "b"]
    every = [
        object_.object_name for object_ in owner.list_objects(bucket_name=BUCKET, recursive=True)
    ]
    assert every == ["a/1", "a/2 with space+ü", "b"]
    found = owner.stat_object(bucket_name=BUCKET, object_name="b")
    assert found.size == 1
    owner.copy_object(bucket_name=BUCKET, object_name="c", source=CopySource(BUCKET, "a/1"))
    assert get(owner, "c") == b"a/1"
    refused("NoSuchKey", owner.stat_object, bucket_name=BUCKET, object_name="d")


def test_a_bucket_goes_only_when_empty(owner: Minio) -> None:
    owner.make_bucket(bucket_name=BUCKET)
    refused("BucketAlreadyOwnedByYou", owner.make_bucket, bucket_name=BUCKET)
    put(owner, "a", b"a")
    refused("BucketNotEmpty", owner.remove_bucket, bucket_name=BUCKET)
    errors = owner.remove_objects(bucket_name=BUCKET, delete_object_list=[DeleteObject("a")])
    assert list(errors) == []
    owner.remove_bucket(bucket_name=BUCKET)
    assert not owner.bucket_exists(bucket_name=BUCKET)
    refused("NoSuchBucket", lambda: list(owner.list_objects(bucket_name=BUCKET)))


def test_long_listings_come_in_pages(owner: Minio) -> None:
    owner.make_bucket(bucket_name=BUCKET)
    for number in range(12):
        put(owner, f"{number:02}", b"")
    listed = owner._list_objects(BUCKET, max_keys=5)
    assert [item.object_name for item in listed] == [f"{n:02}" for n in range(12)]


def test_large_objects_come_in_parts(owner: Minio) -> None:
    owner.make_bucket(bucket_name=BUCKET)
    content = os.urandom(11 * 2**20)
    owner.put_object(
        bucket_name=BUCKET, object_name="large", data=io.BytesIO(content), length=-1,
        part_size=5 * 2**20,
    )  # fmt: skip
    assert get(owner, "large") == content
    etag = owner.stat_object(bucket_name=BUCKET, object_name="large").etag
    assert etag is not None
    assert etag.endswith("-3")


def test_an_overwritten_object_can_be_brought_back(owner: Minio) -> None:
    owner.make_bucket(bucket_name=BUCKET)
    owner.set_bucket_versioning(bucket_name=BUCKET, config=VersioningConfig(ENABLED))
    assert owner.get_bucket_versioning(bucket_name=BUCKET).status == "Enabled"
    first = put(owner, "a", b"first").version_id
    put(owner, "a", b"second")
    owner.remove_object(bucket_name=BUCKET, object_name="a")
    refused("NoSuchKey", owner.stat_object, bucket_name=BUCKET, object_name="a")
    assert get(owner, "a", version_id=first) == b"first"
    versions = list(owner.list_objects(bucket_name=BUCKET, include_version=True))
    assert sorted(version.is_delete_marker for version in versions) == [False, False, True]


def test_the_lifecycle_reads_back(owner: Minio) -> None:
    owner.make_bucket(bucket_name=BUCKET)
    assert owner.get_bucket_lifecycle(bucket_name=BUCKET) is None
    rule = Rule(
        status=ENABLED, rule_id="old-versions", rule_filter=Filter(prefix=""),
        noncurrent_version_expiration=NoncurrentVersionExpiration(noncurrent_days=30),
        expiration=Expiration(expired_object_delete_marker=True),
    )  # fmt: skip
    owner.set_bucket_lifecycle(bucket_name=BUCKET, config=LifecycleConfig([rule]))
    found = owner.get_bucket_lifecycle(bucket_name=BUCKET)
    assert found is not None
    (back,) = found.rules
    assert back.rule_id == "old-versions"
    assert back.noncurrent_version_expiration is not None
    assert back.noncurrent_version_expiration.noncurrent_days == 30
    owner.delete_bucket_lifecycle(bucket_name=BUCKET)
    assert owner.get_bucket_lifecycle(bucket_name=BUCKET) is None


def test_a_link_that_is_signed_opens_for_a_while(owner: Minio) -> None:
    owner.make_bucket(bucket_name=BUCKET)
    put(owner, "a", b"linked")
    url = owner.presigned_get_object(
        bucket_name=BUCKET, object_name="a", expires=timedelta(minutes=1)
    )
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"linked"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(url.replace("X-Amz-Signature=", "X-Amz-Signature=0"))
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(url.partition("?")[0])


# Who may do what


def test_a_wrong_secret_and_an_unknown_user_are_refused(
    owner: Minio, storage: ObjectStorage
) -> None:
    wrong = client(storage, "administrator", "not-the-secret")
    refused("SignatureDoesNotMatch", wrong.list_buckets)
    refused("InvalidAccessKeyId", client(storage, "nobody", "whatever-secret").list_buckets)


def test_the_backup_user_is_confined_to_its_bucket(
    owner: Minio, admin: MinioAdmin, storage: ObjectStorage
) -> None:
    user = confine(owner, admin, storage)
    owner.make_bucket(bucket_name="somebody-elses")
    put(owner, "private", b"private", "somebody-elses")
    put(user, "a", b"a")
    assert get(user, "a") == b"a"
    assert [object_.object_name for object_ in user.list_objects(bucket_name=BUCKET)] == ["a"]
    refused("AccessDenied", put, client=user, key="x", content=b"", bucket="somebody-elses")
    refused("AccessDenied", get, client=user, key="private", bucket="somebody-elses")
    refused("AccessDenied", user.make_bucket, bucket_name="another")
    refused("AccessDenied", user.remove_bucket, bucket_name=BUCKET)
    refused("AccessDenied", user.delete_bucket_lifecycle, bucket_name=BUCKET)
    refused("AccessDenied", user.set_bucket_versioning, bucket_name=BUCKET,
            config=VersioningConfig(ENABLED))  # fmt: skip
    assert [bucket.name for bucket in user.list_buckets()] == [BUCKET]
    with pytest.raises(MinioAdminException):
        admin_of(storage, USER, SECRET).user_list()


def test_users_and_policies_are_administered(
    owner: Minio, admin: MinioAdmin, storage: ObjectStorage
) -> None:
    confine(owner, admin, storage)
    assert json.loads(admin.user_info(USER))["policyName"] == "backup"
    assert json.loads(admin.user_info(USER))["status"] == "enabled"
    assert USER in json.loads(admin.user_list())
    assert json.loads(admin.policy_info("backup"))["Statement"]
    assert "backup" in json.loads(admin.policy_list())
    entities = json.loads(admin.get_policy_entities([USER], [], []))
    assert entities["userMappings"][0]["policies"] == ["backup"]
    with pytest.raises(MinioAdminException):
        admin.policy_remove("backup")
    admin.user_disable(USER)
    refused("InvalidAccessKeyId", client(storage, USER, SECRET).list_buckets)
    admin.user_enable(USER)
    admin.detach_policy(["backup"], user=USER)
    admin.policy_remove("backup")
    admin.user_remove(USER)
    with pytest.raises(MinioAdminException):
        admin.user_info(USER)


def test_a_denial_outweighs_a_permission(
    owner: Minio, admin: MinioAdmin, storage: ObjectStorage
) -> None:
    user = confine(owner, admin, storage)
    denial = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Deny", "Action": ["s3:DeleteObject"],
             "Resource": [f"arn:aws:s3:::{BUCKET}/snapshots/*"]}
        ],
    }  # fmt: skip
    admin.policy_add(policy_name="keep-snapshots", policy=denial)
    admin.attach_policy(["keep-snapshots"], user=USER)
    for key in ("snapshots/a", "locks/a"):
        put(user, key, b"")
    user.remove_object(bucket_name=BUCKET, object_name="locks/a")
    refused("AccessDenied", user.remove_object, bucket_name=BUCKET, object_name="snapshots/a")


def test_a_service_account_may_do_less_than_its_user(
    owner: Minio, admin: MinioAdmin, storage: ObjectStorage
) -> None:
    user = confine(owner, admin, storage)
    put(user, "a", b"a")
    reading = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ["s3:GetObject"],
             "Resource": [f"arn:aws:s3:::{BUCKET}/*", "arn:aws:s3:::somebody-elses/*"]}
        ],
    }  # fmt: skip
    own = admin_of(storage, USER, SECRET)
    made = json.loads(
        own.add_service_account(
            access_key="reader-of-backup", secret_key="secret-of-reader", policy=reading
        )
    )["credentials"]
    assert made["accessKey"] == "reader-of-backup"
    reader = client(storage, "reader-of-backup", "secret-of-reader")
    assert get(reader, "a") == b"a"
    refused("AccessDenied", put, client=reader, key="b", content=b"")
    shown = json.loads(admin.get_service_account("reader-of-backup"))
    assert shown["parentUser"] == USER
    assert shown["impliedPolicy"] is False
    assert json.loads(shown["policy"])["Statement"][0]["Action"] == ["s3:GetObject"]
    admin.update_service_account(access_key="reader-of-backup", secret_key="another-secret")
    refused("SignatureDoesNotMatch", get, client=reader, key="a")
    assert len(json.loads(admin.list_service_account(USER))["accounts"]) == 1
    admin.delete_service_account("reader-of-backup")
    assert not json.loads(admin.list_service_account(USER))["accounts"]


def test_a_bucket_can_be_opened_to_all(owner: Minio, storage: ObjectStorage) -> None:
    owner.make_bucket(bucket_name=BUCKET)
    put(owner, "a", b"a")
    refused("NoSuchBucketPolicy", owner.get_bucket_policy, bucket_name=BUCKET)
    url = f"http://{storage.overlay()['endpoints']['storage']}/{BUCKET}/a"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(url)
    opening = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": ["s3:GetObject"],
             "Resource": [f"arn:aws:s3:::{BUCKET}/*"]}
        ],
    }  # fmt: skip
    owner.set_bucket_policy(bucket_name=BUCKET, policy=json.dumps(opening))
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"a"


# The backup's own tool


@pytest.fixture(params=[pytest.param("restic", marks=pytest.mark.real), "its stand-in"])
def restic_program(request: pytest.FixtureRequest) -> list[str]:
    if request.param != "restic":
        return [sys.executable, "-m", "rehearsal.world.host_tools.restic"]
    return [str(need("restic"))]


def test_restic_works_within_the_confines(
    owner: Minio, admin: MinioAdmin, storage: ObjectStorage, tmp_path: Path,
    restic_program: list[str],
) -> None:  # fmt: skip
    confine(owner, admin, storage)
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    (source / "mail").write_bytes(os.urandom(3 * 2**20))

    def restic(*arguments: str) -> str:
        environment = {
            "PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "RESTIC_PASSWORD": "passphrase",
            "AWS_ACCESS_KEY_ID": USER, "AWS_SECRET_ACCESS_KEY": SECRET,
            "RESTIC_REPOSITORY": f"s3:http://{storage.overlay()['endpoints']['storage']}/{BUCKET}",
        }  # fmt: skip
        done = subprocess.run([*restic_program, *arguments], env=environment, capture_output=True,
                              text=True, timeout=60, check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    restic("init")
    restic("cat", "config")
    restic("unlock")
    words = restic("backup", "--json", "--host", "mx", "--tag", "po-mail", "--", str(source))
    summary = json.loads(words.splitlines()[-1])
    assert summary["total_bytes_processed"] == 3 * 2**20
    listed = restic("ls", "--json", summary["snapshot_id"], str(source)).splitlines()
    assert str(source / "mail") in {json.loads(line).get("path") for line in listed}
    (source / "more").write_text("more")
    restic("backup", "--host", "mx", "--tag", "po-mail", str(source))
    assert len(json.loads(restic("snapshots", "--json"))) == 2
    restic("forget", "--host", "mx", "--tag", "po-mail", "--group-by", "host,tags",
           "--keep-last", "1", "--prune")  # fmt: skip
    assert len(json.loads(restic("snapshots", "--json"))) == 1
    assert restic("dump", "latest", str(source / "more")) == "more"
    restic("check", "--read-data")
    restic("restore", "latest", "--target", str(target))
    restored = target / str(source).lstrip("/")
    assert (restored / "mail").read_bytes() == (source / "mail").read_bytes()
    assert (restored / "more").read_text() == "more"


# The service


def test_everything_outlives_a_restart_and_nothing_stays_open(
    tmp_path: Path, storage: ObjectStorage
) -> None:
    with started(tmp_path, storage, secrets=OWNER) as neighbourhood:
        user = confine(client(storage), admin_of(storage), storage)
        put(user, "a", b"kept")
        address, port = neighbourhood.world.addresses.reach("storage.example.org", 443)
        assert f"{address}:{port}" == storage.overlay()["endpoints"]["storage"]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address, port), timeout=2)
    with started(tmp_path, storage, secrets=OWNER):
        assert get(client(storage, USER, SECRET), "a") == b"kept"


@pytest.mark.real
def test_a_killed_world_leaves_no_server_behind(tmp_path: Path) -> None:
    program = need("minio")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    script = (
        "import asyncio, os, signal, sys\nfrom pathlib import Path\n"
        "from rehearsal.world.storage.genuine import GenuineStorage\n"
        "async def main():\n"
        "    server = GenuineStorage(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "    await server.start('administrator', 'administrator', 'eu-west-1',"
        " port=int(sys.argv[3]))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    subprocess.run([sys.executable, "-c", script, str(program), str(tmp_path), str(port)],
                   timeout=60, check=False)  # fmt: skip
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return
        time.sleep(0.05)
    pytest.fail("the server still listens")


def test_secrets_are_kept_from_other_users_of_the_machine(tmp_path: Path) -> None:
    storage = ObjectStorage(prefer_genuine=False)
    with started(tmp_path, storage, secrets=OWNER):
        confine(client(storage), admin_of(storage), storage)
        file = tmp_path / "storage/identities.json"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        others = [path for path in tmp_path.rglob("*") if path.is_file() and path != file]
        assert not any(SECRET.encode() in other.read_bytes() for other in others)


def test_the_storage_can_be_told_to_fail(tmp_path: Path) -> None:
    storage = ObjectStorage(prefer_genuine=False)
    with started(tmp_path, storage, secrets=OWNER):
        owner = client(storage)
        owner.make_bucket(bucket_name=BUCKET)
        storage.faults = {"disk_full": True}
        refused("XMinioStorageFull", put, client=owner, key="a", content=b"")
        storage.faults = {"deny_admin": True}
        with pytest.raises(MinioAdminException, match="AccessDenied"):
            admin_of(storage).user_list()


def test_the_network_can_be_cut_after_some_objects(tmp_path: Path) -> None:
    storage = ObjectStorage(prefer_genuine=False)
    with started(tmp_path, storage, secrets=OWNER):
        owner = client(storage)
        owner.make_bucket(bucket_name=BUCKET)
        storage.faults = {"cut_after": 1}
        put(client=owner, key="a", content=b"whole")
        impatient = client(storage)
        impatient._http = PoolManager(retries=False)
        for _ in range(2):
            with pytest.raises(HTTPError):
                put(client=impatient, key="b", content=b"lost")
        storage.faults = {}
        assert [object_.object_name for object_ in owner.list_objects(bucket_name=BUCKET)] == ["a"]
