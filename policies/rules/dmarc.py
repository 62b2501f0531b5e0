"""DMARC: what receivers are told to do with mail that is not ours."""

from collections.abc import Iterator
from datetime import date, timedelta

from components.dmarc import DmarcStage
from policies.model import Area, Finding, Severity
from policies.registry import in_area
from policies.rules.spf import envelope_domain
from policies.stack import Stack
from policies.tags import Tags, parse_tags
from policies.zone import ZoneRecord

rule = in_area(Area.AUTHENTICATION)

_DMARC_TAGS = ("v", "p", "sp", "np", "rua", "ruf", "fo", "adkim", "aspf", "psd", "t")
_DMARC_GONE = ("pct", "rf", "ri")
_DMARC_VALUES = {
    "p": ("none", "quarantine", "reject"),
    "sp": ("none", "quarantine", "reject"),
    "np": ("none", "quarantine", "reject"),
    "adkim": ("r", "s"),
    "aspf": ("r", "s"),
    "psd": ("y", "n", "u"),
    "t": ("y", "n"),
}
_STRICTNESS = {"none": 0, "quarantine": 1, "reject": 2}
_WAIT = {"none": timedelta(0), "quarantine": timedelta(days=30), "reject": timedelta(days=60)}


def _dmarc(stack: Stack) -> list[ZoneRecord]:
    return [
        one
        for one in stack.zone.at(f"_dmarc.{stack.declaration.domain}", "TXT")
        if one.value.lower().lstrip().startswith("v=dmarc")
    ]


def _policy(record: ZoneRecord) -> Tags:
    return parse_tags(record.value)


@rule(
    "dmarc-single",
    Severity.CRITICAL,
    protects="There is exactly one DMARC record.",
    reason="Without one nobody is told what to do with forgeries; with two none of them counts.",
    source="RFC 9989 section 4.10",
    remedy="publish one record at _dmarc, and only one",
)
def _dmarc_single(stack: Stack) -> Iterator[Finding]:
    found = _dmarc(stack)
    name = f"_dmarc.{stack.declaration.domain}"
    if not found:
        yield Finding(f"{name} has no DMARC record", "mail:dmarc.stage", seen=name, absent=True)
    for one in found[1:]:
        yield Finding(f"{name} has a second record", "mail:dmarc.stage", one.resource, one.value)


@rule(
    "dmarc-tags",
    Severity.HIGH,
    protects="The DMARC record says what RFC 9989 knows, and nothing that is gone.",
    reason="v=DMARC1 must come first, letter for letter; pct, rf and ri no longer mean anything.",
    source="RFC 9989 section 4.7",
    remedy="write v=DMARC1 first, then tags of RFC 9989 with their values",
)
def _dmarc_tags(stack: Stack) -> Iterator[Finding]:
    for record in _dmarc(stack):
        fault = _dmarc_fault(_policy(record))
        if fault:
            yield Finding(f"the DMARC record {fault}", "mail:dmarc", record.resource, record.value)


def _dmarc_fault(tags: Tags) -> str | None:  # noqa: PLR0911 - one for each fault
    if tags.names[:1] != ("v",) or tags.get("v") != "DMARC1":
        return "does not begin with v=DMARC1, in capitals"
    if tags.malformed:
        return f"has the part {tags.malformed[0]}, which is no tag"
    if tags.twice:
        return f"has the tag {tags.twice[0]} twice"
    if tags.get("p") is None:
        return "has no p="
    for name, value in tags.pairs:
        if name in _DMARC_GONE:
            return f"has the tag {name}, which RFC 9989 has done away with"
        if name not in _DMARC_TAGS:
            return f"has the tag {name}, which RFC 9989 does not know"
        if name in _DMARC_VALUES and value not in _DMARC_VALUES[name]:
            return f"has {name}={value}, which means nothing"
    return None


def report_addresses(tags: Tags) -> list[str]:
    """Return the addresses in `rua`, in lower case and without a size limit."""
    uris = (one.strip() for one in (tags.get("rua") or "").split(",") if one.strip())
    return [one.removeprefix("mailto:").partition("!")[0].lower() for one in uris]


