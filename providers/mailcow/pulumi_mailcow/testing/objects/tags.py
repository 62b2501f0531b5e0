"""Tags of domains and mailboxes: they are only ever added, and removed one by one."""

import sqlite3
from collections.abc import Iterable
from typing import Any

from pulumi_mailcow.testing.call import Call
from pulumi_mailcow.testing.php import empty, is_domain, is_email, text

LIMIT = 25
"""Tags of one request beyond which the rest is left out."""


def add(call: Call, table: str, key: str, name: str, tags: Iterable[Any]) -> None:
    """Add tags. A domain tag that is there already ends the request; a mailbox tag does not.

    Raises:
        sqlite3.IntegrityError: a domain has the tag already.
    """
    for index, tag in enumerate(tags):
        if empty(tag):
            continue
        if index > LIMIT:
            call.say("warning", "tag_limit_exceeded", f"limit {LIMIT}")
            return
        try:
            call.store.insert(table, **{key: name, "tag_name": text(tag)})
        except sqlite3.IntegrityError:
            if table == "tags_domain":
                raise


def of(call: Call, table: str, key: str, name: str) -> list[str]:
    """Return the tags of one object."""
    query = f"SELECT tag_name FROM {table} WHERE {key} = ? ORDER BY tag_name"  # noqa: S608 - own names
    found = call.store.rows(query, name)
    return [row["tag_name"] for row in found]


def delete_from_domain(call: Call) -> Any:
    """Remove tags from the domain that the path names."""
    domain = call.extra
    if not is_domain(domain):
        call.danger("domain_invalid")
        return False
    if not call.hosts(domain):
        return call.danger("access_denied")
    for tag in call.items:
        call.store.delete("tags_domain", domain=domain, tag_name=text(tag))
    if not call.items:
        return False
    call.success("domain_modified", domain)
    return None


def delete_from_mailbox(call: Call) -> Any:
    """Remove tags from the mailbox that the path names."""
    username = call.extra
    if not is_email(username):
        call.danger("email invalid")
        return False
    if not call.has_mailbox(username):
        call.danger("access_denied")
        return False
    for tag in call.items:
        call.store.delete("tags_mailbox", username=username, tag_name=text(tag))
    if not call.items:
        return False
    call.success("mailbox_modified", username)
    return None
