"""Delivery: what receivers need to see before they believe our mail."""

import re
from collections.abc import Iterator
from datetime import date, timedelta

from declaration.checks.registry import Finding, check
from declaration.dmarc import MINIMUM_AGE, DmarcStage, report_addresses
from declaration.mistakes import Place, quoted, suggestion
from declaration.model import Declaration
from declaration.names import POSTMASTER
from declaration.people import names_of, untagged
from declaration.residency import WITHIN_EU
from declaration.smarthost_providers import OTHER, Envelope
from readers import dkim
from readers.spf import record as spf

SELECTOR_OVERLAP = timedelta(days=60)
"""How long a second DKIM selector may be published. A message waits five days at most (RFC 5321
section 4.5.4.1); the rest is the operator's time."""

_COPY_KEY = "copy the value of the DKIM record from the smarthost's account, from p= on"
_COUNTRY = re.compile("[A-Z]{2}")
_DOMAIN = re.compile(r"([a-z0-9-]+\.)+[a-z0-9-]+")


@check("dmarc", "mailboxes", "aliases", "domain")
def _reports_arrive(declaration: Declaration, _today: date) -> Iterator[Finding]:
    dmarc, domain = declaration.dmarc, declaration.domain
    known = names_of(declaration.mailboxes, declaration.aliases)
    for index, address in enumerate(report_addresses(dmarc, domain)):
        place: Place = ("dmarc", "rua", index) if len(dmarc.rua) > 1 else ("dmarc", "rua")
        local, _, where = address.partition("@")
        malformed = not local or re.search(r"[\s,!;]", address)
        if malformed or (where != domain and not _DOMAIN.fullmatch(where)):
            yield place, f"{quoted(dmarc.rua[index])} is not an address"
        elif where != domain and not dmarc.rua_authorised:
            proof = f'{domain}._report._dmarc.{where} TXT "v=DMARC1"'
            message = f"{where} must publish {proof}; then say ruaAuthorised: true (RFC 9990)"
            yield place, message
        elif where == domain and untagged(local) not in known:
            near = suggestion(local, known) or f"; add it, or use {POSTMASTER}@"
            yield place, f"{local}@{domain} is neither a mailbox nor an alias{near}"


@check("dmarc")
def _stage_has_its_time(declaration: Declaration, today: date) -> Iterator[Finding]:
    dmarc = declaration.dmarc
    if dmarc.since > today:
        message = f"{dmarc.since} lies in the future; declare the stage that holds today"
        yield ("dmarc", "since"), message
    first, reports = dmarc.first_published, dmarc.reports_since
    if first is not None and first > dmarc.since:
        yield ("dmarc", "firstPublished"), f"{first} is later than dmarc.since"
        return
    if reports is not None and reports > today:
        message = f"{reports} lies in the future; leave it out until the record has rua"
        yield ("dmarc", "reportsSince"), message
    if reports is not None and first is not None and reports < first:
        message = f"{reports} is earlier than dmarc.firstPublished; nothing was published then"
        yield ("dmarc", "reportsSince"), message
    if dmarc.stage is DmarcStage.NONE:
        return
    if reports is None:
        message = f"is missing; {dmarc.stage} needs the first day that had rua, the clock's start"
        yield ("dmarc", "reportsSince"), message
        return
    earliest = reports + MINIMUM_AGE[dmarc.stage]
    if dmarc.since < earliest:
        message = f"{dmarc.stage} may begin on {earliest} at the earliest"
        yield ("dmarc", "since"), f"{message}; declare a milder stage until then"


@check("dmarc")
def _reject_is_acknowledged(declaration: Declaration, _today: date) -> Iterator[Finding]:
    dmarc = declaration.dmarc
    if dmarc.stage is DmarcStage.REJECT and not dmarc.reject_acknowledged:
        message = "reject makes mailing lists lose mail; quarantine is the usual goal"
        yield ("dmarc", "stage"), f"{message}, otherwise say rejectAcknowledged: true"


@check("smarthost")
def _smarthost_region(declaration: Declaration, _today: date) -> Iterator[Finding]:
    settings = declaration.smarthost
    row, region = settings.row, settings.region
    inside = ", ".join(sorted(name for name, land in row.regions.items() if land in WITHIN_EU))
    way_out = f"; use {inside}" if inside else "; take another provider"
    place, country = ("smarthost", "region"), row.country(region)
    if not region and not row.regions:
        yield place, f"is missing; say the country where {row.title} handles mail, such as DE"
    elif country is None or (not row.regions and not _COUNTRY.fullmatch(country)):
        way_out = way_out if row.regions else "; say the country (ISO 3166-1), such as DE"
        yield place, f"{quoted(region)} is no region of {row.title}{way_out}"
    elif country not in WITHIN_EU:
        yield place, f"{region} lies in {country}, outside the EU{way_out}"


