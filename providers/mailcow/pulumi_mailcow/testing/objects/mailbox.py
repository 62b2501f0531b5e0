"""Mailboxes: quota in MiB in and bytes out, attributes read as text, passwords never read."""

import json
from typing import Any

from pulumi_mailcow.testing import passwords
from pulumi_mailcow.testing.call import Call, answers, attributes
from pulumi_mailcow.testing.objects import alias, rate_limit, tags
from pulumi_mailcow.testing.objects.domain import MIB
from pulumi_mailcow.testing.php import (
    empty,
    escaped,
    intval,
    is_domain,
    is_email,
    listed,
    split,
    text,
    to_ascii,
    trimmed,
)
from pulumi_mailcow.testing.store import Row, TooLongError

MASKED = ("password", "password2")
PROTOCOLS = ("imap", "pop3", "smtp", "sieve", "eas", "dav")
ACL = (
    "spam_alias", "tls_policy", "spam_score", "spam_policy", "delimiter_action", "syncjobs",
    "eas_reset", "sogo_profile_reset", "pushover", "quarantine", "quarantine_attachments",
    "quarantine_notification", "quarantine_category", "app_passwds", "pw_reset",
)  # fmt: skip
_OFF_BY_DEFAULT = frozenset({"syncjobs", "sogo_profile_reset", "pw_reset"})
_SWITCHES = {
    "force_pw_update": 0, "force_tfa": 0, "tls_enforce_in": 0, "tls_enforce_out": 0,
    "sogo_access": 1, **{f"{protocol}_access": 1 for protocol in PROTOCOLS},
}  # fmt: skip
_NOT_EDITED = frozenset({"tls_enforce_in", "tls_enforce_out"})  # edit/tls_policy alone does


def details(call: Call, username: object, *, reduced: bool = False) -> Row | None:
    """Return a mailbox as the API shows it."""
    row = call.store.row("SELECT * FROM mailbox WHERE username = ? AND kind = ''", username)
    if row is None or not call.hosts(row["domain"]):
        return None
    used = call.store.row("SELECT * FROM quota2 WHERE username = ?", username)
    if used is None:
        return _remnant()
    shown: Row = {
        "username": row["username"],
        "active": row["active"],
        "active_int": row["active"],
        "domain": row["domain"],
        "name": row["name"],
        "local_part": row["local_part"],
        "quota": row["quota"],
        "messages": used["messages"],
        "attributes": attributes(row),
        "custom_attributes": json.loads(row["custom_attributes"]) or [],
        "quota_used": used["bytes"],
        "percent_in_use": "- " if row["quota"] == 0 else 0,
        "created": row["created"],
        "modified": row["modified"],
        "authsource": row["authsource"],
        "percent_class": "info" if row["quota"] == 0 else "success",
        "last_imap_login": 0,
        "last_smtp_login": 0,
        "last_pop3_login": 0,
        "last_sso_login": 0,
    }
    if not reduced:
        shown.update(_context(call, row))
    found = tags.of(call, "tags_mailbox", "username", row["username"])
    if found:
        shown["tags"] = found
    return shown


def _remnant() -> Row:
    """Return what is shown of a mailbox without its row in `quota2`: it has nothing to join."""
    nulls = ("username", "active", "active_int", "domain", "name", "local_part", "quota",
             "messages", "attributes", "custom_attributes", "created", "modified",
             "is_relayed")  # fmt: skip
    return {
        **dict.fromkeys(nulls),
        "quota_used": 0,
        "percent_in_use": "- ",
        "authsource": "mailcow",
        "percent_class": "info",
        "last_imap_login": 0,
        "last_smtp_login": 0,
        "last_pop3_login": 0,
        "last_sso_login": 0,
        "max_new_quota": 0,
        "spam_aliases": 0,
        "pushover_active": 0,
        "rl": False,
        "rl_scope": "domain",
        "sender_acl": [],
    }


