"""SPF: who may send with the domain as envelope, and with that of the smarthost."""

import re
from collections.abc import Iterator
from functools import partial

from policies.model import Area, Finding, Severity
from policies.registry import in_area
from policies.stack import Stack
from policies.zone import ZoneRecord, answering_otherwise
from readers.spf.check import LOOKUP_LIMIT, VOID_LIMIT, Result
from readers.spf.reach import Reach, UnseenError, reach
from readers.spf.record import is_spf

rule = in_area(Area.AUTHENTICATION)

_ALMOST = re.compile(r"\s*[\"']?\s*v\s*=\s*spf|\s*spf[12]", re.IGNORECASE)
"""How a record begins that was meant to be one of SPF's."""


def _reached(stack: Stack) -> Iterator[tuple[ZoneRecord, Reach]]:
    """Yield the SPF records of the zone that stand alone, each with what it comes to."""
    for record in _records(stack):
        if not record.name:
            continue  # a preview does not know it yet
        found = stack.once(f"spf {record.name}", partial(_reach, record.name))
        if found is not None:
            yield record, found


def _reach(name: str, stack: Stack) -> Reach | None:
    texts = [record.value for record in _records(stack) if record.name == name]
    try:
        return reach(name, stack.resolver) if len(texts) == 1 else None
    except UnseenError:
        return None  # it stands in no zone of ours, as `records-canonical` says


def _records(stack: Stack) -> list[ZoneRecord]:
    return [
        record for record in stack.zone.records if record.type == "TXT" and is_spf(record.value)
    ]


def _key(stack: Stack, name: str) -> str:
    if name == stack.declaration.domain:
        return "mail:zone.apexSpf"
    return "mail:smarthost.provider" if name == stack.names.envelope else "mail:zone"


@rule(
    "spf-single",
    Severity.CRITICAL,
    protects="There is at most one SPF record at each name.",
    reason="Two records are a permanent error, as bad as none; they must become one.",
    source="RFC 7208 section 4.5",
    remedy="merge the records into one",
)
def _single(stack: Stack) -> Iterator[Finding]:
    seen: set[str] = set()
    for record in _records(stack):
        if record.name in seen:
            message = f"{record.name} has a second SPF record"
            yield Finding(message, _key(stack, record.name), record.resource, record.value)
        seen.add(record.name)


@rule(
    "spf-wellformed",
    Severity.CRITICAL,
    protects="Every SPF record can be evaluated, with the records that it goes on to.",
    reason="One term that is not understood, or an include of a name without a record, is a"
    " permanent error for the whole record.",
    source="RFC 7208 sections 4.6 and 5.2",
    remedy="correct or take out the term",
)
def _wellformed(stack: Stack) -> Iterator[Finding]:
    for record, found in _reached(stack):
        key = _key(stack, record.name)
        for mistake in found.mistakes:
            message = f"the SPF record at {record.name} is a permanent error: {mistake}"
            yield Finding(message, key, record.resource, record.value, absent=True)
        if len(record.value.encode()) > 450:
            message = f"the SPF record at {record.name} is long; answers may not fit a packet"
            yield Finding(message, key, record.resource, note=True)
    for record in stack.zone.records:
        if record.type == "TXT" and _ALMOST.match(record.value) and not is_spf(record.value):
            message = f"{record.name} does not begin with v=spf1, so it is no SPF record"
            yield Finding(message, _key(stack, record.name), record.resource, record.value)


@rule(
    "spf-qualifier",
    Severity.CRITICAL,
    protects="An SPF record says no to everybody whom it does not name, and names no half world.",
    reason="+all lets the whole world send as the domain, and so do ranges that make it up; ?all"
    " says nothing, and no ending means ?all.",
    source="RFC 7208 sections 5.1 and 4.7",
    remedy="end the record in -all or ~all, and name no more addresses than send",
)
def _qualifier(stack: Stack) -> Iterator[Finding]:
    for record, found in _reached(stack):
        result = found.said_of_anybody()
        if result is not None:
            what = "lets anybody send" if result is Result.PASS else "says nothing about anybody"
            message = f"the SPF record at {record.name} {what}: half the world is {result}"
            yield Finding(message, _key(stack, record.name), record.resource, record.value)


@rule(
    "spf-lookups",
    Severity.CRITICAL,
    protects="An SPF record costs at most ten look-ups, those of its includes counted.",
    reason="An eleventh look-up is a permanent error, and the record fails for everybody.",
    source="RFC 7208 section 4.6.4",
    remedy="take includes out, or write addresses instead of names",
)
def _lookups(stack: Stack) -> Iterator[Finding]:
    reached = [*_reached(stack)]
    for record, found in reached:
        if found.lookups > LOOKUP_LIMIT:
            message = f"the SPF record at {record.name} costs {found.lookups} look-ups"
            yield Finding(message, _key(stack, record.name), record.resource, record.value)
    if any("include" in record.value or "redirect" in record.value for record, _ in reached):
        fault = stack.snapshot.fault(stack.today)
        if fault:
            way_out = "python -m policies.snapshot refresh"
            yield Finding(f"{fault}; {way_out}", "mail:smarthost.provider", note=True)


