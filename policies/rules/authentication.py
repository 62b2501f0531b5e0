"""SPF, DKIM and DMARC: what receivers check before they believe our mail."""

import base64
import binascii
from collections.abc import Iterator
from datetime import date, timedelta

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from components.checks.delivery import SELECTOR_OVERLAP
from components.dmarc import DmarcStage
from components.zone import smarthost_account
from policies.model import Area, Finding, Severity
from policies.registry import in_area
from policies.spf import LOOKUP_LIMIT, VOID_LIMIT, Cost, SpfRecord, cost_of, parse_spf
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


def envelope_domain(stack: Stack) -> str:
    """Return the domain of the envelope sender that the smarthost writes."""
    return f"{stack.declaration.smarthost.envelope_label}.{stack.declaration.domain}"


# DKIM


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


# SPF


def _spf_records(stack: Stack) -> list[tuple[ZoneRecord, SpfRecord]]:
    return [
        (one, parse_spf(one.value))
        for one in stack.zone.records
        if one.type == "TXT" and one.value.lower().split(" ")[0] == "v=spf1"
    ]


def _spf_key(stack: Stack, name: str) -> str:
    if name == stack.declaration.domain:
        return "mail:zone.apexSpf"
    return "mail:smarthost.provider" if name == envelope_domain(stack) else "mail:zone"


@rule(
    "spf-single",
    Severity.CRITICAL,
    protects="There is at most one SPF record at each name.",
    reason="Two records are a permanent error, as bad as none; they must become one.",
    source="RFC 7208 section 4.5",
    remedy="merge the records into one",
)
def _spf_single(stack: Stack) -> Iterator[Finding]:
    seen: set[str] = set()
    for record, _ in _spf_records(stack):
        if record.name in seen:
            message = f"{record.name} has a second SPF record"
            yield Finding(message, _spf_key(stack, record.name), record.resource, record.value)
        seen.add(record.name)


@rule(
    "spf-wellformed",
    Severity.CRITICAL,
    protects="Every SPF record can be evaluated.",
    reason="One term that is not understood is a permanent error for the whole record.",
    source="RFC 7208 section 4.6",
    remedy="correct or take out the term",
)
def _spf_wellformed(stack: Stack) -> Iterator[Finding]:
    for record, parsed in _spf_records(stack):
        key = _spf_key(stack, record.name)
        if parsed.faults:
            message = f"{record.name} has the term {parsed.faults[0]}, which is none of SPF's"
            yield Finding(message, key, record.resource, record.value)
        elif len(record.value.encode()) > 450:
            message = f"the SPF record at {record.name} is long; answers may not fit a packet"
            yield Finding(message, key, record.resource, note=True)
    for one in stack.zone.records:
        if (
            one.type == "TXT"
            and one.value.lower().startswith(("v=spf", "spf1", "spf2.0"))
            and (one.value.lower().split(" ")[0] != "v=spf1")
        ):
            message = f"{one.name} does not begin with v=spf1, so it is no SPF record"
            yield Finding(message, _spf_key(stack, one.name), one.resource, one.value)


@rule(
    "spf-qualifier",
    Severity.CRITICAL,
    protects="An SPF record says no to everybody whom it does not name.",
    reason="+all lets the whole world send as the domain, ?all says nothing, no ending means ?all.",
    source="RFC 7208 sections 5.1 and 4.7",
    remedy="end the record in -all or ~all",
)
def _spf_qualifier(stack: Stack) -> Iterator[Finding]:
    for record, parsed in _spf_records(stack):
        ending = parsed.ending()
        if ending is None or ending.qualifier in ("+", "?"):
            shown = f"{ending.qualifier}all" if ending else "no all"
            message = f"the SPF record at {record.name} ends in {shown}"
            key = _spf_key(stack, record.name)
            yield Finding(message, key, record.resource, record.value)


