"""The passphrase of the archives: a second key of the repository, then the first one goes.

restic seals everything with a key that no passphrase is; a passphrase only opens it. So the
snapshots of before stay readable. For the same reason whoever knew the old passphrase and copied
its key from the bucket meanwhile can read them for ever: after a theft, make a new repository.
"""

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from declaration.names import BACKUP_PASSPHRASE
from operations.rotate.accounts import invented
from operations.rotate.deploying import CLEAN, deploy, deploying
from operations.rotate.kinds.restic import (
    asked,
    backup_rests,
    restic,
    snapshots,
    wrong_password,
)
from operations.rotate.model import Rotation, Step, Work
from operations.site import CommandFailedError, SiteError

_KEY = "backupPassphrase"
_LEAST = 16


class BackupPassphrase(Rotation):
    """The passphrase that the operator keeps a copy of."""

    what: ClassVar[str] = "backup-password"
    title: ClassVar[str] = "passphrase of the archives"
    touches: ClassVar[tuple[str, ...]] = ("backup-passphrase",)

    def steps(self) -> Sequence[Step]:
        """Return the steps: both passphrases open the repository until the end."""
        return (
            CLEAN,
            Step("add", "add a key with the new passphrase to the repository", self._add),
            Step("open", "see every snapshot with the new passphrase", self._open),
            Step("seal", "seal it into the stack's configuration", self._seal),
            deploying(self.touches, "deploy it"),
            Step("prove", "see every snapshot as the backup does", self._prove),
            Step("remove", "remove the key of the old passphrase", self._remove),
        )

    async def _add(self, work: Work) -> str:
        await backup_rests(work.site)
        old = work.site.secret(_KEY)
        new = await work.memory.aside("new") or work.ask(
            "new passphrase of the archives; keep a copy elsewhere before you go on"
        )
        if not new and work.site.world is not None:
            new = invented()
        if len(new) < _LEAST or new != new.strip():
            raise SiteError(f"a passphrase has at least {_LEAST} characters, no blank at an end")
        if new == old:
            raise SiteError("that is the one which is in use; take another")
        await work.memory.put_aside("old", old)
        await work.memory.put_aside("new", new)
        before = await snapshots(work.site)
        work.notes["snapshots"] = before
        if before is None:
            return "there is no repository yet"
        work.notes.setdefault("old key", await self._current_key(work, BACKUP_PASSPHRASE))
        await work.keep()
        place = work.memory.place("new")
        if not (await restic(work.site, "snapshots", passphrase=place)).ok:
            added = await restic(work.site, "key", "add", new_passphrase=place)
            if not added.ok:
                raise CommandFailedError("restic key add", added)
        work.notes["new key"] = await self._current_key(work, place)
        return f"beside the old one, which {len(before)} snapshots were made with"

    @staticmethod
    async def _current_key(work: Work, passphrase: str) -> str:
        keys = await asked(work.site, "key", "list", passphrase=passphrase)
        return next(str(key["id"]) for key in keys if key["current"])

    async def _open(self, work: Work) -> str:
        return await self._all_there(work, work.memory.place("new"))

    async def _prove(self, work: Work) -> str:
        return await self._all_there(work, BACKUP_PASSPHRASE)

    @staticmethod
    async def _all_there(work: Work, passphrase: str) -> str:
        before = work.notes["snapshots"]
        if before is None:
            return "there is no repository yet"
        found = await snapshots(work.site, passphrase=passphrase) or []
        missing = set(before) - set(found)
        if missing:
            raise SiteError(f"{len(missing)} snapshots are not seen with it")
        return f"{len(found)} snapshots"

    async def _seal(self, work: Work) -> str:
        new = await work.memory.aside("new")
        if not new:
            raise SiteError("what was put aside on the host is gone; abandon, and begin again")
        await asyncio.to_thread(work.site.deployer.set_secret, _KEY, new)
        return "done"

    async def _remove(self, work: Work) -> str:
        if work.notes["snapshots"] is None:
            return "there is no repository yet"
        await backup_rests(work.site)
        keys = [str(text["id"]) for text in await asked(work.site, "key", "list")]
        old = [key for key in keys if key.startswith(work.notes["old key"])]
        if old:
            removed = await restic(work.site, "key", "remove", old[0])
            if not removed.ok:
                raise CommandFailedError("restic key remove", removed)
        refused = await restic(work.site, "snapshots", passphrase=work.memory.place("old"))
        if refused.ok:
            raise SiteError("the old passphrase still opens the repository")
        if not wrong_password(refused):
            raise CommandFailedError("restic snapshots", refused)
        return f"the old one opens nothing; {await self._all_there(work, BACKUP_PASSPHRASE)}"

    async def undo(self, work: Work) -> str:
        """Let the old passphrase be in use again, and remove the new one's key."""
        old = await work.memory.aside("old")
        if not old:
            return "nothing had been changed"
        place = work.memory.place("old")
        if work.notes.get("snapshots") is not None:
            if not (await restic(work.site, "snapshots", passphrase=place)).ok:
                raise SiteError("the old passphrase opens nothing any more; go on with the new one")
            if "new key" in work.notes:
                await restic(work.site, "key", "remove", work.notes["new key"], passphrase=place)
        await asyncio.to_thread(work.site.deployer.set_secret, _KEY, old)
        return await deploy(work, self.touches)