@rule(
    "dmarc-reports-asked",
    Severity.HIGH,
    protects="Aggregate reports are asked for, at addresses that can be read.",
    reason="Without reports nobody sees who sends as the domain, and no stage can be tightened.",
    source="RFC 9989 section 4.7; RFC 9990 section 3",
    remedy="name a mailbox or an alias in dmarc.rua",
)
def _dmarc_asked(stack: Stack) -> Iterator[Finding]:
    for record in _dmarc(stack):
        tags = _policy(record)
        uris = [one.strip() for one in (tags.get("rua") or "").split(",")]
        if uris == [""]:
            yield Finding("the DMARC record has no rua", "mail:dmarc.rua", record.resource)
        for uri in uris:
            local, at, domain = uri.removeprefix("mailto:").partition("@")
            if uri and not (uri.startswith("mailto:") and local and at and "." in domain):
                message = f"{uri} is no mailto: address"
                yield Finding(message, "mail:dmarc.rua", record.resource, uri)
            elif "!" in uri:
                message = f"{uri} has a size limit, which RFC 9990 has done away with"
                yield Finding(message, "mail:dmarc.rua", record.resource, uri)


@rule(
    "dmarc-reports-arrive",
    Severity.HIGH,
    protects="Reports reach a mailbox.",
    reason="Reports to an address that does not exist are refused, and nobody notices.",
    source="RFC 9990 section 3",
    remedy="add the mailbox or alias, or name another in dmarc.rua",
)
def _dmarc_arrive(stack: Stack) -> Iterator[Finding]:
    domain = stack.declaration.domain
    for record in _dmarc(stack):
        for address in report_addresses(_policy(record)):
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
def _dmarc_authorised(stack: Stack) -> Iterator[Finding]:
    domain = stack.declaration.domain
    for record in _dmarc(stack):
        for address in report_addresses(_policy(record)):
            place = address.partition("@")[2]
            outside = bool(place) and f".{place}" != f".{domain}"
            proof = f"{domain}._report._dmarc.{place}"
            agreed = stack.declaration.dmarc.rua_authorised or stack.zone.texts(proof, "v=DMARC1")
            if outside and not agreed:
                message = f"{place} has not agreed to take reports ({proof})"
                yield Finding(message, "mail:dmarc.ruaAuthorised", record.resource, address)


@rule(
    "dmarc-stage",
    Severity.CRITICAL,
    protects="The published DMARC policy is the declared stage, and its time has come.",
    reason="A stage before its time throws away mail of senders that nobody knew of: a month of"
    " none, then as long of quarantine.",
    source="RFC 9989 section 7.4",
    remedy="declare the stage that holds today, with the days since when",
)
def _dmarc_stage(stack: Stack) -> Iterator[Finding]:
    dmarc = stack.declaration.dmarc
    for record in _dmarc(stack):
        tags = _policy(record)
        strictest = max(
            (_STRICTNESS.get(tags.get(one) or "none", 0) for one in ("p", "sp", "np")), default=0
        )
        if strictest > _STRICTNESS[dmarc.stage.value]:
            message = f"the record goes further than the declared stage {dmarc.stage.value}"
            yield Finding(message, "mail:dmarc.stage", record.resource, record.value)
        elif _STRICTNESS.get(tags.get("p") or "none", 0) < _STRICTNESS[dmarc.stage.value]:
            message = f"the record is milder than the declared stage {dmarc.stage.value}"
            yield Finding(message, "mail:dmarc.stage", record.resource, record.value)
    fault = _date_fault(stack)
    if fault:
        yield Finding(fault, "mail:dmarc.since", seen=dmarc.since.isoformat())


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
def _dmarc_reject(stack: Stack) -> Iterator[Finding]:
    domain = stack.declaration.domain
    for record in _dmarc(stack):
        tags = _policy(record)
        if "reject" not in (tags.get("p"), tags.get("sp"), tags.get("np")):
            continue
        if not stack.declaration.dmarc.reject_acknowledged:
            message = "reject is published and not acknowledged"
            yield Finding(message, "mail:dmarc.rejectAcknowledged", record.resource, record.value)
        ours = f"._domainkey.{domain}"
        if not any(one.name.endswith(ours) for one in stack.zone.records):
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
def _dmarc_alignment(stack: Stack) -> Iterator[Finding]:
    domain, envelope = stack.declaration.domain, envelope_domain(stack)
    for record in _dmarc(stack):
        if _policy(record).get("aspf") == "s" and envelope != domain:
            message = f"aspf=s, and the smarthost's envelope is {envelope}: SPF cannot align"
            yield Finding(message, "mail:dmarc", record.resource, record.value)
