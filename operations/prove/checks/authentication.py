"""Authentication: the records by which receivers tell our mail from a forgery."""

from collections.abc import Sequence
from functools import partial

from declaration.dmarc import DmarcStage, report_addresses
from declaration.people import untagged
from declaration.records import RecordType
from declaration.zone_records import records
from operations.prove.findings import failed, passed, skipped, unseen, warned
from operations.prove.model import Finding, Severity, Station, Status
from operations.prove.registry import at
from operations.prove.subject import Subject
from readers import dkim, dmarc
from readers.spf.check import LOOKUP_LIMIT, VOID_LIMIT
from readers.spf.reach import reach
from readers.spf.record import records_among

check = at(Station.VERDICT)
forgery = at(Station.PROTECTION)

_PUBLISH = "Run `pulumi preview`: it shows what the zone lacks. Then `pulumi up`."


async def _spf_as_declared(subject: Subject, name: str, expected: str, key: str) -> Finding:
    texts = (await subject.net.resolve(name, "TXT")).values
    found = records_among(texts)
    if len(found) > 1:
        return failed(
            f"{len(found)} SPF records: {'; '.join(found)}",
            "exactly one",
            key=key,
            mend="Take all but the declared one out of the zone.",
            facts={"spf": "several"},
        )
    if found != [expected]:
        return failed(
            found[0] if found else "no SPF record", expected, key=key, facts={"spf": "wrong"}
        )
    return passed(expected, expected, key=key)


@check(
    "spf-envelope", Severity.HIGH, "The smarthost may send under its envelope domain",
    why="Receivers check SPF for the envelope sender, which the smarthost writes.",
    source="RFC 7208 section 2.4",
    mend=_PUBLISH,
)  # fmt: skip
async def _spf_envelope(subject: Subject) -> Finding:
    envelope = subject.declaration.names.envelope
    expected = [
        record
        for record in records(subject.declaration)
        if record.type is RecordType.TXT and record.name == envelope
    ]
    if not expected:
        return skipped("the smarthost asks for no SPF record", key="mail:smarthost.provider")
    return await _spf_as_declared(subject, envelope, str(expected[0].value), "mail:smarthost")


@forgery(
    "spf-apex", Severity.MEDIUM, "Nobody else may send with the bare domain as envelope sender",
    why="A domain that says nothing lends its name to anybody.",
    source="RFC 7208 section 10.1.2",
    mend=_PUBLISH,
)  # fmt: skip
async def _spf_apex(subject: Subject) -> Finding:
    expected = subject.declaration.zone.apex_spf
    if expected is None:
        return skipped("no SPF record is declared for the apex", key="mail:zone.apexSpf")
    return await _spf_as_declared(
        subject, subject.declaration.domain, expected, "mail:zone.apexSpf"
    )


@check(
    "spf-lookups", Severity.HIGH, "The SPF records can be evaluated by every receiver",
    why="More than ten look-ups, or two that find nothing, make receivers give up.",
    source="RFC 7208 section 4.6.4",
    mend="Take terms out of the record, or move senders to an envelope domain of their own.",
)  # fmt: skip
async def _spf_lookups(subject: Subject) -> Finding:
    domain, key = subject.declaration.domain, "mail:zone.apexSpf"
    lines, faults = [], []
    for name in filter(None, dict.fromkeys((subject.declaration.names.envelope, domain))):
        found = await subject.net.asking(partial(reach, name))
        if found is None:
            continue
        voids = max(found.voids.values(), key=len)
        lines.append(f"{name}: {found.lookups} look-ups, {len(voids)} of them void")
        faults += [str(mistake) for mistake in found.mistakes]
        if found.lookups > LOOKUP_LIMIT:
            faults.append(f"{name} needs {found.lookups} look-ups")
        for version, asked in found.voids_that_matter().items():
            if len(asked) > VOID_LIMIT:
                faults.append(f"{name} asks in vain over IPv{version}: {', '.join(asked)}")
        if found.said_of_anybody():
            faults.append(f"{name} refuses nobody")
    expected = f"at most {LOOKUP_LIMIT} look-ups, {VOID_LIMIT} void, and no permanent error"
    if faults:
        return failed("; ".join(faults), expected, key=key, details=tuple(lines))
    return passed("; ".join(lines) or "no SPF record", expected, details=tuple(lines))


@check(
    "dkim-record", Severity.CRITICAL, "The key of the smarthost's signature is published",
    why="Without the right key, receivers find every signature broken.",
    source="RFC 6376 section 3.6; RFC 8301 section 3.2",
    mend=_PUBLISH,
)  # fmt: skip
async def _dkim_record(subject: Subject) -> Finding:
    settings, key = subject.declaration.smarthost, "mail:dkimPublicKey"
    name = f"{settings.selector}._domainkey.{subject.declaration.domain}"
    found = (await subject.net.resolve(name, "TXT")).values
    if len(found) != 1:
        said = f"{len(found)} records at {name}" if found else f"no record at {name}"
        return failed(said, "exactly one", key=key, facts={"dkim": "absent"})
    published = dkim.parse(found[0])
    declared = dkim.parse(subject.declaration.dkim_public_key)
    other = bool(declared.data) and published.usable and not published.is_same(declared)
    if "dkimPublicKey" not in subject.unset and other:
        return failed(
            f"another key at {name}",
            "the key that the smarthost's account shows",
            key=key,
            facts={"dkim": "wrong"},
        )
    return _strength(published, name)


