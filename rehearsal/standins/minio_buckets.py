"""Buckets of the MinIO stand-in: the bucket itself, its versioning, its lifecycle."""

from collections.abc import Mapping
from typing import Any, ClassVar

from minio.commonconfig import ENABLED, Filter
from minio.lifecycleconfig import Expiration, LifecycleConfig, NoncurrentVersionExpiration, Rule
from minio.versioningconfig import SUSPENDED, VersioningConfig
from typing_extensions import override

from pulumi_kit.failures import ProviderError
from pulumi_kit.values import Plain, Unknown
from rehearsal.standins.base import Kind
from rehearsal.standins.minio_server import MissingError, Storage


class S3Bucket(Kind[Storage]):
    """A private bucket."""

    token = "minio:index/s3Bucket:S3Bucket"  # noqa: S105 - a type token
    sdk = "pulumi_minio.s3_bucket:S3Bucket"
    taught = frozenset({"acl", "bucket"})
    replaces = frozenset({"bucket"})
    named = "bucket"
    defaults: ClassVar = {"acl": "private", "forceDestroy": False, "objectLocking": False}
    bridged = True

    @staticmethod
    def _state(account: Storage, name: str) -> Plain:
        return {
            "id": name, "bucket": name, "acl": "private", "arn": f"arn:aws:s3:::{name}",
            "bucketDomainName": f"{account.url}/minio/{name}",
        }  # fmt: skip

    @override
    def mistakes(self, inputs: Plain) -> list[tuple[str, str]]:
        """Refuse an open bucket, and one whose name the plugin would make up."""
        found = []
        if not isinstance(acl := inputs.get("acl"), Unknown) and acl != "private":
            found.append(("acl", "must be private: others have no stand-in"))
        if "bucket" not in inputs:
            found.append(("bucket", "is required: none is made up here"))
        return found

    @override
    async def create(self, account: Storage, inputs: Plain) -> tuple[str, Plain]:
        """Create the bucket; one that exists already is an error."""
        name = inputs["bucket"]
        what = f"bucket {name}"
        if await account.call(what, account.s3.bucket_exists, name):
            raise ProviderError(f"{what} exists already; import it instead")
        await account.call(what, account.s3.make_bucket, name)
        return name, self._state(account, name)

    @override
    async def read(self, account: Storage, identity: str, state: Plain) -> tuple[str, Plain] | None:
        """Look whether the bucket is there; the old provider looks at nothing else."""
        if not await account.call(f"bucket {identity}", account.s3.bucket_exists, identity):
            return None
        return identity, self._state(account, identity)

    @override
    async def update(self, account: Storage, identity: str, old: Plain, new: Plain) -> Plain:
        """Return the state: nothing that is taught changes in place."""
        return self._state(account, identity)

    @override
    async def delete(self, account: Storage, identity: str, state: Plain) -> None:
        """Delete the bucket; one that is not empty, or gone already, is an error."""
        await account.call(f"bucket {identity}", account.s3.remove_bucket, identity)


class S3BucketVersioning(Kind[Storage]):
    """The versioning of a bucket; deleting it suspends it."""

    token = "minio:index/s3BucketVersioning:S3BucketVersioning"  # noqa: S105 - a type token
    sdk = "pulumi_minio.s3_bucket_versioning:S3BucketVersioning"
    taught = frozenset({"bucket", "versioningConfiguration"})
    replaces = frozenset({"bucket"})
    bridged = True

    @override
    def mistakes(self, inputs: Plain) -> list[tuple[str, str]]:
        """Refuse a status that S3 does not know, and what is more than a status."""
        configuration = inputs.get("versioningConfiguration")
        if not isinstance(configuration, Mapping):
            return []
        place = "versioningConfiguration"
        found = [
            (f"{place}.{name}", "has no stand-in; take the plugin itself")
            for name in sorted(configuration.keys() - {"status"})
        ]
        status = configuration.get("status")
        if isinstance(status, str) and status not in (ENABLED, SUSPENDED):
            found.append((f"{place}.status", f"must be {ENABLED} or {SUSPENDED}"))
        return found

    async def _set(self, account: Storage, bucket: str, status: str) -> Plain:
        set_versioning = account.s3.set_bucket_versioning
        await account.call(
            f"versioning of {bucket}", set_versioning, bucket, VersioningConfig(status=status)
        )
        return await self._state(account, bucket)

    @staticmethod
    async def _state(account: Storage, bucket: str) -> Plain:
        what = f"versioning of {bucket}"
        config = await account.call(what, account.s3.get_bucket_versioning, bucket)
        told = {"status": config.status or "", "excludedPrefixes": None, "excludeFolders": False}
        return {"id": bucket, "bucket": bucket, "versioningConfiguration": told}

    @override
    async def create(self, account: Storage, inputs: Plain) -> tuple[str, Plain]:
        """Set the versioning."""
        bucket = inputs["bucket"]
        return bucket, await self._set(account, bucket, inputs["versioningConfiguration"]["status"])

    @override
    async def read(self, account: Storage, identity: str, state: Plain) -> tuple[str, Plain] | None:
        """Return the versioning as it is; with the bucket gone the plugin fails."""
        return identity, await self._state(account, identity)

    @override
    async def update(self, account: Storage, identity: str, old: Plain, new: Plain) -> Plain:
        """Set the versioning."""
        return await self._set(account, identity, new["versioningConfiguration"]["status"])

    @override
    async def delete(self, account: Storage, identity: str, state: Plain) -> None:
        """Suspend the versioning; what was versioned stays."""
        if state["versioningConfiguration"]["status"] != SUSPENDED:
            await self._set(account, identity, SUSPENDED)


