"""Alias domains: every address of theirs is one of their target's."""

from typing import Any

from pulumi_mailcow.testing.call import Call, answers
from pulumi_mailcow.testing.objects import dkim, rate_limit
from pulumi_mailcow.testing.php import (
    empty,
    intval,
    is_domain,
    split,
    text,
    to_ascii,
    trimmed,
)
from pulumi_mailcow.testing.store import Row


def _row(call: Call, name: object) -> Row | None:
    return call.store.row("SELECT * FROM alias_domain WHERE alias_domain = ?", name)


@answers("add", "alias-domain", log=("mailbox", "add", "alias_domain"))
def add(call: Call) -> Any:
    """Add the alias domains of a list to one target."""
    target = to_ascii(trimmed(call.data.get("target_domain")))
    if not call.admitted:
        return call.danger("access_denied")
    if not is_domain(target):
        return call.danger("target_domain_invalid")
    if not call.hosts(target):
        return call.danger("access_denied")
    for part in filter(None, split(call.data.get("alias_domain"))):
        name = to_ascii(part)
        if not is_domain(name):
            call.danger("alias_domain_invalid", name)
        elif name == target:
            call.danger("aliasd_targetd_identical", target)
        elif call.store.value("SELECT 1 FROM domain WHERE domain = ?", target) is None:
            call.danger("targetd_not_found", target)
        elif call.hosts(name):
            call.danger("alias_domain_invalid", name)
        else:
            _insert(call, name, target)
    return None


def _insert(call: Call, name: str, target: str) -> None:
    data = call.data
    active = intval(data.get("active"))
    call.store.insert("alias_domain", alias_domain=name, target_domain=target, active=active)
    call.store.hash_set("DOMAIN_MAP", name, 1)
    if intval(data.get("rl_value")):
        rate_limit.limit(call, name, data.get("rl_value"), data.get("rl_frame"))
    if not empty(data.get("key_size")) and not empty(data.get("dkim_selector")):
        if call.store.hash_get("DKIM_SELECTORS", name):
            call.success("domain_add_dkim_available")
        else:
            dkim.generate(call, name, text(data["dkim_selector"]), intval(data["key_size"]))
    call.success("aliasd_added", name)


@answers("edit", "alias-domain", log=("mailbox", "edit", "alias_domain"))
def edit(call: Call) -> None:
    """Change target or state."""
    for item in call.items:
        name = to_ascii(text(item))
        row = _row(call, name)
        if row is None:
            call.danger("alias_domain_invalid", name)
            continue
        given = call.data.get("target_domain")
        target = row["target_domain"] if empty(given) else to_ascii(text(given))
        known = call.store.value("SELECT 1 FROM domain WHERE domain = ?", target)
        if not is_domain(target) or known is None:
            call.danger("target_domain_invalid", target)
            continue
        active = intval(call.data["active"]) if call.given("active") else row["active"]
        call.store.update(
            "alias_domain", {"alias_domain": name}, target_domain=target, active=active
        )
        call.success("aliasd_modified", name)


@answers("delete", "alias-domain", log=("mailbox", "delete", "alias_domain"))
def delete(call: Call) -> None:
    """Delete alias domains with their aliases."""
    for name in call.items:
        if not is_domain(name):
            call.danger("domain_invalid")
            continue
        if _row(call, name) is None:
            call.danger("access_denied")
            continue
        call.store.delete("alias_domain", alias_domain=name)
        call.store.delete("alias", domain=name)
        call.store.delete("bcc_maps", local_dest=name)
        call.store.hash_drop("DOMAIN_MAP", name)
        call.success("alias_domain_removed", name)


def _show(call: Call, row: Row) -> Row:
    parent = call.store.value("SELECT backupmx FROM domain WHERE domain = ?", row["target_domain"])
    return {
        "alias_domain": row["alias_domain"],
        "parent_is_backupmx": parent,
        "target_domain": row["target_domain"],
        "active": row["active"],
        "active_int": row["active"],
        "rl": rate_limit.find(call, row["alias_domain"]) or False,
        "created": row["created"],
        "modified": row["modified"],
    }


@answers("get", "alias-domain")
def get(call: Call) -> Any:
    """Return one or all."""
    if call.which == "all":
        return [_show(call, row) for row in call.store.rows("SELECT * FROM alias_domain")]
    row = _row(call, call.which)
    return _show(call, row) if row else None