def _context(call: Call, row: Row) -> Row:
    limits = call.store.row(
        "SELECT maxquota, quota, backupmx FROM domain WHERE domain = ?", row["domain"]
    )
    assert limits is not None  # noqa: S101 - the domain was found to be ours just before
    used = call.store.value(
        "SELECT COALESCE(SUM(quota), 0) FROM mailbox WHERE kind = '' AND domain = ?",
        row["domain"],
    )
    own = rate_limit.find(call, row["username"])
    senders = call.store.rows(
        "SELECT send_as FROM sender_acl WHERE logged_in_as = ? AND external = 0", row["username"]
    )
    return {
        "max_new_quota": min(
            limits["quota"] * MIB - (used - row["quota"]), limits["maxquota"] * MIB
        ),
        "spam_aliases": 0,
        "pushover_active": 0,
        "rl": own or rate_limit.find(call, row["domain"]) or False,
        "rl_scope": "mailbox" if own else "domain",
        "is_relayed": limits["backupmx"],
        "sender_acl": [sender["send_as"] for sender in senders],
    }


def _name(given: object) -> str:
    return text(given).rstrip(">").lstrip("<")


def _spread_protocols(call: Call) -> None:
    if call.given("protocol_access"):
        chosen = listed(call.data["protocol_access"])
        for protocol in PROTOCOLS:
            call.data[f"{protocol}_access"] = int(protocol in chosen)


@answers("add", "mailbox", log=("mailbox", "add", "mailbox"), masked=MASKED)
def add(call: Call) -> Any:
    """Add a mailbox, its own alias, its access rights, its rate limit."""
    data = call.data
    local = trimmed(data.get("local_part")).lower()
    domain = to_ascii(trimmed(data.get("domain")))
    username = f"{local}@{domain}"
    if not is_email(username) or empty(data.get("local_part")):
        return call.danger("mailbox_invalid")
    _spread_protocols(call)
    category = text(data["quarantine_category"]) if call.given("quarantine_category") else "reject"
    if category not in {"add_header", "reject", "all"}:
        return call.danger("quarantine_category_invalid")
    if not call.hosts(domain):
        return call.danger("access_denied")
    quota = intval(data["quota"]) if call.given("quota") else 0
    refused = _refusal(call, username, domain, quota)
    if refused:
        return call.danger(*refused)
    active = intval(data["active"]) if call.given("active") else 1
    call.store.insert(
        "mailbox", username=username, local_part=local, domain=domain, quota=quota * MIB,
        password=passwords.hash_password(text(data["password"])), name=_name(data.get("name")),
        attributes=json.dumps(_new_attributes(call, category)), active=active,
    )  # fmt: skip
    tags.add(call, "tags_mailbox", "username", username, listed(data.get("tags")))
    call.store.insert("quota2", username=username)
    call.store.insert("alias", address=username, goto=username, domain=domain, active=active)
    _add_rights(call, username)
    call.success("mailbox_added", escaped(username))
    return None


def _refusal(  # noqa: PLR0911 - one return for each refusal, in the genuine order
    call: Call, username: str, domain: str, quota: int
) -> tuple[Any, ...] | None:
    store = call.store
    if store.value("SELECT 1 FROM mailbox WHERE username = ?", username):
        return ("object_exists", escaped(username))
    if store.value("SELECT 1 FROM alias WHERE address = ?", username):
        return ("is_alias", escaped(username))
    limits = store.row("SELECT * FROM domain WHERE domain = ?", domain)
    if limits is None:
        return ("domain_not_found", domain)
    password, repeated = text(call.data.get("password")), text(call.data.get("password2"))
    complaint = passwords.complaint(password, repeated)
    if complaint:
        return (complaint,)
    used = store.row(
        "SELECT COUNT(*) AS number, COALESCE(SUM(quota), 0) AS quota FROM mailbox"
        " WHERE kind = '' AND domain = ?",
        domain,
    )
    assert used is not None  # noqa: S101 - an aggregate always answers one row
    used_mib = round(used["quota"] / MIB)
    if used["number"] >= limits["mailboxes"]:
        return ("max_mailbox_exceeded", used["number"], limits["mailboxes"])
    if quota > limits["maxquota"]:
        return ("mailbox_quota_exceeded", limits["maxquota"])
    if used_mib + quota > limits["quota"]:
        return ("mailbox_quota_left_exceeded", limits["quota"] - used_mib)
    return None


def _new_attributes(call: Call, category: str) -> Row:
    data = call.data
    switches = {
        name: str(intval(data[name]) if call.given(name) else default)
        for name, default in _SWITCHES.items()
    }
    notification = data.get("quarantine_notification")
    return {
        **switches,
        "relayhost": str(intval(data.get("relayhost"))),
        "passwd_update": call.store.now(),
        "mailbox_format": "maildir:",
        "quarantine_notification": "hourly" if notification is None else text(notification),
        "quarantine_category": category,
        "attribute_hash": text(data.get("attribute_hash")),
    }