class IlmPolicy(Kind[Storage]):
    """The lifecycle rules of a bucket."""

    token = "minio:index/ilmPolicy:IlmPolicy"  # noqa: S105 - a type token
    sdk = "pulumi_minio.ilm_policy:IlmPolicy"
    taught = frozenset({"bucket", "rules"})
    replaces = frozenset({"bucket"})
    bridged = True

    @override
    def mistakes(self, inputs: Plain) -> list[tuple[str, str]]:
        """Refuse a status, which the provider decides, and rules of which the program has none."""
        found = []
        rules = inputs.get("rules")
        for index, rule in enumerate(rules if isinstance(rules, list) else []):
            if not isinstance(rule, Mapping):
                continue
            place = f"rules[{index}]"
            if "status" in rule:
                found.append((f"{place}.status", "is computed by the provider and cannot be set"))
            found += [
                (f"{place}.{name}", "has no stand-in; take the plugin itself")
                for name in sorted({"filter", "tags"} & rule.keys())
            ]
            expiration = rule.get("expiration", "DeleteMarker")
            if not isinstance(expiration, Unknown) and expiration != "DeleteMarker":
                found.append(
                    (f"{place}.expiration", "must be DeleteMarker: others have no stand-in")
                )
            days = rule.get("noncurrentVersionExpirationDays", 1)
            if isinstance(days, int) and days < 1:
                found.append((f"{place}.noncurrentVersionExpirationDays", "must be at least 1"))
        return found

    @override
    def imported(self, inputs: Plain) -> Plain:
        """Leave out what the provider decides, or nobody said."""
        return {name: self.comparable(name, value, {}) for name, value in inputs.items()}

    @override
    def comparable(self, name: str, value: Any, state: Plain) -> Any:
        """Leave out what the provider decides, or nobody said."""
        if name != "rules" or not isinstance(value, list):
            return value
        return [
            {key: item for key, item in rule.items() if key != "status" and item not in (None, "")}
            if isinstance(rule, Mapping)
            else rule
            for rule in value
        ]

    async def _set(self, account: Storage, inputs: Plain) -> None:
        bucket = inputs["bucket"]
        config = LifecycleConfig([_rule(rule) for rule in inputs["rules"]])
        await account.call(
            f"lifecycle of {bucket}", account.s3.set_bucket_lifecycle, bucket, config
        )

    async def _state(self, account: Storage, bucket: str) -> Plain:
        """Return the rules as the server has them, in its order.

        Raises:
            MissingError: the plugin holds them for gone.
        """
        what = f"lifecycle of {bucket}"
        config = await account.call(what, account.s3.get_bucket_lifecycle, bucket)
        if config is None:
            raise MissingError(f"{what}: the server has no rules")
        return {"id": bucket, "bucket": bucket, "rules": [_told(rule) for rule in config.rules]}

    @override
    async def create(self, account: Storage, inputs: Plain) -> tuple[str, Plain]:
        """Set the rules."""
        await self._set(account, inputs)
        return inputs["bucket"], await self._state(account, inputs["bucket"])

    @override
    async def read(self, account: Storage, identity: str, state: Plain) -> tuple[str, Plain] | None:
        """Return the rules; whatever fails means to the plugin that they are gone."""
        try:
            return identity, await self._state(account, identity)
        except ProviderError:
            return None

    @override
    async def update(self, account: Storage, identity: str, old: Plain, new: Plain) -> Plain:
        """Set the rules."""
        await self._set(account, new)
        return await self._state(account, identity)

    @override
    async def delete(self, account: Storage, identity: str, state: Plain) -> None:
        """Remove every rule."""
        what = f"lifecycle of {identity}"
        await account.call(what, account.s3.delete_bucket_lifecycle, identity)


def _rule(rule: Plain) -> Rule:
    """Return a rule as S3 takes it."""
    days, marker = rule.get("noncurrentVersionExpirationDays"), "expiration" in rule
    return Rule(
        ENABLED,
        rule_filter=Filter(prefix=""),
        rule_id=rule["id"],
        expiration=Expiration(expired_object_delete_marker=True) if marker else None,
        noncurrent_version_expiration=NoncurrentVersionExpiration(days) if days else None,
    )


def _told(rule: Rule) -> Plain:
    """Return a rule as the state has it."""
    expires, noncurrent = rule.expiration, rule.noncurrent_version_expiration
    expiration = ""
    if expires and expires.days:
        expiration = f"{expires.days}d"
    elif expires and expires.date:
        expiration = expires.date.strftime("%Y-%m-%d")
    elif expires and expires.expired_object_delete_marker:
        expiration = "DeleteMarker"
    return {
        "id": rule.rule_id, "status": rule.status, "expiration": expiration,
        "filter": rule.rule_filter.prefix or "" if rule.rule_filter else "", "tags": None,
        "noncurrentVersionExpirationDays": (noncurrent.noncurrent_days or 0) if noncurrent else 0,
    }  # fmt: skip
