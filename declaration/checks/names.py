"""Names in the zone: each stands for one thing, and all of them lie in the zone."""

from collections.abc import Iterator
from datetime import date

from declaration.certificate import covers
from declaration.checks.registry import Finding, check
from declaration.mistakes import Place
from declaration.model import Declaration
from declaration.names import mail_host, web_hosts
from declaration.zone_records import records
from readers.spf.check import LOOKUP_LIMIT
from readers.spf.reach import UnseenError, reach
from readers.spf.record import parse

_FIXED = ("autoconfig", "autodiscover", "mta-sts")


@check("zone", "web", "smarthost")
def _labels_are_distinct(declaration: Declaration, _today: date) -> Iterator[Finding]:
    labels: list[tuple[Place, str]] = [
        (("zone", "mxLabel"), declaration.zone.mx_label),
        (("smarthost", "envelopeLabel"), declaration.smarthost.envelope_label),
        (("web", "admin"), declaration.web.admin),
        (("web", "webmail"), declaration.web.webmail),
    ]
    seen: dict[str, str] = {label: f"the name of {label} itself" for label in _FIXED}
    for place, label in labels:
        if label in seen:
            yield place, f'"{label}" is {seen[label]} already; take another label'
        seen.setdefault(label, f"mail:{place[0]}.{place[1]}")


@check("zone", "domain")
def _domain_lies_in_the_zone(declaration: Declaration, _today: date) -> Iterator[Finding]:
    zone, domain = declaration.zone.name, declaration.domain
    if zone is not None and domain != zone and not domain.endswith(f".{zone}"):
        message = f"{domain} does not lie in the zone {zone}; name the zone that holds it"
        yield ("zone", "name"), message


@check("zone", "domain")
def _apex_spf(declaration: Declaration, _today: date) -> Iterator[Finding]:
    text = declaration.zone.apex_spf
    if text is None:
        return
    place = ("zone", "apexSpf")
    record = parse(text)
    for mistake in record.mistakes:
        yield place, f"{mistake}: a permanent error (RFC 7208 section 4.6)"
    if record.mistakes:
        return

    def ask(name: str, kind: str, /) -> tuple[str, ...]:
        # What other names hold is for the policies and the proof to see.
        if (name, kind) != (declaration.domain, "TXT"):
            raise UnseenError(name)
        return (text,)

    found = reach(declaration.domain, ask)
    assert found is not None  # noqa: S101 - the text is a record, as `parse` has seen
    if found.said_of_anybody():
        yield place, "says no to nobody else, so anyone may send as the domain; end it in -all"
    elif found.lookups > LOOKUP_LIMIT:
        message = f"needs {found.lookups} look-ups, more than the {LOOKUP_LIMIT} of RFC 7208"
        yield place, f"{message} section 4.6.4; take some out"


@check("zone")
def _no_entry_twice(declaration: Declaration, _today: date) -> Iterator[Finding]:
    for key, entries in (("caa", declaration.zone.caa), ("tlsa", declaration.zone.tlsa)):
        for index, entry in enumerate(entries):
            if entry in entries[:index]:
                yield ("zone", key, index), f"{entry[:16]} stands twice; take one out"


@check("zone", "web", "certificate", "domain")
def _existing_certificate_covers_every_host(
    declaration: Declaration, _today: date
) -> Iterator[Finding]:
    existing, domain = declaration.certificate.existing, declaration.domain
    hosts = (
        mail_host(domain, declaration.zone),
        *web_hosts(domain, declaration.web, declaration.zone),
    )
    bare = [host for host in hosts if not any(covers(name, host) for name in existing)]
    if existing and bare:
        message = f"does not cover {', '.join(bare)}"
        yield ("certificate", "existing"), f"{message}; leave it out, and Traefik obtains one"


@check("zone", "certificate")
def _certificate_authority_may_issue(declaration: Declaration, _today: date) -> Iterator[Finding]:
    if declaration.zone.caa and "letsencrypt.org" not in declaration.zone.caa:
        message = "shuts out letsencrypt.org, from which Traefik has the certificate; add it"
        yield ("zone", "caa"), message


@check(
    "domain", "host", "ipv6", "zone", "web", "dmarc", "smarthost", "mailcow", "traefik", "backup",
    "certificate", "endpoints", "host_key", "dkim_public_key", "operator_addresses",
)  # fmt: skip
def _records_fit_the_plan(declaration: Declaration, _today: date) -> Iterator[Finding]:
    count = len(records(declaration))
    quota = declaration.zone.record_quota
    if count > quota:
        message = f"{count} records are declared, the zone's plan allows {quota}"
        yield ("zone", "recordQuota"), f"{message}; drop an option or take a larger plan"


@check("transactional_senders")
def _senders_can_be_told_apart(declaration: Declaration, _today: date) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, sender in enumerate(declaration.transactional_senders):
        if sender.name in seen:
            yield ("transactionalSenders", index, "name"), f"{sender.name} stands twice"
        seen.add(sender.name)
