"""Mailboxes and aliases: nobody is reached by accident, and everybody who must be is."""

from collections.abc import Iterator, Sequence
from datetime import date

from declaration.checks.registry import Finding, check
from declaration.mistakes import quoted, suggestion
from declaration.model import Declaration
from declaration.people import AliasSettings, MailboxSettings, local_target, names_of

REQUIRED = ("postmaster", "abuse")
"""Addresses that must reach a person (RFC 5321 section 4.5.1, RFC 2142 section 4)."""


@check("mailboxes", "aliases")
def _no_name_twice(declaration: Declaration, _today: date) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    everybody: tuple[tuple[str, Sequence[MailboxSettings | AliasSettings]], ...] = (
        ("mailboxes", declaration.mailboxes),
        ("aliases", declaration.aliases),
    )
    for key, people in everybody:
        kind = "a mailbox" if key == "mailboxes" else "an alias"
        for index, one in enumerate(people):
            if one.name in seen:
                message = f"{one.name} is {seen[one.name]} already; take one of the two out"
                yield (key, index, "name"), message
            seen.setdefault(one.name, kind)


@check("imports", "mailboxes", "domain")
def _imports(declaration: Declaration, today: date) -> Iterator[Finding]:
    boxes = [mailbox.name for mailbox in declaration.mailboxes]
    names: set[str] = set()
    sources: dict[tuple[str, str, str], str] = {}
    for index, source in enumerate(declaration.imports):
        place = ("imports", index)
        if source.name in names:
            yield (*place, "name"), f"{source.name} stands twice; take another name"
        names.add(source.name)
        if source.mailbox not in boxes:
            near = suggestion(source.mailbox, boxes) or "; add it"
            yield (*place, "mailbox"), f"there is no mailbox {source.mailbox}{near}"
        job = (source.mailbox, source.server, source.user)
        if job in sources:
            message = f"fetches the same as {sources[job]}; take one of the two out"
            yield (*place, "user"), message
        sources.setdefault(job, source.name)
        if f".{source.server}".endswith(f".{declaration.domain}"):
            yield (*place, "server"), f"{source.server} is our own; name the server of the old mail"
        if source.until < today:
            message = f"{source.until} has passed; take the import out, what it fetched stays"
            yield (*place, "until"), message


@check("mailboxes", "aliases", "domain")
def _alias_targets(declaration: Declaration, _today: date) -> Iterator[Finding]:
    known = dict.fromkeys(names_of(declaration.mailboxes, declaration.aliases))
    for index, alias in enumerate(declaration.aliases):
        outside = 0
        for number, target in enumerate(alias.to):
            place = ("aliases", index, "to", number)
            local = local_target(target, declaration.domain)
            if alias.to.index(target) < number:
                yield place, f"{target} stands twice; take one out"
            elif local is None:
                outside += 1
                yield from _outside_target(place, alias, target, declaration.domain)
            elif local not in known:
                near = suggestion(local, known)
                yield (
                    place,
                    f"{quoted(target)} is neither a mailbox nor an alias{near or '; add it'}",
                )
        if alias.outside and not outside:
            yield ("aliases", index, "outside"), "every target lies within the domain; say false"
        if alias.own_people_alone and not outside:
            message = (
                "every target lies within the domain, where strangers' mail arrives; say false"
            )
            yield ("aliases", index, "ownPeopleAlone"), message


def _outside_target(
    place: tuple[str | int, ...], alias: AliasSettings, target: str, own: str
) -> Iterator[Finding]:
    domain = target.rpartition("@")[2]
    if (
        target.count("@") != 1
        or "." not in domain
        or any(character.isspace() for character in target)
    ):
        yield place, f"{quoted(target)} is not an address"
    elif not alias.outside:
        message = f"{target} lies outside the domain; say outside: true if it is meant to"
        yield place, message
    elif not alias.own_people_alone:
        message = (
            f"{target} never gets what a stranger writes: the smarthost takes mail of {own} alone, "
            "so the stranger gets his mail back (550). Name a mailbox of the domain, or say "
            "ownPeopleAlone: true if it is for mail of your own people"
        )
        yield place, message


@check("mailboxes", "aliases", "domain")
def _no_loops(declaration: Declaration, _today: date) -> Iterator[Finding]:
    aliases = {alias.name: alias for alias in declaration.aliases}
    told: set[str] = set()
    for index, alias in enumerate(declaration.aliases):
        loop = _loop(alias.name, aliases, declaration.domain)
        if loop and not told & set(loop):
            told |= set(loop)
            way_out = "point one of them at a mailbox"
            yield ("aliases", index, "to"), f"goes in a circle: {' > '.join(loop)}; {way_out}"


def _loop(start: str, aliases: dict[str, AliasSettings], domain: str) -> list[str]:
    """Return the way from an alias back to itself, or nothing."""
    ways = [[start]]
    visited: set[str] = set()
    while ways:
        way = ways.pop()
        alias = aliases.get(way[-1])
        for target in alias.to if alias else ():
            local = local_target(target, domain)
            if local == start:
                return [*way, start]
            if local in aliases and local not in visited:
                visited.add(local)
                ways.append([*way, local])
    return []


@check("mailboxes", "aliases", "domain")
def _required_addresses(declaration: Declaration, _today: date) -> Iterator[Finding]:
    aliases = {alias.name: alias for alias in declaration.aliases}
    mailboxes = {mailbox.name for mailbox in declaration.mailboxes}
    places = {alias.name: index for index, alias in enumerate(declaration.aliases)}
    for name in REQUIRED:
        if name in mailboxes:
            continue
        if name not in aliases:
            yield ("aliases",), f"{name} is missing; add {{ name: {name}, to: [...] }} (RFC 2142)"
        elif not _reaches(name, aliases, mailboxes, declaration.domain):
            yield ("aliases", places[name], "to"), f"{name} must end in a mailbox of the domain"


def _reaches(
    start: str, aliases: dict[str, AliasSettings], mailboxes: set[str], domain: str
) -> bool:
    waiting, visited = [start], set[str]()
    while waiting:
        name = waiting.pop()
        if name in mailboxes:
            return True
        if name in aliases and name not in visited:
            visited.add(name)
            waiting += [local_target(target, domain) or "" for target in aliases[name].to]
    return False


@check("mailboxes", "aliases", "publishes_addresses")
def _what_the_website_shows(declaration: Declaration, _today: date) -> Iterator[Finding]:
    people: list[MailboxSettings | AliasSettings] = [
        *declaration.mailboxes, *declaration.aliases
    ]  # fmt: skip
    published = [person.name for person in people if person.published]
    if declaration.publishes_addresses and not published:
        message = "none is published: mark those on the website with published: true"
        yield ("mailboxes",), f"{message}, or say mail:publishesAddresses: false"
    elif published and not declaration.publishes_addresses:
        yield ("publishesAddresses",), f"{published[0]} is published; say true"


@check("mailboxes", "host")
def _quotas_fit_the_disk(declaration: Declaration, _today: date) -> Iterator[Finding]:
    quotas = sum(mailbox.quota_mib for mailbox in declaration.mailboxes)
    disk = declaration.host.disk_gib * 1024
    if quotas > disk:
        message = f"the quotas come to {quotas} MiB, more than the {disk} MiB of host.diskGib"
        yield ("mailboxes",), f"{message}; lower some"
