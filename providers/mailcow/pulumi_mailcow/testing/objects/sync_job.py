"""Jobs that fetch mail from elsewhere; their password is shown to whoever asks `with_password`."""

from typing import Any

from pulumi_mailcow.objects.sync_job import OPTIONS
from pulumi_mailcow.testing.call import Call, answers
from pulumi_mailcow.testing.php import (
    empty,
    intval,
    is_domain,
    is_email,
    is_pattern,
    numeric,
    text,
)
from pulumi_mailcow.testing.store import Row

_FLAGS = (
    "active", "subscribeall", "delete2duplicates", "delete1", "delete2", "skipcrossduplicates",
    "automap", "dry",
)  # fmt: skip
_BOUNDED = {"maxage": (32000, 0), "timeout1": (32000, 600), "timeout2": (32000, 600)}
_KEPT_WHEN_EMPTY = ("user1", "port1", "password1", "host1", "enc1", "mins_interval")
_TEXTS = ("subfolder2", "custom_params")


def _complaint(params: str) -> str | None:
    """Return what is said against options of imapsync: they are cut at every hyphen."""
    for part in filter(None, params.split("-")):
        name = part.partition("=")[0] if "=" in part else part.rstrip(" ")
        if " " in name:
            return "bad character SPACE"
        if name.lower() not in OPTIONS:
            return f"bad option {name}"
    return None


def _within(value: object, most: int) -> bool:
    return bool(numeric(value)) and 1 <= intval(value) <= most


def _sound(values: Row) -> bool:
    return (
        is_pattern(text(values["exclude"]))
        and _within(values["port1"], 65535)
        and _within(values["mins_interval"], 43800)
        and values["enc1"] in {"TLS", "SSL", "PLAIN"}
    )


def _bound(values: Row) -> None:
    for name, (most, default) in _BOUNDED.items():
        values[name] = intval(values[name]) if _within(values[name], most) else default
    speed = values["maxbytespersecond"]
    values["maxbytespersecond"] = text(speed) if _within(speed, 125000000) else "0"
    for name in ("port1", "mins_interval"):
        values[name] = intval(values[name])


@answers("add", "syncjob", log=("mailbox", "add", "syncjob"), masked=("password", "password2"))
def add(call: Call) -> Any:  # noqa: PLR0911 - one return for each refusal, in the genuine order
    """Add a job. The answer's log repeats the password."""
    data = call.data
    username = data.get("username")
    if not call.admitted:
        return call.danger("access_denied")
    if not is_email(username):
        return call.danger("no_user_defined")
    if not call.has_mailbox(username):
        return call.danger("access_denied")
    values: Row = {name: intval(data.get(name)) for name in _FLAGS}
    for name in (*_KEPT_WHEN_EMPTY, *_BOUNDED, "maxbytespersecond"):
        values[name] = data.get(name)
    for name in _TEXTS:
        values[name] = text(data.get(name)).strip()
    values["exclude"] = data.get("exclude")  # left out, it is what the column does not take
    complaint = _complaint(values["custom_params"])
    if complaint:
        return call.danger(complaint)
    values["host1"] = text(values["host1"]).lower()
    if not _sound(values):
        return call.danger("access_denied")
    _bound(values)
    known = call.store.value(
        "SELECT 1 FROM imapsync WHERE user2 = ? AND user1 = ? AND host1 = ?",
        username,
        values["user1"],
        values["host1"],
    )
    if known:
        return call.danger("object_exists", f"{values['host1']} / {values['user1']}")
    call.store.insert("imapsync", user2=username, **values)
    call.success("mailbox_modified", username)
    return None


@answers("edit", "syncjob", log=("mailbox", "edit", "syncjob"), masked=("password", "password2"))
def edit(call: Call) -> None:
    """Change jobs; what is left out or empty stays."""
    for key in call.items:
        row = call.store.row("SELECT * FROM imapsync WHERE id = ?", key)
        if row is None:
            call.danger("access_denied")
            continue
        values = _edited(call, row)
        complaint = _complaint(values["custom_params"])
        if complaint:
            call.danger(complaint)
            return
        if not _sound(values) or not is_domain(values["host1"]):
            call.danger("access_denied")
            continue
        _bound(values)
        call.store.update("imapsync", {"id": row["id"]}, **values)
        call.success("mailbox_modified", row["user2"])


def _edited(call: Call, row: Row) -> Row:
    data = call.data
    values: Row = {name: intval(data[name]) if call.given(name) else row[name] for name in _FLAGS}
    for name in _KEPT_WHEN_EMPTY:
        values[name] = row[name] if empty(data.get(name)) else data[name]
    for name in (*_BOUNDED, "maxbytespersecond"):
        sent = call.given(name) and data[name] != ""
        values[name] = data[name] if sent else row[name]
    for name in (*_TEXTS, "exclude"):
        values[name] = text(data[name]) if call.given(name) else row[name]
    if call.given("last_run"):
        values["last_run"] = None
    if call.given("success"):
        values["success"] = None
    return values


@answers("delete", "syncjob", log=("mailbox", "delete", "syncjob"))
def delete(call: Call) -> Any:
    """Delete jobs."""
    for key in call.items:
        if not numeric(key):
            return False
        if call.store.delete("imapsync", id=key):
            call.success("deleted_syncjob", key)
        else:
            call.danger("access_denied")
    return None


def _show(row: Row, asked: list[str]) -> Row:
    shown = dict(row)
    said = shown.pop("returned_text")
    if "with_password" not in asked or "no_log" in asked:
        del shown["password1"]
    shown["log"] = said if said and "no_log" not in asked else ""
    return shown


@answers("get", "syncjobs")
def get(call: Call) -> Any:
    """Return the jobs of a mailbox or all of them, with what the path asks for at its end."""
    query = "SELECT * FROM imapsync WHERE ? = 'all' OR user2 = ? ORDER BY id"
    rows = call.store.rows(query, call.which, call.which)
    return [_show(row, call.extra.split(",")) for row in rows]
