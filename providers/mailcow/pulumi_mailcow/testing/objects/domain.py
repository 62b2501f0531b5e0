"""Domains: quotas are written in MiB and read in bytes."""

from dataclasses import dataclass
from typing import Any

from pulumi_mailcow.testing.call import Call, answers
from pulumi_mailcow.testing.objects import dkim, rate_limit, tags
from pulumi_mailcow.testing.php import (
    empty,
    intval,
    is_domain,
    listed,
    text,
    to_ascii,
    to_unicode,
    trimmed,
)
from pulumi_mailcow.testing.store import Row

MIB = 1048576
_DEFAULTS = {
    "aliases": 400, "mailboxes": 10, "defquota": 3072, "maxquota": 10240, "quota": 10240,
    "active": 1, "gal": 1, "backupmx": 0, "relay_all_recipients": 0, "relay_unknown_only": 0,
}  # fmt: skip
_FLAGS = ("active", "gal", "backupmx", "relay_all_recipients", "relay_unknown_only")


@dataclass(frozen=True)
class _Usage:
    mailboxes: int
    biggest: int
    quota: int
    aliases: int


def _usage(call: Call, domain: str) -> _Usage:
    boxes = call.store.row(
        "SELECT COUNT(*) AS number, COALESCE(MAX(quota), 0) AS biggest,"
        " COALESCE(SUM(quota), 0) AS quota FROM mailbox WHERE kind = '' AND domain = ?",
        domain,
    )
    assert boxes is not None  # noqa: S101 - an aggregate always answers one row
    aliases = call.store.value(
        "SELECT COUNT(*) FROM alias WHERE (domain = ? OR domain IN (SELECT alias_domain FROM"
        " alias_domain WHERE target_domain = ?))"
        " AND address NOT IN (SELECT username FROM mailbox)",
        domain,
        domain,
    )
    return _Usage(boxes["number"], boxes["biggest"], boxes["quota"], aliases)


def details(call: Call, name: object) -> Row | None:
    """Return a domain as the API shows it; an alias domain shows its target."""
    name = to_ascii(text(name))
    if not call.hosts(name):
        return None
    target = call.store.value("SELECT target_domain FROM alias_domain WHERE alias_domain = ?", name)
    row = call.store.row("SELECT * FROM domain WHERE domain = ?", target or name)
    return _show(call, row) if row else None


def _show(call: Call, row: Row) -> Row:
    name = row["domain"]
    usage = _usage(call, name)
    most = min(row["quota"] * MIB - usage.quota, row["maxquota"] * MIB)
    admins = call.store.rows("SELECT username FROM domain_admins WHERE domain = ?", name)
    shown: Row = {
        "max_new_mailbox_quota": most,
        "def_new_mailbox_quota": min(most, row["defquota"] * MIB),
        "quota_used_in_domain": str(usage.quota),
        "bytes_total": 0,
        "msgs_total": 0,
        "mboxes_in_domain": usage.mailboxes,
        "mboxes_left": row["mailboxes"] - usage.mailboxes,
        "domain_name": name,
        "domain_h_name": to_unicode(name),
        "description": row["description"],
        "max_num_aliases_for_domain": row["aliases"],
        "max_num_mboxes_for_domain": row["mailboxes"],
        "def_quota_for_mbox": row["defquota"] * MIB,
        "max_quota_for_mbox": row["maxquota"] * MIB,
        "max_quota_for_domain": row["quota"] * MIB,
        "relayhost": row["relayhost"],
        "rl": rate_limit.find(call, name) or False,
        "created": row["created"],
        "modified": row["modified"],
        "aliases_in_domain": usage.aliases,
        "aliases_left": row["aliases"] - usage.aliases,
        "domain_admins": ", ".join(admin["username"] for admin in admins) or "-",
    }
    for flag in _FLAGS:
        shown[flag] = shown[f"{flag}_int"] = row[flag]
    found = tags.of(call, "tags_domain", "domain", name)
    if found:
        shown["tags"] = found
    return shown


def _complaint(values: Row) -> tuple[str, ...] | None:
    if values["defquota"] > values["maxquota"]:
        return ("mailbox_defquota_exceeds_mailbox_maxquota",)
    if values["maxquota"] > values["quota"]:
        return ("mailbox_quota_exceeds_domain_quota",)
    if not values["defquota"]:
        return ("defquota_empty",)
    if not values["maxquota"]:
        return ("maxquota_empty",)
    return None


def _imply(values: Row) -> None:
    if values["relay_all_recipients"] == 1:
        values["backupmx"] = 1
    if values["relay_unknown_only"] == 1:
        values["backupmx"] = values["relay_all_recipients"] = 1


@answers("add", "domain", log=("mailbox", "add", "domain"), masked=("password", "password2"))
def add(call: Call) -> Any:
    """Add a domain, with its rate limit, its tags, and a DKIM key unless `key_size` is 0."""
    if not call.admitted:
        return call.danger("access_denied")
    data = call.data
    name = to_ascii(trimmed(data.get("domain")))
    values = {
        key: intval(data[key]) if call.given(key) else default for key, default in _DEFAULTS.items()
    }
    complaint = _complaint(values)
    if complaint:
        return call.danger(*complaint)
    _imply(values)
    if not is_domain(name):
        return call.danger("domain_invalid")
    if call.hosts(name):
        return call.danger("domain_exists", name)
    if name == call.installation.hostname:
        return call.danger("domain_cannot_match_hostname")
    description = data.get("description")
    call.store.insert(
        "domain", domain=name, description=name if empty(description) else description, **values
    )
    tags.add(call, "tags_domain", "domain", name, listed(data.get("tags")))
    call.store.hash_set("DOMAIN_MAP", name, 1)
    _add_limit_and_key(call, name)
    call.success("domain_added", name)
    return True


