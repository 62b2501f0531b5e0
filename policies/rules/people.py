"""Mailboxes and aliases: nobody is reached by accident, and everybody who must be is."""

from collections import Counter
from collections.abc import Iterator

from declaration.people import AliasSettings, MailboxSettings
from policies.model import Area, Finding, Severity
from policies.registry import in_area
from policies.stack import DOMAIN, MAILBOX, Address, Stack

rule = in_area(Area.PEOPLE)

_REQUIRED = ("postmaster", "abuse")


def _declared_people(stack: Stack) -> list[MailboxSettings | AliasSettings]:
    return [*stack.declaration.mailboxes, *stack.declaration.aliases]


def key_of(stack: Stack, address: Address | str) -> str:
    """Return the key in the declaration from which an address comes."""
    text = address if isinstance(address, str) else address.address
    local = text.partition("@")[0]
    declaration = stack.declaration
    for index, mailbox in enumerate(declaration.mailboxes):
        if mailbox.name == local:
            return f"mail:mailboxes[{index}]"
    for index, alias in enumerate(declaration.aliases):
        if alias.name == local:
            return f"mail:aliases[{index}]"
    return "mail:aliases"


@rule(
    "people-required",
    Severity.HIGH,
    protects="postmaster and abuse reach a mailbox of the domain.",
    reason="They must be answered; block lists and large receivers write there first.",
    source="RFC 5321 section 4.5.1; RFC 2142 section 4",
    remedy="add the mailbox, or an alias that ends in one",
)
def _required(stack: Stack) -> Iterator[Finding]:
    for name in _REQUIRED:
        address = f"{name}@{stack.declaration.domain}"
        if not stack.reaches_mailbox(address):
            found = stack.served.get(address)
            broken = found and any(target in stack.served for target in found.goto)
            if (
                found
                and not broken
                and all(t.endswith(f"@{stack.declaration.domain}") for t in found.goto)
            ):
                continue  # every target is missing: `alias-targets-exist` says which
            message = f"{address} reaches no mailbox"
            key = key_of(stack, address)
            yield Finding(message, key, found.resource if found else None, address, absent=True)


@rule(
    "alias-targets-exist",
    Severity.HIGH,
    protects="Every target of an alias exists, or lies outside on purpose.",
    reason="Mailcow accepts the alias and bounces its mail; outside, the smarthost refuses what "
    "strangers write.",
    source="RFC 5321 section 3.9; https://resend.com/docs/send-with-smtp",
    remedy="add the target, correct it, or say outside: true and ownPeopleAlone: true",
)
def _targets(stack: Stack) -> Iterator[Finding]:
    domain = stack.declaration.domain
    outside = {f"{alias.name}@{domain}" for alias in stack.declaration.aliases if alias.outside}
    for alias in stack.addresses:
        for target in alias.goto:
            inside = target.endswith(f"@{domain}")
            if inside and target not in stack.served:
                message = f"{alias.address} hands on to {target}, which does not exist"
                yield Finding(message, key_of(stack, alias), alias.resource, target, absent=True)
            elif not inside and alias.address not in outside:
                message = f"{alias.address} hands on to {target}, outside the domain"
                yield Finding(message, key_of(stack, alias), alias.resource, target)
        if not alias.is_mailbox and not alias.goto:
            message = f"{alias.address} hands on to nobody"
            yield Finding(message, key_of(stack, alias), alias.resource)


@rule(
    "aliases-end",
    Severity.HIGH,
    protects="No alias leads back to itself.",
    reason="Mail in a circle is bounced after many rounds, or lost.",
    source="RFC 5321 section 6.3",
    remedy="break the circle",
)
def _loops(stack: Stack) -> Iterator[Finding]:
    done: set[str] = set()
    for alias in stack.addresses:
        if alias.is_mailbox or alias.address in done:
            continue
        circle = _circle(stack, alias, done)
        if circle:
            message = f"mail goes round: {' > '.join(circle)}"
            yield Finding(message, key_of(stack, alias), alias.resource, " > ".join(circle))


def _circle(stack: Stack, start: Address, done: set[str]) -> list[str]:
    """Return a way from an alias back onto itself, or nothing. Walks no alias twice."""
    way: list[str] = []
    stack_of_targets = [(start.address, iter(start.goto))]
    way.append(start.address)
    while stack_of_targets:
        address, targets = stack_of_targets[-1]
        target = next(targets, None)
        if target is None:
            stack_of_targets.pop()
            way.pop()
            done.add(address)
            continue
        if target in way:
            done.update(way)
            return [*way[way.index(target) :], target]
        found = stack.served.get(target)
        if found is not None and not found.is_mailbox and target not in done:
            stack_of_targets.append((target, iter(found.goto)))
            way.append(target)
    return []


@rule(
    "addresses-unique",
    Severity.HIGH,
    protects="No address stands twice.",
    reason="Mailcow refuses the second one, or the alias hides the mailbox.",
    source="https://docs.mailcow.email/manual-guides/mailcow-UI/",
    remedy="take one of the two out",
)
def _unique(stack: Stack) -> Iterator[Finding]:
    counts = Counter(address.address for address in stack.addresses)
    for address in stack.addresses:
        if counts[address.address] > 1:
            counts[address.address] = 0  # said once
            message = f"{address.address} stands twice"
            yield Finding(message, key_of(stack, address), address.resource, address.address)