def _strength(published: dkim.Key, name: str) -> Finding:
    """Return whether a published key is one that receivers take."""
    key, expected = "mail:dkimPublicKey", f"{dkim.GOOD_BITS} bits"
    if not published.usable:
        return failed(
            f"no key for mail at {name}: {published.mistakes[0]}",
            expected,
            key=key,
            facts={"dkim": "wrong"},
            mend=f"Publish the record of the smarthost, with a key of {dkim.GOOD_BITS} bits.",
        )
    seen = f"{published.kind}, {published.bits} bits, at {name}"
    if published.kind == "rsa" and published.bits < dkim.GOOD_BITS:
        mend = f"Ask the smarthost for a key of {dkim.GOOD_BITS} bits."
        return warned(seen, expected, key=key, mend=mend)
    return passed(seen, expected, key=key)


@forgery(
    "dmarc-record", Severity.HIGH, "Receivers are told what to do with forgeries, as declared",
    why="DMARC ties SPF and DKIM to the name that people see; large receivers ask for it.",
    source="RFC 9989 section 4; Google: email sender guidelines",
    mend=_PUBLISH,
)  # fmt: skip
async def _dmarc_record(subject: Subject) -> Finding:
    key = "mail:dmarc.stage"
    name = subject.declaration.names.dmarc
    expected = next(
        str(record.value) for record in records(subject.declaration) if record.name == name
    )
    texts = (await subject.net.resolve(name, "TXT")).values
    found = [text for text in texts if dmarc.is_dmarc(text)]
    if len(found) != 1:
        said = f"{len(found)} DMARC records" if found else "no DMARC record"
        return failed(said, expected, key=key, facts={"dmarc": "absent"})
    if found[0] != expected:
        return failed(found[0], expected, key=key, facts={"dmarc": "wrong"})
    return passed(found[0], expected, key=key)


@forgery(
    "dmarc-stage", Severity.LOW, "Forgeries are more than counted",
    why="`none` only asks for reports. It is the right beginning, not the end.",
    source="RFC 9989 section 7.4",
    mend="When the reports are clean for a month: `stage: quarantine`.",
)  # fmt: skip
async def _dmarc_stage(subject: Subject) -> Finding:
    stage = subject.declaration.dmarc.stage
    seen = f"{stage.value} since {subject.declaration.dmarc.since}"
    published = (await subject.net.resolve(subject.declaration.names.dmarc, "TXT")).values
    if not any(f"p={stage.value}" in record for record in published):
        return failed(f"{stage.value} is not what is published", seen, key="mail:dmarc.stage")
    if stage is DmarcStage.NONE:
        return warned(seen, "quarantine, once the reports are clean", key="mail:dmarc.stage")
    return passed(seen, "quarantine or reject", key="mail:dmarc.stage")


@forgery(
    "dmarc-reports", Severity.MEDIUM, "DMARC reports reach somebody",
    why="Receivers send no report to a domain that has not agreed to take it.",
    source="RFC 9990 section 4",
    mend="Let the other domain publish the record, or use an address of this domain.",
)  # fmt: skip
async def _dmarc_reports(subject: Subject) -> Finding:
    declaration = subject.declaration
    published = (await subject.net.resolve(declaration.names.dmarc, "TXT")).values
    addresses = report_addresses(declaration.dmarc, declaration.domain)
    findings = [await _reported(subject, address, published) for address in addresses]
    wrong = [finding for finding in findings if finding.status is not Status.PASS]
    return (wrong or findings)[0]


async def _reported(subject: Subject, address: str, published: Sequence[str]) -> Finding:
    """Look whether reports to an address reach somebody."""
    declaration, key = subject.declaration, "mail:dmarc.rua"
    local, _, domain = address.partition("@")
    if not any(f"mailto:{address}" in record.lower() for record in published):
        return failed(f"nobody is asked to report to {address}", f"rua=mailto:{address}", key=key)
    if domain == declaration.domain:
        known = {mailbox.name for mailbox in declaration.mailboxes}
        known |= {alias.name for alias in declaration.aliases}
        if untagged(local) not in known:
            return failed(f"{address} is nobody", "a mailbox or an alias", key=key)
        return passed(f"{address} is ours", key=key)
    name = f"{declaration.domain}._report._dmarc.{domain}"
    found = (await subject.net.resolve(name, "TXT")).values
    if sum(dmarc.is_dmarc(text) for text in found) != 1:
        return failed(f"{name} does not agree", "one record v=DMARC1", key=key)
    return passed(f"{domain} agrees", key=key)


@check(
    "bimi", Severity.LOW, "A logo beside the name (BIMI)",
    why="Some receivers show a logo for mail that passes DMARC under quarantine or reject.",
    source="draft-brand-indicators-for-message-identification",
    mend="Nothing: it is decoration, and asks for a certificate.",
)  # fmt: skip
async def _bimi(subject: Subject) -> Finding:
    name = f"default._bimi.{subject.declaration.domain}"
    found = (await subject.net.resolve(name, "TXT")).values
    if not found:
        return skipped("not published, and not declared")
    if not any(value.startswith("v=BIMI1") for value in found):
        return unseen(f"{name} holds something else: {found[0]}")
    return passed(found[0])
