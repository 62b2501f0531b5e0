"""Secrets that are generated on the host: another generation is another secret."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import httpx

from declaration.mistakes import PREFIX
from declaration.names import EXPORTER, PROJECT, SECRETS
from operations.rotate.deploying import CLEAN, deploy, deploying
from operations.rotate.model import Rotation, Step, Work
from operations.site import SiteError


class Generated(Rotation):
    """A secret in a file of the host, which the next deployment makes anew."""

    field: ClassVar[str]
    """Its field of `generations`, in the declaration's spelling."""
    attribute: ClassVar[str]
    """The same field, as Python spells it."""

    @abstractmethod
    async def current(self, work: Work) -> str:
        """Return the secret that is in use."""

    @abstractmethod
    async def works(self, work: Work, secret: str) -> bool:
        """Return whether a secret is taken where it is used."""

    def steps(self) -> Sequence[Step]:
        """Return the steps."""
        return (
            CLEAN,
            Step("raise", "declare another generation", self._raise),
            deploying(self.touches, "make the new one, and hand it to whoever uses it"),
            Step("prove", "see that it works, and that the old one does not", self._prove),
        )

    def _generation(self, work: Work) -> int:
        return int(getattr(work.site.declaration.generations, self.attribute))

    async def _raise(self, work: Work) -> str:
        before = work.notes.setdefault("generation", self._generation(work))
        await work.memory.put_aside("old", await self.current(work))
        await work.keep()
        work.site.declare({f"generations.{self.field}": before + 1})
        return f"{PREFIX}generations.{self.field}: {before + 1}"

    async def _prove(self, work: Work) -> str:
        new, old = await self.current(work), await work.memory.aside("old")
        if new == old:
            raise SiteError("the secret is the same as before")
        if not await self.works(work, new):
            raise SiteError("the new one is refused")
        if old and await self.works(work, old):
            raise SiteError("the old one is still taken")
        return "the new one is taken, the old one refused"

    async def undo(self, work: Work) -> str:
        """Go on instead: the old one cannot come back, only a third be made.

        Raises:
            SiteError: the new one was made already.
        """
        before = work.notes.get("generation", self._generation(work))
        old = await work.memory.aside("old")
        if old and await self.current(work) != old:
            raise SiteError("the new one is made, and the old one gone; go on, or rotate again")
        work.site.declare({f"generations.{self.field}": before})
        return await deploy(work, self.touches)


class ApiKey(Generated):
    """The key to Mailcow's API. Mail does not depend on it."""

    what: ClassVar[str] = "api-key"
    title: ClassVar[str] = "key to Mailcow's API"
    touches: ClassVar[tuple[str, ...]] = (
        "secret-api-key", "mailcow-conf", "mailcow", "mailcow-settings-guard",
    )  # fmt: skip
    field: ClassVar[str] = "apiKey"
    attribute: ClassVar[str] = "api_key"

    async def current(self, work: Work) -> str:
        """Read it on the host."""
        return (await work.site.host.read(f"{SECRETS}/{self.what}")).decode().strip()

    async def works(self, work: Work, secret: str) -> bool:
        """Ask Mailcow for its version."""
        site = work.site
        host, place = site.declaration.names.administration, site.declaration.names.web
        context = site.net.context(host)
        async with httpx.AsyncClient(verify=context, trust_env=False, timeout=30) as client:
            answer = await client.get(
                f"https://{place}/api/v1/get/status/version",
                headers={"Host": host, "X-API-Key": secret},
                extensions={"sni_hostname": host},
            )
        return answer.status_code == httpx.codes.OK and "version" in answer.text


class ReadOnlyApiKey(ApiKey):
    """The key that can only read, which the exporter has."""

    what: ClassVar[str] = "api-key-read-only"
    title: ClassVar[str] = "key to Mailcow's API that can only read"
    touches: ClassVar[tuple[str, ...]] = (
        "secret-api-key-read-only", "mailcow-conf", "mailcow", "mailcow-settings-guard", "exporter",
    )  # fmt: skip
    field: ClassVar[str] = "apiKeyReadOnly"
    attribute: ClassVar[str] = "api_key_read_only"


class ExporterToken(Generated):
    """What Prometheus shows to the exporter."""

    what: ClassVar[str] = "exporter-token"
    title: ClassVar[str] = "token of the exporter"
    touches: ClassVar[tuple[str, ...]] = ("exporter-token", "exporter", "monitoring-scrape")
    field: ClassVar[str] = "exporterToken"
    attribute: ClassVar[str] = "exporter_token"

    async def current(self, work: Work) -> str:
        """Read it on the host."""
        return (await work.site.host.read(f"{SECRETS}/{self.what}")).decode().strip()

    async def works(self, work: Work, secret: str) -> bool:
        """See that container and scrape configuration have the token, and no other."""
        folder = work.site.declaration.monitoring.prometheus_directory
        scrape = (await work.site.host.read(f"{folder}/scrape/{PROJECT}.yml")).decode()
        inspected = await work.site.host.run(
            f"docker inspect {EXPORTER}", what="look at the exporter"
        )
        return secret in scrape and secret in inspected.stdout
