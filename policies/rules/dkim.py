"""DKIM: the keys by which receivers tell our mail from a forgery."""

import base64
import binascii
from collections.abc import Iterator

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from components.checks.delivery import SELECTOR_OVERLAP
from policies.model import Area, Finding, Severity
from policies.registry import in_area
from policies.stack import Stack
from policies.tags import Tags, parse_tags
from policies.zone import ZoneRecord

rule = in_area(Area.AUTHENTICATION)


def _selectors(stack: Stack) -> Iterator[tuple[str, str, str]]:
    """Yield selector, signing domain and key in the declaration of everybody who signs."""
    declaration = stack.declaration
    yield declaration.smarthost.selector, declaration.domain, "mail:smarthost.selector"
    second = declaration.smarthost.second_selector
    if second is not None:
        yield second.selector, declaration.domain, "mail:smarthost.secondSelector"
    for index, sender in enumerate(declaration.transactional_senders):
        if sender.selector is not None and f".{sender.domain}".endswith(f".{declaration.domain}"):
            yield sender.selector, sender.domain, f"mail:transactionalSenders[{index}].selector"
    for one in stack.of_type("mailcow:index:DkimKey"):
        selector = stack.text(one, "dkimSelector") or "dkim"
        yield selector, stack.text(one, "domain"), "mail:smarthost.selector"


def _dkim_records(stack: Stack) -> list[ZoneRecord]:
    return [one for one in stack.zone.records if one.type == "TXT" and "._domainkey." in one.name]


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
    found = [one for one in stack.zone.records if one.type in ("TXT", "CNAME")]
    if known - {one.name for one in found}:
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
        fault = _dkim_fault(parse_tags(record.value))
        if fault:
            yield Finding(f"{record.name} {fault}", "mail:dkimPublicKey", record.resource)
        elif len(stack.zone.at(record.name, "TXT")) > 1:
            message = f"{record.name} has several TXT records; receivers take any of them"
            yield Finding(message, "mail:dkimPublicKey", record.resource)


def _dkim_fault(tags: Tags) -> str | None:  # noqa: PLR0911 - one for each fault
    kind, key = tags.get("k") or "rsa", "".join((tags.get("p") or "").split())
    if "v" in tags.names and (tags.names[0] != "v" or tags.get("v") != "DKIM1"):
        return "has a v= that is not DKIM1 at the beginning"
    if tags.malformed or tags.twice:
        return "has a part that is no tag, or a tag twice"
    if not key:
        return "has no key in p=: the selector is revoked"
    if "y" in (tags.get("t") or "").split(":"):
        return "is in test mode (t=y), so failures are ignored, and so are passes"
    if kind not in ("rsa", "ed25519"):
        return f"is of the key type {kind}, which receivers do not know"
    try:
        decoded = base64.b64decode(key, validate=True)
        if kind == "rsa" and not isinstance(load_der_public_key(decoded), RSAPublicKey):
            return "says RSA and holds another key"
    except (ValueError, binascii.Error, UnsupportedAlgorithm):
        return "holds no public key in p="
    return None


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
        tags = parse_tags(record.value)
        if _dkim_fault(tags) or (tags.get("k") or "rsa") != "rsa":
            continue
        key = load_der_public_key(base64.b64decode("".join((tags.get("p") or "").split())))
        assert isinstance(key, RSAPublicKey)  # noqa: S101 - _dkim_fault has looked
        if key.key_size < 2048:
            refused = key.key_size < 1024
            message = f"the key at {record.name} has {key.key_size} bits"
            message += "" if refused else "; 2048 are better"
            yield Finding(
                message, "mail:dkimPublicKey", record.resource, str(key.key_size), note=not refused
            )
