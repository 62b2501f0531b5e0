"""Identities of the MinIO stand-in: users, policies, attachments, service accounts."""

import base64
import json
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from typing_extensions import override

from pulumi_kit.failures import ProviderError
from pulumi_kit.values import Plain
from rehearsal.standins.base import Kind
from rehearsal.standins.minio_server import MissingError, Storage

_NAME = re.compile(r"^[0-9A-Za-z=,.@\-_+]+$")


def made_up_secret() -> str:
    """Return a secret as the plugin makes one: 40 random bytes in Base64, 56 characters."""
    return base64.urlsafe_b64encode(secrets.token_bytes(40)).decode()


def canonical(policy: object) -> object:
    """Return a policy in a form in which policies that mean the same are equal.

    Single values and lists of one mean the same, as do lists in another order.
    """
    if isinstance(policy, str):
        try:
            policy = json.loads(policy)
        except ValueError:
            return policy
    return _canonical(policy)


def _canonical(value: object, key: str = "") -> object:
    if isinstance(value, Mapping):
        return {name: _canonical(item, name) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        items = [_canonical(item) for item in value]
        return sorted(items, key=lambda item: json.dumps(item, sort_keys=True))
    plural = {"Action", "NotAction", "Resource", "NotResource", "Statement", "AWS"}
    return [value] if key in plural else value


def _policy_mistakes(inputs: Plain) -> list[tuple[str, str]]:
    policy = inputs.get("policy")
    if isinstance(policy, str) and policy:
        try:
            json.loads(policy)
        except ValueError as error:
            return [("policy", f"is no JSON: {error}")]
    return []


def _named(inputs: Plain, name: str) -> list[tuple[str, str]]:
    value = inputs.get(name)
    if value is None:
        return [(name, "is required: none is made up here")]
    if isinstance(value, str) and not _NAME.match(value):
        return [(name, "may hold letters, digits and any of = , . @ - _ + only")]
    return []


class IamUser(Kind[Storage]):
    """A user; its secret is known from its creation alone, the server never tells it."""

    token = "minio:index/iamUser:IamUser"  # noqa: S105 - a type token
    sdk = "pulumi_minio.iam_user:IamUser"
    taught = frozenset({"disableUser", "forceDestroy", "name", "secret", "updateSecret"})
    replaces = frozenset({"name"})
    defaults: ClassVar = {"disableUser": False, "forceDestroy": False, "updateSecret": False}
    secrets = frozenset({"secret"})
    named = "name"
    bridged = True

    @override
    def mistakes(self, inputs: Plain) -> list[tuple[str, str]]:
        """Refuse a name that MinIO refuses, and none."""
        return _named(inputs, "name")

    @staticmethod
    async def _state(account: Storage, name: str, known: Plain) -> Plain:
        told = json.loads(await account.call(f"user {name}", account.admin.user_info, name))
        return {**known, "id": name, "name": name, "status": told["status"]}

    @override
    async def create(self, account: Storage, inputs: Plain) -> tuple[str, Plain]:
        """Create the user, or overwrite one of this name, with the secret given or a new one."""
        name, secret = inputs["name"], inputs.get("secret") or made_up_secret()
        what = f"user {name}"
        await account.call(what, account.admin.user_add, name, secret)
        if inputs.get("disableUser"):
            await account.call(what, account.admin.user_disable, name)
        return name, await self._state(account, name, {**inputs, "secret": secret})

    @override
    async def read(self, account: Storage, identity: str, state: Plain) -> tuple[str, Plain] | None:
        """Return the user as it is; all that shows is its status."""
        try:
            return identity, await self._state(account, identity, state)
        except MissingError:
            return None

    @override
    async def update(self, account: Storage, identity: str, old: Plain, new: Plain) -> Plain:
        """Change secret and status.

        Raises:
            ProviderError: `forceDestroy` is true; the user is deleted instead, as the plugin does.
        """
        what = f"user {identity}"
        if new.get("forceDestroy"):
            await account.call(what, account.admin.user_remove, identity)
            raise ProviderError(
                f"{what}: the provider reported that the resource did not exist while updating "
                "(while forceDestroy is true, it deletes a user that it should update)"
            )
        secret = new.get("secret") or old.get("secret")
        if new.get("updateSecret"):
            secret = made_up_secret()
        if secret and secret != old.get("secret"):
            await account.call(what, account.admin.user_add, identity, secret)
        turn = account.admin.user_disable if new.get("disableUser") else account.admin.user_enable
        await account.call(what, turn, identity)
        known = {**new, "secret": secret} if secret else new
        return await self._state(account, identity, known)

    @override
    async def delete(self, account: Storage, identity: str, state: Plain) -> None:
        """Delete the user and with it its keys; one that is gone already is an error."""
        await account.call(f"user {identity}", account.admin.user_remove, identity)


class IamPolicy(Kind[Storage]):
    """A policy that users can be given."""

    token = "minio:index/iamPolicy:IamPolicy"  # noqa: S105 - a type token
    sdk = "pulumi_minio.iam_policy:IamPolicy"
    taught = frozenset({"name", "policy"})
    replaces = frozenset({"name"})
    named = "name"
    bridged = True

    @override
    def mistakes(self, inputs: Plain) -> list[tuple[str, str]]:
        """Refuse a policy that is no JSON, and one without a name."""
        return [*_named(inputs, "name"), *_policy_mistakes(inputs)]

    @override
    def comparable(self, name: str, value: Any, state: Plain) -> Any:
        """Compare policies by what they mean."""
        return canonical(value) if name == "policy" else value

    @staticmethod
    async def _state(account: Storage, name: str) -> Plain:
        what = f"policy {name}"
        told = json.loads(await account.call(what, account.admin.policy_info, name))
        text = json.dumps(told.get("Policy", told), indent=1)
        return {"id": name, "name": name, "policy": text}

    async def _put(self, account: Storage, name: str, inputs: Plain) -> Plain:
        policy = json.loads(inputs["policy"])
        await account.call(f"policy {name}", account.admin.policy_add, name, policy=policy)
        return await self._state(account, name)

    @override
    async def create(self, account: Storage, inputs: Plain) -> tuple[str, Plain]:
        """Create the policy."""
        name = inputs["name"]
        return name, await self._put(account, name, inputs)

    @override
    async def read(self, account: Storage, identity: str, state: Plain) -> tuple[str, Plain] | None:
        """Return the policy in the server's words; one that is gone fails the refresh."""
        return identity, await self._state(account, identity)

    @override
    async def update(self, account: Storage, identity: str, old: Plain, new: Plain) -> Plain:
        """Overwrite the policy."""
        return await self._put(account, identity, new)

    @override
    async def delete(self, account: Storage, identity: str, state: Plain) -> None:
        """Delete the policy; one that is gone already is an error."""
        await account.call(f"policy {identity}", account.admin.policy_remove, identity)


class IamUserPolicyAttachment(Kind[Storage]):
    """A policy given to a user."""

    token = "minio:index/iamUserPolicyAttachment:IamUserPolicyAttachment"  # noqa: S105 - a token
    sdk = "pulumi_minio.iam_user_policy_attachment:IamUserPolicyAttachment"
    taught = replaces = frozenset({"policyName", "userName"})
    bridged = True

    @override
    def mistakes(self, inputs: Plain) -> list[tuple[str, str]]:
        """Refuse a name that MinIO refuses."""
        return _named(inputs, "userName")

    @staticmethod
    async def _held(account: Storage, user: str) -> list[str]:
        told = json.loads(await account.call(f"user {user}", account.admin.user_info, user))
        return [name for name in told.get("policyName", "").split(",") if name]

    @staticmethod
    async def _hold(account: Storage, user: str, policies: list[str]) -> None:
        what = f"policies of user {user}"
        await account.call(what, account.admin.policy_set, ",".join(policies), user=user)

    @override
    async def create(self, account: Storage, inputs: Plain) -> tuple[str, Plain]:
        """Give the policy to the user, beside those it has."""
        user, policy = inputs["userName"], inputs["policyName"]
        async with account.attaching:
            held = await self._held(account, user)
            if policy not in held:
                await self._hold(account, user, [*held, policy])
        identity = self._made_up_id(user)
        return identity, {**inputs, "id": identity}

    @staticmethod
    def _made_up_id(user: str) -> str:
        """Return an id as the plugin makes one: the moment to 0.1 ms, and a count."""
        return f"{user}-{datetime.now(UTC):%Y%m%d%H%M%S%f}"[: len(user) + 19] + secrets.token_hex(4)

    @override
    async def read(self, account: Storage, identity: str, state: Plain) -> tuple[str, Plain] | None:
        """Say whether the user has the policy; for an import the id is `user/policy`.

        Raises:
            ProviderError: the user is gone.
        """
        if not state:
            user, slash, policy = identity.partition("/")
            if not slash:
                raise ProviderError(f"{identity}: give the id to import as <user>/<policy>")
            identity = self._made_up_id(user)
            state = {"userName": user, "policyName": policy}
        held = await self._held(account, state["userName"])
        return (identity, {**state, "id": identity}) if state["policyName"] in held else None

    @override
    async def update(self, account: Storage, identity: str, old: Plain, new: Plain) -> Plain:
        """Return the inputs: whatever changes replaces."""
        return {**new, "id": identity}

    @override
    async def delete(self, account: Storage, identity: str, state: Plain) -> None:
        """Take the policy from the user, and leave it the others; a user that is gone fails it."""
        user, policy = state["userName"], state["policyName"]
        async with account.attaching:
            held = await self._held(account, user)
            if policy in held:
                await self._hold(account, user, [name for name in held if name != policy])


class IamServiceAccount(Kind[Storage]):
    """An access key of a user."""

    token = "minio:index/iamServiceAccount:IamServiceAccount"  # noqa: S105 - a type token
    sdk = "pulumi_minio.iam_service_account:IamServiceAccount"
    taught = frozenset({"policy", "targetUser"})
    replaces = frozenset({"targetUser"})
    defaults: ClassVar = {"disableUser": False, "updateSecret": False}
    secrets = frozenset({"secretKey"})
    bridged = True

    @override
    def mistakes(self, inputs: Plain) -> list[tuple[str, str]]:
        """Refuse a policy that is no JSON, and none, with which the plugin never settles."""
        if "policy" not in inputs:
            return [("policy", "is required: without one the plugin shows a change for ever")]
        return _policy_mistakes(inputs)

    @override
    def comparable(self, name: str, value: Any, state: Plain) -> Any:
        """Compare policies by what they mean."""
        return canonical(value) if name == "policy" else value

    @staticmethod
    async def _state(account: Storage, key: str, known: Plain) -> Plain:
        what = f"service account {key}"
        told = json.loads(await account.call(what, account.admin.get_service_account, key))
        return {
            **known, "id": key, "accessKey": key, "targetUser": told["parentUser"],
            "status": told["accountStatus"], "disableUser": told["accountStatus"] == "off",
            "policy": told["policy"],
        }  # fmt: skip

    @override
    async def create(self, account: Storage, inputs: Plain) -> tuple[str, Plain]:
        """Create the account; the server makes its keys up."""
        user, policy = inputs["targetUser"], json.loads(inputs["policy"])
        what = f"service account of {user}"
        made = await account.call(what, account.admin.add_service_account_for, user, policy)
        key = made["accessKey"]
        return key, await self._state(account, key, {"secretKey": made["secretKey"]})

    @override
    async def read(self, account: Storage, identity: str, state: Plain) -> tuple[str, Plain] | None:
        """Return the account as it is; its secret key is known from its creation alone.

        Raises:
            ProviderError: it is gone, or its user is; the refresh fails.
        """
        return identity, await self._state(account, identity, state)

    @override
    async def update(self, account: Storage, identity: str, old: Plain, new: Plain) -> Plain:
        """Change the policy, and turn it on again."""
        what, change = f"service account {identity}", account.admin.update_service_account
        policy = json.loads(new["policy"])
        await account.call(what, change, access_key=identity, status="on", policy=policy)
        known = {"secretKey": old["secretKey"]} if "secretKey" in old else {}
        return await self._state(account, identity, known)

    @override
    async def delete(self, account: Storage, identity: str, state: Plain) -> None:
        """Delete the account; one that is gone is no error while its user is there."""
        what = f"service account {identity}"
        try:
            await account.call(what, account.admin.delete_service_account, identity)
        except MissingError:
            await account.call(what, account.admin.user_info, state["targetUser"])
