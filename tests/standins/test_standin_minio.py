"""The MinIO stand-in against a genuine MinIO server, and against the world's storage."""

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from minio import Minio
from minio.credentials.providers import StaticProvider
from minio.minioadmin import MinioAdmin
from minio.versioningconfig import SUSPENDED, VersioningConfig
from pulumi.provider.experimental.provider import Provider

from pulumi_kit.failures import ProviderError
from pulumi_kit.values import UNKNOWN, plain_map
from rehearsal.standins import PROVIDERS
from rehearsal.standins.minio_identities import canonical
from rehearsal.world.storage.service import ObjectStorage
from tests.standins.conformity import Deployed, configured, secret
from tests.standins.minio_server import Address, genuine
from tests.world.host_neighbourhood import started

pytestmark = pytest.mark.anyio

BUCKET = "minio:index/s3Bucket:S3Bucket"
VERSIONING = "minio:index/s3BucketVersioning:S3BucketVersioning"
LIFECYCLE = "minio:index/ilmPolicy:IlmPolicy"
USER = "minio:index/iamUser:IamUser"
POLICY = "minio:index/iamPolicy:IamPolicy"
ATTACHMENT = "minio:index/iamUserPolicyAttachment:IamUserPolicyAttachment"
ACCOUNT = "minio:index/iamServiceAccount:IamServiceAccount"

