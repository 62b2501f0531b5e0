"""Buckets of the MinIO stand-in: the bucket itself, its versioning."""

import json
import secrets
from collections.abc import Mapping
from typing import Any, ClassVar

from minio import Minio
from minio.commonconfig import ENABLED
from minio.deleteobjects import DeleteObject
from minio.versioningconfig import SUSPENDED, VersioningConfig
from typing_extensions import override

from rehearsal.standins.base import Kind
from rehearsal.standins.failure import OperationError
from rehearsal.standins.minio_server import MissingError, Storage
from rehearsal.standins.values import Plain


class S3Bucket(Kind[Storage]):
    """A bucket."""

    token = "minio:index/s3Bucket:S3Bucket"  # noqa: S105 - a type token
    sdk = "pulumi_minio.s3_bucket:S3Bucket"
    replaces = frozenset({"bucket", "bucketPrefix"})
    defaults: ClassVar = {"acl": "private", "forceDestroy": False, "objectLocking": False}
    conflicts = (frozenset({"bucket", "bucketPrefix"}),)

    @staticmethod
    def _state(account: Storage, name: str, inputs: Plain) -> Plain:
        return {
            **inputs,
            "id": name, "bucket": name, "arn": f"arn:aws:s3:::{name}",
            "bucketDomainName": f"{account.url}/minio/{name}",
        }  # fmt: skip

    @staticmethod
    async def _set_access(account: Storage, name: str, acl: str) -> None:
        what = f"access to bucket {name}"
        if acl == "private":
            try:
                await account.call(what, account.s3.delete_bucket_policy, name)
            except MissingError:
                return
            return
        policy = _public_policy(name, acl)
        await account.call(what, account.s3.set_bucket_policy, name, json.dumps(policy))

    @override
    def mistakes(self, inputs: Plain) -> list[tuple[str, str]]:
        """Refuse an access list that MinIO has no policy for."""
        if isinstance(acl := inputs.get("acl"), str) and acl not in _ACCESS:
            return [("acl", f"must be one of {', '.join(_ACCESS)}")]
        return []

    @override
    async def create(self, account: Storage, inputs: Plain) -> tuple[str, Plain]:
        """Create the bucket; one that exists already is an error."""
        name = inputs.get("bucket") or f"{inputs.get('bucketPrefix', '')}{secrets.token_hex(8)}"
        what = f"bucket {name}"
        if await account.call(what, account.s3.bucket_exists, name):
            raise OperationError(f"{what} exists already; import it instead")
        locking = bool(inputs.get("objectLocking"))
        await account.call(what, account.s3.make_bucket, name, object_lock=locking)
        await self._set_access(account, name, inputs.get("acl", "private"))
        if quota := inputs.get("quota"):
            await account.call(what, account.admin.bucket_quota_set, name, quota)
        return name, self._state(account, name, inputs)

    @override
    async def read(self, account: Storage, identity: str, state: Plain) -> tuple[str, Plain] | None:
        """Look whether the bucket is there; the old provider looks at nothing else."""
        if not await account.call(f"bucket {identity}", account.s3.bucket_exists, identity):
            return None
        return identity, self._state(account, identity, {**self.defaults, **state})

    @override
    async def update(self, account: Storage, identity: str, old: Plain, new: Plain) -> Plain:
        """Change access and quota."""
        if new.get("acl") != old.get("acl"):
            await self._set_access(account, identity, new.get("acl", "private"))
        if new.get("quota", 0) != old.get("quota", 0):
            set_quota = account.admin.bucket_quota_set
            await account.call(f"bucket {identity}", set_quota, identity, new.get("quota", 0))
        return self._state(account, identity, new)

    @override
    async def delete(self, account: Storage, identity: str, state: Plain) -> None:
        """Delete the bucket, with what is in it only where `forceDestroy` says so."""
        what = f"bucket {identity}"
        try:
            if state.get("forceDestroy"):
                await account.call(what, _empty, account.s3, identity)
            await account.call(what, account.s3.remove_bucket, identity)
        except MissingError:
            return


