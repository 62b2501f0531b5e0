"""Maps of addresses: blind copies, and recipients that are rewritten."""

from typing import Any

from pulumi_mailcow.testing.call import Call, answers
from pulumi_mailcow.testing.php import (
    empty,
    intval,
    is_domain,
    is_email,
    numeric,
    text,
    to_ascii,
    trimmed,
)
from pulumi_mailcow.testing.store import Row


def _local(call: Call, destination: str) -> tuple[str, str] | None:
    """Return what is kept for a local destination and its domain, None if it is not ours."""
    if is_domain(destination):
        domain = to_ascii(destination)
        return (f"@{domain}", domain) if call.hosts(domain) else None
    domain = to_ascii(destination.rpartition("@")[2])
    query = "SELECT 1 FROM alias WHERE address = ? UNION SELECT 1 FROM mailbox WHERE username = ?"
    known = call.store.value(query, destination, destination)
    return (destination, domain) if known and call.hosts(domain) else None


def _bcc_taken(call: Call, local: str, kind: str, but: object = None) -> bool:
    query = "SELECT 1 FROM bcc_maps WHERE local_dest = ? AND type = ? AND id IS NOT ?"
    return call.store.value(query, local, kind, but) is not None


@answers("add", "bcc", log=("bcc", "add"))
def add_bcc(call: Call) -> Any:  # noqa: PLR0911 - one return for each refusal, in the genuine order
    """Add a blind copy; a domain is kept, and read, with an `@` in front."""
    if not call.admitted:
        return False
    data = call.data
    destination = trimmed(data.get("local_dest")).lower()
    kind, copy = data.get("type"), data.get("bcc_dest")
    if kind not in {"sender", "rcpt"}:
        return call.danger("invalid_bcc_map_type")
    if empty(copy):
        return call.danger("bcc_empty")
    if not is_domain(destination) and not is_email(destination):
        return False
    local = _local(call, destination)
    if local is None:
        return call.danger("access_denied")
    if not is_email(copy):
        return call.danger("bcc_must_be_email", text(copy))
    if _bcc_taken(call, local[0], kind):
        return call.danger("bcc_exists", local[0], kind)
    call.store.insert(
        "bcc_maps", local_dest=local[0], domain=local[1], bcc_dest=copy, type=kind,
        active=intval(data.get("active")),
    )  # fmt: skip
    call.success("bcc_saved")
    return None


@answers("edit", "bcc", log=("bcc", "edit"))
def edit_bcc(call: Call) -> None:
    """Change where copies go; whose mail is copied stays."""
    for key in call.items:
        row = call.store.row("SELECT * FROM bcc_maps WHERE id = ?", intval(key))
        if row is None:
            call.danger("access_denied")
            continue
        values = {
            name: row[name] if empty(call.data.get(name)) else text(call.data[name])
            for name in ("bcc_dest", "type")
        }
        if not is_email(values["bcc_dest"]):
            call.danger("bcc_must_be_email", values["bcc_dest"])
            continue
        if _bcc_taken(call, row["local_dest"], values["type"], row["id"]):
            call.danger("bcc_exists", row["local_dest"], values["type"])
            continue
        active = intval(call.data["active"]) if call.given("active") else row["active"]
        call.store.update("bcc_maps", {"id": row["id"]}, active=active, **values)
        call.success("bcc_edited", values["bcc_dest"])


@answers("delete", "bcc", log=("bcc", "delete"))
def delete_bcc(call: Call) -> Any:
    """Delete blind copies."""
    for key in call.items:
        if not numeric(key):
            return False
        if call.store.delete("bcc_maps", id=key):
            call.success("bcc_deleted", key)
        else:
            call.danger("access_denied")
    return None


@answers("get", "bcc")
def get_bcc(call: Call) -> Any:
    """Return one or all."""
    if call.which == "all":
        return call.store.rows("SELECT * FROM bcc_maps ORDER BY id")
    row = call.store.row("SELECT * FROM bcc_maps WHERE id = ?", intval(call.which))
    return row and {**row, "0": None}


def _sane(given: str) -> str | None:
    bare = given.removeprefix("@")
    if is_domain(bare):
        return f"@{to_ascii(bare)}"
    return bare if is_email(bare) else None


def _map_taken(call: Call, old: str, but: object = None) -> bool:
    query = "SELECT 1 FROM recipient_maps WHERE old_dest = ? AND id IS NOT ?"
    return call.store.value(query, old, but) is not None


@answers("add", "recipient_map", log=("recipient_map", "add"))
def add_recipient_map(call: Call) -> Any:
    """Add a rewriting of recipients."""
    if not call.admitted:
        return False
    given = {
        name: trimmed(call.data.get(f"recipient_map_{name}")).lower() for name in ("old", "new")
    }
    sane = {name: _sane(value) for name, value in given.items()}
    for name, value in sane.items():
        if value is None:
            return call.danger(f"invalid_recipient_map_{name}", given[name])
    old = str(sane["old"])
    if _map_taken(call, old):
        return call.danger("recipient_map_entry_exists", old)
    active = intval(call.data.get("active"))
    call.store.insert("recipient_maps", old_dest=old, new_dest=sane["new"], active=active)
    call.success("recipient_map_entry_saved", old)
    return None


@answers("edit", "recipient_map", log=("recipient_map", "edit"))
def edit_recipient_map(call: Call) -> Any:
    """Change rewritings."""
    for key in call.items:
        row = call.store.row("SELECT * FROM recipient_maps WHERE id = ?", intval(key))
        if row is None:
            call.danger("access_denied")
            continue
        values: Row = {}
        for name in ("old", "new"):
            given = call.data.get(f"recipient_map_{name}")
            value = row[f"{name}_dest"] if empty(given) else text(given)
            values[f"{name}_dest"] = _sane(value)
            if values[f"{name}_dest"] is None:
                call.danger(f"invalid_recipient_map_{name}", value)
                break
        else:
            if _map_taken(call, values["old_dest"], row["id"]):
                return call.danger("recipient_map_entry_exists", values["old_dest"])
            active = intval(call.data["active"]) if call.given("active") else row["active"]
            call.store.update("recipient_maps", {"id": row["id"]}, active=active, **values)
            call.success("recipient_map_entry_saved", values["old_dest"])
    return None


@answers("delete", "recipient_map", log=("recipient_map", "delete"))
def delete_recipient_map(call: Call) -> Any:
    """Delete rewritings; one that is missing is a success too."""
    for key in call.items:
        if not numeric(key):
            return False
        call.store.delete("recipient_maps", id=key)
        call.success("recipient_map_entry_deleted", text(key))
    return None


@answers("get", "recipient_map")
def get_recipient_map(call: Call) -> Any:
    """Return one or all."""
    columns = (
        "SELECT id, old_dest AS recipient_map_old, new_dest AS recipient_map_new, active,"
        " created, modified FROM recipient_maps"
    )
    if call.which == "all":
        return call.store.rows(f"{columns} ORDER BY id")
    row = call.store.row(f"{columns} WHERE id = ?", intval(call.which))
    return row and {**row, "0": None}