def _cost(stack: Stack, record: ZoneRecord) -> Cost:
    declared = stack.declaration.zone.name or stack.declaration.domain
    own = f".{declared}"

    def texts(name: str) -> str | None:
        found = stack.zone.texts(name, "v=spf1")
        if found:
            return found[0].value
        return "" if f".{name}".endswith(own) else stack.snapshot.records.get(name)

    def exists(name: str) -> bool | None:
        if not f".{name}".endswith(own):
            return None
        return stack.zone.has_address(name) or bool(stack.zone.at(name, "MX"))

    return cost_of(record.name, record.value, texts, exists)


@rule(
    "spf-lookups",
    Severity.CRITICAL,
    protects="An SPF record costs at most ten look-ups, those of its includes counted.",
    reason="An eleventh look-up is a permanent error, and the record fails for everybody.",
    source="RFC 7208 section 4.6.4",
    remedy="take includes out, or write addresses instead of names",
)
def _spf_lookups(stack: Stack) -> Iterator[Finding]:
    records = _spf_records(stack)
    for record, _ in records:
        cost = _cost(stack, record)
        key = _spf_key(stack, record.name)
        if cost.lookups > LOOKUP_LIMIT:
            message = f"the SPF record at {record.name} costs {cost.lookups} look-ups"
            yield Finding(message, key, record.resource, record.value)
    if any("include" in record.value or "redirect" in record.value for record, _ in records):
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
def _spf_known(stack: Stack) -> Iterator[Finding]:
    for record, _ in _spf_records(stack):
        for name in _cost(stack, record).unseen:
            message = f"{record.name} includes {name}, which is not in the snapshot"
            yield Finding(message, _spf_key(stack, record.name), record.resource, record.value)


@rule(
    "spf-void-lookups",
    Severity.HIGH,
    protects="An SPF record looks up at most two names in vain.",
    reason="A third look-up that finds nothing is a permanent error.",
    source="RFC 7208 section 4.6.4",
    remedy="take out the names that do not exist",
)
def _spf_voids(stack: Stack) -> Iterator[Finding]:
    for record, _ in _spf_records(stack):
        voids = _cost(stack, record).voids
        if len(voids) > VOID_LIMIT:
            message = f"the SPF record at {record.name} asks for {', '.join(voids)} in vain"
            key = _spf_key(stack, record.name)
            yield Finding(message, key, record.resource, record.value)


@rule(
    "spf-envelope-covered",
    Severity.CRITICAL,
    protects="The smarthost may send with the envelope domain that it writes.",
    reason="SPF is checked at the envelope's domain; without its sender there, mail fails SPF.",
    source="RFC 7208 section 2.4; https://resend.com/docs/dashboard/domains/introduction",
    remedy="publish the record that the smarthost asks for at its envelope domain",
)
def _spf_envelope(stack: Stack) -> Iterator[Finding]:
    smarthost = stack.declaration.smarthost
    asked = [
        one
        for one in smarthost.row.records(smarthost_account(stack.declaration))
        if str(one.value).startswith("v=spf1")
    ]
    for wanted in asked:
        found = stack.zone.texts(wanted.name, "v=spf1")
        key = "mail:smarthost.envelopeLabel"
        if not found:
            yield Finding(f"{wanted.name} has no SPF record", key, seen=wanted.name, absent=True)
            continue
        have = {(one.name, one.domain) for one in parse_spf(found[0].value).terms}
        lacking = [
            f"{one.name}:{one.domain}"
            for one in parse_spf(str(wanted.value)).terms
            if one.costs and (one.name, one.domain) not in have
        ]
        if lacking:
            message = f"the SPF record at {wanted.name} lacks {', '.join(lacking)}"
            yield Finding(message, key, found[0].resource, found[0].value)


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
    for wanted in smarthost.row.records(smarthost_account(stack.declaration)):
        if wanted.type.value != "MX":
            continue
        found = stack.zone.at(wanted.name, "MX")
        # Another region of the same smarthost is for `smarthost-in-eu` to judge.
        targets = {
            str(wanted.value).replace(smarthost.region, region) for region in smarthost.row.regions
        }
        if not any(one.target in targets for one in found):
            resource = found[0].resource if found else None
            seen = found[0].value if found else ""
            message = f"{wanted.name} has no MX record for {wanted.value}"
            key = "mail:smarthost.region"
            yield Finding(message, key, resource, seen, absent=resource is None)


# DMARC


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
