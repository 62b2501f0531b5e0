"""A credential of an account elsewhere: the new one is tried before the old one is touched."""

import asyncio
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from operations.rotate.accounts import made_elsewhere, revoke
from operations.rotate.deploying import CLEAN, deploy, deploying
from operations.rotate.model import Rotation, Step, WaitingError, Work
from operations.site import SiteError


class Credential(Rotation):
    """A credential that is made, and revoked, in the account of a provider."""

    key: ClassVar[str]
    """Configuration key without `mail:`."""
    account: ClassVar[str]
    """Whose account: `smarthost` or `cloudflare`."""
    where: ClassVar[str]
    """Where the operator makes it."""
    on_host: ClassVar[bool]
    """Whether the host knows the credential anyway, so that it may be put aside there."""

    @abstractmethod
    async def works(self, work: Work, credential: str) -> bool:
        """Return whether the provider takes a credential, by really using it."""

    @abstractmethod
    async def prove(self, work: Work) -> str:
        """See that the deployed system works with the new one; return what was seen."""

    def steps(self) -> Sequence[Step]:
        """Return the steps: nothing changes before the new one has been tried."""
        return (
            CLEAN,
            Step("try", "try the new one where it will be used", self._try),
            Step("seal", "seal it into the stack's configuration", self._seal),
            deploying(self.touches, "deploy it"),
            Step("prove", "see that it works", self.prove),
            Step("revoke", "see that the old one is worth nothing any more", self._revoke),
        )

    async def _new(self, work: Work) -> str:
        if not work.new and self.on_host:
            work.new = await work.memory.aside("new") or ""
        if not work.new:
            work.new = await made_elsewhere(work, self.account, self.where)
        return work.new

    async def _try(self, work: Work) -> str:
        new = await self._new(work)
        if new == work.site.secret(self.key):
            raise SiteError("that is the one which is in use; make another")
        if new != new.strip() or not new:
            raise SiteError("what was given is empty, or begins or ends in white space")
        if not await self.works(work, new):
            raise SiteError("it was refused; nothing was changed")
        return "it was taken"

    async def _seal(self, work: Work) -> str:
        new, old = await self._new(work), work.site.secret(self.key)
        if old != new and not self.on_host:
            work.old = old
        if old != new and self.on_host:
            await work.memory.put_aside("old", old)
            await work.memory.put_aside("new", new)
        await asyncio.to_thread(work.site.deployer.set_secret, self.key, new)
        return "the old one is put aside on the host" if self.on_host else "done"

    async def _revoke(self, work: Work) -> str:
        old = await work.memory.aside("old") if self.on_host else work.old
        words = f"revoke the old one now ({self.where}), then say the same command again"
        if not old:
            # It is known to the provider's page alone by now.
            if "revocation asked" in work.notes:
                return "revoked, as the operator says"
            work.notes["revocation asked"] = True
            raise WaitingError(words)
        if await self.works(work, old):
            await revoke(work, self.account, old, words)
        if await self.works(work, old):
            raise SiteError("it is still taken")
        return "it is refused"

    async def undo(self, work: Work) -> str:
        """Seal the old one again and deploy it."""
        old = await work.memory.aside("old") if self.on_host else work.old
        if "seal" not in work.progress.done and not old:
            return "nothing had been changed"
        if not old:
            old = work.ask("the old one")
        if not old or not await self.works(work, old):
            raise SiteError("the old one is refused by now; go on with the new one")
        await asyncio.to_thread(work.site.deployer.set_secret, self.key, old)
        await deploy(work, self.touches)
        return "the old one is in use; revoke the new one"
