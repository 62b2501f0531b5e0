"""What requests cost the genuine API: seconds of its processors, and deadlocks.

Measured on release 2026-07a with 1,000 mailboxes and two processors: adding a mailbox takes 0.08 s
of a processor, editing one 0.04 s, reading one by name 0.01 s, a list 8 ms for each mailbox in it,
and deleting one up to 0.2 s, because SOGo's view of everybody is built anew.
"""

import asyncio
import random

from pulumi_mailcow.testing.store import Store

PROCESSORS = 2
SAFE = 4
"""Writes at a time up to which no deadlock was seen."""
DEADLOCKS = {"delete": 0.076, "edit": 0.011}
"""How many of the requests about a mailbox end in one beyond that."""
_WRITES = {"add": 0.08, "edit": 0.04}
_READ = 0.01
_ROW = 0.008
_DELETION = 0.0002


class Pace:
    """Lets requests take as long as they do there, and counts it.

    Attributes:
        spent: Seconds of the processors that were used.
        scale: What a second there takes here.
    """

    def __init__(self, scale: float = 1.0, seed: int = 0) -> None:
        """Begin with nothing spent; deadlocks follow from `seed`."""
        self.spent, self.scale = 0.0, scale
        self._processors = asyncio.Semaphore(PROCESSORS)
        self._chance = random.Random(seed)  # noqa: S311 - nothing is kept secret with it

    async def spend(self, store: Store, path: tuple[str, str, str], writing: int) -> str | None:
        """Take the time of a request, and return the table at which it breaks, if it does."""
        seconds = self._cost(store, *path)
        async with self._processors:
            self.spent += seconds
            await asyncio.sleep(seconds * self.scale)
        action, category, _ = path
        likely = DEADLOCKS.get(action, 0) if category == "mailbox" and writing > SAFE else 0
        return "mailbox" if self._chance.random() < likely else None

    @staticmethod
    def _cost(store: Store, action: str, category: str, which: str) -> float:
        if action == "get" and which != "all":
            return _READ
        if category != "mailbox":
            return _WRITES.get(action, _READ)
        mailboxes = int(store.value("SELECT COUNT(*) FROM mailbox"))
        if action == "get":
            return _READ + _ROW * mailboxes
        return _WRITES.get(action, _READ + _DELETION * mailboxes)
