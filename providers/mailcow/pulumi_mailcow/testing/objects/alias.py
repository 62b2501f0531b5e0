"""Aliases: added in lists, found by id or address, a mailbox being an alias of itself."""

from typing import Any

from pulumi_mailcow.testing.call import Call, answers
from pulumi_mailcow.testing.objects import domain as domains
from pulumi_mailcow.testing.php import (
    address,
    empty,
    escaped,
    intval,
    is_email,
    listed,
    split,
    text,
    to_ascii,
)
from pulumi_mailcow.testing.store import Row

_SINKS = ("goto_null", "goto_spam", "goto_ham")
_COMMENT_LIMIT = 160


def details(call: Call, key: object) -> Row | None:
    """Return an alias by id or address; a mailbox's own entry is none."""
    row = call.store.row(
        # Asked for an address that begins with digits, the database finds that number.
        "SELECT * FROM alias WHERE (id = ? OR address = ?) AND address != goto ORDER BY id",
        intval(key),
        key,
    )
    if row is None or not call.hosts(row["domain"]):
        return None
    target = call.store.value(
        "SELECT target_domain FROM alias_domain WHERE alias_domain = ?", row["domain"]
    )
    return {
        "in_primary_domain": target or "",
        "id": row["id"],
        "domain": row["domain"],
        "public_comment": row["public_comment"],
        "private_comment": row["private_comment"],
        "goto": row["goto"],
        "address": row["address"],
        "is_catch_all": int(not is_email(row["address"])),
        "internal": row["internal"],
        "active": row["active"],
        "active_int": row["active"],
        "sogo_visible": row["sogo_visible"],
        "sogo_visible_int": row["sogo_visible"],
        "sender_allowed": row["sender_allowed"],
        "created": row["created"],
        "modified": row["modified"],
    }


def _sink(call: Call) -> str | None:
    for name in _SINKS:
        if intval(call.data.get(name)) == 1:
            return f"{name.removeprefix('goto_')}@localhost"
    return None


def _unique(gotos: list[str]) -> list[str]:
    return list(dict.fromkeys(filter(None, gotos)))


def _targets(call: Call) -> list[str]:
    kept = []
    for part in filter(None, split(call.data.get("goto"))):
        goto = address(part) if "@" in part else "@"
        resource = call.store.value("SELECT 1 FROM mailbox WHERE kind != '' AND username = ?", goto)
        if resource or not is_email(goto):
            call.danger("goto_invalid", escaped(goto))
        else:
            kept.append(goto)
    return _unique(kept)


@answers("add", "alias", log=("mailbox", "add", "alias"), masked=("password", "password2"))
def add(call: Call) -> Any:
    """Add one alias for each address of a list; a wrong target is left out with a complaint."""
    data = call.data
    addresses = split(data.get("address"))
    comments = {key: data.get(key) for key in ("public_comment", "private_comment")}
    if any(len(text(comment).encode()) > _COMMENT_LIMIT for comment in comments.values()):
        return call.danger("comment_too_long")
    if empty(addresses[0]):
        return call.danger("alias_empty")
    sink = _sink(call)
    if empty(split(data.get("goto"))[0]) and sink is None:
        return call.danger("goto_empty")
    gotos = [] if sink else _targets(call)
    if not gotos and sink is None:
        return False
    values = {
        # What is left out is off, here as in the genuine API.
        key: intval(data.get(key))
        for key in ("active", "internal", "sender_allowed", "sogo_visible")
    }
    for part in filter(None, addresses):
        if part not in gotos:
            goto = sink or ",".join(gotos)
            if not _add_one(call, part, {**values, **comments, "goto": goto}):
                return False
    return None


def _add_one(call: Call, part: str, values: Row) -> bool:
    """Add one alias; return False where the rest of the list is given up."""
    local, _, raw_domain = part.partition("@") if "@" in part else ("", "", "")
    domain = to_ascii(raw_domain)
    full = f"{local}@{domain}"
    shown = domains.details(call, domain)
    if shown and shown["aliases_left"] == 0:
        return call.danger("max_alias_exceeded")
    if _taken(call, full):
        call.danger("is_alias_or_mailbox", escaped(full))
    elif not call.hosts(domain):
        call.danger("domain_not_found", domain)
    elif local and not is_email(full):
        call.danger("alias_invalid", full)
    else:
        key = call.store.insert("alias", address=full, domain=domain, **values)
        call.success("alias_added", full, str(key))
    return True


