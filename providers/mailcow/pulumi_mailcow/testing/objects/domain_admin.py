"""People who administer some of the domains."""

import json
from typing import Any

from pulumi_mailcow.testing import passwords
from pulumi_mailcow.testing.call import Call, answers, attributes
from pulumi_mailcow.testing.objects import domain as domains
from pulumi_mailcow.testing.php import (
    alphanumeric,
    empty,
    intval,
    is_domain,
    listed,
    text,
    trimmed,
)
from pulumi_mailcow.testing.store import Row

_MASKED = ("password", "password2")
_DEFAULT_RIGHTS = {
    "syncjobs": 1, "quarantine": 1, "login_as": 1, "sogo_access": 1, "app_passwds": 1,
    "bcc_maps": 1, "pushover": 0, "filters": 1, "ratelimit": 1, "spam_policy": 1,
    "extend_sender_acl": 0, "unlimited_quota": 0, "protocol_access": 1, "smtp_ip_access": 1,
    "alias_domains": 0, "mailbox_relayhost": 1, "domain_relayhost": 1, "domain_desc": 0,
}  # fmt: skip


def _known(call: Call, domain: object) -> bool:
    return is_domain(domain) and domains.details(call, domain) is not None


@answers("add", "domain-admin", log=("domain_admin", "add"), masked=_MASKED)
def add(call: Call) -> Any:
    """Add an administrator for the domains of a list; those not known are left out."""
    data = call.data
    username = trimmed(data.get("username")).lower()
    wanted = listed(data.get("domains"))
    if not call.admitted:
        return call.danger("access_denied")
    if not wanted:
        return call.danger("domain_invalid")
    if not alphanumeric(username, "_.-"):
        return call.danger("username_invalid", username)
    taken = "SELECT 1 FROM admin WHERE username = ? UNION SELECT 1 FROM mailbox WHERE username = ?"
    if call.store.value(taken, username, username):
        return call.danger("object_exists", username)
    complaint = passwords.complaint(text(data.get("password")), text(data.get("password2")))
    if complaint:
        return call.danger(complaint)
    active = intval(data.get("active"))
    if _appoint(call, username, wanted, active):
        call.store.insert(
            "admin", username=username, active=active,
            password=passwords.hash_password(text(data["password"])),
        )  # fmt: skip
    call.store.insert("da_acl", username=username, acl=json.dumps(_DEFAULT_RIGHTS))
    call.success("domain_admin_added", username)
    return None


def _appoint(call: Call, username: str, wanted: list[Any], active: int) -> int:
    appointed = 0
    for domain in wanted:
        if not _known(call, domain):
            call.danger("domain_invalid", domain)
            continue
        call.store.insert(
            "domain_admins",
            username=username,
            domain=domain,
            active=active,
            created=call.store.now(),
        )
        appointed += 1
    return appointed


@answers("edit", "domain-admin", log=("domain_admin", "edit"), masked=_MASKED)
def edit(call: Call) -> Any:
    """Change administrators; what they may administer is replaced as a whole."""
    for item in call.items:
        shown = _details(call, item)
        if shown is None:
            call.danger("access_denied")
            continue
        data = call.data
        wanted = listed(data.get("domains")) or shown.get("selected_domains", [])
        unknown = next((domain for domain in wanted if not _known(call, domain)), None)
        name = shown["username"] if empty(data.get("username_new")) else text(data["username_new"])
        taken = name != shown["username"] and _details(call, name) is not None
        if unknown is not None:
            call.danger("domain_invalid", unknown)
        elif taken or not alphanumeric(name, "_.-"):
            call.danger("username_invalid", name)
        elif not _write(call, shown, name, wanted):
            return False
    return None


def _write(call: Call, shown: Row, name: str, wanted: list[Any]) -> bool:
    data, before = call.data, shown["username"]
    active = intval(data["active"]) if call.given("active") else shown["active"]
    call.store.delete("domain_admins", username=before)
    call.store.update("da_acl", {"username": before}, username=name)
    _appoint(call, name, wanted, active)
    flags = ("force_tfa", "force_pw_update")
    kept = {flag: str(int(bool(intval(data.get(flag))))) for flag in flags}
    values: Row = {"username": name, "active": active, "attributes": json.dumps(kept)}
    if not empty(data.get("password")):
        password = text(data["password"])
        complaint = passwords.complaint(password, text(data.get("password2")))
        if complaint:
            return call.danger(complaint)
        values["password"] = passwords.hash_password(password)
    call.store.update("admin", {"username": before}, **values)
    call.success("domain_admin_modified", before)
    return True


@answers("edit", "da-acl", log=("acl", "edit", "domainadmin"))
def edit_rights(call: Call) -> None:
    """Replace the rights of administrators; those not named are taken away."""
    chosen = listed(call.data.get("da_acl"))
    for item in call.items:
        if call.store.value("SELECT 1 FROM da_acl WHERE username = ?", item) is None:
            call.danger("Cannot determine current ACL")
            continue
        rights = json.dumps({name: int(name in chosen) for name in _DEFAULT_RIGHTS})
        call.store.update("da_acl", {"username": item}, acl=rights)
        call.success("acl_saved", item)


@answers("delete", "domain-admin", log=("domain_admin", "delete"))
def delete(call: Call) -> None:
    """Delete administrators."""
    for item in call.items:
        if _details(call, item) is None:
            call.danger("username_invalid", item)
            continue
        for table in ("domain_admins", "admin", "da_acl"):
            call.store.delete(table, username=item)
        call.success("domain_admin_removed", item)


def _details(call: Call, username: object) -> Row | None:
    rows = call.store.rows("SELECT * FROM domain_admins WHERE username = ?", username)
    if not rows:
        return None
    admin = call.store.row("SELECT * FROM admin WHERE username = ?", username)
    every = [row["domain"] for row in call.store.rows("SELECT domain FROM domain")]
    chosen = {row["domain"] for row in rows}
    shown: Row = {
        "username": rows[0]["username"],
        "tfa_active": 0,
        "tfa_active_int": 0,
        "active": rows[0]["active"],
        "active_int": rows[0]["active"],
        "created": rows[0]["created"],
        "attributes": attributes(admin) or {"force_tfa": "0", "force_pw_update": "0"},
    }
    selected = [row for row in every if row in chosen]
    if selected:
        shown["selected_domains"] = selected
    shown["unselected_domains"] = [row for row in every if row not in chosen] or ""
    return shown


@answers("get", "domain-admin")
def get(call: Call) -> Any:
    """Return one or all."""
    if call.which != "all":
        return _details(call, call.which)
    names = call.store.rows(
        "SELECT DISTINCT username FROM domain_admins WHERE username IN (SELECT username FROM admin)"
    )
    return [_details(call, name["username"]) for name in names]
