"""Rate limits of domains and mailboxes, kept in Redis."""

from typing import Any

from pulumi_mailcow.testing.call import Call, answers
from pulumi_mailcow.testing.php import intval


def find(call: Call, name: str) -> dict[str, str] | None:
    """Return the limit of a domain or mailbox, both parts as text."""
    kept = call.store.hash_get("RL_VALUE", name)
    if kept is None:
        return None
    value, _, frame = kept.partition(" / 1")
    return {"value": value, "frame": frame}


def limit(call: Call, name: str, value: object, frame: object) -> None:
    """Set or, with a value of 0, remove a limit."""
    if frame not in {"s", "m", "h", "d"}:
        call.danger("rl_timeframe")
        return
    amount = intval(value)
    if amount:
        call.store.hash_set("RL_VALUE", name, f"{amount} / 1{frame}")
    else:
        call.store.hash_drop("RL_VALUE", name)
    call.success("rl_saved", name)


@answers("edit", "rl-domain", log=("ratelimit", "edit", "domain"))
def edit_domain(call: Call) -> None:
    """Limit domains."""
    for name in call.items:
        if call.data.get("rl_frame") in {"s", "m", "h", "d"} and not call.hosts(name):
            call.danger("access_denied")
            continue
        limit(call, str(name), call.data.get("rl_value"), call.data.get("rl_frame"))


@answers("edit", "rl-mbox", log=("ratelimit", "edit", "mailbox"))
def edit_mailbox(call: Call) -> None:
    """Limit mailboxes."""
    for name in call.items:
        if call.data.get("rl_frame") in {"s", "m", "h", "d"} and not call.has_mailbox(name):
            call.danger("access_denied")
            continue
        limit(call, str(name), call.data.get("rl_value"), call.data.get("rl_frame"))


@answers("get", "rl-domain")
def get_domain(call: Call) -> Any:
    """Return one limit, or all with the domain in each."""
    if call.which != "all":
        return find(call, call.which) if call.hosts(call.which) else None
    names = call.store.rows(
        "SELECT domain AS name FROM domain UNION ALL SELECT alias_domain FROM alias_domain"
    )
    limits = ((name["name"], find(call, name["name"])) for name in names)
    return [{**found, "domain": name} for name, found in limits if found]


@answers("get", "rl-mbox")
def get_mailbox(call: Call) -> Any:
    """Return one limit, or all with the mailbox in each."""
    if call.which != "all":
        return find(call, call.which) if call.has_mailbox(call.which) else None
    names = call.store.rows("SELECT username AS name FROM mailbox WHERE kind = ''")
    limits = ((name["name"], find(call, name["name"])) for name in names)
    return [{**found, "mailbox": name} for name, found in limits if found]
