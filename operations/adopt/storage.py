"""The object storage: bucket, versions, lifecycle rules, and the account of the backup."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from components.backup import bucket_policy
from declaration.names import BACKUP_ENVIRONMENT
from operations.adopt.comparing import compared
from operations.adopt.model import Area, Match, Stranger, Supplied, Wanted, unsealed
from operations.site import Site
from rehearsal.engine.values import Sealed

if TYPE_CHECKING:
    from minio.lifecycleconfig import Rule

PREFIX = "minio:index/"
_ABSENT = frozenset({"NoSuchLifecycleConfiguration", "NoSuchBucket", "NoSuchBucketPolicy"})
_LISTS = frozenset({"Action", "NotAction", "Resource", "NotResource", "Statement", "AWS"})


@dataclass(frozen=True)
class Stored:
    """What the storage holds, as far as the backup is concerned.

    Attributes:
        buckets: Names of all buckets.
        versioning: Status of versions by bucket: `Enabled`, `Suspended`, `Off`.
        rules: Lifecycle rules by bucket, in the words of the declaration.
        users: Policies of each user, by its name.
        policies: Documents of policies, by name.
        keys: Access keys by user.
        key: Access key that the host holds, empty if none.
        secret: Its secret key; shown nowhere.
    """

    buckets: Sequence[str] = ()
    versioning: Mapping[str, str] = field(default_factory=dict)
    rules: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    users: Mapping[str, Sequence[str]] = field(default_factory=dict)
    policies: Mapping[str, Any] = field(default_factory=dict)
    keys: Mapping[str, Sequence[str]] = field(default_factory=dict)
    key: str = ""
    secret: str = field(default="", repr=False)


def canonical(key: str, value: Any) -> Any:
    """Return a property in the form in which equal things are equal."""
    if key == "policy":
        return _policy(json.loads(value) if isinstance(value, str) and value else value)
    return value


def _policy(value: Any, key: str = "") -> Any:
    """Return a policy without the freedom of its spelling: one is a list of one, order is none."""
    if isinstance(value, Mapping):
        return {name: _policy(item, name) for name, item in sorted(value.items())}
    if isinstance(value, list):
        return sorted((_policy(item) for item in value), key=json.dumps)
    return [value] if key in _LISTS else value


def match_storage(wanted: Sequence[Wanted], stored: Stored) -> Area:
    """Match declared resources of the storage with what it holds."""
    area = Area("storage")
    for resource in wanted:
        found = _MATCHERS[resource.kind](resource, stored)
        if found is None:
            area.missing.append(resource)
        else:
            area.matches.append(found)
    declared = {resource.text("bucket") for resource in wanted if resource.kind == "S3Bucket"}
    area.strangers += [Stranger("bucket", name) for name in stored.buckets if name not in declared]
    policies = {policy.text("name") for policy in wanted if policy.kind == "IamPolicy"}
    for resource in wanted:
        user = resource.text("name")
        if resource.kind != "IamUser" or user not in stored.users:
            continue
        area.strangers += [
            Stranger("policy", name, f"given to {user} as well")
            for name in stored.users[user]
            if name not in policies
        ]
        area.strangers += [
            Stranger("access key", f"{key[:4]}... of {user}", "the host does not use it")
            for key in stored.keys.get(user, ())
            if key != stored.key
        ]
    return area


def _bucket(one: Wanted, stored: Stored) -> Match | None:
    name = one.text("bucket")
    if name not in stored.buckets:
        return None
    ignored = ("acl", "forceDestroy", "objectLocking")
    return compared(one, name, {"bucket": name}, ignored=ignored, replacing=("bucket",))


def _versioning(one: Wanted, stored: Stored) -> Match | None:
    bucket = one.text("bucket")
    status = stored.versioning.get(bucket, "Off")
    if status == "Off":
        return None
    declared = one.inputs.get("versioningConfiguration") or {}
    live = {"bucket": bucket, "versioningConfiguration": {**declared, "status": status}}
    return compared(one, bucket, live)


def _lifecycle(one: Wanted, stored: Stored) -> Match | None:
    bucket = one.text("bucket")
    rules = stored.rules.get(bucket)
    return None if not rules else compared(one, bucket, {"bucket": bucket, "rules": list(rules)})


def _user(one: Wanted, stored: Stored) -> Match | None:
    name = one.text("name")
    if name not in stored.users:
        return None
    return compared(
        one,
        name,
        {"name": name},
        replacing=("name",),
        # The storage holds nothing of them, and the program leaves them as they are.
        ignored=("disableUser", "forceDestroy", "updateSecret"),
    )


def _policy_match(one: Wanted, stored: Stored) -> Match | None:
    name = one.text("name")
    if name not in stored.policies:
        return None
    live = {"name": name, "policy": stored.policies[name]}
    return compared(one, name, live, canonical=canonical, replacing=("name",))


def _attachment(one: Wanted, stored: Stored) -> Match | None:
    # Known before the user is made: the names are declared, they only pass through resources.
    user, policy = one.text("userName"), one.text("policyName")
    if policy not in stored.users.get(user, ()):
        return None
    return compared(one, f"{user}/{policy}", {"userName": user, "policyName": policy})


def _key(one: Wanted, stored: Stored) -> Match | None:
    user = one.text("targetUser")
    if not stored.secret or stored.key not in stored.keys.get(user, ()):
        return None
    inputs = {
        **{key: unsealed(value) for key, value in one.inputs.items()},
        "disableUser": False,
        "updateSecret": False,
    }
    outputs = {
        **inputs,
        "id": stored.key,
        "accessKey": Sealed(stored.key),
        "secretKey": Sealed(stored.secret),
        "status": "on",
    }
    reason = "the secret key cannot be read from the storage; the host's own copy is noted"
    return Match(one, stored.key, (), Supplied(inputs, outputs, reason))


_MATCHERS: Mapping[str, Callable[[Wanted, Stored], Match | None]] = {
    "S3Bucket": _bucket,
    "S3BucketVersioning": _versioning,
    "IlmPolicy": _lifecycle,
    "IamUser": _user,
    "IamPolicy": _policy_match,
    "IamUserPolicyAttachment": _attachment,
    "IamServiceAccount": _key,
}


def rule_words(rule: "Rule") -> dict[str, Any]:
    """Return a lifecycle rule in the words of the declaration."""
    words: dict[str, Any] = {"id": rule.rule_id}
    if rule.expiration is not None:
        if rule.expiration.expired_object_delete_marker:
            words["expiration"] = "DeleteMarker"
        elif rule.expiration.days:
            words["expiration"] = f"{rule.expiration.days}d"
        elif rule.expiration.date:
            words["expiration"] = rule.expiration.date.date().isoformat()
    noncurrent = rule.noncurrent_version_expiration
    if noncurrent is not None and noncurrent.noncurrent_days:
        words["noncurrentVersionExpirationDays"] = noncurrent.noncurrent_days
    if rule.rule_filter is not None and rule.rule_filter.prefix:
        words["filter"] = rule.rule_filter.prefix
    return words


def _ask(site: Site, bucket: str, user: str) -> Stored:
    """Read the storage; it blocks."""
    from minio.credentials.providers import StaticProvider  # noqa: PLC0415  # slow to import
    from minio.error import S3Error  # noqa: PLC0415  # as above
    from minio.minioadmin import MinioAdmin  # noqa: PLC0415  # as above

    place = site.declaration.names.storage
    admin = MinioAdmin(
        endpoint=place.server,
        credentials=StaticProvider(
            site.secret("storageAccessKey"), site.secret("storageSecretKey")
        ),
        region=site.declaration.backup.region,
        secure=place.tls,
    )
    buckets = [bucket.name for bucket in site.storage.list_buckets()]
    versioning, rules = {}, {}
    if bucket in buckets:
        versioning[bucket] = site.storage.get_bucket_versioning(bucket).status or "Off"
        try:
            found = site.storage.get_bucket_lifecycle(bucket)
        except S3Error as error:
            if error.code not in _ABSENT:
                raise
            found = None
        rules[bucket] = [rule_words(rule) for rule in found.rules] if found else []
    told = json.loads(admin.user_list())
    users = {
        name: [part for part in (told[name].get("policyName") or "").split(",") if part]
        for name in told
    }
    policies = json.loads(admin.policy_list())
    keys = {}
    if user in users:
        accounts = json.loads(admin.list_service_account(user)).get("accounts") or []
        keys[user] = [str(account["accessKey"]) for account in accounts]
    return Stored(buckets, versioning, rules, users, policies, keys)


async def look(site: Site, wanted: Sequence[Wanted]) -> Area:
    """Read the storage and match it."""
    ours = [resource for resource in wanted if resource.type.startswith(PREFIX)]
    backup = site.declaration.backup
    stored = await asyncio.to_thread(_ask, site, backup.bucket, backup.user)
    try:
        text = (await site.host.read(BACKUP_ENVIRONMENT)).decode()
    except FileNotFoundError:
        text = ""
    lines = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    named = [_with_names(mine, backup.bucket, backup.user) for mine in ours]
    key, secret = (lines.get(f"AWS_{name}", "") for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
    return match_storage(named, replace(stored, key=key, secret=secret))


def _with_names(one: Wanted, bucket: str, user: str) -> Wanted:
    """Fill in names that a preview does not tell because they pass through other resources."""
    names = {
        "S3Bucket": {"bucket": bucket},
        "S3BucketVersioning": {"bucket": bucket},
        "IlmPolicy": {"bucket": bucket},
        "IamPolicy": {"name": user, "policy": bucket_policy(bucket)},
        "IamUserPolicyAttachment": {"userName": user, "policyName": user},
        "IamServiceAccount": {"targetUser": user, "policy": bucket_policy(bucket)},
    }
    return replace(one, inputs={**one.inputs, **names.get(one.kind, {})})