@rule(
    "spf-includes-known",
    Severity.MEDIUM,
    protects="What an SPF record includes is known, so that its look-ups can be counted.",
    reason="A record that nobody has looked at may cost more than it seems, or be gone.",
    source="RFC 7208 section 5.2",
    remedy="python -m policies.snapshot refresh NAME, and commit the snapshot",
)
def _known(stack: Stack) -> Iterator[Finding]:
    for record, found in _reached(stack):
        for name in found.unseen:
            message = f"{record.name} includes {name}, which is not in the snapshot"
            yield Finding(message, _key(stack, record.name), record.resource, record.value)


@rule(
    "spf-void-lookups",
    Severity.HIGH,
    protects="An SPF record looks up at most two names in vain.",
    reason="A third look-up that finds nothing is a permanent error. Clients over IPv4 ask for A,"
    " those over IPv6 for AAAA, and each counts what it does not find.",
    source="RFC 7208 section 4.6.4",
    remedy="take out the names that do not exist, or have no address of that kind",
)
def _voids(stack: Stack) -> Iterator[Finding]:
    for record, found in _reached(stack):
        for version, voids in found.voids_that_matter().items():
            if len(voids) > VOID_LIMIT:
                asked = ", ".join(voids)
                message = f"over IPv{version} the SPF record at {record.name} asks in vain: {asked}"
                yield Finding(
                    message, _key(stack, record.name), record.resource, record.value, absent=True
                )
                break


@rule(
    "spf-envelope-covered",
    Severity.CRITICAL,
    protects="The smarthost may send with the envelope domain that it writes.",
    reason="SPF is checked at the envelope's domain; without its sender there, mail fails SPF.",
    source="RFC 7208 section 2.4; https://resend.com/docs/dashboard/domains/introduction",
    remedy="publish the record that the smarthost asks for at its envelope domain, before any all",
)
def _envelope(stack: Stack) -> Iterator[Finding]:
    smarthost, key = stack.declaration.smarthost, "mail:smarthost.envelopeLabel"
    wanted = smarthost.row.spf_record(stack.names.account)
    if wanted is None:
        return
    published = [record for record in _records(stack) if record.name == wanted.name]
    if not published:
        yield Finding(f"{wanted.name} has no SPF record", key, seen=wanted.name, absent=True)
    elif len(published) == 1:
        lacking = _shut_out(stack, wanted.name, str(wanted.value))
        if lacking:
            message = f"the SPF record at {wanted.name} shuts the smarthost out ({lacking});"
            message += f" it asks for {wanted.value}"
            record = published[0]
            yield Finding(message, key, record.resource, record.value, absent=True)


def _shut_out(stack: Stack, name: str, wanted: str) -> str:
    """Return whom the smarthost's own record lets pass and the published one does not."""
    ask = stack.resolver
    asked = reach(name, answering_otherwise(name, wanted, ask))
    published = reach(name, ask)
    if asked is None or published is None:
        return ""
    unseen = sorted({*asked.unseen} - {*published.unseen})
    addresses = asked.senders - published.senders
    return f"among them {str(addresses).partition('-')[0]}" if addresses else ", ".join(unseen)


@rule(
    "envelope-takes-bounces",
    Severity.HIGH,
    protects="Bounces come back to the smarthost's envelope domain.",
    reason="The smarthost reads bounces there; without its MX they are lost, and some receivers"
    " refuse an envelope domain that takes no mail.",
    source="RFC 5321 section 4.4; https://resend.com/docs/dashboard/domains/introduction",
    remedy="publish the MX record that the smarthost asks for at its envelope domain",
)
def _envelope_mx(stack: Stack) -> Iterator[Finding]:
    smarthost = stack.declaration.smarthost
    for wanted in smarthost.row.records(stack.names.account):
        if wanted.type.value != "MX":
            continue
        found = stack.zone.at(wanted.name, "MX")
        # Another region of the same smarthost is for `smarthost-in-eu` to judge.
        targets = {
            str(wanted.value).replace(smarthost.region, region) for region in smarthost.row.regions
        }
        if not any(item.target in targets for item in found):
            resource = found[0].resource if found else None
            seen = found[0].value if found else wanted.name
            message = f"{wanted.name} has no MX record for {wanted.value}"
            key = "mail:smarthost.region"
            yield Finding(message, key, resource, seen, absent=resource is None)