def _add_rights(call: Call, username: str) -> None:
    data = call.data
    if call.given("acl"):
        chosen = listed(data["acl"])
        rights = {name: int(name in chosen) for name in ACL}
    else:
        rights = {name: int(name not in _OFF_BY_DEFAULT) for name in ACL}
    call.store.insert("user_acl", username=username, acl=json.dumps(rights))
    if call.given("tagged_mail_handler"):
        handle_tagged(call, username, text(data["tagged_mail_handler"]))
    frame = data.get("rl_frame") if call.given("rl_frame") else "s"
    rate_limit.limit(call, username, data.get("rl_value"), frame)


def handle_tagged(call: Call, username: str, way: str) -> None:
    """Set what becomes of mail to `name+tag`: `subject`, `subfolder`, anything else nothing."""
    wanted = {"subject": "RCPT_WANTS_SUBJECT_TAG", "subfolder": "RCPT_WANTS_SUBFOLDER_TAG"}
    for name, key in wanted.items():
        if name == way:
            call.store.hash_set(key, username, 1)
        else:
            call.store.hash_drop(key, username)
    call.success("mailbox_modified", username)


@answers("edit", "mailbox", log=("mailbox", "edit", "mailbox"), masked=MASKED)
def edit(call: Call) -> Any:
    """Change mailboxes; what is left out or empty stays, the name cannot be cleared."""
    if call.which == "custom-attribute":
        return edit_custom_attributes(call)
    for item in call.items:
        if not is_email(item):
            call.danger("username_invalid", item)
            continue
        shown = details(call, item)
        if shown is None:
            call.danger("access_denied")
            continue
        _spread_protocols(call)
        try:
            _edit_one(call, shown, text(item))
        except TooLongError as error:
            return call.danger(str(error))
    return None


