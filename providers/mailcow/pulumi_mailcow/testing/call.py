"""One request to the API, and the registry of what answers which."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from pulumi_mailcow.testing.php import is_domain
from pulumi_mailcow.testing.store import Store


@dataclass(frozen=True)
class Installation:
    """What the API knows of the installation around it.

    Attributes:
        hostname: `MAILCOW_HOSTNAME`.
        version: The release.
        containers: Returns the state of every container by service name.
        lookup: Asks the world's DNS: name and type in, data as text out.
    """

    hostname: str
    version: str
    containers: Callable[[], dict[str, str]]
    lookup: Callable[[str, str], list[str]]


@dataclass
class Call:
    """One request, and what was said to it so far.

    Attributes:
        data: The attributes that were sent.
        items: The objects that an edit or delete names.
        which: Third part of the path, such as `all` or `template`.
        extra: Fourth part of the path.
        admitted: Whether a key was given; without one every write is denied.
        lines: What was asked before, the latest first.
        nothing: Body of a get that finds nothing.
        said: Entries of the answer, in order.
    """

    store: Store
    installation: Installation
    data: dict[str, Any] = field(default_factory=dict)
    items: list[Any] = field(default_factory=list)
    which: str = ""
    extra: str = ""
    query: dict[str, str] = field(default_factory=dict)
    admitted: bool = True
    nothing: str = "{}"
    lines: Iterable[dict[str, Any]] = ()
    log: list[Any] = field(default_factory=list)
    said: list[dict[str, Any]] = field(default_factory=list)

    def say(self, kind: str, message: str | list[str], *values: object) -> None:
        """Add an entry to the answer; with values the message is a list, code first."""
        body: object = [message, *values] if values else message
        self.said.append({"type": kind, "log": self.log, "msg": body})

    def success(self, message: str, *values: object) -> None:
        """Say that something was done."""
        self.say("success", message, *values)

    def danger(self, message: str, *values: object) -> bool:
        """Say that something was refused; returns False, which a handler returns in turn."""
        self.say("danger", message, *values)
        return False

    def hosts(self, domain: object) -> bool:
        """Return whether `domain` is one of the installation's, alias domains included."""
        if not self.admitted or not is_domain(domain):
            return False
        known = "SELECT 1 FROM domain WHERE domain = ? UNION SELECT 1 FROM alias_domain "
        return self.store.value(known + "WHERE alias_domain = ?", domain, domain) is not None

    def has_mailbox(self, username: object) -> bool:
        """Return whether there is a mailbox or resource of this name in a domain of ours."""
        domain = self.store.value("SELECT domain FROM mailbox WHERE username = ?", username)
        return domain is not None and self.hosts(domain)

    def given(self, name: str) -> bool:
        """Return whether an attribute was sent and is not null."""
        return self.data.get(name) is not None


Handler = Callable[[Call], Any]


@dataclass(frozen=True)
class Route:
    """What answers one action on one kind of object.

    Attributes:
        handler: Answers; a list or object for a get, False for a failure that said nothing.
        log: How the answer's `log` begins.
        masked: Attributes that the log shows as `*`; the others are echoed in clear.
    """

    handler: Handler
    log: tuple[str, ...] = ()
    masked: tuple[str, ...] = ()


ROUTES: dict[tuple[str, str], Route] = {}
"""What answers, by action and category."""


def answers(
    action: str, category: str, *, log: tuple[str, ...] = (), masked: tuple[str, ...] = ()
) -> Callable[[Handler], Handler]:
    """Register a handler for an action on a category."""

    def register(handler: Handler) -> Handler:
        ROUTES[action, category] = Route(handler, log, masked)
        return handler

    return register


def begin_log(call: Call, route: Route) -> None:
    """Fill the log of a write: the function, and what it was given."""
    shown: dict[str, Any] = {"items": call.items} if call.items else {}
    shown.update(call.data)
    for name in route.masked:
        if shown.get(name) is not None:
            shown[name] = "*"
    call.log = [*route.log, shown, None]


def attributes(row: dict[str, Any] | None) -> dict[str, Any]:
    """Return the attributes column of a row as an object."""
    kept = (row or {}).get("attributes")
    found: dict[str, Any] = json.loads(kept) if kept else {}
    return found
