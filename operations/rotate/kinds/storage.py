"""The key of the backup at the object storage: the new one is made before the old one goes."""

from collections.abc import Sequence
from typing import ClassVar

from declaration.names import BACKUP_ENVIRONMENT
from operations.rotate.deploying import deploy, deploying
from operations.rotate.kinds.generated import Generated
from operations.rotate.kinds.restic import backup_rests, no_repository, restic
from operations.rotate.model import Step, Work


class StorageKey(Generated):
    """Access key and secret key of the service account, in the environment of the backup."""

    what: ClassVar[str] = "storage-key"
    title: ClassVar[str] = "key of the backup at the storage"
    touches: ClassVar[tuple[str, ...]] = ("backup-key", "backup-key-*", "backup-environment")
    field: ClassVar[str] = "storageKey"
    attribute: ClassVar[str] = "storage_key"

    def steps(self) -> Sequence[Step]:
        """Return the steps; a backup that runs is not disturbed."""
        clean, raised, _, proved = super().steps()
        return (
            clean,
            raised,
            Step("rest", "see that no backup runs", self._rest),
            deploying(self.touches, "make the new one, and hand it to the backup"),
            proved,
        )

    async def _rest(self, work: Work) -> str:
        await backup_rests(work.site)
        return "none runs"

    async def current(self, work: Work) -> str:
        """Return the environment of the backup, with both halves of the key."""
        return (await work.site.host.read(BACKUP_ENVIRONMENT)).decode().strip()

    async def works(self, work: Work, secret: str) -> bool:
        """Look at the snapshots with a key."""
        place = work.memory.place("new")
        await work.memory.put_aside("new", f"{secret}\n")
        done = await restic(work.site, "snapshots", "--json", environment=place)
        if done.ok:
            return True
        # Where there is no repository yet, whoever is let in is told so.
        return no_repository(done) and "Access" not in done.stderr

    async def undo(self, work: Work) -> str:
        """Declare the generation of before: its key was removed, so another one is made."""
        before = work.notes.get("generation", self._generation(work))
        work.site.declare({f"generations.{self.field}": before})
        return await deploy(work, self.touches)