_ACCESS = ("private", "public", "public-read", "public-read-write", "public-write")


def _public_policy(bucket: str, acl: str) -> dict[str, Any]:
    """Return the bucket policy that stands for an access list other than `private`."""
    reading, writing = "read" in acl or acl == "public", "write" in acl or acl == "public"
    of_bucket = ["s3:GetBucketLocation"] + ["s3:ListBucket"] * reading
    of_objects = ["s3:GetObject"] * reading + ["s3:PutObject", "s3:DeleteObject"] * writing
    everyone = {"Effect": "Allow", "Principal": {"AWS": ["*"]}}
    arn = f"arn:aws:s3:::{bucket}"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {**everyone, "Action": of_bucket, "Resource": [arn]},
            {**everyone, "Action": of_objects, "Resource": [f"{arn}/*"]},
        ],
    }


def _empty(s3: Minio, bucket: str) -> None:
    found = s3.list_objects(bucket, recursive=True, include_version=True)
    doomed = [DeleteObject(str(one.object_name), one.version_id) for one in found]
    for error in s3.remove_objects(bucket, doomed, bypass_governance_mode=True):
        raise OperationError(f"bucket {bucket}: {error.name}: {error.message}")


class S3BucketVersioning(Kind[Storage]):
    """The versioning of a bucket; deleting it suspends it."""

    token = "minio:index/s3BucketVersioning:S3BucketVersioning"  # noqa: S105 - a type token
    sdk = "pulumi_minio.s3_bucket_versioning:S3BucketVersioning"
    replaces = frozenset({"bucket"})

    @override
    def mistakes(self, inputs: Plain) -> list[tuple[str, str]]:
        """Refuse a status that S3 does not know."""
        configuration = inputs.get("versioningConfiguration")
        status = configuration.get("status") if isinstance(configuration, Mapping) else None
        if isinstance(status, str) and status not in (ENABLED, SUSPENDED):
            return [("versioningConfiguration.status", f"must be {ENABLED} or {SUSPENDED}")]
        return []

    @staticmethod
    async def _put(account: Storage, inputs: Plain) -> Plain:
        bucket, wanted = inputs["bucket"], inputs["versioningConfiguration"]
        config = VersioningConfig(
            status=wanted["status"],
            excluded_prefixes=wanted.get("excludedPrefixes"),
            exclude_folders=bool(wanted.get("excludeFolders")),
        )
        what = f"versioning of {bucket}"
        await account.call(what, account.s3.set_bucket_versioning, bucket, config)
        return await S3BucketVersioning._state(account, bucket)

    @staticmethod
    async def _state(account: Storage, bucket: str) -> Plain:
        what = f"versioning of {bucket}"
        config = await account.call(what, account.s3.get_bucket_versioning, bucket)
        return {
            "id": bucket, "bucket": bucket,
            "versioningConfiguration": {
                "status": config.status or "",
                "excludedPrefixes": list(config.excluded_prefixes or []),
                "excludeFolders": config.exclude_folders,
            },
        }  # fmt: skip

    @override
    async def create(self, account: Storage, inputs: Plain) -> tuple[str, Plain]:
        """Set the versioning."""
        return inputs["bucket"], await self._put(account, inputs)

    @override
    async def read(self, account: Storage, identity: str, state: Plain) -> tuple[str, Plain] | None:
        """Return the versioning as it is."""
        try:
            return identity, await self._state(account, identity)
        except MissingError:
            return None

    @override
    async def update(self, account: Storage, identity: str, old: Plain, new: Plain) -> Plain:
        """Set the versioning."""
        return await self._put(account, new)

    @override
    async def delete(self, account: Storage, identity: str, state: Plain) -> None:
        """Suspend the versioning; what was versioned stays."""
        off = VersioningConfig(status=SUSPENDED)
        what = f"versioning of {identity}"
        try:
            await account.call(what, account.s3.set_bucket_versioning, identity, off)
        except MissingError:
            return