def _taken(call: Call, full: str) -> bool:
    """Return whether an address leads somewhere already, alias domains counted."""
    local, _, domain = full.partition("@")
    if call.store.value("SELECT 1 FROM alias WHERE address = ?", full):
        return True
    target = call.store.value(
        "SELECT target_domain FROM alias_domain WHERE alias_domain = ?", domain
    )
    there = f"{local}@{target}"
    return bool(
        target
        and call.store.value("SELECT 1 FROM mailbox WHERE username = ?", there)
        and call.store.value("SELECT 1 FROM alias WHERE address = ?", there)
    )


@answers("edit", "alias", log=("mailbox", "edit", "alias"), masked=("password", "password2"))
def edit(call: Call) -> None:
    """Change aliases; a sink must be named again at every change or the target counts."""
    for item in call.items:
        row = details(call, item)
        if row is None:
            call.danger("alias_invalid", None)
            continue
        given = call.data.get("address")
        full = row["address"] if empty(given) else text(given)
        if full != row["address"]:
            full = address(full)
            if not _may_move(call, row["address"], full):
                continue
        goto = _sink(call) or _edited_targets(call, row, full)
        if goto:
            _write(call, row, full, goto)
        call.success("alias_modified", full)


def _may_move(call: Call, before: str, full: str) -> bool:
    local, _, domain = full.partition("@")
    if not call.hosts(domain):
        return call.danger("access_denied")
    if local and not is_email(full):
        return call.danger("alias_invalid", full)
    if before.lower() != full.lower() and _taken(call, full):
        return call.danger("is_alias_or_mailbox", full)
    return True


def _edited_targets(call: Call, row: Row, full: str) -> str:
    given = call.data.get("goto")
    kept = []
    for part in filter(None, split(row["goto"] if empty(given) else given)):
        if not is_email(part):
            call.danger("goto_invalid", part)
        elif part == full:
            call.danger("alias_goto_identical")
        else:
            call.store.delete("sender_acl", logged_in_as=part, send_as=full)
            kept.append(part)
    return ",".join(_unique(kept))


def _write(call: Call, row: Row, full: str, goto: str) -> None:
    flags = {
        key: intval(call.data[key]) if call.given(key) else row[key]
        for key in ("active", "internal", "sender_allowed", "sogo_visible")
    }
    comments = {
        key: text(call.data[key]) if call.given(key) else row[key]
        for key in ("public_comment", "private_comment")
    }
    domain = to_ascii(full.partition("@")[2])
    call.store.update(
        "alias", {"id": row["id"]}, address=full, domain=domain, goto=goto, **flags, **comments
    )


@answers("delete", "alias", log=("mailbox", "delete", "alias"))
def delete(call: Call) -> None:
    """Delete aliases by id or address."""
    for item in call.items:
        row = details(call, item)
        if row is None:
            call.danger("access_denied")
            continue
        call.store.delete("alias", id=row["id"])
        call.store.delete("sender_acl", send_as=row["address"])
        call.success("alias_removed", row["address"])


@answers("get", "alias")
def get(call: Call) -> Any:
    """Return one alias by id or address, or all of them."""
    if call.which != "all":
        return details(call, call.which)
    keys = call.store.rows("SELECT id, domain FROM alias WHERE address != goto ORDER BY domain, id")
    if call.extra:
        wanted = [domain.lower() for domain in call.extra.split(",")]
        keys = [key for key in keys if key["domain"].lower() in wanted]
    return [found for key in keys if (found := details(call, key["id"]))]


def gone_with(call: Call, username: str) -> None:
    """Take a deleted mailbox out of every alias."""
    like = f"%{username}%"
    for row in call.store.rows("SELECT id, goto FROM alias WHERE goto LIKE ?", like):
        parts = listed(row["goto"].split(","))
        left = [part for part in parts if part.lower() != username.lower()]
        if len(left) != len(parts):
            call.store.update("alias", {"id": row["id"]}, goto=",".join(left))
