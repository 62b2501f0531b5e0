"""Policies of S3 storage (IAM and bucket policies, as MinIO reads them): who may do what to what.

`decide` answers for one request, `may_ever` for any: with conditions that a client might meet.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from readers.mistake import MistakeError

BUILT_IN: dict[str, dict[str, Any]] = {
    name: {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": actions, "Resource": ["arn:aws:s3:::*"]}],
    }
    for name, actions in {
        "readonly": ["s3:GetBucketLocation", "s3:GetObject"],
        "readwrite": ["s3:*"],
        "writeonly": ["s3:PutObject"],
        "diagnostics": ["admin:ServerInfo"],
        "consoleAdmin": ["admin:*", "s3:*"],
    }.items()
}
"""Policies that MinIO brings along."""


def _listed(value: Any) -> list[str]:
    if value is None:
        return []
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def _matches(pattern: str, value: str, *, fold: bool = False) -> bool:
    parts = (
        ".*" if part == "*" else "." if part == "?" else re.escape(part)
        for part in re.split(r"([*?])", pattern)
    )
    flags = re.DOTALL | (re.IGNORECASE if fold else 0)
    return re.fullmatch("".join(parts), value, flags) is not None


def parse(text: bytes | str | Mapping[str, Any]) -> dict[str, Any]:
    """Read a policy document.

    Raises:
        MistakeError: it is none.
    """
    try:
        policy: Any = dict(text) if isinstance(text, Mapping) else json.loads(text)
        statements = policy["Statement"]
        sound = policy.get("Version") in {"2012-10-17", "2008-10-17", None} and all(
            statement["Effect"] in {"Allow", "Deny"}
            and (statement.get("Action") or statement.get("NotAction"))
            and all(
                re.match(r"^(s3|admin|kms|sts):|^\*$", a) for a in _listed(statement.get("Action"))
            )
            for statement in statements
        )
    except (ValueError, KeyError, TypeError):
        sound = False
    if not sound:
        raise MistakeError("policy", "the document is malformed")
    result: dict[str, Any] = policy
    return result


def _equals(wanted: str, value: str) -> bool:
    return wanted == value


def _bool(wanted: str, value: str) -> bool:
    return wanted.lower() == value


_COMPARISONS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": _equals,
    "StringLike": _matches,
    "Bool": _bool,
}


def _conditions_hold(conditions: Mapping[str, Any], context: Mapping[str, str]) -> bool:
    for operator, wanted in conditions.items():
        base = operator.replace("StringNot", "String")
        compare = _COMPARISONS.get(base)
        if compare is None:
            return False
        for key, values in wanted.items():
            value = context.get(key.partition(":")[2].lower(), "")
            found = any(compare(text, value) for text in _listed(values))
            if found == (base != operator):
                return False
    return True


def _applies(
    statement: Mapping[str, Any], action: str, resource: str, context: Mapping[str, str]
) -> bool:
    if "NotAction" in statement:
        acts = not any(_matches(o, action, fold=True) for o in _listed(statement["NotAction"]))
    else:
        acts = any(_matches(text, action, fold=True) for text in _listed(statement.get("Action")))
    if not acts or not _conditions_hold(statement.get("Condition") or {}, context):
        return False
    if action.startswith("admin:"):
        return True
    where = f"arn:aws:s3:::{resource}"
    if "NotResource" in statement:
        return not any(_matches(text, where) for text in _listed(statement["NotResource"]))
    return any(_matches(text, where) for text in _listed(statement.get("Resource")))


def decide(
    policies: Iterable[Mapping[str, Any]], action: str, resource: str, context: Mapping[str, str]
) -> bool:
    """Return whether policies allow an action; a denial outweighs every permission."""
    allowed = False
    for policy in policies:
        for statement in policy["Statement"]:
            if _applies(statement, action, resource, context):
                if statement["Effect"] == "Deny":
                    return False
                allowed = True
    return allowed


def open_to_all(
    policy: Mapping[str, Any] | None, action: str, resource: str, context: Mapping[str, str]
) -> bool:
    """Return whether a bucket's policy lets anybody do this."""
    if policy is None:
        return False
    public = [item for item in policy["Statement"] if _names_anybody(item)]
    return decide([{"Statement": public}], action, resource, context)


def may_ever(policies: Iterable[Mapping[str, Any]], action: str, resource: str) -> bool:
    """Return whether policies could allow an action to somebody who meets their conditions.

    A condition of a permission may be met; one of a denial may not be.
    """
    allowed = False
    for policy in policies:
        for statement in policy["Statement"]:
            bare = {key: value for key, value in statement.items() if key != "Condition"}
            if not _applies(bare, action, resource, {}):
                continue
            if statement["Effect"] == "Allow":
                allowed = True
            elif not statement.get("Condition"):
                return False
    return allowed


def lets_strangers(policy: Mapping[str, Any]) -> bool:
    """Return whether a bucket's policy permits anything at all to people who have no key."""
    return any(
        statement["Effect"] == "Allow" and _names_anybody(statement)
        for statement in policy["Statement"]
    )


def _names_anybody(statement: Mapping[str, Any]) -> bool:
    if "NotPrincipal" in statement:
        return True  # everybody but a few
    principal = statement.get("Principal")
    if isinstance(principal, Mapping):
        return any("*" in _listed(names) for names in principal.values())
    return "*" in _listed(principal)