def _add_limit_and_key(call: Call, name: str) -> None:
    data = call.data
    frame = data.get("rl_frame") if call.given("rl_frame") else "s"
    if intval(data.get("rl_value")) and not empty(frame):
        rate_limit.limit(call, name, data.get("rl_value"), frame)
    size = intval(data["key_size"]) if call.given("key_size") else 2048
    selector = text(data["dkim_selector"]) if call.given("dkim_selector") else "dkim"
    if not size or not selector:
        return
    if call.store.hash_get("DKIM_SELECTORS", name):
        call.success("domain_add_dkim_available")
    else:
        dkim.generate(call, name, selector, size)


@answers("edit", "domain", log=("mailbox", "edit", "domain"), masked=("password", "password2"))
def edit(call: Call) -> None:
    """Change domains; what is left out or empty stays."""
    for item in call.items:
        name = to_ascii(text(item))
        # Of an alias domain its target is looked at, and nothing written.
        target = call.store.value(
            "SELECT target_domain FROM alias_domain WHERE alias_domain = ?", name
        )
        row = call.store.row("SELECT * FROM domain WHERE domain = ?", target or name)
        if row is None or not is_domain(name):
            call.danger("domain_invalid")
            continue
        values = _edited(call, row)
        complaint = _complaint(values) or _in_use(call, name, values)
        if complaint:
            call.danger(*complaint)
            continue
        call.store.update("domain", {"domain": name}, **values)
        new_tags = call.data.get("tags")
        if isinstance(new_tags, list):
            tags.add(call, "tags_domain", "domain", name, new_tags)
        call.success("domain_modified", name)


def _edited(call: Call, row: Row) -> Row:
    data = call.data
    values: Row = {flag: intval(data[flag]) if call.given(flag) else row[flag] for flag in _FLAGS}
    for key in ("aliases", "maxquota", "quota"):  # an empty value, and 0, leave them as they are
        values[key] = row[key] if empty(data.get(key)) else intval(data[key])
    for key in ("mailboxes", "defquota"):
        kept = data.get(key) is None or data[key] == ""
        values[key] = row[key] if kept else intval(data[key])
    relayhost = intval(data["relayhost"]) if call.given("relayhost") else row["relayhost"]
    values["relayhost"] = str(relayhost)
    empty_text = empty(data.get("description"))
    values["description"] = row["description"] if empty_text else text(data["description"])
    _imply(values)
    return values


def _in_use(call: Call, name: str, values: Row) -> tuple[Any, ...] | None:
    usage = _usage(call, name)
    own_aliases = call.store.value(
        "SELECT COUNT(*) FROM alias WHERE domain = ? AND address NOT IN"
        " (SELECT username FROM mailbox)",
        name,
    )
    biggest, total = round(usage.biggest / MIB), round(usage.quota / MIB)
    if biggest > values["maxquota"]:
        return ("max_quota_in_use", str(biggest))
    if total > values["quota"]:
        return ("domain_quota_m_in_use", str(total))
    if usage.mailboxes > values["mailboxes"]:
        return ("mailboxes_in_use", usage.mailboxes)
    if own_aliases > values["aliases"]:
        return ("aliases_in_use", own_aliases)
    return None


@answers("delete", "domain", log=("mailbox", "delete", "domain"))
def delete(call: Call) -> Any:
    """Delete domains without mailboxes; one that is missing is a success too. Keys stay."""
    if call.which == "tag":
        return tags.delete_from_domain(call)
    for item in call.items:
        name = to_ascii(text(item))
        if not is_domain(name):
            call.danger("domain_invalid")
            continue
        if call.store.value("SELECT 1 FROM mailbox WHERE domain = ?", name):
            call.danger("domain_not_empty", name)
            continue
        _remove(call, name)
        call.success("domain_removed", name)
    return None


def _remove(call: Call, name: str) -> None:
    store = call.store
    for table in ("domain", "domain_admins", "alias", "mta_sts"):
        store.delete(table, domain=name)
    store.delete("alias_domain", target_domain=name)
    store.delete("filterconf", object=name)
    store.delete("bcc_maps", local_dest=name)
    store.run("DELETE FROM sender_acl WHERE logged_in_as LIKE ?", f"%@{name}")
    store.run("DELETE FROM admin WHERE username NOT IN (SELECT username FROM domain_admins)")
    store.run("DELETE FROM da_acl WHERE username NOT IN (SELECT username FROM domain_admins)")
    store.hash_drop("DOMAIN_MAP", name)
    store.hash_drop("RL_VALUE", name)


@answers("get", "domain")
def get(call: Call) -> Any:
    """Return one domain, or all of them, or those with any of the tags asked for."""
    if call.which != "all":
        return details(call, call.which)
    wanted = [part for part in call.query.get("tags", "").split(",") if part]
    names = [row["domain"] for row in call.store.rows("SELECT domain FROM domain ORDER BY domain")]
    if wanted:
        names = [
            name
            for name in names
            if any(
                tag.lower() in held.lower()
                for tag in wanted
                for held in tags.of(call, "tags_domain", "domain", name)
            )
        ]
    return [found for name in names if (found := details(call, name))]
