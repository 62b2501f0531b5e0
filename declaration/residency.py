"""Where data may lie: the European Union, by country and by the regions of providers."""

from types import MappingProxyType

_CODES = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"

EU_COUNTRIES = frozenset(_CODES.split())
"""ISO 3166-1 codes of the member states."""

WITHIN_EU = EU_COUNTRIES | {"EU"}
"""The same with the code that ISO 3166 reserves for the Union as a whole: where a provider says no
more than that data lies in it."""

REGIONS = MappingProxyType(
    {
        # Amazon's names, which Resend and most S3 servers use too
        "eu-west-1": "IE",
        "eu-west-2": "GB",
        "eu-west-3": "FR",
        "eu-central-1": "DE",
        "eu-central-2": "CH",
        "eu-north-1": "SE",
        "eu-south-1": "IT",
        "eu-south-2": "ES",
        "us-east-1": "US",
        "sa-east-1": "BR",
        "ap-northeast-1": "JP",
        # Scaleway, Hetzner, OVH
        "fr-par": "FR",
        "nl-ams": "NL",
        "pl-waw": "PL",
        "it-mil": "IT",
        "fsn1": "DE",
        "nbg1": "DE",
        "hel1": "FI",
        "gra": "FR",
        "rbx": "FR",
        "sbg": "FR",
        "waw": "PL",
    }
)
"""Country of a region. `eu-` in a name is not enough: London and Zurich have it too."""


def region_fault(region: str) -> str | None:
    """Return why data in this region would not lie within the EU, or None when it does."""
    country = REGIONS.get(region)
    if country is None:
        return f'"{region}" is no region known to lie within the EU; use one such as eu-west-1'
    if country not in EU_COUNTRIES:
        return f'"{region}" lies in {country}, outside the EU; use one such as eu-west-1'
    return None