@check("smarthost")
def _smarthost_user(declaration: Declaration, _today: date) -> Iterator[Finding]:
    settings = declaration.smarthost
    title, user = settings.row.title, settings.row.user
    if user is None and settings.user is None:
        message = f"is missing; {title} gives each account a login name of its own"
        yield ("smarthost", "user"), message
    elif user is not None and settings.user is not None:
        yield ("smarthost", "user"), f"is not needed: at {title} everybody is {user}; take it out"


@check("smarthost")
def _smarthost_port(declaration: Declaration, _today: date) -> Iterator[Finding]:
    settings = declaration.smarthost
    row, port = settings.row, settings.port
    if port is not None and port not in row.ports:
        *most, last = map(str, row.ports)
        known = f"{', '.join(most)} or {last}"
        yield ("smarthost", "port"), f"{row.title} takes no mail on {port}; use {known}"


@check("smarthost")
def _smarthost_without_a_row(declaration: Declaration, _today: date) -> Iterator[Finding]:
    settings = declaration.smarthost
    own = {"host": settings.host, "spfInclude": settings.spf_include}
    if settings.provider != OTHER:
        for key, value in (own | {"implicitTls": settings.implicit_tls}).items():
            if value is not None:
                message = f"is for {OTHER} alone, and {settings.row.title} is known; take it out"
                yield ("smarthost", key), message
        return
    what = {
        "host": "the submission server by its name",
        "spfInclude": "the domain that its pages name for SPF records, after include:",
    }
    for key, meaning in what.items():
        if own[key] is None:
            yield ("smarthost", key), f"is missing; say {meaning}"


@check("smarthost", "zone")
def _apex_names_the_smarthost(declaration: Declaration, _today: date) -> Iterator[Finding]:
    row, text = declaration.smarthost.row, declaration.zone.apex_spf
    if row.envelope is not Envelope.KEPT or not row.spf:
        return
    tried = spf.parse(text or "").used
    if row.spf not in {term.domain.lower() for term in tried if term.name == "include"}:
        message = f"shuts {row.title} out, which keeps the envelope sender"
        yield ("zone", "apexSpf"), f"{message}; put include:{row.spf} before its end"


@check("smarthost", "dkim_public_key")
def _signing_selector(declaration: Declaration, _today: date) -> Iterator[Finding]:
    settings, names = declaration.smarthost, declaration.smarthost.dkim_names
    if not names:
        return
    if declaration.dkim_public_key:
        message = "is not needed beside smarthost.dkimNames: who signs keeps the key; take it out"
        yield ("dkimPublicKey",), message
    if settings.selector not in names:
        known = ", ".join(names)
        message = f"{settings.selector} is none of dkimNames ({known}); name one that signs"
        yield ("smarthost", "selector"), message
    if settings.second_selector is not None:
        message = "is not needed beside dkimNames: the smarthost changes its keys by itself"
        yield ("smarthost", "secondSelector"), f"{message}; take it out"


@check("smarthost", "dkim_public_key", "transactional_senders", "domain")
def _second_selector(declaration: Declaration, today: date) -> Iterator[Finding]:
    settings = declaration.smarthost
    second = settings.second_selector
    if second is None:
        return
    place: Place = ("smarthost", "secondSelector")
    ours = [
        sender
        for sender in declaration.transactional_senders
        if sender.domain == declaration.domain
    ]
    if second.selector == settings.selector:
        yield (*place, "selector"), f"{second.selector} is the one that signs; name another"
    elif second.selector in {sender.selector for sender in ours}:
        yield (*place, "selector"), f"{second.selector} is a transactional sender's; name another"
    if (fault := _dkim_fault(second.public_key)) is not None:
        yield (*place, "publicKey"), f"{fault}; {_COPY_KEY}"
    elif dkim.parse(second.public_key).is_same(dkim.parse(declaration.dkim_public_key)):
        message = "is the key that is in use; a second selector is for another key"
        yield (*place, "publicKey"), message
    if second.until > today + SELECTOR_OVERLAP:
        latest = today + SELECTOR_OVERLAP
        message = f"{second.until} is too late; two selectors at once end by {latest}"
        yield (*place, "until"), message


@check("dkim_public_key")
def _dkim_key(declaration: Declaration, _today: date) -> Iterator[Finding]:
    text = declaration.dkim_public_key
    if text and (fault := _dkim_fault(text)) is not None:
        yield ("dkimPublicKey",), f"{fault}; {_COPY_KEY}"


def _dkim_fault(text: str) -> str | None:
    if "PRIVATE" in text:
        return "holds a private key, which must never be published"
    key = dkim.parse(text)
    if key.kind != "rsa":
        return "is not the record of an RSA key"
    return f"is no key for mail: {key.mistakes[0]}" if key.mistakes else None
