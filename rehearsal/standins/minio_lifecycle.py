"""Lifecycle rules of the MinIO stand-in."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from minio.commonconfig import ENABLED, AndOperator, Filter, Tags
from minio.lifecycleconfig import (
    Expiration,
    LifecycleConfig,
    NoncurrentVersionExpiration,
    Rule,
)
from typing_extensions import override

from rehearsal.standins.base import Kind
from rehearsal.standins.failure import OperationError
from rehearsal.standins.minio_server import MissingError, Storage
from rehearsal.standins.values import Plain, Unknown

_EXPIRATION = re.compile(r"^(?:(\d+)d|(\d{4}-\d\d-\d\d)|DeleteMarker)$")


class IlmPolicy(Kind[Storage]):
    """The lifecycle rules of a bucket."""

    token = "minio:index/ilmPolicy:IlmPolicy"  # noqa: S105 - a type token
    sdk = "pulumi_minio.ilm_policy:IlmPolicy"
    replaces = frozenset({"bucket"})

    @override
    def mistakes(self, inputs: Plain) -> list[tuple[str, str]]:
        """Refuse a status, which the provider decides, and an expiration it cannot read."""
        found = []
        rules = inputs.get("rules")
        for index, rule in enumerate(rules if isinstance(rules, list) else []):
            if not isinstance(rule, Mapping):
                continue
            place = f"rules[{index}]"
            if "status" in rule:
                found.append((f"{place}.status", "is computed by the provider and cannot be set"))
            expiration = rule.get("expiration", "1d")
            if not isinstance(expiration, Unknown) and not _EXPIRATION.match(str(expiration)):
                message = 'must be days ("7d"), a date ("2027-01-31") or "DeleteMarker"'
                found.append((f"{place}.expiration", message))
            days = rule.get("noncurrentVersionExpirationDays", 1)
            if isinstance(days, int) and days < 1:
                found.append((f"{place}.noncurrentVersionExpirationDays", "must be at least 1"))
        return found

    @override
    def imported(self, inputs: Plain) -> Plain:
        """Leave the status out, which the provider decides."""
        return {name: self.comparable(name, value, {}) for name, value in inputs.items()}

    @override
    def comparable(self, name: str, value: Any, state: Plain) -> Any:
        """Leave the status out, which the provider decides."""
        if name != "rules" or not isinstance(value, list):
            return value
        return [
            {key: item for key, item in rule.items() if key != "status"}
            if isinstance(rule, Mapping)
            else rule
            for rule in value
        ]

    @staticmethod
    async def _put(account: Storage, inputs: Plain) -> Plain:
        bucket = inputs["bucket"]
        config = LifecycleConfig([_rule(rule) for rule in inputs["rules"]])
        what = f"lifecycle of {bucket}"
        await account.call(what, account.s3.set_bucket_lifecycle, bucket, config)
        state = await IlmPolicy._state(account, bucket)
        if state is None:
            raise OperationError(f"{what}: the server did not keep the rules")
        return state

    @staticmethod
    async def _state(account: Storage, bucket: str) -> Plain | None:
        what = f"lifecycle of {bucket}"
        try:
            config = await account.call(what, account.s3.get_bucket_lifecycle, bucket)
        except MissingError:
            return None
        if config is None:
            return None
        return {"id": bucket, "bucket": bucket, "rules": [_told(rule) for rule in config.rules]}

    @override
    async def create(self, account: Storage, inputs: Plain) -> tuple[str, Plain]:
        """Set the rules."""
        return inputs["bucket"], await self._put(account, inputs)

    @override
    async def read(self, account: Storage, identity: str, state: Plain) -> tuple[str, Plain] | None:
        """Return the rules as the server has them, in its order."""
        found = await self._state(account, identity)
        return None if found is None else (identity, found)

    @override
    async def update(self, account: Storage, identity: str, old: Plain, new: Plain) -> Plain:
        """Set the rules."""
        return await self._put(account, new)

    @override
    async def delete(self, account: Storage, identity: str, state: Plain) -> None:
        """Remove every rule."""
        what = f"lifecycle of {identity}"
        try:
            await account.call(what, account.s3.delete_bucket_lifecycle, identity)
        except MissingError:
            return


def _rule(rule: Plain) -> Rule:
    """Return a rule as S3 takes it."""
    prefix, tags = rule.get("filter", ""), rule.get("tags")
    chosen = Filter(prefix=prefix)
    if tags:
        both = Tags.new_object_tags()
        both.update(tags)
        chosen = Filter(and_operator=AndOperator(prefix=prefix, tags=both))
    days = rule.get("noncurrentVersionExpirationDays")
    return Rule(
        ENABLED,
        rule_filter=chosen,
        rule_id=rule["id"],
        expiration=_expiration(rule.get("expiration", "")),
        noncurrent_version_expiration=NoncurrentVersionExpiration(days) if days else None,
    )


def _expiration(text: str) -> Expiration | None:
    found = _EXPIRATION.match(text)
    if found is None:
        return None
    if found[1]:
        return Expiration(days=int(found[1]))
    if found[2]:
        return Expiration(date=datetime.fromisoformat(found[2]).replace(tzinfo=UTC))
    return Expiration(expired_object_delete_marker=True)


def _told(rule: Rule) -> Plain:
    """Return a rule as the state has it."""
    expires, old = rule.expiration, rule.noncurrent_version_expiration
    expiration = ""
    if expires and expires.days:
        expiration = f"{expires.days}d"
    elif expires and expires.date:
        expiration = expires.date.strftime("%Y-%m-%d")
    elif expires and expires.expired_object_delete_marker:
        expiration = "DeleteMarker"
    prefix, tags = "", {}
    if chosen := rule.rule_filter:
        both = chosen.and_operator
        prefix = (both.prefix if both else chosen.prefix) or ""
        tags = dict(both.tags or {}) if both else {}
    return {
        "id": rule.rule_id, "status": rule.status, "expiration": expiration, "filter": prefix,
        "noncurrentVersionExpirationDays": (old.noncurrent_days or 0) if old else 0, "tags": tags,
    }  # fmt: skip
