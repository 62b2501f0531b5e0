"""The token with which records are written at Cloudflare."""

import asyncio
import secrets
from typing import ClassVar

import httpx
from cloudflare import APIConnectionError, APIError, AsyncCloudflare

from operations.rotate.kinds.credential import Credential
from operations.rotate.model import Work
from operations.site import SiteError


class CloudflareToken(Credential):
    """A token that may edit the records of the zone. Mail does not depend on it."""

    what: ClassVar[str] = "cloudflare"
    title: ClassVar[str] = "Cloudflare token"
    # The provider itself, which changes no record.
    touches: ClassVar[tuple[str, ...]] = ("cloudflare",)
    key: ClassVar[str] = "cloudflareApiToken"
    account: ClassVar[str] = "cloudflare"
    where: ClassVar[str] = "Cloudflare, My Profile, API Tokens: Zone.DNS Edit and Zone.Zone Read"
    on_host: ClassVar[bool] = False

    async def works(self, work: Work, credential: str) -> bool:
        """Write a record and take it away again: a token that can only read is no use."""
        declaration = work.site.declaration
        zone_name = declaration.zone.name or declaration.domain
        http = httpx.AsyncClient(trust_env=work.site.live, timeout=60)
        async with AsyncCloudflare(
            api_token=credential, base_url=declaration.endpoints.cloudflare_api, http_client=http
        ) as client:
            try:
                zones = [zone async for zone in client.zones.list(name=zone_name)]
                if len(zones) != 1:
                    raise SiteError(f"the token sees no zone {zone_name}")
                name = f"_rotation-{secrets.token_hex(4)}.{declaration.domain}"
                record = await client.dns.records.create(
                    zone_id=zones[0].id, name=name, type="TXT", content='"trial"', ttl=60
                )
                if record is not None:
                    await client.dns.records.delete(record.id, zone_id=zones[0].id)
            except APIConnectionError:
                raise SiteError("Cloudflare does not answer") from None
            except APIError as error:
                if getattr(error, "status_code", 0) in {400, 401, 403}:
                    return False
                raise SiteError(f"Cloudflare: {type(error).__name__}") from None
        return True

    async def prove(self, work: Work) -> str:
        """See that a preview finds every record as declared."""
        plan = await asyncio.to_thread(work.site.deployer.preview)
        if plan.steps or not plan.ok:
            raise SiteError("; ".join(plan.errors) or "the zone is not as declared")
        return f"{plan.unchanged} resources are as declared"
