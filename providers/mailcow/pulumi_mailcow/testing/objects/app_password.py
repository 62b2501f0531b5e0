"""App passwords: listed by mailbox, never shown, and moved by an edit that forgets whose."""

from typing import Any

from pulumi_mailcow.testing import passwords
from pulumi_mailcow.testing.call import Call, answers
from pulumi_mailcow.testing.php import (
    UncaughtError,
    empty,
    escaped,
    intval,
    is_email,
    listed,
    text,
    trimmed,
)
from pulumi_mailcow.testing.store import Row

_PROTOCOLS = (
    "imap_access", "smtp_access", "dav_access", "eas_access", "pop3_access", "sieve_access",
)  # fmt: skip
_MASKED = ("app_passwd", "app_passwd2")


def _whose(call: Call) -> str | None:
    """Return the mailbox that is meant; without one the API means itself."""
    username = call.data.get("username")
    if not is_email(username):
        return "API"
    return text(username) if call.has_mailbox(username) else None


@answers("add", "app-passwd", log=("app_passwd", "add"), masked=_MASKED)
def add(call: Call) -> Any:
    """Add a password for the protocols that are named."""
    username = _whose(call)
    domain = call.store.value("SELECT domain FROM mailbox WHERE username = ?", username)
    if username is None or domain is None:
        return call.danger("access_denied")
    data = call.data
    password = text(data.get("app_passwd"))
    complaint = passwords.complaint(password, text(data.get("app_passwd2")))
    if complaint:
        return call.danger(complaint)
    name = escaped(trimmed(data.get("app_name")))
    if empty(name):
        return call.danger("app_name_empty")
    chosen = listed(data.get("protocols"))
    call.store.insert(
        "app_passwd", name=name, mailbox=username, domain=domain,
        password=passwords.hash_password(password), active=intval(data.get("active")),
        **{protocol: int(protocol in chosen) for protocol in _PROTOCOLS},
    )  # fmt: skip
    call.success("app_passwd_added")
    return None


@answers("edit", "app-passwd", log=("app_passwd", "edit"), masked=_MASKED)
def edit(call: Call) -> Any:
    """Change passwords, their protocols and state."""
    username = _whose(call)
    if username is None:
        return call.danger("access_denied")
    data = call.data
    for key in call.items:
        row = call.store.row("SELECT * FROM app_passwd WHERE id = ?", key)
        if row is None:
            call.danger("app_passwd_id_invalid", key)
            continue
        password, repeated = text(data.get("app_passwd")), text(data.get("app_passwd2"))
        if password and repeated:
            complaint = passwords.complaint(password, repeated)
            if complaint:
                call.danger(complaint)
                continue
            hashed = passwords.hash_password(password)
            call.store.update("app_passwd", {"mailbox": username, "id": key}, password=hashed)
        call.store.update("app_passwd", {"id": key}, mailbox=username, **_edited(call, row))
        call.success("object_modified", ", ".join(text(item) for item in call.items))
    return None


def _edited(call: Call, row: Row) -> Row:
    data = call.data
    # What is left out is taken from what is shown, and encoded once more.
    name = escaped(row["name"]) if empty(data.get("app_name")) else trimmed(data["app_name"])
    values: Row = {"name": escaped(name)}
    chosen = listed(data.get("protocols"))
    for protocol in _PROTOCOLS:
        values[protocol] = int(protocol in chosen) if call.given("protocols") else row[protocol]
    values["active"] = intval(data["active"]) if call.given("active") else row["active"]
    return values


@answers("delete", "app-passwd", log=("app_passwd", "delete"), masked=_MASKED)
def delete(call: Call) -> Any:
    """Delete passwords; the first that is missing ends the request."""
    for key in call.items:
        if call.store.delete("app_passwd", id=key) == 0:
            return call.danger("app_passwd_id_invalid")
        call.success("app_passwd_removed", text(key))
    return None


@answers("get", "app-passwd")
def get(call: Call) -> Any:
    """Return all of a mailbox with their hashes; asking by id finds nothing."""
    if call.which != "all":
        raise UncaughtError("the function is asked for a mailbox that nobody named")
    rows = call.store.rows("SELECT * FROM app_passwd WHERE mailbox = ? ORDER BY id", call.extra)
    shown = [{**row, "name": escaped(row["name"])} for row in rows]
    return shown if call.has_mailbox(call.extra) else None
