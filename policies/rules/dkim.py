"""DKIM: the keys by which receivers tell our mail from a forgery."""

from collections.abc import Iterator

from declaration.checks.delivery import SELECTOR_OVERLAP
from policies.model import Area, Finding, Severity
from policies.registry import in_area
from policies.stack import Stack
from policies.zone import ZoneRecord
from readers.dkim import GOOD_BITS, LEAST_BITS, parse

rule = in_area(Area.AUTHENTICATION)


def _selectors(stack: Stack) -> Iterator[tuple[str, str, str]]:
    """Yield selector, signing domain and key in the declaration of everybody who signs."""
    declaration = stack.declaration
    yield declaration.smarthost.selector, declaration.domain, "mail:smarthost.selector"
    for selector in declaration.smarthost.dkim_names:
        yield selector, declaration.domain, "mail:smarthost.dkimNames"
    second = declaration.smarthost.second_selector
    if second is not None:
        yield second.selector, declaration.domain, "mail:smarthost.secondSelector"
    for index, sender in enumerate(declaration.transactional_senders):
        if sender.selector is not None and f".{sender.domain}".endswith(f".{declaration.domain}"):
            yield sender.selector, sender.domain, f"mail:transactionalSenders[{index}].selector"
    for resource in stack.of_type("mailcow:index:DkimKey"):
        selector = stack.text(resource, "dkimSelector") or "dkim"
        yield selector, stack.text(resource, "domain"), "mail:smarthost.selector"


def _dkim_records(stack: Stack) -> list[ZoneRecord]:
    return [
        record
        for record in stack.zone.records
        if record.type == "TXT" and "._domainkey." in record.name
    ]


@rule(
    "dkim-selector-published",
    Severity.CRITICAL,
    protects="Every sender that signs with the domain has its key in the zone.",
    reason="A signature whose key cannot be found counts as none, and DMARC then fails.",
    source="RFC 6376 section 3.6.2",
    remedy="publish the record that the sender's account shows, or correct the selector",
)
def _selector_published(stack: Stack) -> Iterator[Finding]:
    for selector, domain, key in _selectors(stack):
        name = f"{selector}._domainkey.{domain}".lower()
        if not stack.zone.at(name, "TXT") and not stack.zone.at(name, "CNAME"):
            yield Finding(f"no key is published at {name}", key, seen=name, absent=True)


@rule(
    "dkim-key-used",
    Severity.HIGH,
    protects="Every DKIM key in the zone is that of somebody who signs.",
    reason="A key that was left behind signs for the domain as well, whoever has it by then.",
    source="RFC 6376 section 3.1",
    remedy="take the record out, or declare who signs with it",
)
def _key_used(stack: Stack) -> Iterator[Finding]:
    known = {f"{one}._domainkey.{domain}".lower() for one, domain, _ in _selectors(stack)}
    found = [record for record in stack.zone.records if record.type in ("TXT", "CNAME")]
    if known - {item.name for item in found}:
        return  # a name is wrong somewhere: that is the business of `dkim-selector-published`
    for record in found:
        if "._domainkey." in record.name and record.name not in known:
            message = f"nobody signs with the key at {record.name}"
            key = "mail:smarthost.secondSelector"
            yield Finding(message, key, record.resource, record.name)


@rule(
    "dkim-second-selector-ends",
    Severity.HIGH,
    protects="Two DKIM selectors of the smarthost are published for a time, and no longer.",
    reason="A message waits five days at most; after that a retired key only serves a thief.",
    source="RFC 5321 section 4.5.4.1; RFC 6376 section 3.1",
    remedy="finish the change with make rotate WHAT=dkim, which takes the old record out",
)
def _second_selector_ends(stack: Stack) -> Iterator[Finding]:
    second, key = stack.declaration.smarthost.second_selector, "mail:smarthost.secondSelector.until"
    if second is None:
        return
    if stack.today > second.until:
        message = f"the selector {second.selector} was to go by {second.until}"
        yield Finding(message, key, seen=str(second.until))
    elif second.until > stack.today + SELECTOR_OVERLAP:
        message = f"the selector {second.selector} may stay until {second.until}"
        yield Finding(message, key, seen=str(second.until))


@rule(
    "dkim-record-wellformed",
    Severity.CRITICAL,
    protects="A DKIM record can be read by every receiver.",
    reason="A receiver treats a record that it cannot parse, or one in test mode, as no key.",
    source="RFC 6376 section 3.6.1",
    remedy="copy the value of the record from the smarthost's account, from p= on",
)
def _dkim_wellformed(stack: Stack) -> Iterator[Finding]:
    for record in _dkim_records(stack):
        key = parse(record.value)
        # The length is for `dkim-key-strength` to judge.
        mistakes = [mistake for mistake in key.mistakes if not 0 < key.bits < LEAST_BITS]
        if mistakes:
            message = f"the key at {record.name} is none for mail: {mistakes[0]}"
            yield Finding(message, "mail:dkimPublicKey", record.resource)
        elif len(stack.zone.at(record.name, "TXT")) > 1:
            message = f"{record.name} has several TXT records; receivers take any of them"
            yield Finding(message, "mail:dkimPublicKey", record.resource)


@rule(
    "dkim-key-strength",
    Severity.HIGH,
    protects="Nobody can forge the signature by factoring the key.",
    reason="Receivers ignore keys below 1024 bits; 2048 are asked of signers.",
    source="RFC 8301 section 3.2",
    remedy="make a new key of 2048 bits in the smarthost's account and publish it",
)
def _dkim_strength(stack: Stack) -> Iterator[Finding]:
    for record in _dkim_records(stack):
        key = parse(record.value)
        if key.kind == "rsa" and 0 < key.bits < GOOD_BITS:
            refused = key.bits < LEAST_BITS
            message = f"the key at {record.name} has {key.bits} bits"
            message += "" if refused else f"; {GOOD_BITS} are better"
            yield Finding(
                message, "mail:dkimPublicKey", record.resource, str(key.bits), note=not refused
            )


@rule(
    "dkim-key-declared",
    Severity.CRITICAL,
    protects="The key that is published is the one that was declared.",
    reason="The smarthost signs with its own key: under another one every signature is broken.",
    source="RFC 6376 section 3.6.2",
    remedy="publish the record that the smarthost's account shows, or declare the new one",
)
def _declared_key(stack: Stack) -> Iterator[Finding]:
    for wanted in stack.declared_records:
        if "._domainkey." not in wanted.name:
            continue
        declared = parse(str(wanted.value))
        for record in stack.zone.at(wanted.name, "TXT"):
            published = parse(record.value)
            # A record that is no key for mail has rules of its own.
            if published.usable and declared.data and not published.is_same(declared):
                message = f"the key at {record.name} is not the declared one"
                yield Finding(message, "mail:dkimPublicKey", record.resource)
