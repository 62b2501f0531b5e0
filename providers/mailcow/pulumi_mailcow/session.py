"""One run against one Mailcow: its client, what was read, and who writes what."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from pulumi_mailcow.catalogue import Catalogue, Listing
from pulumi_mailcow.client import Client, Entry, Settings
from pulumi_mailcow.errors import RefusedError, UncertainError

_log = logging.getLogger(__name__)
_done: ContextVar[list[str]] = ContextVar("done")
"""Writes of the operation under way that may have had an effect; each task has its own."""


@contextmanager
def counting() -> Iterator[list[str]]:
    """Note which writes of this task may have had an effect."""
    done: list[str] = []
    token = _done.set(done)
    try:
        yield done
    finally:
        _done.reset(token)


class Session:
    """What the objects work with.

    Attributes:
        client: The HTTP client.
        catalogue: What was read in this run.
        unresolved: Kinds of which one was created in this run whose number could not be learnt.
    """

    def __init__(self, settings: Settings) -> None:
        self.client = Client(settings)
        self.catalogue = Catalogue(self.client)
        self.unresolved: set[str] = set()
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def lock(self, name: str) -> asyncio.Lock:
        """Return the lock under which writes to one kind must not overlap."""
        return self._locks[name]

    @contextmanager
    def touching(self, listing: Listing, key: str) -> Iterator[None]:
        """Hold what is known of an object for doubtful, before and after writing to it."""
        self.catalogue.touch(listing, key)
        try:
            yield
        finally:
            self.catalogue.touch(listing, key)

    async def send(self, path: str, body: Any) -> list[Entry]:
        """Send a write such as `add/domain`. See `Client.write` for the errors."""
        done = _done.get([])
        try:
            entries = await self.client.write(path, body)
        except (RefusedError, UncertainError):
            done.append(path)
            raise
        done.append(path)
        for entry in entries:
            if entry.kind == "warning":
                _log.warning("%s: done, but Mailcow warns: %s", path.partition("/tag/")[0], entry)
        return entries

    async def edit(self, category: str, item: str | int, attributes: dict[str, Any]) -> list[Entry]:
        """Send an edit of one item."""
        return await self.send(f"edit/{category}", {"items": [item], "attr": attributes})

    async def close(self) -> None:
        """Close the connections."""
        await self.client.close()
