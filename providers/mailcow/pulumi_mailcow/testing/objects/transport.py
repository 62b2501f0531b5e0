"""Transports: one destination each; those with one nexthop share their login."""

import re
from typing import Any

from pulumi_mailcow.testing.call import Call, answers
from pulumi_mailcow.testing.objects.relayhost import escaped
from pulumi_mailcow.testing.php import (
    empty,
    intval,
    is_domain,
    is_email,
    is_pattern,
    split,
    trimmed,
)
from pulumi_mailcow.testing.store import Row

_BRACKETED = re.compile(r"\[(.+)\].*")
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]*:[0-9a-fA-F:]+")


def _bracketed(nexthop: str) -> str:
    return f"[{nexthop}]" if _ADDRESS.fullmatch(nexthop) else nexthop


def _bare(nexthop: str) -> str | None:
    found = _BRACKETED.search(nexthop)
    return found.group(1) if found else None


def _wrong_destination(destination: str, *, by_mx: bool) -> bool:
    if by_mx:
        return not is_pattern(destination)
    named = is_domain(destination.removeprefix(".")) or is_email(destination)
    return not named and destination != "*"


def _interferes(others: list[Row], nexthop: str) -> tuple[str, ...] | None:
    bare = _bare(nexthop)
    if bare is not None:
        if any(other["nexthop"] == bare for other in others):
            return ("next_hop_interferes", bare, nexthop)
    elif any(_bare(other["nexthop"]) == nexthop for other in others):
        return ("next_hop_interferes_any", nexthop)
    return None


def _destinations(call: Call, others: list[Row], *, by_mx: bool) -> list[str]:
    kept = []
    taken = {other["destination"] for other in others}
    for destination in dict.fromkeys(filter(None, split(call.data.get("destination")))):
        if destination in taken:
            call.danger("transport_dest_exists", destination)
        # The genuine API looks at destinations only where there is a transport already.
        elif others and _wrong_destination(destination, by_mx=by_mx):
            call.danger("invalid_destination", destination)
        else:
            kept.append(destination)
    return kept


@answers("add", "transport", log=("transport", "add"))
def add(call: Call) -> Any:
    """Add a transport for each destination of a list. The answer's log repeats the password."""
    if not call.admitted:
        return call.danger("access_denied")
    data = call.data
    nexthop = _bracketed(trimmed(data.get("nexthop")))
    username, password = escaped(data.get("username")), escaped(data.get("password"))
    if empty(nexthop):
        call.say("danger", ["invalid_nexthop"])
        return False
    others = call.store.rows("SELECT * FROM transports")
    for other in others:
        same = other["nexthop"] in {nexthop, _bare(nexthop) or nexthop}
        if same and other["username"] != username:
            return call.danger("invalid_nexthop_authenticated")
    by_mx = intval(data.get("is_mx_based"))
    destinations = _destinations(call, others, by_mx=by_mx == 1)
    if not destinations:
        return False
    interferes = _interferes(others, nexthop)
    if interferes:
        return call.danger(*interferes)
    for destination in destinations:
        call.store.insert(
            "transports", nexthop=nexthop, destination=destination, is_mx_based=by_mx,
            username=username, password=password, active=intval(data.get("active")),
        )  # fmt: skip
    _share_login(call, nexthop, username, password)
    call.success("relayhost_added", "")
    return None


def _share_login(call: Call, nexthop: str, username: str, password: str) -> None:
    call.store.update("transports", {"nexthop": nexthop}, username=username, password=password)


@answers("edit", "transport", log=("transport", "edit"))
def edit(call: Call) -> Any:
    """Change transports; without a user there is no password either."""
    for key in call.items:
        row = call.store.row("SELECT * FROM transports WHERE id = ?", key)
        if row is None:
            call.danger("relayhost_invalid", key)
            continue
        values = _edited(call, row)
        others = call.store.rows("SELECT * FROM transports WHERE id != ?", row["id"])
        if any(other["destination"] == values["destination"] for other in others):
            return call.danger("transport_dest_exists")
        if _wrong_destination(values["destination"], by_mx=values["is_mx_based"] == 1):
            return call.danger("invalid_destination", values["destination"])
        interferes = _interferes(others, values["nexthop"])
        if interferes:
            return call.danger(*interferes)
        call.store.update("transports", {"id": key}, **values)
        _share_login(call, values["nexthop"], values["username"], values["password"])
        call.success("object_modified", "")
    return None


def _edited(call: Call, row: Row) -> Row:
    data = call.data
    values: Row = {}
    for name in ("destination", "nexthop"):
        values[name] = row[name] if empty(data.get(name)) else trimmed(data[name])
    values["nexthop"] = _bracketed(values["nexthop"])
    for name in ("username", "password"):
        values[name] = trimmed(data[name]) if call.given(name) else row[name]
    for name in ("is_mx_based", "active"):
        sent = call.given(name) and data[name] != ""
        values[name] = intval(data[name]) if sent else row[name]
    if empty(values["username"]):
        values["password"] = ""
    return values


@answers("delete", "transport", log=("transport", "delete"))
def delete(call: Call) -> None:
    """Delete transports; one that is missing is a success too."""
    for key in call.items:
        call.store.delete("transports", id=key)
        call.success("relayhost_removed", str(key))


@answers("get", "transport")
def get(call: Call) -> Any:
    """Return one or all, passwords in clear."""
    if call.which != "all":
        row = call.store.row("SELECT * FROM transports WHERE id = ?", call.which)
        return _show(row) if row else None
    return [_show(row) for row in call.store.rows("SELECT * FROM transports ORDER BY id")]


def _show(row: Row) -> Row:
    return {**row, "password_short": row["password"][:3] + "..."}
