"""Settings of mailboxes that have addresses of their own in the API."""

import json
from typing import Any

from pulumi_mailcow.testing.call import Call, answers, attributes
from pulumi_mailcow.testing.objects.mailbox import ACL, handle_tagged
from pulumi_mailcow.testing.php import intval, is_email, listed, numeric, text

_DEFAULT_SCORE = "8, 15"


def _set_attributes(call: Call, username: str, **values: str) -> None:
    row = call.store.row("SELECT * FROM mailbox WHERE username = ?", username)
    kept = {**attributes(row), **values}
    call.store.update("mailbox", {"username": username}, attributes=json.dumps(kept))
    call.success("mailbox_modified", username)


@answers("edit", "tls_policy", log=("mailbox", "edit", "tls_policy"))
def edit_tls_policy(call: Call) -> None:
    """Demand TLS of what a mailbox sends and receives."""
    for item in call.items:
        if not call.has_mailbox(item):
            call.danger("access_denied")
            continue
        names = ("tls_enforce_in", "tls_enforce_out")
        given = {name: str(intval(call.data[name])) for name in names if call.given(name)}
        _set_attributes(call, item, **given)


def _edit_choice(call: Call, name: str, choices: frozenset[str]) -> None:
    for item in call.items:
        if not call.has_mailbox(item):
            call.danger("access_denied")
            continue
        row = call.store.row("SELECT * FROM mailbox WHERE username = ?", item)
        choice = text(call.data[name]) if call.given(name) else attributes(row).get(name, "")
        if choice not in choices:
            call.danger("access_denied")
            continue
        _set_attributes(call, item, **{name: choice})


@answers("edit", "quarantine_notification", log=("mailbox", "edit", "quarantine_notification"))
def edit_quarantine_notification(call: Call) -> None:
    """Set how often a mailbox hears of its quarantine."""
    choices = frozenset({"never", "hourly", "daily", "weekly"})
    _edit_choice(call, "quarantine_notification", choices)


@answers("edit", "quarantine_category", log=("mailbox", "edit", "quarantine_category"))
def edit_quarantine_category(call: Call) -> None:
    """Set of what a mailbox hears."""
    _edit_choice(call, "quarantine_category", frozenset({"add_header", "reject", "all"}))


@answers("edit", "delimiter_action", log=("mailbox", "edit", "delimiter_action"))
def edit_delimiter_action(call: Call) -> None:
    """Set what becomes of mail to `name+tag`."""
    for item in call.items:
        if call.has_mailbox(item):
            handle_tagged(call, text(item), text(call.data.get("tagged_mail_handler")))
        else:
            call.danger("access_denied")


@answers("edit", "user-acl", log=("acl", "edit", "user"))
def edit_rights(call: Call) -> None:
    """Replace the rights of mailboxes; those not named are taken away."""
    chosen = listed(call.data.get("user_acl"))
    for item in call.items:
        if not call.has_mailbox(item):
            call.danger("access_denied")
            continue
        rights = json.dumps({name: int(name in chosen) for name in ACL})
        call.store.update("user_acl", {"username": item}, acl=rights)
        call.success("acl_saved", item)


@answers("edit", "spam-score", log=("mailbox", "edit", "spam_score"))
def edit_spam_score(call: Call) -> None:
    """Set the two scores of mailboxes, or `default`."""
    for item in call.items:
        if not call.has_mailbox(item):
            call.danger("access_denied")
            continue
        given = text(call.data.get("spam_score"))
        low, _, high = given.partition(",")
        high = high.partition(",")[0]
        if given != "default" and not (numeric(low) and numeric(high)):
            call.danger(
                'Invalid spam score, format must be "1,2" where first is low and second is high '
                "spam value."
            )
            continue
        for option in ("lowspamlevel", "highspamlevel"):
            call.store.delete("filterconf", object=item, option=option)
        if given != "default":
            if float(low) == float(high):
                high = f"{float(high) + 0.1:g}"
            call.store.insert("filterconf", object=item, option="highspamlevel", value=high)
            call.store.insert("filterconf", object=item, option="lowspamlevel", value=low)
        call.success("mailbox_modified", item)


@answers("get", "spam-score")
def get_spam_score(call: Call) -> Any:
    """Return both scores in one text without spaces; for what is no address, the server's."""
    if not is_email(call.which):
        return {"score": "".join(_DEFAULT_SCORE.split())}
    if not call.has_mailbox(call.which):
        return None
    query = "SELECT value FROM filterconf WHERE option = ? AND object = ?"
    low = call.store.value(query, "lowspamlevel", call.which)
    high = call.store.value(query, "highspamlevel", call.which)
    score = _DEFAULT_SCORE if low is None else f"{low}, {high}"
    return {"score": "".join(score.split())}
