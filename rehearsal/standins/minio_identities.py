"""Identities of the MinIO stand-in: users, policies, attachments, service accounts."""

import json
import re
import secrets
from collections.abc import Mapping
from typing import Any, ClassVar

from typing_extensions import override

from rehearsal.standins.base import Kind
from rehearsal.standins.failure import OperationError
from rehearsal.standins.minio_server import MissingError, Storage
from rehearsal.standins.values import Plain

_NO_POLICY: Mapping[str, object] = {"Version": "", "Statement": None}
"""What the old provider sends for a service account without a policy."""
_NAME = re.compile(r"^[0-9A-Za-z=,.@\-_+]+$")


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


def _named(inputs: Plain, *properties: str) -> list[tuple[str, str]]:
    message = "may hold letters, digits and any of = , . @ - _ + only"
    return [
        (name, message)
        for name in properties
        if isinstance(value := inputs.get(name), str) and not _NAME.match(value)
    ]


class IamUser(Kind[Storage]):
    """A user; its secret is known from its creation alone, the server never tells it."""

    token = "minio:index/iamUser:IamUser"  # noqa: S105 - a type token
    sdk = "pulumi_minio.iam_user:IamUser"
    replaces = frozenset({"name"})
    defaults: ClassVar = {"disableUser": False, "forceDestroy": False, "updateSecret": False}
    secrets = frozenset({"secret"})
    autonamed = "name"

    @override
    def mistakes(self, inputs: Plain) -> list[tuple[str, str]]:
        """Refuse a name that MinIO refuses."""
        return _named(inputs, "name")

    @staticmethod
    async def _state(account: Storage, name: str, known: Plain) -> Plain:
        told = json.loads(await account.call(f"user {name}", account.admin.user_info, name))
        return {**known, "id": name, "name": name, "status": told["status"]}

    @override
    async def create(self, account: Storage, inputs: Plain) -> tuple[str, Plain]:
        """Create the user, or overwrite one of this name, with the secret given or a new one."""
        name, secret = inputs["name"], inputs.get("secret") or secrets.token_urlsafe(30)
        what = f"user {name}"
        await account.call(what, account.admin.user_add, name, secret)
        if inputs.get("disableUser"):
            await account.call(what, account.admin.user_disable, name)
        return name, await self._state(account, name, {**inputs, "secret": secret})

    @override
    async def read(self, account: Storage, identity: str, state: Plain) -> tuple[str, Plain] | None:
        """Return the user as it is; all that shows is its status."""
        try:
            return identity, await self._state(account, identity, {**self.defaults, **state})
        except MissingError:
            return None

    @override
    async def update(self, account: Storage, identity: str, old: Plain, new: Plain) -> Plain:
        """Change secret and status.

        Raises:
            OperationError: `forceDestroy` is true; the user is deleted instead, as the plugin does.
        """
        what = f"user {identity}"
        if new.get("forceDestroy"):
            await account.call(what, account.admin.user_remove, identity)
            raise OperationError(
                f"{what}: the provider reported that the resource did not exist while updating "
                "(while forceDestroy is true, it deletes a user that it should update)"
            )
        secret = new.get("secret") or old.get("secret")
        if new.get("updateSecret"):
            secret = secrets.token_urlsafe(30)
        if secret and secret != old.get("secret"):
            await account.call(what, account.admin.user_add, identity, secret)
        turn = account.admin.user_disable if new.get("disableUser") else account.admin.user_enable
        await account.call(what, turn, identity)
        known = {**new, "secret": secret} if secret else new
        return await self._state(account, identity, known)

    @override
    async def delete(self, account: Storage, identity: str, state: Plain) -> None:
        """Delete the user and with it what is attached to it."""
        try:
            await account.call(f"user {identity}", account.admin.user_remove, identity)
        except MissingError:
            return


class IamPolicy(Kind[Storage]):
    """A policy that users can be given."""

    token = "minio:index/iamPolicy:IamPolicy"  # noqa: S105 - a type token
    sdk = "pulumi_minio.iam_policy:IamPolicy"
    replaces = frozenset({"name", "namePrefix"})
    autonamed = "name"
    conflicts = (frozenset({"name", "namePrefix"}),)

    @override
    def mistakes(self, inputs: Plain) -> list[tuple[str, str]]:
        """Refuse a policy that is no JSON."""
        return _policy_mistakes(inputs)

    @override
    def comparable(self, name: str, value: Any, state: Plain) -> Any:
        """Compare policies by what they mean."""
        return canonical(value) if name == "policy" else value

    @staticmethod
    async def _state(account: Storage, name: str, known: Plain) -> Plain:
        what = f"policy {name}"
        told = json.loads(await account.call(what, account.admin.policy_info, name))
        held = told.get("Policy", told)
        text = known.get("policy", "")
        if canonical(text) != canonical(held):
            text = json.dumps(held, separators=(",", ":"))
        return {**known, "id": name, "name": name, "policy": text}

    async def _put(self, account: Storage, name: str, inputs: Plain) -> Plain:
        policy = json.loads(inputs["policy"])
        await account.call(f"policy {name}", account.admin.policy_add, name, policy=policy)
        return await self._state(account, name, inputs)

    @override
    async def create(self, account: Storage, inputs: Plain) -> tuple[str, Plain]:
        """Create the policy."""
        name = inputs["name"]
        return name, await self._put(account, name, inputs)

    @override
    async def read(self, account: Storage, identity: str, state: Plain) -> tuple[str, Plain] | None:
        """Return the policy as it is, in the words it was given in where they mean the same."""
        try:
            return identity, await self._state(account, identity, state)
        except MissingError:
            return None

    @override
    async def update(self, account: Storage, identity: str, old: Plain, new: Plain) -> Plain:
        """Overwrite the policy."""
        return await self._put(account, identity, new)

    @override
    async def delete(self, account: Storage, identity: str, state: Plain) -> None:
        """Delete the policy."""
        try:
            await account.call(f"policy {identity}", account.admin.policy_remove, identity)
        except MissingError:
            return


