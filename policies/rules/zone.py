"""The zone as a whole: what is declared is published, and nothing else.

Nobody can think of every record that does harm. So a record that follows from no declaration is
refused by its name, unless it says nothing about mail.
"""

from collections import Counter
from collections.abc import Iterator

from declaration.records import Record, RecordType, Srv
from policies.model import Area, Finding, Severity
from policies.registry import in_area
from policies.rules.names import key_of
from policies.stack import Stack
from policies.zone import ZoneRecord, answering_otherwise
from readers import caa, dkim, dmarc, mta_sts
from readers.caa import Property
from readers.mistake import MistakeError
from readers.spf.reach import reach
from readers.spf.record import is_spf

rule = in_area(Area.NAMES)

_LEAST_TTL, _MOST_TTL = 60, 86400
_AUTOMATIC_TTL = 1


@rule(
    "records-declared",
    Severity.HIGH,
    protects="The zone publishes what follows from the declaration, and nothing else about mail.",
    reason="A record that nobody declared leads mail, people or passwords where nobody looks; one"
    " that is missing is a service that does not work.",
    source="RFC 1035 section 3.2; docs/declaration.md",
    remedy="declare what the record is for, or take it out",
    yields=True,
)
def _declared(stack: Stack) -> Iterator[Finding]:
    missing = list(stack.declared_records)
    others = []
    for record in stack.zone.records:
        meant = next((item for item in missing if _means(stack, record, item)), None)
        if meant is None:
            others.append(record)
        else:
            missing.remove(meant)
    for record in others:
        place = (record.name, record.type)
        instead = next((item for item in missing if (item.name, item.type) == place), None)
        if instead is not None:
            missing.remove(instead)
        if instead is not None or not _harmless(stack, record):
            what = "says other than what is declared" if instead else "follows from no declaration"
            message = f"{record.name} {record.type} {what}"
            yield Finding(
                message, key_of(stack, record.name), record.resource, record.name, absent=True
            )
    for item in missing:
        message = f"{item.name} {item.type} is declared and not published"
        yield Finding(message, key_of(stack, item.name), seen=item.name, absent=True)


def _means(stack: Stack, record: ZoneRecord, item: Record) -> bool:
    """Tell whether a published record says what a declared one says."""
    if (record.name, record.type) != (item.name, item.type.value):
        return False
    declared = str(item.value)
    match item.type:
        case RecordType.TXT:
            return _same_text(stack, record, declared)
        case RecordType.MX | RecordType.CNAME:
            same = record.target == declared.lower().rstrip(".")
            return same and record.preference == item.preference
        case RecordType.SRV:
            assert isinstance(item.value, Srv)  # noqa: S101 - the declaration makes them so
            place = (record.target, record.port or 0)
            return place == (item.value.target.rstrip("."), item.value.port)
        case _:
            return record.value.lower() == declared.lower()


def _same_text(stack: Stack, record: ZoneRecord, declared: str) -> bool:
    published = record.value
    if is_spf(declared) and is_spf(published):
        asked = reach(record.name, answering_otherwise(record.name, declared, stack.resolver))
        found = reach(record.name, stack.resolver)
        return asked is not None and found is not None and asked.senders == found.senders
    if "._domainkey." in record.name:
        return dkim.parse(published).is_same(dkim.parse(declared)) or published == declared
    if dmarc.is_dmarc(published):
        return _said(dmarc.parse(published)) == _said(dmarc.parse(declared))
    return published == declared


def _said(record: dmarc.Record) -> tuple[object, ...]:
    """Return what a DMARC record says to those who apply it."""
    policies = [record.policy(below=below, exists=exists) for below, exists in _WHOM]
    strictness = [record.strict(what) for what in ("dkim", "spf")]
    return (*policies, *strictness, {*record.reports()}, {*record.reports("ruf")})


_WHOM = ((False, True), (True, True), (True, False))


def _harmless(stack: Stack, record: ZoneRecord) -> bool:
    """Tell whether an undeclared record takes nothing from the declared ones.

    Words about other things than mail (a verification), a further weight for a declared service,
    TLS reports wherever they go, a policy that is served as announced, keys of declared services:
    those have rules of their own, and may be there.
    """
    if record.type == "TXT":
        label = record.name.partition(".")[0]
        mail = is_spf(record.value) or "dmarc" in record.value.lower().partition(";")[0]
        named = "._domainkey." in record.name or label in ("_dmarc", "*")
        served = label != "_mta-sts" or mta_sts.announcement([record.value]) is not None
        return not mail and not named and served
    if record.type == "SRV":
        places = {
            (item.name, item.value.target.rstrip("."), item.value.port)
            for item in stack.declared_records
            if isinstance(item.value, Srv)
        }
        return (record.name, record.target, record.port) in places and record.offered
    if record.type == "CAA":
        return _issuer(record) in ("", *stack.declaration.zone.caa, "letsencrypt.org")
    return record.type == "TLSA"


def _issuer(record: ZoneRecord) -> str:
    try:
        read: Property = caa.parse(record.value)
    except MistakeError:
        return record.value
    return read.issuer


@rule(
    "records-lifetime",
    Severity.MEDIUM,
    protects="A record is kept for minutes or hours: neither never, nor for weeks.",
    reason="Without a lifetime every look-up waits for the name server; with one of weeks a mistake"
    " stays that long.",
    source="RFC 2181 section 8; https://developers.cloudflare.com/dns/manage-dns-records/reference/ttl/",
    remedy="leave the lifetime to zone.ttl",
)
def _lifetime(stack: Stack) -> Iterator[Finding]:
    for record in stack.zone.records:
        given = stack.text(record.resource, "ttl")
        seconds = int(float(given)) if given else _AUTOMATIC_TTL
        if seconds != _AUTOMATIC_TTL and not _LEAST_TTL <= seconds <= _MOST_TTL:
            message = f"{record.name} {record.type} is kept for {seconds} seconds"
            yield Finding(message, "mail:zone.ttl", record.resource, str(seconds))


@rule(
    "records-in-one-zone",
    Severity.CRITICAL,
    protects="Every record is published in the zone of the domain.",
    reason="A record in another zone answers for another name, or for nobody.",
    source="https://developers.cloudflare.com/dns/zone-setups/",
    remedy="take the zone's id from zone.id, or from its name",
)
def _one_zone(stack: Stack) -> Iterator[Finding]:
    zones = {record: stack.text(record.resource, "zoneId") for record in stack.zone.records}
    usual = stack.declaration.zone.id
    if usual is None:
        usual = next((zone for zone, _ in Counter(filter(None, zones.values())).most_common(1)), "")
    for record, zone in zones.items():
        if zone and zone != usual:
            message = f"{record.name} {record.type} is published in another zone, {zone}"
            yield Finding(message, "mail:zone.id", record.resource, zone)
