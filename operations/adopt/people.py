"""People: the mail domain, mailboxes and aliases in Mailcow, and what else it would act upon."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from operations.adopt.comparing import compared
from operations.adopt.model import Area, Match, Stranger, Supplied, Wanted, unsealed
from operations.site import Site
from pulumi_mailcow.catalogue import Catalogue, Row
from pulumi_mailcow.client import Client
from pulumi_mailcow.errors import MailcowError
from pulumi_mailcow.objects import BY_TOKEN
from pulumi_mailcow.objects.base import MailcowObject
from rehearsal.engine.values import Sealed

PREFIX = "mailcow:index:"
_PASSWORD = "a password cannot be read: the declared one is noted as the last written"  # noqa: S105
_WILL_BE_SET = "the next deployment sets the declared password"
_ONCE = "what is said at its creation alone is noted as declared"
_NOTES = {
    "Relayhost": "mail of a domain or mailbox that names it would leave by it",
    "Transport": "it decides before the declared smarthost",
    "TlsPolicyMap": "it decides on TLS to its destination",
}
_LISTED = ("Domain", "Mailbox", "Alias", "Relayhost", "Transport", "TlsPolicyMap")


def match_people(
    wanted: Sequence[Wanted],
    live: Mapping[str, Sequence[Row]],
    *,
    keep_passwords: bool = True,
) -> Area:
    """Match declared objects with Mailcow's.

    Args:
        wanted: Declared objects.
        live: Rows of Mailcow's API by the name of the resource class.
        keep_passwords: Whether passwords stay as they are. Otherwise the next deployment sets
            the declared ones.
    """
    area = Area("mailcow")
    known: set[tuple[str, str]] = set()
    for resource in wanted:
        item = BY_TOKEN[resource.kind]
        identity = item.identity(_values(item, resource.inputs))
        row = next(
            (r for r in live.get(resource.kind, ()) if item.identity_of(r) == identity), None
        )
        if row is None:
            area.missing.append(resource)
            continue
        known.add((resource.kind, identity))
        area.matches.append(_matched(item, resource, identity, row, keep_passwords=keep_passwords))
    for kind in _LISTED:
        item = BY_TOKEN[kind]
        area.strangers += [
            Stranger(item.noun, _said(item, row), _NOTES.get(kind, ""))
            for row in live.get(kind, ())
            if (kind, item.identity_of(row)) not in known and not _implied(kind, row, live)
        ]
    return area


def _implied(kind: str, row: Row, live: Mapping[str, Sequence[Row]]) -> bool:
    """Return whether Mailcow made it by itself: each mailbox is listed among the aliases too."""
    boxes = {str(item.get("username", "")) for item in live.get("Mailbox", ())}
    return kind == "Alias" and str(row.get("address", "")) in boxes


def _said(item: MailcowObject, row: Row) -> str:
    parsed = item.parse(row)
    goto = parsed.get("goto")
    said = item.identity_of(row)
    if item.token in {"Relayhost", "Transport"}:
        said = f"{said} {parsed.get('hostname') or parsed.get('nexthop') or ''}".rstrip()
    return f"{said} to {', '.join(goto)}" if goto else said


def _values(item: MailcowObject, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return declared inputs under the provider's own names."""
    return {
        property_.name: unsealed(inputs[property_.wire])
        for property_ in item.properties
        if property_.wire in inputs
    }


def _matched(
    item: MailcowObject, one: Wanted, identity: str, row: Row, *, keep_passwords: bool
) -> Match:
    parsed = item.parse(row)
    live = {
        item.named(name).wire: value
        for name, value in parsed.items()
        if any(known.name == name for known in item.properties)
    }
    # What is said of it at its creation alone, and never read.
    ignored = {p.wire for p in item.properties if p.only_at_creation}
    hidden = {p.wire for p in item.properties if not p.readable} & one.inputs.keys()
    unreadable = dict.fromkeys(hidden - ignored, _PASSWORD)
    supplied = None
    if "password" in unreadable and not keep_passwords:
        unreadable["password"] = _WILL_BE_SET
    elif hidden:
        supplied = _supplied(one, live, hidden, _PASSWORD if unreadable else _ONCE)

    def canonical(key: str, value: Any) -> Any:
        return value if value is None else item.named_on_wire(key).canonical(value)

    return compared(
        one,
        identity,
        live,
        canonical=canonical,
        replacing={p.wire for p in item.properties if p.replaces},
        ignored=ignored,
        unreadable=unreadable,
        supplied=supplied,
    )


def _supplied(
    one: Wanted, live: Mapping[str, Any], hidden: Collection[str], reason: str
) -> Supplied:
    """Return the state as it is after a creation: what was read, and what nobody can read."""
    noted = {key: one.inputs[key] for key in hidden}
    inputs = {key: live.get(key, value) for key, value in one.inputs.items()}
    return Supplied({**inputs, **noted}, {**live, **noted}, reason)


async def _rows(client: Client, domain: str) -> dict[str, list[Row]]:
    catalogue = Catalogue(client)
    return {kind: await catalogue.all(BY_TOKEN[kind].listing, domain) for kind in _LISTED}


async def look(site: Site, wanted: Sequence[Wanted], *, keep_passwords: bool) -> Area:
    """Read Mailcow and match it; where it cannot be asked, say so."""
    objects = [
        _with_password(site, resource) for resource in wanted if resource.type.startswith(PREFIX)
    ]
    try:
        live = await _rows(await site.mailcow(), site.declaration.domain)
    except FileNotFoundError as error:
        reason = (
            f"Mailcow cannot be asked: {error} is not on the host. Put the key of its API there "
            f"(read-write, from its administration), or as said for the host, and adopt again"
        )
    except MailcowError as error:
        reason = f"Mailcow cannot be asked: {error}"
    else:
        return match_people(objects, live, keep_passwords=keep_passwords)
    return Area("mailcow", missing=objects, unread=[reason])


def _with_password(site: Site, one: Wanted) -> Wanted:
    """Fill in the declared password: the genuine CLI's plan does not tell it."""
    if "password" not in one.inputs:
        return one
    known = site.passwords.get(one.text("localPart"))
    if known is None:
        return one
    return replace(one, inputs={**one.inputs, "password": Sealed(known)})
