"""MTA-STS policies: written by domain, read by senders of mail and not through the API."""

from datetime import UTC, datetime
from typing import Any

from pulumi_mailcow.testing.call import Call, answers
from pulumi_mailcow.testing.php import empty, intval, is_domain, text, to_ascii, trimmed
from pulumi_mailcow.testing.store import Row, Store

_ADD_LIMIT = 31536000
_EDIT_LIMIT = 31557600


def _complaint(domain: str, values: Row, limit: int, named: str) -> tuple[str, str] | None:
    if values["version"] != "stsv1":
        return ("version_invalid", named)
    if values["mode"] not in {"enforce", "testing", "none"}:
        return ("mode_invalid", domain)
    if not 0 < values["max_age"] <= limit:
        return ("max_age_invalid", domain)
    for host in values["mx"].split(","):
        if not is_domain(to_ascii(host), wildcard=True):
            return ("mx_invalid", host)
    return None


def _stamp() -> int:
    return int(datetime.now(UTC).strftime("%Y%m%d%H%M%S"))


def _hosts(value: object) -> str:
    return "".join(text(value).split())


@answers("add", "mta-sts", log=("mailbox", "add", "mta_sts"))
def add(call: Call) -> Any:
    """Add a policy; success is said in the plainest form, as nothing is reported."""
    data = call.data
    domain = to_ascii(trimmed(data.get("domain")))
    values: Row = {
        "version": text(data.get("version")).lower(),
        "mode": text(data.get("mode")).lower(),
        "mx": _hosts(data.get("mx")),
        "max_age": intval(data.get("max_age")),
    }
    if not call.hosts(domain):
        return call.danger("access_denied")
    complaint = _complaint(domain, values, _ADD_LIMIT, domain)
    if complaint:
        return call.danger(*complaint)
    if call.store.value("SELECT 1 FROM mta_sts WHERE domain = ?", domain):
        words = f"1062 Duplicate entry '{domain}' for key 'PRIMARY'"
        return call.danger(f"SQLSTATE[23000]: Integrity constraint violation: {words}")
    active = int(intval(data.get("active")) == 1)
    values["max_age"] = str(values["max_age"])
    call.store.insert("mta_sts", id=_stamp(), domain=domain, active=active, **values)
    return None


@answers("edit", "mta-sts", log=("mailbox", "edit", "mta_sts"))
def edit(call: Call) -> bool:
    """Change policies. The version must be sent: the kept one does not read back as valid."""
    for item in call.items:
        domain = to_ascii(text(item))
        row = call.store.row("SELECT * FROM mta_sts WHERE domain = ?", domain)
        if row is None or not call.hosts(domain):
            call.danger("access_denied")
            continue
        data = call.data
        values: Row = {
            "version": text(data["version"]).lower() if call.given("version") else "STSv1",
            "mode": text(data["mode"]).lower() if call.given("mode") else row["mode"],
            "mx": row["mx"] if empty(data.get("mx")) else _hosts(data["mx"]),
            "max_age": intval(data["max_age"] if call.given("max_age") else row["max_age"]),
        }
        complaint = _complaint(domain, values, _EDIT_LIMIT, values["version"])
        if complaint:
            call.danger(*complaint)
            continue
        values["max_age"] = str(values["max_age"])
        changed = any(row[name] != value for name, value in values.items())
        active = int(intval(data["active"] if call.given("active") else row["active"]) == 1)
        key = _stamp() if changed else row["id"]
        call.store.update("mta_sts", {"domain": domain}, id=key, active=active, **values)
        call.success("object_modified", domain)
    return True


def policy(store: Store, domain: str) -> str | None:
    """Return the policy that senders fetch, None if there is none or it is switched off."""
    target = store.value("SELECT target_domain FROM alias_domain WHERE alias_domain = ?", domain)
    row = store.row("SELECT * FROM mta_sts WHERE domain = ?", target or domain)
    if row is None or row["active"] != 1:
        return None
    lines = ["version: STSv1", f"mode: {row['mode']}", f"max_age: {row['max_age']}"]
    lines += [f"mx: {host}" for host in row["mx"].split(",")]
    return "\n".join(lines) + "\n"
