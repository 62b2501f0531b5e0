"""Delivery: what receivers need to see before they believe our mail."""

import base64
import binascii
import re
from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from components.checks.registry import Finding, check
from components.dmarc import MINIMUM_AGE, DmarcStage, report_address
from components.mistakes import quoted, suggestion
from components.people import names_of
from components.residency import EU_COUNTRIES

if TYPE_CHECKING:
    from components.declaration import Declaration

_LEAST_BITS = 1024
_DOMAIN = re.compile(r"([a-z0-9-]+\.)+[a-z0-9-]+")


@check("dmarc", "mailboxes", "aliases", "domain")
def _reports_arrive(declaration: "Declaration", _today: date) -> Iterator[Finding]:
    dmarc, domain = declaration.dmarc, declaration.domain
    local, _, place = report_address(dmarc, domain).partition("@")
    known = names_of(declaration.mailboxes, declaration.aliases)
    malformed = not local or any(one.isspace() or one in ",!;" for one in dmarc.rua)
    if malformed or (place != domain and not _DOMAIN.fullmatch(place)):
        yield ("dmarc", "rua"), f"{quoted(dmarc.rua)} is not an address"
    elif place != domain and not dmarc.rua_authorised:
        proof = f'{domain}._report._dmarc.{place} TXT "v=DMARC1"'
        message = f"{place} must publish {proof}; then say ruaAuthorised: true (RFC 9990)"
        yield ("dmarc", "rua"), message
    elif place == domain and local not in known:
        near = suggestion(local, known) or "; add it, or use postmaster@"
        yield ("dmarc", "rua"), f"{local}@{domain} is neither a mailbox nor an alias{near}"


@check("dmarc")
def _stage_has_its_time(declaration: "Declaration", today: date) -> Iterator[Finding]:
    dmarc = declaration.dmarc
    if dmarc.since > today:
        message = f"{dmarc.since} lies in the future; declare the stage that holds today"
        yield ("dmarc", "since"), message
    if dmarc.clock_started > dmarc.since:
        yield ("dmarc", "firstPublished"), f"{dmarc.clock_started} is later than dmarc.since"
        return
    if dmarc.stage is DmarcStage.NONE:
        return
    if dmarc.first_published is None:
        message = f"is missing; {dmarc.stage} needs the first day of none, which starts the clock"
        yield ("dmarc", "firstPublished"), message
        return
    earliest = dmarc.first_published + MINIMUM_AGE[dmarc.stage]
    if dmarc.since < earliest:
        message = f"{dmarc.stage} may begin on {earliest} at the earliest"
        yield ("dmarc", "since"), f"{message}; declare a milder stage until then"


@check("dmarc")
def _reject_is_acknowledged(declaration: "Declaration", _today: date) -> Iterator[Finding]:
    dmarc = declaration.dmarc
    if dmarc.stage is DmarcStage.REJECT and not dmarc.reject_acknowledged:
        message = "reject makes mailing lists lose mail; quarantine is the usual goal"
        yield ("dmarc", "stage"), f"{message}, otherwise say rejectAcknowledged: true"


@check("smarthost")
def _smarthost_region(declaration: "Declaration", _today: date) -> Iterator[Finding]:
    settings = declaration.smarthost
    regions = settings.row.regions
    inside = ", ".join(sorted(name for name, land in regions.items() if land in EU_COUNTRIES))
    way_out = f"; use {inside}" if inside else "; take another provider"
    place, title = ("smarthost", "region"), settings.row.title
    if settings.region not in regions:
        yield place, f"{quoted(settings.region)} is no region of {title}{way_out}"
    elif regions[settings.region] not in EU_COUNTRIES:
        country = regions[settings.region]
        yield place, f"{settings.region} lies in {country}, outside the EU{way_out}"


@check("dkim_public_key")
def _dkim_key(declaration: "Declaration", _today: date) -> Iterator[Finding]:
    fault = _dkim_fault(declaration.dkim_public_key)
    if fault:
        way_out = "copy the value of the DKIM record from the smarthost's account, from p= on"
        yield ("dkimPublicKey",), f"{fault}; {way_out}"


def _dkim_fault(text: str) -> str | None:
    if "PRIVATE" in text:
        return "holds a private key, which must never be published"
    tags = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if equals:
            tags[name.strip()] = "".join(value.split())
    if tags.get("v", "DKIM1") != "DKIM1" or tags.get("k", "rsa") != "rsa":
        return "is not the record of an RSA key"
    if not tags.get("p"):
        return "has no p= with a key"
    return _rsa_fault(tags["p"])


def _rsa_fault(encoded: str) -> str | None:
    try:
        key = load_der_public_key(base64.b64decode(encoded, validate=True))
    except (ValueError, binascii.Error, UnsupportedAlgorithm):
        return "holds no RSA public key (base64 of DER)"
    if not isinstance(key, RSAPublicKey):
        return "holds a key that is not RSA"
    if key.key_size < _LEAST_BITS:
        return f"holds a key of {key.key_size} bits, fewer than the {_LEAST_BITS} of RFC 8301"
    return None
