"""Cloudflare: may the token write this zone, and nothing else?

Nothing is written, so the right to write is never seen to be there; only that it is not.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cloudflare import APIConnectionError, APIError, APIStatusError, AsyncCloudflare
from cloudflare.types.zones import Zone

from operations.doctor.looking import Look
from operations.prove.findings import failed, passed, unseen
from operations.prove.model import Finding
from operations.prove.net import TIMEOUT, UnseenError
from operations.prove.subject import Subject
from operations.site import Site

_KEY = "mail:cloudflareApiToken"
_NEW = "make a new one: Zone.DNS Edit and Zone.Zone Read, for this zone alone"
_EDIT = "#dns_records:edit"
_SHOWN = 3


@asynccontextmanager
async def _asking(site: Site) -> AsyncIterator[AsyncCloudflare]:
    """Ask with little patience; a refusal is the caller's, anything else says nothing."""
    try:
        yield site.cloudflare.with_options(max_retries=1, timeout=TIMEOUT)
    except APIConnectionError:
        raise UnseenError("Cloudflare does not answer") from None
    except APIStatusError as error:
        if error.status_code in {400, 401, 403}:
            raise
        raise UnseenError(f"Cloudflare answers {error.status_code}") from None
    except APIError as error:
        raise UnseenError(f"Cloudflare: {type(error).__name__}") from None


def _zone_name(site: Site) -> str:
    return site.declaration.zone.name or site.declaration.domain


async def _zone(site: Site, client: AsyncCloudflare) -> Zone | None:
    name = _zone_name(site)
    zones = [zone async for zone in client.zones.list(name=name) if zone.name == name]
    return zones[0] if zones else None


async def _reads(site: Site, _subject: Subject) -> Finding:
    name = _zone_name(site)
    expected = f"it sees {name} and reads its records"
    try:
        async with _asking(site) as client:
            zone = await _zone(site, client)
            if zone is None:
                return failed(f"the token sees no zone {name}", expected, key=_KEY)
            if site.declaration.zone.id not in {None, zone.id}:
                return failed(
                    f"the zone's id is {zone.id}, another one is declared", expected,
                    key="mail:zone.id", mend="declare this one, or take the key out",
                )  # fmt: skip
            await client.dns.records.list(zone_id=zone.id, per_page=5)
    except APIStatusError as error:
        return failed(f"Cloudflare refuses the token ({error.status_code})", expected, key=_KEY)
    if zone.status != "active":
        return failed(
            f"the zone is {zone.status}, so nobody asks Cloudflare for it", "active",
            key="mail:zone.name", mend="set Cloudflare's name servers at the registrar",
        )  # fmt: skip
    return passed(expected, expected, key=_KEY)


async def _writes(site: Site, _subject: Subject) -> Finding:
    expected = f"it may edit the records of {_zone_name(site)}"
    try:
        async with _asking(site) as client:
            zone = await _zone(site, client)
    except APIStatusError as error:
        return failed(f"Cloudflare refuses the token ({error.status_code})", expected, key=_KEY)
    if zone is None:
        return failed("the token does not even see the zone", expected, key=_KEY)
    if zone.permissions and _EDIT not in zone.permissions:
        listed = ", ".join(sorted(zone.permissions)[:_SHOWN])
        return failed(f"Cloudflare lists {listed}, and no {_EDIT}", expected, key=_KEY)
    # The list is that of the membership behind the token (API reference, Zone.permissions): what
    # it lacks the token cannot have, what it has the token may lack.
    return unseen(
        "only a write shows it, and nothing is written here", expected, key=_KEY,
        mend="look whether the token's page says Zone.DNS Edit",
    )  # fmt: skip


async def _no_other_zone(site: Site, _subject: Subject) -> Finding:
    name, expected = _zone_name(site), "no other zone"
    try:
        async with _asking(site) as client:
            others = [zone.name async for zone in client.zones.list() if zone.name != name]
    except APIStatusError as error:
        return unseen(f"Cloudflare lists no zones for it ({error.status_code})", expected, key=_KEY)
    if others:
        more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
        seen = f"the token sees {', '.join(others[:_SHOWN])}{more} as well"
        return failed(seen, expected, key=_KEY)
    return passed("it sees no other zone", expected, key=_KEY)


async def _nothing_else(_site: Site, _subject: Subject) -> Finding:
    return unseen(
        "not seen from here: a token does not tell its other rights", "none", key=_KEY,
        mend="look whether the token's page lists Zone.DNS and Zone.Zone alone",
    )  # fmt: skip


_TOKEN = ("cloudflareApiToken",)
LOOKS = (
    Look("cloudflare-zone", "Does the token see the zone?", _KEY, _NEW, _reads, _TOKEN),
    Look("cloudflare-write", "May the token write the zone?", _KEY, _NEW, _writes, _TOKEN),
    Look("cloudflare-others", "Does it see no other zone?", _KEY, _NEW, _no_other_zone, _TOKEN),
    Look("cloudflare-rights", "Has it no other right?", _KEY, _NEW, _nothing_else, _TOKEN),
)