@rule(
    "quotas-fit-disk",
    Severity.HIGH,
    protects="All mailboxes together fit the disk, however full they are.",
    reason="A full disk stops mail for everybody, and the database with it.",
    source="https://docs.mailcow.email/getstarted/prerequisite-system/",
    remedy="lower quotas, or declare a larger disk",
)
def _quotas(stack: Stack) -> Iterator[Finding]:
    disk = stack.declaration.host.disk_gib * 1024
    boxes = [address for address in stack.addresses if address.is_mailbox]
    for box in boxes:
        if box.quota_mib <= 0 and stack.get(box.resource, "quota") is not None:
            message = f"{box.address} has no quota"
            yield Finding(message, f"{key_of(stack, box)}.quotaMib", box.resource)
    total = sum(box.quota_mib for box in boxes)
    if total > disk:
        message = f"the quotas come to {total} MiB, more than the {disk} MiB of the disk"
        yield Finding(message, "mail:host.diskGib", seen=f"{total} MiB")
    for domain in stack.of_type(DOMAIN):
        quota = float(stack.get(domain, "quota") or 0)
        if quota > disk or quota <= 0:
            message = f"the domain may take {quota:.0f} MiB of {disk} MiB"
            yield Finding(message, "mail:host.diskGib", domain, f"{quota:.0f} MiB")


@rule(
    "published-addresses-exist",
    Severity.HIGH,
    protects="Every address that stands on the website is served.",
    reason="A customer who writes to it and gets a bounce does not write again.",
    source="declaration: mailboxes[].published, aliases[].published",
    remedy="add the mailbox or alias, or take the address off the website",
)
def _published(stack: Stack) -> Iterator[Finding]:
    declaration = stack.declaration
    people = _declared_people(stack)
    for person in people:
        address = f"{person.name}@{declaration.domain}"
        if person.published and address not in stack.served:
            message = f"{address} is published and not served"
            yield Finding(message, key_of(stack, address), seen=address, absent=True)


@rule(
    "people-declared",
    Severity.HIGH,
    protects="Mailboxes and aliases are the declared ones: nobody is missing, nobody hidden.",
    reason="A mailbox that nobody declared is a way in that nobody closes.",
    source="design: one declaration, everything follows from it",
    remedy="declare the address, or take it out",
)
def _people(stack: Stack) -> Iterator[Finding]:
    declaration = stack.declaration
    people = _declared_people(stack)
    declared = {f"{person.name}@{declaration.domain}": person for person in people}
    for text in stack.addresses:
        ours = text.address.endswith(f"@{declaration.domain}")
        if ours and text.address not in declared:
            message = f"{text.address} is served and not declared"
            yield Finding(message, "mail:mailboxes", text.resource, text.address)
    named = {f"{name}@{declaration.domain}" for name in _REQUIRED}
    targets = {target for address in stack.addresses for target in address.goto}
    for address, person in declared.items():
        if person.published or address in named or address in targets:
            continue  # those have rules of their own
        if address not in stack.served:
            message = f"{address} is declared and not served"
            yield Finding(message, key_of(stack, address), seen=address, absent=True)


@rule(
    "one-tenant",
    Severity.CRITICAL,
    protects="The stack serves the declared domain and no other.",
    reason="A second domain shares keys, quotas and administrators with the first.",
    source="design: one company, one stack",
    remedy="give the other domain a stack of its own",
)
def _tenant(stack: Stack) -> Iterator[Finding]:
    domain = stack.declaration.domain
    for resource in stack.of_type(
        DOMAIN, MAILBOX, "mailcow:index:DkimKey", "mailcow:index:DomainAdmin"
    ):
        given = stack.text(resource, "domain") or domain
        if given != domain:
            yield Finding(f"{resource.name} belongs to {given}", "mail:domain", resource, given)
    for alias in stack.addresses:
        place = alias.address.partition("@")[2]
        if not alias.is_mailbox and place and place != domain:
            message = f"{alias.resource.name} belongs to {place}"
            yield Finding(message, "mail:domain", alias.resource, place)
    if not any(stack.text(resource, "domain") == domain for resource in stack.of_type(DOMAIN)):
        yield Finding(
            f"{domain} is no domain of the stack", "mail:domain", seen=domain, absent=True
        )


@rule(
    "mailboxes-protected",
    Severity.HIGH,
    protects="A mailbox is not deleted because a line was taken out.",
    reason="Deleting a mailbox deletes its mail.",
    source="https://www.pulumi.com/docs/iac/concepts/resources/options/protect/",
    remedy="keep protectMailboxes: true, and unprotect one mailbox on purpose",
)
def _protected(stack: Stack) -> Iterator[Finding]:
    if not stack.declaration.protect_mailboxes:
        if not any(stack.declaration.endpoints.model_dump(exclude_defaults=True)):
            message = "mailboxes are not protected, and this is no rehearsal"
            yield Finding(message, "mail:protectMailboxes", seen="false")
        return
    for resource in stack.of_type(MAILBOX):
        if not resource.protect:
            message = f"{resource.name} is not protected from deletion"
            yield Finding(message, "mail:protectMailboxes", resource)