def _edit_one(call: Call, shown: Row, item: str) -> None:
    data, username = call.data, shown["username"]
    sent_quota = data.get("quota") is not None and data["quota"] != ""
    quota = intval(data["quota"]) if sent_quota else shown["quota"] // MIB
    if quota > shown["max_new_quota"] // MIB:
        call.danger("mailbox_quota_left_exceeded", shown["max_new_quota"] // MIB)
        return
    _edit_senders(call, username)
    password = data.get("password")
    if not empty(password):
        complaint = passwords.complaint(text(password), text(data.get("password2")))
        if complaint:
            call.danger(complaint)
            return
        kept = attributes(call.store.row("SELECT * FROM mailbox WHERE username = ?", username))
        kept["passwd_update"] = call.store.now()
        call.store.update(
            "mailbox",
            {"username": username},
            password=passwords.hash_password(text(password)),
            attributes=json.dumps(kept),
        )
    active = intval(data["active"]) if call.given("active") else shown["active"]
    call.store.update("alias", {"address": username}, active=active)
    call.store.update(
        "mailbox", {"username": username}, active=active, quota=quota * MIB,
        name=shown["name"] if empty(data.get("name")) else _name(data["name"]),
        attributes=json.dumps(_edited_attributes(call, username)),
    )  # fmt: skip
    if call.given("tagged_mail_handler"):
        handle_tagged(call, username, text(data["tagged_mail_handler"]))
    new_tags = data.get("tags")
    if isinstance(new_tags, list):
        tags.add(call, "tags_mailbox", "username", username, new_tags)
    call.success("mailbox_modified", item)


def _edited_attributes(call: Call, username: str) -> Row:
    data = call.data
    kept = attributes(call.store.row("SELECT * FROM mailbox WHERE username = ?", username))
    for name in _SWITCHES:
        if name not in _NOT_EDITED:
            kept[name] = str(intval(data[name] if call.given(name) else kept.get(name)))
    if call.given("relayhost"):
        kept["relayhost"] = str(intval(data["relayhost"]))
    recovery = data["pw_recovery_email"] if call.given("pw_recovery_email") else None
    kept["recovery_email"] = kept.get("recovery_email") if recovery is None else text(recovery)
    kept["attribute_hash"] = text(data.get("attribute_hash"))
    return kept


def _edit_senders(call: Call, username: str) -> None:
    """Write whom the mailbox may send as: addresses outside, then addresses of ours."""
    if call.given("extended_sender_acl"):
        call.store.delete("sender_acl", logged_in_as=username, external=1)
        named = None  # the complaint names the domain of the address before
        for part in filter(None, split(call.data["extended_sender_acl"])):
            bare = part.lstrip("@")
            domain = to_ascii(bare.rpartition("@")[2])
            named = domain if is_email(bare) else named
            if not is_email(bare) and not is_domain(bare):
                call.danger("extra_acl_invalid", escaped(bare))
            elif call.hosts(domain):
                call.danger("extra_acl_invalid_domain", named)
            else:
                sender = bare if is_email(bare) else f"@{bare}"
                call.store.insert("sender_acl", logged_in_as=username, send_as=sender, external=1)
    if not call.given("sender_acl"):
        return
    senders = [text(item) for item in listed(call.data["sender_acl"]) if item != "default"]
    senders = ["*"] if "*" in senders else senders
    call.store.delete("sender_acl", logged_in_as=username, external=0)
    for sender in senders:
        bare = sender.lstrip("@")
        ours = call.hosts(bare) if is_domain(bare) else _is_alias(call, sender)
        if sender != "*" and not ours:
            call.danger("sender_acl_invalid", sender)
            continue
        kept = f"@{bare}" if is_domain(bare) else sender
        call.store.insert("sender_acl", logged_in_as=username, send_as=kept)


def _is_alias(call: Call, sender: str) -> bool:
    return call.store.value("SELECT 1 FROM alias WHERE address = ?", sender) is not None


def edit_custom_attributes(call: Call) -> None:
    """Replace the custom attributes of mailboxes."""
    names, values = listed(call.data.get("attribute")), listed(call.data.get("value"))
    for item in call.items:
        if not call.has_mailbox(item):
            call.danger("access_denied")
            continue
        pairs = {text(name): text(value) for name, value in zip(names, values, strict=False)}
        call.store.update("mailbox", {"username": item}, custom_attributes=json.dumps(pairs))
        call.success("mailbox_modified", item)


@answers("delete", "mailbox", log=("mailbox", "delete", "mailbox"))
def delete(call: Call) -> Any:
    """Delete mailboxes and whatever hangs on them."""
    if call.which == "tag":
        return tags.delete_from_mailbox(call)
    for item in call.items:
        if not is_email(item) or not call.has_mailbox(item):
            call.danger("access_denied")
            continue
        call.store.delete("alias", goto=item)
        for table, key in (("quota2", "username"), ("mailbox", "username"),
                           ("sender_acl", "logged_in_as"), ("sender_acl", "send_as"),
                           ("filterconf", "object"), ("bcc_maps", "local_dest")):  # fmt: skip
            call.store.delete(table, **{key: item})
        alias.gone_with(call, item)
        call.store.hash_drop("RL_VALUE", item)
        call.success("mailbox_removed", item)
    return None


@answers("get", "mailbox")
def get(call: Call) -> Any:
    """Return one mailbox, or all (`all`, `reduced`), of the domains that the path names."""
    wanted = [part for part in call.query.get("tags", "").split(",") if part]
    if call.which in {"all", "reduced"}:
        found = _selected(call, wanted)
        return _all(call, found, reduced=call.which == "reduced")
    if not wanted:
        return details(call, call.which)
    call.nothing = "[]"
    return _all(call, _select(call, call.which, wanted), reduced=False)


def _selected(call: Call, wanted: list[str]) -> list[str]:
    domains = call.extra.split(",") if call.extra else []
    if not domains:
        return _select(call, None, wanted)
    # A domain that is not ours stands for all of them.
    named = [_select(call, name if call.hosts(name) else None, wanted) for name in domains]
    return [username for group in named for username in group]


def _select(call: Call, domain: str | None, wanted: list[str]) -> list[str]:
    found = call.store.rows(
        "SELECT username FROM mailbox WHERE kind = '' AND (? IS NULL OR domain = ?)"
        " ORDER BY domain, username",
        domain,
        domain,
    )
    names = [row["username"] for row in found]
    if not wanted:
        return names
    held = {name: tags.of(call, "tags_mailbox", "username", name) for name in names}
    return [
        name
        for name in names
        if any(tag.lower() in item.lower() for tag in wanted for item in held[name])
    ]


def _all(call: Call, names: list[str], *, reduced: bool) -> list[Row]:
    return [found for name in names if (found := details(call, name, reduced=reduced))]
