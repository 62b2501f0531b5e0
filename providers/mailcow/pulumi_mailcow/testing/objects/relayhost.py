"""Sender-dependent relayhosts: no id is returned, and nothing keeps two from looking alike."""

from typing import Any

from pulumi_mailcow.testing.call import Call, answers
from pulumi_mailcow.testing.php import empty, intval, text, trimmed
from pulumi_mailcow.testing.store import Row, TooLongError


def escaped(value: object) -> str:
    """Return a login with its colons escaped, as it is kept after an add."""
    return trimmed(value).replace(":", r"\:")


@answers("add", "relayhost", log=("relayhost", "add"))
def add(call: Call) -> Any:
    """Add a relayhost. The answer's log repeats the password."""
    if not call.admitted:
        return call.danger("access_denied")
    hostname = trimmed(call.data.get("hostname"))
    if empty(hostname):
        return call.danger("invalid_host", "")
    try:
        call.store.insert(
            "relayhosts",
            hostname=hostname,
            username=escaped(call.data.get("username")),
            # Escaped twice over, colons in passwords being broken in the genuine one too.
            password=escaped(call.data.get("password")).replace(":", r"\:"),
        )
    except TooLongError as error:
        return call.danger("mysql_error", {"errorInfo": error.info})
    call.success("relayhost_added", "")
    return None


@answers("edit", "relayhost", log=("relayhost", "edit"))
def edit(call: Call) -> None:
    """Change relayhosts; nothing is escaped here."""
    for key in call.items:
        row = call.store.row("SELECT * FROM relayhosts WHERE id = ?", key)
        if row is None:
            call.danger("relayhost_invalid", key)
            continue
        data = call.data
        hostname = row["hostname"] if empty(data.get("hostname")) else trimmed(data["hostname"])
        login = {
            name: trimmed(data[name]) if call.given(name) else row[name]
            for name in ("username", "password")
        }
        active = intval(data["active"]) if call.given("active") else row["active"]
        try:
            call.store.update("relayhosts", {"id": key}, hostname=hostname, active=active, **login)
        except TooLongError as error:
            call.danger("mysql_error", {"errorInfo": error.info})
            continue
        call.success("object_modified", "")


@answers("delete", "relayhost", log=("relayhost", "delete"))
def delete(call: Call) -> None:
    """Delete relayhosts; domains are reset, mailboxes keep a number that leads nowhere."""
    for key in call.items:
        call.store.delete("relayhosts", id=key)
        call.store.update("domain", {"relayhost": text(key)}, relayhost="0")
        call.success("relayhost_removed", text(key))


def _details(call: Call, key: object) -> Row | None:
    row = call.store.row("SELECT * FROM relayhosts WHERE id = ?", key)
    if row is None:
        return None
    domains = call.store.rows("SELECT domain FROM domain WHERE relayhost = ?", str(row["id"]))
    boxes = call.store.rows(
        "SELECT username FROM mailbox WHERE json_extract(attributes, '$.relayhost') = ?",
        str(row["id"]),
    )
    return {
        **row,
        "password_short": row["password"][:3] + "...",
        "used_by_domains": ", ".join(domain["domain"] for domain in domains),
        "used_by_mailboxes": ", ".join(box["username"] for box in boxes),
    }


@answers("get", "relayhost")
def get(call: Call) -> Any:
    """Return one or all, passwords in clear."""
    if call.which != "all":
        return _details(call, call.which)
    keys = call.store.rows("SELECT id FROM relayhosts ORDER BY id")
    return [_details(call, key["id"]) for key in keys]