READING = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::backups/*"}
        ],
    }
)
WRITING = READING.replace("GetObject", "PutObject")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One loop for the module: the server is started once."""
    return "asyncio"


@asynccontextmanager
async def rehearsed(folder: Path) -> AsyncIterator[Address]:
    """The world's own storage, in a thread: the tests ask it with a blocking client."""
    address = Address("", "administrator", "password-planted-in-this-test")
    owner = {"storageAccessKey": address.user, "storageSecretKey": address.password}
    storage = ObjectStorage(prefer_genuine=False)
    with started(folder, storage, secrets=owner):
        server = f"127.0.0.1:{storage.port}"
        yield replace(address, server=server)


@pytest.fixture(
    scope="module", params=[pytest.param("genuine", marks=pytest.mark.real), "rehearsed"]
)
async def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Address]:
    folder: Path = tmp_path_factory.mktemp("minio") / "server"
    async with (genuine if request.param == "genuine" else rehearsed)(folder) as address:
        yield address


@pytest.fixture
async def provider(server: Address) -> AsyncIterator[Provider]:
    provider = await configured(
        PROVIDERS["minio"](),
        {
            "minioServer": server.server, "minioUser": server.user,
            "minioPassword": secret(server.password), "minioSsl": "false",
        },
    )  # fmt: skip
    yield provider
    await provider.cancel()


@pytest.fixture
def s3(server: Address) -> Minio:
    return Minio(server.server, server.user, server.password, secure=False)


@pytest.fixture
def admin(server: Address) -> MinioAdmin:
    credentials = StaticProvider(server.user, server.password)
    return MinioAdmin(endpoint=server.server, credentials=credentials, secure=False)


@pytest.fixture
async def bucket(provider: Provider, s3: Minio) -> AsyncIterator[str]:
    one = await Deployed(provider, BUCKET).create({"bucket": "backups", "acl": "private"})
    yield one.identity
    await one.delete()


async def settles(one: Deployed, wanted: dict[str, object]) -> None:
    """No change right after the deployment, nor after a refresh."""
    assert (await one.diff(wanted)).diffs == []
    assert await one.refresh()
    assert (await one.diff(wanted)).diffs == []


async def test_a_bucket_goes_its_circle(provider: Provider, s3: Minio) -> None:
    wanted: dict[str, object] = {"bucket": "po-mail-backups", "acl": "private"}
    one = await Deployed(provider, BUCKET).create(wanted)
    assert one.plain["arn"] == "arn:aws:s3:::po-mail-backups"
    assert (one.plain["forceDestroy"], one.plain["objectLocking"]) == (False, False)
    await settles(one, wanted)
    other = await one.diff({"bucket": "other", "acl": "private"})
    assert other.replaces == ["bucket"]
    assert not other.delete_before_replace
    with pytest.raises(ProviderError, match="exists already"):
        await Deployed(provider, BUCKET).create(wanted)
    s3.remove_bucket("po-mail-backups")
    assert not await one.refresh()
    with pytest.raises(ProviderError, match="NoSuchBucket"):
        await one.delete()


async def test_a_bucket_with_objects_is_not_deleted(provider: Provider, s3: Minio) -> None:
    one = await Deployed(provider, BUCKET).create({"bucket": "full", "acl": "private"})
    s3.put_object("full", "object", io.BytesIO(b"x"), 1)
    with pytest.raises(ProviderError, match="BucketNotEmpty"):
        await one.delete()
    s3.remove_object("full", "object")
    await one.delete()


async def test_a_bucket_is_imported_by_name(provider: Provider, bucket: str) -> None:
    taken = await Deployed(provider, BUCKET).adopt(bucket)
    assert plain_map(taken.inputs) == {"bucket": bucket}
    assert (await taken.diff({"bucket": bucket, "acl": "private"})).diffs == []


async def test_versioning_goes_its_circle(provider: Provider, s3: Minio, bucket: str) -> None:
    wanted: dict[str, object] = {
        "bucket": bucket, "versioningConfiguration": {"status": "Enabled"},
    }  # fmt: skip
    one = await Deployed(provider, VERSIONING).create(wanted)
    await settles(one, wanted)
    s3.set_bucket_versioning(bucket, VersioningConfig(SUSPENDED))
    assert await one.refresh()
    difference = await one.diff(wanted)
    assert list(difference.detailed_diff) == ["versioningConfiguration.status"]
    await one.update(wanted)
    assert s3.get_bucket_versioning(bucket).status == "Enabled"
    taken = await Deployed(provider, VERSIONING).adopt(bucket)
    assert (await taken.diff(wanted)).diffs == []
    await one.delete()
    assert s3.get_bucket_versioning(bucket).status == "Suspended"


RULES: list[dict[str, object]] = [
    {"id": "old-versions", "noncurrentVersionExpirationDays": 30},
    {"id": "markers", "expiration": "DeleteMarker"},
]


async def test_a_lifecycle_goes_its_circle(provider: Provider, s3: Minio, bucket: str) -> None:
    wanted: dict[str, object] = {"bucket": bucket, "rules": RULES}
    one = await Deployed(provider, LIFECYCLE).create(wanted)
    assert [rule["status"] for rule in one.plain["rules"]] == ["Enabled"] * 2
    await settles(one, wanted)
    longer = {**wanted, "rules": [{**RULES[0], "noncurrentVersionExpirationDays": 60}, *RULES[1:]]}
    difference = await one.diff(longer)
    assert list(difference.detailed_diff) == ["rules[0].noncurrentVersionExpirationDays"]
    await one.update(longer)
    assert await one.refresh()
    assert (await one.diff(longer)).diffs == []
    assert (await one.diff(wanted)).diffs == ["rules"]
    taken = await Deployed(provider, LIFECYCLE).adopt(bucket)
    assert (await taken.diff(longer)).diffs == []
    s3.delete_bucket_lifecycle(bucket)
    assert not await one.refresh()
    await one.delete()


async def test_a_users_secret_is_kept_sealed_and_its_status_is_told(
    provider: Provider, admin: MinioAdmin
) -> None:
    wanted: dict[str, object] = {"name": "backup", "secret": secret("marker-of-the-user")}
    one = await Deployed(provider, USER).create(wanted)
    assert one.state["secret"].is_secret
    assert one.plain["status"] == "enabled"
    await settles(one, wanted)
    assert one.state["secret"].is_secret
    other = {**wanted, "secret": secret("another-marker")}
    assert (await one.diff(other)).diffs == ["secret"]
    await one.update({**other, "disableUser": True})
    assert one.plain["status"] == "disabled"
    assert (await one.diff({"name": "another"})).replaces == ["name"]
    admin.user_remove("backup")
    assert not await one.refresh()
    with pytest.raises(ProviderError, match="NoSuchUser"):
        await one.delete()


async def test_a_user_is_deleted_by_any_update_while_force_destroy_is_true(
    provider: Provider, admin: MinioAdmin
) -> None:
    wanted: dict[str, object] = {"name": "doomed", "forceDestroy": True}
    one = await Deployed(provider, USER).create(wanted)
    await settles(one, wanted)
    with pytest.raises(ProviderError, match="did not exist while updating"):
        await one.update({**wanted, "disableUser": True})
    assert "doomed" not in admin.user_list()


IGNORED = ("forceDestroy", "disableUser", "updateSecret")
"""What `components.backup` ignores of the user, which it declares by its name alone."""


async def test_a_user_that_was_deployed_with_force_destroy_gets_no_update(
    provider: Provider, admin: MinioAdmin
) -> None:
    one = await Deployed(provider, USER).create({"name": "deployed", "forceDestroy": True})
    assert (await one.diff({"name": "deployed"})).changes
    for _ in ("as it was left", "after a refresh"):
        assert not (await one.diff({"name": "deployed"}, IGNORED)).changes
        assert await one.refresh()
    assert "deployed" in admin.user_list()
    await one.delete()
    assert "deployed" not in admin.user_list()


async def test_a_user_that_is_deployed_or_adopted_by_its_name_alone_gets_no_update(
    provider: Provider,
) -> None:
    fresh = await Deployed(provider, USER).create({"name": "fresh"})
    adopted = await Deployed(provider, USER).adopt("fresh")
    for item in (fresh, adopted):
        assert not (await item.diff({"name": "fresh"}, IGNORED)).changes
        await settles(item, {"name": "fresh"})
    await fresh.delete()


async def test_a_user_without_a_secret_gets_one_of_56_characters(provider: Provider) -> None:
    one = await Deployed(provider, USER).create({"name": "archive"})
    assert one.state["secret"].is_secret
    assert len(one.plain["secret"]) == 56
    await settles(one, {"name": "archive"})
    await one.delete()


async def test_a_policy_goes_its_circle(provider: Provider, admin: MinioAdmin) -> None:
    wanted: dict[str, object] = {"name": "reading", "policy": READING}
    one = await Deployed(provider, POLICY).create(wanted)
    assert one.plain["policy"] != READING  # in the server's words
    assert canonical(one.plain["policy"]) == canonical(READING)
    await settles(one, wanted)
    admin.policy_add("reading", policy=json.loads(WRITING))
    assert await one.refresh()
    assert (await one.diff(wanted)).diffs == ["policy"]
    await one.update(wanted)
    assert "GetObject" in admin.policy_info("reading")
    taken = await Deployed(provider, POLICY).adopt("reading")
    assert (await taken.diff(wanted)).diffs == []
    await one.delete()
    for act in (one.refresh, one.delete):
        with pytest.raises(ProviderError, match="NoSuchPolicy"):
            await act()


async def test_a_policy_is_attached_beside_others(provider: Provider, admin: MinioAdmin) -> None:
    user = await Deployed(provider, USER).create({"name": "worker"})
    policies = [
        await Deployed(provider, POLICY).create({"name": name, "policy": text})
        for name, text in (("one", READING), ("two", WRITING))
    ]
    held = []
    for name in ("one", "two"):
        wanted: dict[str, object] = {"userName": "worker", "policyName": name}
        held.append(await Deployed(provider, ATTACHMENT).create(wanted))
        await settles(held[-1], wanted)
    assert set(json.loads(admin.user_info("worker"))["policyName"].split(",")) == {"one", "two"}
    taken = await Deployed(provider, ATTACHMENT).adopt("worker/one")
    assert plain_map(taken.inputs) == {"userName": "worker", "policyName": "one"}
    await held[0].delete()
    assert json.loads(admin.user_info("worker"))["policyName"] == "two"
    assert not await held[0].refresh()
    assert (await held[1].diff({"userName": "x", "policyName": "two"})).replaces == ["userName"]
    await held[1].delete()
    assert not json.loads(admin.user_info("worker")).get("policyName")
    for policy in (user, *policies):
        await policy.delete()
    for act in (held[1].refresh, held[1].delete):
        with pytest.raises(ProviderError, match="NoSuchUser"):
            await act()


async def test_a_service_account_goes_its_circle(
    provider: Provider, server: Address, admin: MinioAdmin
) -> None:
    user = await Deployed(provider, USER).create({"name": "owner"})
    wanted: dict[str, object] = {"targetUser": "owner", "policy": READING}
    one = await Deployed(provider, ACCOUNT).create(wanted)
    assert one.state["secretKey"].is_secret
    assert one.plain["accessKey"] == one.identity
    await settles(one, wanted)
    assert one.state["secretKey"].is_secret
    other = {**wanted, "policy": WRITING}
    assert (await one.diff(other)).diffs == ["policy"]
    await one.update(other)
    assert await one.refresh()
    assert (await one.diff(other)).diffs == []
    taken = await Deployed(provider, ACCOUNT).adopt(one.identity)
    assert plain_map(taken.inputs)["targetUser"] == "owner"
    await one.delete()
    await one.delete()
    await user.delete()
    for act in (one.refresh, one.delete):
        with pytest.raises(ProviderError):
            await act()


async def test_a_wrong_password_is_told_without_the_password(server: Address) -> None:
    marker = "marker-password-that-must-not-be-told"
    provider = await configured(
        PROVIDERS["minio"](),
        {"minioServer": server.server, "minioUser": server.user, "minioPassword": secret(marker)},
    )
    for token, wanted in ((BUCKET, {"bucket": "none", "acl": "private"}), (USER, {"name": "none"})):
        with pytest.raises(ProviderError) as failure:
            await Deployed(provider, token).create(wanted)
        assert marker not in repr(failure.value)
        assert "\n" not in str(failure.value)
    await provider.cancel()


async def test_a_preview_with_unknown_credentials_connects_to_nobody() -> None:
    provider = await configured(PROVIDERS["minio"](), {"minioServer": UNKNOWN})
    one = await Deployed(provider, ACCOUNT).create(
        {"targetUser": UNKNOWN, "policy": READING}, preview=True
    )
    assert one.plain["secretKey"] is UNKNOWN
    assert one.plain["accessKey"] is UNKNOWN


@pytest.mark.parametrize(
    ("token", "wrong", "path"),
    [
        (LIFECYCLE, {"bucket": "b"}, "rules"),
        (LIFECYCLE, {"bucket": "b", "rules": [{"id": "x", "status": "Enabled"}]},
         "rules[0].status"),
        (LIFECYCLE, {"bucket": "b", "rules": [{"expiration": "DeleteMarker"}]}, "rules[0].id"),
        (LIFECYCLE, {"bucket": "b", "rules": [{"id": "x", "filter": "a/"}]}, "rules[0].filter"),
        (LIFECYCLE, {"bucket": "b", "rules": [{"id": "x", "expiration": "7"}]},
         "rules[0].expiration"),
        (BUCKET, {"bucket": "b", "acl": "secret"}, "acl"),
        (BUCKET, {"bucket": "b", "acl": "private", "quota": 1}, "quota"),
        (BUCKET, {"acl": "private"}, "bucket"),
        (BUCKET, {"bucket": "b", "arn": "x"}, "arn"),
        (POLICY, {"name": "p", "policy": "{"}, "policy"),
        (USER, {"name": "not a name"}, "name"),
        (VERSIONING, {"bucket": "b", "versioningConfiguration": {"status": "On"}},
         "versioningConfiguration.status"),
        (ACCOUNT, {"accessKey": "x", "targetUser": "u"}, "accessKey"),
        (ACCOUNT, {"targetUser": "u"}, "policy"),
    ],
)  # fmt: skip
async def test_what_the_plugin_refuses_is_refused(
    token: str, wrong: dict[str, object], path: str
) -> None:
    provider = PROVIDERS["minio"]()
    assert path in await Deployed(provider, token).failures(wrong)


def test_policies_that_mean_the_same_are_equal() -> None:
    listed = READING.replace('"s3:GetObject"', '["s3:GetObject"]')
    assert canonical(READING) == canonical(json.loads(listed))
    assert canonical(READING) != canonical(WRITING)
