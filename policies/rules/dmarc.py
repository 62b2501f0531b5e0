"""DMARC: what receivers are told to do with mail that is not ours."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from declaration.dmarc import DmarcStage
from policies.model import Area, Finding, Severity
from policies.registry import in_area
from policies.stack import Stack
from policies.zone import ZoneRecord
from readers.dmarc import Policy, Record, authorised, is_dmarc, parse
from readers.spf.check import below
from readers.spf.reach import UnseenError

rule = in_area(Area.AUTHENTICATION)

_WAIT = {"none": timedelta(0), "quarantine": timedelta(days=30), "reject": timedelta(days=60)}
"""Days since the first record after which a stage may begin."""
_REPORTS = ("rua", "ruf")


def _records(stack: Stack) -> list[ZoneRecord]:
    """Return the records at the domain that are DMARC's, or were meant to be."""
    return [
        record
        for record in stack.zone.at(stack.names.dmarc, "TXT")
        if "dmarc" in record.value.lower().partition(";")[0] or is_dmarc(record.value)
    ]


def _read(stack: Stack) -> Iterator[tuple[ZoneRecord, Record]]:
    for record in _records(stack):
        yield record, parse(record.value)


@rule(
    "dmarc-single",
    Severity.CRITICAL,
    protects="There is exactly one DMARC record.",
    reason="Without one nobody is told what to do with forgeries; with two none of them counts.",
    source="RFC 9989 section 4.10",
    remedy="publish one record at _dmarc, and only one",
)
def _single(stack: Stack) -> Iterator[Finding]:
    records = _records(stack)
    name = stack.names.dmarc
    if not records:
        yield Finding(f"{name} has no DMARC record", "mail:dmarc.stage", seen=name, absent=True)
    for record in records[1:]:
        message = f"{name} has a second record"
        yield Finding(message, "mail:dmarc.stage", record.resource, record.value)


@rule(
    "dmarc-tags",
    Severity.HIGH,
    protects="The DMARC record says what RFC 9989 knows, and nothing that is gone.",
    reason="v=DMARC1 must come first, letter for letter; pct, rf and ri no longer mean anything.",
    source="RFC 9989 section 4.7",
    remedy="write v=DMARC1 first, then tags of RFC 9989 with their values",
)
def _tags(stack: Stack) -> Iterator[Finding]:
    for record, read in _read(stack):
        for mistake in read.mistakes:
            if mistake.place not in _REPORTS:
                message = f"the DMARC record is not one of RFC 9989: {mistake}"
                yield Finding(message, "mail:dmarc", record.resource, record.value)
                break


@rule(
    "dmarc-reports-asked",
    Severity.HIGH,
    protects="Aggregate reports are asked for, at addresses that can be read.",
    reason="Without reports nobody sees who sends as the domain, and no stage can be tightened.",
    source="RFC 9989 section 4.7; RFC 9990 section 3",
    remedy="name a mailbox or an alias in dmarc.rua",
)
def _asked(stack: Stack) -> Iterator[Finding]:
    for record, read in _read(stack):
        if not read.uris():
            yield Finding("the DMARC record has no rua", "mail:dmarc.rua", record.resource)
        for mistake in read.mistakes:
            if mistake.place in _REPORTS and read.tags.get(mistake.place):
                yield Finding(str(mistake), "mail:dmarc.rua", record.resource, record.value)
        if read.tags.get("fo") not in (None, "0") and not read.uris("ruf"):
            message = "fo asks for reports on single failures, and no ruf says where they go"
            yield Finding(message, "mail:dmarc", record.resource, record.value)


@rule(
    "dmarc-reports-arrive",
    Severity.HIGH,
    protects="Reports reach a mailbox.",
    reason="Reports to an address that does not exist are refused, and nobody notices.",
    source="RFC 9990 section 3",
    remedy="add the mailbox or alias, or name another in dmarc.rua",
)
def _arrive(stack: Stack) -> Iterator[Finding]:
    domain = stack.declaration.domain
    for record, read in _read(stack):
        for address in [address for tag in _REPORTS for address in read.reports(tag)]:
            inside = address.endswith(f"@{domain}")
            if inside and not stack.reaches_mailbox(address):
                message = f"{address} reaches no mailbox"
                yield Finding(message, "mail:dmarc.rua", record.resource, address, absent=True)


@rule(
    "dmarc-reports-authorised",
    Severity.MEDIUM,
    protects="A report address outside the domain has agreed to take the reports.",
    reason="Receivers send nothing to a domain that has not published its consent.",
    source="RFC 9990 section 4",
    remedy="let the other domain publish its record, then say dmarc.ruaAuthorised: true",
)
def _authorised(stack: Stack) -> Iterator[Finding]:
    for record, read in _read(stack):
        for tag in _REPORTS:
            for address in read.reports(tag):
                if not _agreed(stack, tag, address):
                    place = address.partition("@")[2]
                    proof = f"{stack.declaration.domain}._report._dmarc.{place}"
                    message = f"{place} has not agreed to take reports ({proof})"
                    yield Finding(message, "mail:dmarc.ruaAuthorised", record.resource, address)


def _agreed(stack: Stack, tag: str, address: str) -> bool:
    domain = stack.declaration.domain
    if below(address.partition("@")[2], domain):
        return True
    if tag == "rua" and stack.declaration.dmarc.rua_authorised:
        return True

    def ask(name: str, kind: str, /) -> Sequence[str]:
        try:
            return stack.resolver(name, kind)
        except UnseenError:
            return ()  # of another zone only the declaration could say that it agrees

    return authorised(domain, address, ask)


