"""Hosts that forward mail to us: a name is expanded to the addresses it sends from."""

import re
from typing import Any

from pulumi_mailcow.testing.call import Call, answers
from pulumi_mailcow.testing.php import intval, text, trimmed
from pulumi_mailcow.testing.store import Row


def _expand(call: Call, host: str) -> list[str]:
    """Return the addresses behind a name: those of its SPF record, of its MX, its own."""
    found: list[str] = []
    for record in call.installation.lookup(host, "TXT"):
        if record.strip('"').startswith("v=spf1"):
            found += re.findall(r"\bip[46]:(\S+?)[\s\"]", record + " ")
    for record in call.installation.lookup(host, "MX"):
        found += call.installation.lookup(record.split()[1].rstrip("."), "A")
    if not found:
        found = call.installation.lookup(host, "A")
    return list(dict.fromkeys(found))


@answers("add", "fwdhost", log=("fwdhost", "add"))
def add(call: Call) -> Any:
    """Add a host, kept by address with the name that was given as its source."""
    if not call.admitted:
        return call.danger("access_denied")
    source = text(call.data.get("hostname"))
    host = trimmed(source)
    literal = re.fullmatch(r"[0-9a-fA-F:/]+|[0-9./]+", host)
    hosts = [host] if literal else _expand(call, host) if host else []
    if not hosts:
        return call.danger("invalid_host", host)
    filtered = intval(call.data.get("filter_spam")) == 1
    for address in hosts:
        call.store.hash_set("WHITELISTED_FWD_HOST", address, source)
        if filtered:
            call.store.hash_drop("KEEP_SPAM", address)
        else:
            call.store.hash_set("KEEP_SPAM", address, 1)
    call.success("forwarding_host_added", ", ".join(hosts))
    return None


@answers("edit", "fwdhost", log=("fwdhost", "edit"))
def edit(call: Call) -> None:
    """Change whether spam from a host is kept."""
    for item in call.items:
        if _details(call, item) is None:
            call.danger("access_denied")
            continue
        if intval(call.data.get("keep_spam")) == 1:
            call.store.hash_set("KEEP_SPAM", item, 1)
        else:
            call.store.hash_drop("KEEP_SPAM", item)
        call.success("object_modified", item)


@answers("delete", "fwdhost", log=("fwdhost", "delete"))
def delete(call: Call) -> None:
    """Delete hosts by address; one that is missing is a success too."""
    for item in call.items:
        call.store.hash_drop("WHITELISTED_FWD_HOST", text(item))
        call.store.hash_drop("KEEP_SPAM", text(item))
        call.success("forwarding_host_removed", text(item))


def _details(call: Call, host: object) -> Row | None:
    source = call.store.hash_get("WHITELISTED_FWD_HOST", text(host))
    if source is None:
        return None
    kept = call.store.hash_get("KEEP_SPAM", text(host)) is not None
    return {"host": host, "source": source, "keep_spam": "yes" if kept else "no"}


@answers("get", "fwdhost")
def get(call: Call) -> Any:
    """Return one or all."""
    if call.which != "all":
        return _details(call, call.which)
    return [_details(call, address) for address in call.store.hash_all("WHITELISTED_FWD_HOST")]
