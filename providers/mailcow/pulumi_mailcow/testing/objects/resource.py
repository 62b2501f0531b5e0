"""Resources that are booked: rooms, things, groups. Kept as mailboxes of another kind."""

import re
from typing import Any

from pulumi_mailcow.testing.call import Call, answers
from pulumi_mailcow.testing.php import empty, intval, is_domain, is_email, text, to_ascii
from pulumi_mailcow.testing.store import Row

_KINDS = frozenset({"location", "group", "thing"})


@answers("add", "resource", log=("mailbox", "add", "resource"))
def add(call: Call) -> Any:  # noqa: PLR0911 - one return for each refusal, in the genuine order
    """Add a resource; its address is made from its description."""
    data = call.data
    domain = to_ascii(text(data.get("domain")))
    description = text(data.get("description"))
    local = re.sub(r"[^\da-zA-Z]", "", description)
    name = f"{local}@{domain}"
    if not is_email(name):
        return call.danger("resource_invalid")
    if empty(description):
        return call.danger("description_invalid")
    if data.get("kind") not in _KINDS:
        return call.danger("resource_invalid")
    if not is_domain(domain) or not call.hosts(domain):
        return call.danger("access_denied")
    if call.store.value("SELECT 1 FROM mailbox WHERE username = ?", name):
        return call.danger("object_exists", name)
    if call.store.value("SELECT 1 FROM alias WHERE address = ?", name):
        return call.danger("is_alias", name)
    call.store.insert(
        "mailbox", username=name, password="RESOURCE",  # noqa: S106 - what stands for none
        name=description, quota=0, local_part=local, domain=domain, kind=data["kind"],
        active=intval(data.get("active")),
        multiple_bookings=max(intval(data.get("multiple_bookings")), -1),
    )  # fmt: skip
    call.success("resource_added", name)
    return None


def _row(call: Call, name: object) -> Row | None:
    row = call.store.row("SELECT * FROM mailbox WHERE username = ? AND kind != ''", name)
    return row if row and call.hosts(row["domain"]) else None


@answers("edit", "resource", log=("mailbox", "edit", "resource"))
def edit(call: Call) -> None:
    """Change resources; their address stays."""
    for item in call.items:
        row = _row(call, item)
        kind = call.data.get("kind")
        kind = row["kind"] if row and empty(kind) else kind
        if row is None or kind not in _KINDS:
            call.danger("resource_invalid", item)
            continue
        data = call.data
        bookings = "multiple_bookings"
        call.store.update(
            "mailbox", {"username": row["username"]}, kind=kind,
            active=intval(data["active"]) if call.given("active") else row["active"],
            name=row["name"] if empty(data.get("description")) else text(data["description"]),
            multiple_bookings=max(intval(data[bookings]), -1)
            if call.given(bookings) else row[bookings],
        )  # fmt: skip
        call.success("resource_modified", item)


@answers("delete", "resource", log=("mailbox", "delete", "resource"))
def delete(call: Call) -> None:
    """Delete resources."""
    for item in call.items:
        if not is_email(item) or not call.has_mailbox(item):
            call.danger("access_denied")
            continue
        call.store.delete("mailbox", username=item)
        call.success("resource_removed", item)


def _show(row: Row) -> Row:
    return {
        "name": row["username"],
        "kind": row["kind"],
        "multiple_bookings": row["multiple_bookings"],
        "description": row["name"],
        "active": row["active"],
        "active_int": row["active"],
        "domain": row["domain"],
        "local_part": row["local_part"],
    }


@answers("get", "resource")
def get(call: Call) -> Any:
    """Return one or all."""
    if call.which != "all":
        row = _row(call, call.which)
        return _show(row) if row else None
    rows = call.store.rows("SELECT * FROM mailbox WHERE kind != '' ORDER BY domain, username")
    return [_show(row) for row in rows]