class IamUserPolicyAttachment(Kind[Storage]):
    """A policy given to a user."""

    token = "minio:index/iamUserPolicyAttachment:IamUserPolicyAttachment"  # noqa: S105 - a token
    sdk = "pulumi_minio.iam_user_policy_attachment:IamUserPolicyAttachment"
    replaces = frozenset({"policyName", "userName"})

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
        identity = f"{user}-{secrets.token_hex(13)}"
        return identity, {**inputs, "id": identity}

    @override
    async def read(self, account: Storage, identity: str, state: Plain) -> tuple[str, Plain] | None:
        """Say whether the user has the policy; for an import the id is `user/policy`."""
        if not state:
            user, slash, policy = identity.partition("/")
            if not slash:
                raise OperationError(f"{identity}: give the id to import as <user>/<policy>")
            identity = f"{user}-{secrets.token_hex(13)}"
            state = {"userName": user, "policyName": policy}
        try:
            held = await self._held(account, state["userName"])
        except MissingError:
            return None
        return (identity, {**state, "id": identity}) if state["policyName"] in held else None

    @override
    async def update(self, account: Storage, identity: str, old: Plain, new: Plain) -> Plain:
        """Return the inputs: whatever changes replaces."""
        return {**new, "id": identity}

    @override
    async def delete(self, account: Storage, identity: str, state: Plain) -> None:
        """Take the policy from the user, and leave it the others."""
        user, policy = state["userName"], state["policyName"]
        async with account.attaching:
            try:
                held = await self._held(account, user)
            except MissingError:
                return
            if policy in held:
                await self._hold(account, user, [name for name in held if name != policy])


class IamServiceAccount(Kind[Storage]):
    """An access key of a user; without a policy of its own it shows a change for ever."""

    token = "minio:index/iamServiceAccount:IamServiceAccount"  # noqa: S105 - a type token
    sdk = "pulumi_minio.iam_service_account:IamServiceAccount"
    replaces = frozenset({"targetUser"})
    defaults: ClassVar = {"disableUser": False, "updateSecret": False}
    secrets = frozenset({"secretKey"})

    @override
    def mistakes(self, inputs: Plain) -> list[tuple[str, str]]:
        """Refuse a policy that is no JSON."""
        return _policy_mistakes(inputs)

    @override
    def comparable(self, name: str, value: Any, state: Plain) -> Any:
        """Compare policies by what they mean."""
        if name != "policy" or not isinstance(value, str):
            return value
        # A text: the empty policy that stands for none is not blank, hence the change for ever.
        return json.dumps(canonical(value), sort_keys=True)

    @staticmethod
    async def _state(account: Storage, key: str, known: Plain) -> Plain:
        what = f"service account {key}"
        told = json.loads(await account.call(what, account.admin.get_service_account, key))
        state = {
            **known, "id": key, "accessKey": key, "targetUser": told["parentUser"],
            "status": told["accountStatus"], "disableUser": told["accountStatus"] == "off",
        }  # fmt: skip
        held = told.get("policy") or ""
        if canonical(held) != canonical(known.get("policy")):
            state["policy"] = held
        return state

    @override
    async def create(self, account: Storage, inputs: Plain) -> tuple[str, Plain]:
        """Create the account; the server makes its keys up."""
        user = inputs["targetUser"]
        policy = json.loads(inputs["policy"]) if inputs.get("policy") else _NO_POLICY
        what = f"service account of {user}"
        made = await account.call(what, account.admin.add_service_account_for, user, policy)
        key = made["accessKey"]
        if inputs.get("disableUser"):
            await self._change(account, key, status="off")
        known = {**inputs, "secretKey": made["secretKey"]}
        return key, await self._state(account, key, known)

    @staticmethod
    async def _change(account: Storage, key: str, **what: Any) -> None:
        change = account.admin.update_service_account
        await account.call(f"service account {key}", change, access_key=key, **what)

    @override
    async def read(self, account: Storage, identity: str, state: Plain) -> tuple[str, Plain] | None:
        """Return the account as it is; its secret key is known from its creation alone."""
        try:
            return identity, await self._state(account, identity, {**self.defaults, **state})
        except MissingError:
            return None

    @override
    async def update(self, account: Storage, identity: str, old: Plain, new: Plain) -> Plain:
        """Change status, policy, and the secret key where `updateSecret` says so."""
        status = "off" if new.get("disableUser") else "on"
        policy = json.loads(new["policy"]) if new.get("policy") else dict(_NO_POLICY)
        known = {**new, "secretKey": old.get("secretKey", "")}
        changed: Plain = {"status": status, "policy": policy}
        if new.get("updateSecret"):
            changed["secret_key"] = known["secretKey"] = secrets.token_urlsafe(30)
        await self._change(account, identity, **changed)
        return await self._state(account, identity, known)

    @override
    async def delete(self, account: Storage, identity: str, state: Plain) -> None:
        """Delete the account."""
        what = f"service account {identity}"
        try:
            await account.call(what, account.admin.delete_service_account, identity)
        except MissingError:
            return
