"""Users, service accounts and named policies of the storage."""

import json
import os
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rehearsal.world.storage import policies
from rehearsal.world.storage.refusal import RefusalError


def moment() -> str:
    """Return the present moment in RFC 3339."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _no_such_user() -> RefusalError:
    return RefusalError(404, "XMinioAdminNoSuchUser", "The specified user does not exist.")


def _no_such_policy() -> RefusalError:
    return RefusalError(404, "XMinioAdminNoSuchPolicy", "The canned policy does not exist.")


def _no_such_account() -> RefusalError:
    return RefusalError(
        404, "XMinioInvalidIAMCredentials", "The specified service account is not found"
    )


@dataclass(frozen=True)
class Caller:
    """Who sent a request: access key, secret key for answers, and what applies to it."""

    access_key: str
    secret_key: str
    owner: bool
    layers: tuple[tuple[Mapping[str, Any], ...], ...]
    """Groups of policies; every group must allow what is done."""

    def may(self, action: str, resource: str, context: Mapping[str, str]) -> bool:
        """Return whether the caller may do this."""
        return all(policies.decide(layer, action, resource, context) for layer in self.layers)


class Identities:
    """Everything about who may come in, written to a file that its owner alone can read."""

    def __init__(self, file: Path, owner: tuple[str, str]) -> None:
        """Read what `file` holds; `owner` is the administrator's access and secret key."""
        self._file = file
        self.owner = owner
        self.users: dict[str, dict[str, Any]] = {}
        self.policies: dict[str, dict[str, Any]] = {}
        self.accounts: dict[str, dict[str, Any]] = {}
        if file.exists():
            kept = json.loads(file.read_bytes())
            self.users, self.policies = kept["users"], kept["policies"]
            self.accounts = kept["accounts"]

    def _save(self) -> None:
        scratch = self._file.with_suffix(".new")
        kept = {"users": self.users, "policies": self.policies, "accounts": self.accounts}
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(kept, file)
        scratch.replace(self._file)

    # Who calls

    def secret_of(self, access_key: str) -> str | None:
        """Return the secret key of whoever has this access key; None if nobody may use it."""
        if access_key == self.owner[0]:
            return self.owner[1]
        account = self.accounts.get(access_key)
        if account is not None and account["status"] == "on":
            secret: str = account["secretKey"]
            return secret if self.secret_of(account["parent"]) is not None else None
        user = self.users.get(access_key)
        if user is not None and user["status"] == "enabled":
            return str(user["secretKey"])
        return None

    def caller(self, access_key: str) -> Caller:
        """Return who has this access key, which must be one that `secret_of` knows."""
        secret = self.secret_of(access_key) or ""
        account = self.accounts.get(access_key)
        name = account["parent"] if account else access_key
        layers: list[tuple[Mapping[str, Any], ...]] = []
        if name == self.owner[0]:
            layers.append((policies.BUILT_IN["consoleAdmin"],))
        else:
            layers.append(tuple(self._documents(self.users[name]["policies"])))
        if account and account["policy"]:
            layers.append((account["policy"],))
        return Caller(access_key, secret, name == self.owner[0] and not account, tuple(layers))

    def _documents(self, names: Iterable[str]) -> Iterable[Mapping[str, Any]]:
        return [self.policy(name)["Policy"] for name in names if self._known(name)]

    # Users

    def put_user(self, name: str, secret: str, status: str) -> None:
        """Add a user, or change its secret and status."""
        if name == self.owner[0] or len(name) < 3 or re.search(r"[=,]", name):
            raise RefusalError(400, "XMinioAdminInvalidAccessKey", "The access key is invalid.")
        user = self.users.get(name)
        if not secret and user:
            secret = user["secretKey"]
        if len(secret) < 8:
            raise RefusalError(400, "XMinioAdminInvalidSecretKey", "The secret key is invalid.")
        self.users[name] = {
            "secretKey": secret, "status": "disabled" if status == "disabled" else "enabled",
            "policies": user["policies"] if user else [], "updatedAt": moment(),
        }  # fmt: skip
        self._save()

    def user(self, name: str) -> dict[str, Any]:
        """Return what is public about a user."""
        if name not in self.users:
            raise _no_such_user()
        user = self.users[name]
        return {
            "policyName": ",".join(user["policies"]), "status": user["status"],
            "updatedAt": user["updatedAt"], "userAuthInfo": {"type": "builtin"},
        }  # fmt: skip

    def set_status(self, name: str, status: str) -> None:
        """Enable or disable a user."""
        if name not in self.users:
            raise _no_such_user()
        self.users[name] |= {"status": status, "updatedAt": moment()}
        self._save()

    def remove_user(self, name: str) -> None:
        """Remove a user with its service accounts."""
        if self.users.pop(name, None) is None:
            raise _no_such_user()
        self.accounts = {k: one for k, one in self.accounts.items() if one["parent"] != name}
        self._save()

    # Policies

    def _known(self, name: str) -> bool:
        return name in self.policies or name in policies.BUILT_IN

    def put_policy(self, name: str, text: bytes) -> None:
        """Add a named policy, or replace it."""
        if not name or re.search(r"[,\s]", name):
            raise RefusalError(400, "XMinioAdminInvalidArgument", "Invalid policy name.")
        document = policies.parse(text)
        made = self.policies.get(name, {}).get("CreateDate") or moment()
        self.policies[name] = {
            "PolicyName": name, "Policy": document, "CreateDate": made, "UpdateDate": moment(),
        }  # fmt: skip
        self._save()

    def policy(self, name: str) -> dict[str, Any]:
        """Return a named policy with its dates."""
        if name in self.policies:
            return self.policies[name]
        if name in policies.BUILT_IN:
            return {"PolicyName": name, "Policy": policies.BUILT_IN[name]}
        raise _no_such_policy()

    def remove_policy(self, name: str) -> None:
        """Remove a named policy that nobody has."""
        if any(name in user["policies"] for user in self.users.values()):
            message = "The specified policy is in use"
            raise RefusalError(400, "XMinioAdminPolicyInUse", message)
        if self.policies.pop(name, None) is None:
            raise _no_such_policy()
        self._save()

    def set_policies(self, user: str, names: list[str]) -> None:
        """Give a user exactly these policies."""
        if user not in self.users:
            raise _no_such_user()
        if not all(self._known(name) for name in names):
            raise _no_such_policy()
        self.users[user] |= {"policies": sorted(names), "updatedAt": moment()}
        self._save()

    def change_policies(self, user: str, names: list[str], *, attach: bool) -> list[str]:
        """Attach policies to a user or detach them; return those that changed."""
        if user not in self.users:
            raise _no_such_user()
        had = set(self.users[user]["policies"])
        changed = set(names) - had if attach else set(names) & had
        if not changed:
            raise RefusalError(
                400, "XMinioAdminPolicyChangeAlreadyApplied",
                "The specified policy change is already in effect.",
            )  # fmt: skip
        self.set_policies(user, sorted(had | changed if attach else had - changed))
        return sorted(changed)

    # Service accounts

    def add_account(self, parent: str, asked: Mapping[str, Any]) -> dict[str, str]:
        """Add a service account of `parent` and return its credentials."""
        if parent != self.owner[0] and parent not in self.users:
            raise _no_such_user()
        access = asked.get("accessKey") or secrets.token_hex(10).upper()
        secret = asked.get("secretKey") or secrets.token_urlsafe(30)[:40]
        if access in self.accounts or access in self.users or access == self.owner[0]:
            raise RefusalError(
                409, "XMinioAccessKeyAlreadyExists", "The access key is already in use."
            )
        if not 3 <= len(access) <= 20:
            raise RefusalError(400, "XMinioAdminInvalidAccessKey", "The access key is invalid.")
        if len(secret) < 8:
            raise RefusalError(400, "XMinioAdminInvalidSecretKey", "The secret key is invalid.")
        self.accounts[access] = {
            "secretKey": secret, "parent": parent, "status": "on",
            "policy": policies.parse(asked["policy"]) if asked.get("policy") else None,
            "name": asked.get("name", ""), "description": asked.get("description", ""),
            "expiration": asked.get("expiration"),
        }  # fmt: skip
        self._save()
        return {"accessKey": access, "secretKey": secret, "expiration": "1970-01-01T00:00:00Z"}

    def account(self, access: str) -> dict[str, Any]:
        """Return what is public about a service account."""
        if access not in self.accounts:
            raise _no_such_account()
        account = self.accounts[access]
        document = account["policy"]
        if document is None:
            statements = [
                statement
                for layer in self.caller(access).layers[0]
                for statement in layer["Statement"]
            ]
            document = {"Version": "2012-10-17", "Statement": statements}
        answer = {
            "parentUser": account["parent"], "accountStatus": account["status"],
            "impliedPolicy": account["policy"] is None, "policy": json.dumps(document, indent=1),
            "name": account["name"], "description": account["description"],
        }  # fmt: skip
        if account["expiration"]:
            answer["expiration"] = account["expiration"]
        return {key: value for key, value in answer.items() if value != ""}

    def update_account(self, access: str, asked: Mapping[str, Any]) -> None:
        """Change a service account."""
        if access not in self.accounts:
            raise _no_such_account()
        account = self.accounts[access]
        if asked.get("newPolicy"):
            account["policy"] = policies.parse(asked["newPolicy"])
        if asked.get("newStatus"):
            account["status"] = "on" if asked["newStatus"] in {"on", "enabled"} else "off"
        for key in ("secretKey", "name", "description", "expiration"):
            given = asked.get(f"new{key[0].upper()}{key[1:]}")
            if given:
                account[key] = given
        self._save()

    def accounts_of(self, parent: str) -> list[dict[str, Any]]:
        """Return the service accounts of a user."""
        return [
            {"accessKey": access, "parentUser": parent, "accountStatus": account["status"],
             "impliedPolicy": account["policy"] is None}
            for access, account in self.accounts.items()
            if account["parent"] == parent
        ]  # fmt: skip

    def remove_account(self, access: str) -> None:
        """Remove a service account."""
        if self.accounts.pop(access, None) is None:
            raise _no_such_account()
        self._save()