@rule(
    "dmarc-stage",
    Severity.CRITICAL,
    protects="The published DMARC policy is the declared stage, and its time has come.",
    reason="A stage before its time throws away mail of senders that nobody knew of: a month of"
    " none, then as long of quarantine.",
    source="RFC 9989 section 7.4",
    remedy="declare the stage that holds today, with the days since when",
)
def _stage(stack: Stack) -> Iterator[Finding]:
    dmarc = stack.declaration.dmarc
    stage = Policy[dmarc.stage.value.upper()]
    for record, read in _read(stack):
        policies = [read.p, *(read.stated(name) for name in ("sp", "np"))]
        if max(policies) > stage:
            message = f"the record goes further than the declared stage {stage}"
            yield Finding(message, "mail:dmarc.stage", record.resource, record.value)
        elif read.p < stage:
            message = f"the record is milder than the declared stage {stage}"
            yield Finding(message, "mail:dmarc.stage", record.resource, record.value)
    fault = _date_fault(stack)
    if fault:
        yield Finding(fault, "mail:dmarc.since", seen=dmarc.since.isoformat())


@rule(
    "dmarc-without-gaps",
    Severity.HIGH,
    protects="The policy holds for every name below the domain too, and for names that are not.",
    reason="A forger takes the name for which less is asked; and t=y halves the policy where it is"
    " read and not elsewhere.",
    source="RFC 9989 sections 4.7 and 4.10",
    remedy="leave sp, np, t and psd out of the record",
)
def _gaps(stack: Stack) -> Iterator[Finding]:
    for record, read in _read(stack):
        fault = _gap(read)
        if fault:
            message = f"the DMARC record {fault}"
            yield Finding(message, "mail:dmarc", record.resource, record.value)


def _gap(read: Record) -> str | None:
    own = read.policy()
    if read.testing:
        return "is in test mode (t=y): the policy is applied one level lower, or not"
    if read.psd == "y":
        return "says that everybody may register below the domain (psd=y)"
    for exists, names in ((True, "names below"), (False, "names that do not exist")):
        policy = read.policy(below=True, exists=exists)
        if policy < own:
            return f"asks for {policy} for {names}, and for {own} for the domain"
    return None


def _date_fault(stack: Stack) -> str | None:
    dmarc = stack.declaration.dmarc
    first: date | None = dmarc.first_published
    begun: date | None = dmarc.reports_since
    if dmarc.since > stack.today:
        return f"{dmarc.since} lies in the future"
    if first is not None and first > dmarc.since:
        return f"dmarc.firstPublished {first} is later than dmarc.since"
    if dmarc.stage is DmarcStage.NONE:
        return None
    if begun is None:
        return f"dmarc.reportsSince is missing; {dmarc.stage.value} counts from it"
    earliest = begun + _WAIT[dmarc.stage.value]
    if dmarc.since < earliest:
        return f"{dmarc.stage.value} may begin on {earliest} at the earliest"
    return None


@rule(
    "dmarc-reject-deliberate",
    Severity.CRITICAL,
    protects="reject is chosen on purpose, and does not rest on SPF alone.",
    reason="Forwarded mail fails SPF, and mailing lists break signatures: under reject such mail"
    " is lost.",
    source="RFC 9989 section 7.4",
    remedy="stay at quarantine, or say dmarc.rejectAcknowledged: true with a DKIM key published",
)
def _reject(stack: Stack) -> Iterator[Finding]:
    domain = stack.declaration.domain
    for record, read in _read(stack):
        if Policy.REJECT not in [read.p, *(read.stated(name) for name in ("sp", "np"))]:
            continue
        if not stack.declaration.dmarc.reject_acknowledged:
            message = "reject is published and not acknowledged"
            yield Finding(message, "mail:dmarc.rejectAcknowledged", record.resource, record.value)
        ours = f"._domainkey.{domain}"
        if not any(key.name.endswith(ours) for key in stack.zone.records):
            message = "reject rests on SPF alone: no DKIM key of the domain is published"
            yield Finding(message, "mail:dmarc.stage", record.resource, record.value, absent=True)


@rule(
    "dmarc-alignment",
    Severity.CRITICAL,
    protects="Mail through the smarthost can align: its envelope and its signature are ours.",
    reason="SPF aligns with the envelope's domain, a name below ours, so only relaxed can match.",
    source="RFC 9989 section 4.4",
    remedy="keep aspf=r, and an envelope domain below the mail domain",
)
def _alignment(stack: Stack) -> Iterator[Finding]:
    domain, envelope = stack.declaration.domain, stack.names.envelope
    for record, read in _read(stack):
        if read.strict("spf") and envelope not in ("", domain):
            message = f"aspf=s, and the smarthost's envelope is {envelope}: SPF cannot align"
            yield Finding(message, "mail:dmarc", record.resource, record.value)
        for sender in stack.declaration.transactional_senders:
            # Without a selector of its own a sender signs with the company's, as the company.
            if read.strict("dkim") and sender.domain != domain and sender.selector is None:
                message = f"adkim=s, and {sender.name} writes as {sender.domain} and signs as"
                message += f" {domain}: DKIM cannot align"
                yield Finding(message, "mail:dmarc", record.resource, record.value)
