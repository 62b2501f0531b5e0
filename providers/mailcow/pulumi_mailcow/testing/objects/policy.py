"""Allow and deny lists of domains and mailboxes."""

from typing import Any

from pulumi_mailcow.testing.call import Call, answers
from pulumi_mailcow.testing.php import alphanumeric, is_domain, is_email, numeric, trimmed

_LISTS = {"bl": "blacklist_from", "wl": "whitelist_from"}


def _add(call: Call, name: str, message: str) -> Any:
    sender = trimmed(call.data.get("object_from")).lower()
    if not alphanumeric(sender, "@_.-*"):
        return call.danger("policy_list_from_invalid")
    option = _LISTS.get(call.data.get("object_list") or "")
    if option is None:
        return call.danger("access_denied")
    known = call.store.value(
        "SELECT 1 FROM filterconf WHERE option IN ('whitelist_from', 'blacklist_from')"
        " AND object = ? AND value = ?",
        name,
        sender,
    )
    if known:
        return call.danger("policy_list_from_exists")
    call.store.insert("filterconf", object=name, option=option, value=sender)
    call.success(message, name)
    return None


@answers("add", "domain-policy", log=("policy", "add", "domain"))
def add_domain(call: Call) -> Any:
    """Add an entry to a list of a domain."""
    name = call.data.get("domain")
    if not is_domain(name) or not call.hosts(name):
        return call.danger("access_denied")
    return _add(call, str(name).lower(), "domain_modified")


@answers("add", "mailbox-policy", log=("policy", "add", "mailbox"))
def add_mailbox(call: Call) -> Any:
    """Add an entry to a list of a mailbox."""
    name = call.data.get("username")
    if not call.has_mailbox(name):
        return call.danger("access_denied")
    return _add(call, str(name), "mailbox_modified")


def _owner(call: Call, key: object) -> str:
    query = "SELECT object FROM filterconf WHERE prefid = ?"
    return str(call.store.value(query, key) or "") if numeric(key) else ""


@answers("delete", "domain-policy", log=("policy", "delete", "domain"))
def delete_domain(call: Call) -> None:
    """Delete entries of domains."""
    for key in call.items:
        if call.hosts(_owner(call, key)):
            call.store.delete("filterconf", prefid=key)
            call.success("item_deleted", key)
        else:
            call.danger("access_denied")


@answers("delete", "mailbox-policy", log=("policy", "delete", "mailbox"))
def delete_mailbox(call: Call) -> None:
    """Delete entries of mailboxes."""
    for key in call.items:
        if call.has_mailbox(_owner(call, key)):
            call.store.delete("filterconf", prefid=key)
            call.success("items_deleted", ", ".join(str(item) for item in call.items))
        else:
            call.danger("access_denied")


def _listed(call: Call, option: str, where: str, *values: object) -> list[dict[str, Any]]:
    query = "SELECT object, value, prefid FROM filterconf WHERE option = ? AND "
    return call.store.rows(f"{query}({where}) ORDER BY prefid", option, *values)


def _of_domain(call: Call, option: str) -> Any:
    if not call.hosts(call.which):
        return None
    domain = call.which.lower()
    return _listed(call, option, "object LIKE ? OR object = ?", f"%@{domain}", domain)


def _of_mailbox(call: Call, option: str) -> Any:
    if not is_email(call.which) or not call.has_mailbox(call.which):
        return None
    domain = call.which.rpartition("@")[2]
    return _listed(call, option, "object = ? OR object = ?", call.which, domain)


@answers("get", "policy_wl_domain")
def get_allowed_by_domain(call: Call) -> Any:
    """Return the allow list of a domain with those of its mailboxes."""
    return _of_domain(call, "whitelist_from")


@answers("get", "policy_bl_domain")
def get_denied_by_domain(call: Call) -> Any:
    """Return the deny list of a domain with those of its mailboxes."""
    return _of_domain(call, "blacklist_from")


@answers("get", "policy_wl_mailbox")
def get_allowed_by_mailbox(call: Call) -> Any:
    """Return the allow list of a mailbox with that of its domain."""
    return _of_mailbox(call, "whitelist_from")


@answers("get", "policy_bl_mailbox")
def get_denied_by_mailbox(call: Call) -> Any:
    """Return the deny list of a mailbox with that of its domain."""
    return _of_mailbox(call, "blacklist_from")
