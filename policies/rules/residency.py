"""Residency: mail, its copies and its way out stay within the European Union."""

from collections.abc import Iterator

from declaration.residency import EU_COUNTRIES, REGIONS, WITHIN_EU
from policies.model import Area, Finding, Severity
from policies.registry import in_area
from policies.stack import Stack

rule = in_area(Area.RESIDENCY)

_LAW = "GDPR chapter V (articles 44 to 50)"


@rule(
    "smarthost-in-eu",
    Severity.CRITICAL,
    protects="The smarthost handles mail in the EU, in the declared region.",
    reason="It reads every outbound message; another region is a transfer to a third country.",
    source=f"{_LAW}; https://resend.com/docs/dashboard/domains/regions",
    remedy="declare an EU region in smarthost.region, and open the account there",
)
def _smarthost(stack: Stack) -> Iterator[Finding]:
    settings = stack.declaration.smarthost
    country = settings.row.country(settings.region)
    if country not in WITHIN_EU:
        message = f"the region {settings.region} lies in {country or 'no country that is known'}"
        yield Finding(message, "mail:smarthost.region", seen=settings.region)
        return
    others = set(settings.row.regions) - {settings.region}
    for record in stack.zone.at(stack.names.envelope, "MX"):
        labels = set(record.target.split("."))
        if labels & others:
            message = f"the feedback record names the region {', '.join(sorted(labels & others))}"
            yield Finding(message, "mail:smarthost.region", record.resource, record.value)


@rule(
    "storage-in-eu",
    Severity.CRITICAL,
    protects="The backup lies in the EU, in the declared region.",
    reason="It holds all mail; encryption does not make the transfer go away.",
    source=_LAW,
    remedy="declare an EU region in backup.region, and a bucket there",
)
def _storage(stack: Stack) -> Iterator[Finding]:
    region = stack.declaration.backup.region
    country = REGIONS.get(region)
    if country not in EU_COUNTRIES:
        message = f"the region {region} lies in {country or 'no country that is known'}"
        yield Finding(message, "mail:backup.region", seen=region)
        return
    for provider in stack.providers("minio"):
        given = stack.text(provider, "minioRegion")
        if given != region:
            message = f"the storage is spoken to in the region {given or 'that it pleases'}"
            yield Finding(message, "mail:backup.region", provider, given)


@rule(
    "host-in-eu",
    Severity.CRITICAL,
    protects="The host stands in the EU.",
    reason="All mail lies on it.",
    source=_LAW,
    remedy="declare the country where the host really stands, and move it if need be",
)
def _host(stack: Stack) -> Iterator[Finding]:
    country = stack.declaration.host.country
    if country not in EU_COUNTRIES:
        yield Finding(f"the host stands in {country}", "mail:host.country", seen=country)
