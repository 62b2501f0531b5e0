"""MinIO's admin API, version 3: users, policies, service accounts."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from rehearsal.world.storage.identities import Caller, Identities, moment
from rehearsal.world.storage.refusal import RefusalError, access_denied
from rehearsal.world.storage.sealing import seal, unseal
from rehearsal.world.storage.store import Store

PREFIX = "/minio/admin/v3/"

_Handler = Callable[[Caller, Mapping[str, str], bytes], Awaitable[web.Response]]
_OWN_ACCOUNT = {
    "add-service-account", "info-service-account", "update-service-account",
    "delete-service-account", "list-service-accounts", "accountinfo",
}  # fmt: skip
"""What every user may do for itself."""


def _plain(value: Any) -> web.Response:
    return web.json_response(value)


async def _sealed(value: Any, caller: Caller) -> web.Response:
    text = json.dumps(value).encode()
    return web.Response(body=await asyncio.to_thread(seal, text, caller.secret_key))


async def _opened(body: bytes, caller: Caller) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(await asyncio.to_thread(unseal, body, caller.secret_key))
    return value


class Admin:
    """The admin API over a set of identities and a store."""

    def __init__(self, identities: Identities, store: Store) -> None:
        """Administer `identities`, and the quotas of the buckets of `store`."""
        self._identities = identities
        self._store = store
        self._handlers: dict[tuple[str, str], _Handler] = {
            ("PUT", "add-user"): self._add_user,
            ("DELETE", "remove-user"): self._remove_user,
            ("GET", "user-info"): self._user_info,
            ("GET", "list-users"): self._list_users,
            ("PUT", "set-user-status"): self._set_user_status,
            ("PUT", "add-canned-policy"): self._add_policy,
            ("GET", "info-canned-policy"): self._policy_info,
            ("GET", "list-canned-policies"): self._list_policies,
            ("DELETE", "remove-canned-policy"): self._remove_policy,
            ("PUT", "set-user-or-group-policy"): self._set_policy,
            ("POST", "idp/builtin/policy/attach"): self._attach,
            ("POST", "idp/builtin/policy/detach"): self._detach,
            ("GET", "idp/builtin/policy-entities"): self._entities,
            ("PUT", "add-service-account"): self._add_account,
            ("GET", "info-service-account"): self._account_info,
            ("POST", "update-service-account"): self._update_account,
            ("DELETE", "delete-service-account"): self._delete_account,
            ("GET", "list-service-accounts"): self._list_accounts,
            ("GET", "accountinfo"): self._own_info,
            ("GET", "info"): self._info,
            ("GET", "groups"): self._groups,
            ("GET", "get-bucket-quota"): self._get_quota,
            ("PUT", "set-bucket-quota"): self._set_quota,
        }

    async def answer(
        self, method: str, command: str, caller: Caller, query: Mapping[str, str], body: bytes
    ) -> web.Response:
        """Answer a command of the admin API.

        Raises:
            RefusalError: it is unknown, not allowed, or cannot be done.
        """
        handler = self._handlers.get((method, command))
        if handler is None:
            raise RefusalError(404, "XMinioAdminUnknownCommand", f"{method} {command} is unknown")
        if command not in _OWN_ACCOUNT and not caller.may("admin:*", "", {}):
            raise access_denied()
        try:
            return await handler(caller, query, body)
        except (ValueError, KeyError, TypeError) as error:
            message = f"malformed request: {type(error).__name__}"
            raise RefusalError(400, "XMinioAdminInvalidArgument", message) from None

    # Users

    async def _add_user(
        self, caller: Caller, query: Mapping[str, str], body: bytes
    ) -> web.Response:
        asked = await _opened(body, caller)
        status = asked.get("status", "enabled")
        self._identities.put_user(query["accessKey"], asked.get("secretKey", ""), status)
        return web.Response()

    async def _remove_user(
        self, _caller: Caller, query: Mapping[str, str], _body: bytes
    ) -> web.Response:
        self._identities.remove_user(query["accessKey"])
        return web.Response()

    async def _user_info(
        self, _caller: Caller, query: Mapping[str, str], _body: bytes
    ) -> web.Response:
        return _plain(self._identities.user(query["accessKey"]))

    async def _list_users(
        self, caller: Caller, _query: Mapping[str, str], _body: bytes
    ) -> web.Response:
        names = self._identities.users
        return await _sealed({name: self._identities.user(name) for name in names}, caller)

    async def _set_user_status(
        self, _caller: Caller, query: Mapping[str, str], _body: bytes
    ) -> web.Response:
        self._identities.set_status(query["accessKey"], query["status"])
        return web.Response()

    # Policies

    async def _add_policy(
        self, _caller: Caller, query: Mapping[str, str], body: bytes
    ) -> web.Response:
        self._identities.put_policy(query["name"], body)
        return web.Response()

    async def _policy_info(
        self, _caller: Caller, query: Mapping[str, str], _body: bytes
    ) -> web.Response:
        found = self._identities.policy(query["name"])
        return _plain(found if query.get("v") == "2" else found["Policy"])

    async def _list_policies(
        self, _caller: Caller, _query: Mapping[str, str], _body: bytes
    ) -> web.Response:
        own = {name: one["Policy"] for name, one in self._identities.policies.items()}
        return _plain(own)

    async def _remove_policy(
        self, _caller: Caller, query: Mapping[str, str], _body: bytes
    ) -> web.Response:
        self._identities.remove_policy(query["name"])
        return web.Response()

    async def _set_policy(
        self, _caller: Caller, query: Mapping[str, str], _body: bytes
    ) -> web.Response:
        if query.get("isGroup") == "true":
            raise RefusalError(404, "XMinioAdminNoSuchGroup", "The group does not exist.")
        names = [part for part in query.get("policyName", "").split(",") if part]
        self._identities.set_policies(query["userOrGroup"], names)
        return web.Response()

    async def _attach(self, caller: Caller, _query: Mapping[str, str], body: bytes) -> web.Response:
        return await self._change(caller, body, attach=True)

    async def _detach(self, caller: Caller, _query: Mapping[str, str], body: bytes) -> web.Response:
        return await self._change(caller, body, attach=False)

    async def _change(self, caller: Caller, body: bytes, *, attach: bool) -> web.Response:
        asked = await _opened(body, caller)
        changed = self._identities.change_policies(asked["user"], asked["policies"], attach=attach)
        name = "policiesAttached" if attach else "policiesDetached"
        return await _sealed({name: changed, "updatedAt": moment()}, caller)

    async def _entities(
        self, caller: Caller, query: Mapping[str, str], _body: bytes
    ) -> web.Response:
        users = {name: one["policies"] for name, one in self._identities.users.items()}
        wanted = {query["user"]} if query.get("user") else set(users)
        by_policy: dict[str, list[str]] = {}
        for name, names in users.items():
            for item in names:
                by_policy.setdefault(item, []).append(name)
        asked = query.get("policy")
        answer = {
            "timestamp": moment(),
            "userMappings": [
                {"user": name, "policies": names} for name, names in users.items() if name in wanted
            ],
            "policyMappings": [
                {"policy": name, "users": names, "groups": []}
                for name, names in by_policy.items() if not asked or name == asked
            ],
        }  # fmt: skip
        return await _sealed(answer, caller)

    # Service accounts

    def _own(self, caller: Caller, access_key: str) -> str:
        """Return the parent of a service account that the caller may look after."""
        parent = str(self._identities.account(access_key)["parentUser"])
        own = caller.access_key in {parent, access_key}
        if not own and not caller.may("admin:ListServiceAccounts", "", {}):
            raise access_denied()
        return parent

    async def _add_account(
        self, caller: Caller, _query: Mapping[str, str], body: bytes
    ) -> web.Response:
        asked = await _opened(body, caller)
        parent = asked.get("targetUser") or caller.access_key
        if parent != caller.access_key and not caller.may("admin:CreateServiceAccount", "", {}):
            raise access_denied()
        return await _sealed({"credentials": self._identities.add_account(parent, asked)}, caller)

    async def _account_info(
        self, caller: Caller, query: Mapping[str, str], _body: bytes
    ) -> web.Response:
        self._own(caller, query["accessKey"])
        return await _sealed(self._identities.account(query["accessKey"]), caller)

    async def _update_account(
        self, caller: Caller, query: Mapping[str, str], body: bytes
    ) -> web.Response:
        self._own(caller, query["accessKey"])
        self._identities.update_account(query["accessKey"], await _opened(body, caller))
        return web.Response(status=204)

    async def _delete_account(
        self, caller: Caller, query: Mapping[str, str], _body: bytes
    ) -> web.Response:
        self._own(caller, query["accessKey"])
        self._identities.remove_account(query["accessKey"])
        return web.Response(status=204)

    async def _list_accounts(
        self, caller: Caller, query: Mapping[str, str], _body: bytes
    ) -> web.Response:
        parent = query.get("user") or caller.access_key
        if parent != caller.access_key and not caller.may("admin:ListServiceAccounts", "", {}):
            raise access_denied()
        return await _sealed({"accounts": self._identities.accounts_of(parent)}, caller)

    # The rest

    async def _own_info(
        self, caller: Caller, _query: Mapping[str, str], _body: bytes
    ) -> web.Response:
        buckets = [
            {"name": name, "access": {"read": True, "write": True}}
            for name in self._store.buckets
            if caller.may("s3:ListBucket", name, {})
        ]
        return _plain({"AccountName": caller.access_key, "Buckets": buckets})

    async def _info(self, _caller: Caller, _query: Mapping[str, str], _body: bytes) -> web.Response:
        return _plain({"mode": "online", "deploymentID": "rehearsed", "servers": []})

    async def _groups(
        self, _caller: Caller, _query: Mapping[str, str], _body: bytes
    ) -> web.Response:
        return _plain([])

    async def _get_quota(
        self, _caller: Caller, query: Mapping[str, str], _body: bytes
    ) -> web.Response:
        kept = self._store.bucket(query["bucket"]).settings.get("-quota")
        return web.Response(text=kept or '{"quota":0,"size":0,"rate":0,"requests":0}',
                            content_type="application/json")  # fmt: skip

    async def _set_quota(
        self, _caller: Caller, query: Mapping[str, str], body: bytes
    ) -> web.Response:
        json.loads(body)
        self._store.bucket(query["bucket"]).set("-quota", body.decode())
        return web.Response()
