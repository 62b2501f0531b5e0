"""What was read of Mailcow in this run: one by one while few are asked for, by lists after that."""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pulumi_mailcow.client import Client
from pulumi_mailcow.describe import address
from pulumi_mailcow.errors import RemnantError, UnreadableError

Row = dict[str, Any]
"""One object as Mailcow's API shows it."""
FEW = 3
"""So many of a group are read one by one before its whole list is fetched."""
ATTEMPTS = 3
"""So many lists are fetched to see an object that is being written to meanwhile."""
LIFETIME = 300.0
"""Seconds for which a list is believed; what was written since is read by name. A list of 1,000
mailboxes costs the server seconds."""


@dataclass(frozen=True)
class Listing:
    """Where one kind of object is read.

    Attributes:
        name: Name of the kind, as writes speak of it.
        single: Path of one object; None where the API has no such route, or a broken one.
        whole: Path of the list of a group; None where there is none.
        group: Group that a key belongs to: `get/mailbox/all/<domain>` lists one domain.
        key: Key of a row.
        rows: Rows of a list's answer, where they are not simply its items.
        shape: Row of a single answer, where that is not simply the answer.
    """

    name: str
    key: Callable[[Row], str]
    single: Callable[[str], str] | None = None
    whole: Callable[[str], str] | None = None
    group: Callable[[str], str] = lambda _: ""
    rows: Callable[[Any, str], list[Row]] | None = None
    shape: Callable[[Any, str], Row | None] | None = None


@dataclass
class Shelf:
    """What is known of one group."""

    asked: int = 0
    rows: dict[str, Row] | None = None
    loaded_at: float = -math.inf
    touched: dict[str, int] = field(default_factory=dict)
    disturbed: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Catalogue:
    """Reads through the client, and remembers lists until a write makes them doubtful."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._shelves: dict[tuple[str, str], Shelf] = {}
        self._clock = 0

    async def find(self, listing: Listing, key: str, *, listed: bool = False) -> Row | None:
        """Return the object with this key, or None if there is none.

        A list leaves out what is there by halves, so that something is gone is told by its name
        alone; unless `listed` says that a list is enough, because a write will tell the rest.

        Raises:
            RemnantError: half of it is there.
            UnreadableError: Mailcow gives no usable answer.
        """
        key = address(key)
        group = listing.group(key)
        shelf = self._shelf(listing, group)
        shelf.asked += 1
        if listing.whole is None:
            return await self._single(listing, key, shelf)
        async with shelf.lock:
            if listing.single is None:
                # Of what was touched while a list was on its way, only a later one tells.
                for _ in range(ATTEMPTS):
                    if self._fresh(shelf) and key not in shelf.touched:
                        break
                    await self._load(listing, group, shelf)
                return (shelf.rows or {}).get(key)
            if not self._fresh(shelf) and shelf.asked > FEW and key not in shelf.touched:
                await self._load(listing, group, shelf)
            if self._fresh(shelf) and key not in shelf.touched:
                row = (shelf.rows or {}).get(key)
                if row is not None or listed:
                    return row
        return await self._single(listing, key, shelf)

    async def all(self, listing: Listing, group: str = "") -> list[Row]:
        """Return every object of a group, asked anew."""
        shelf = self._shelf(listing, group)
        async with shelf.lock:
            await self._load(listing, group, shelf)
            return list((shelf.rows or {}).values())

    def touch(self, listing: Listing, key: str) -> None:
        """Note that a write concerns this object: what is known of it is doubtful."""
        key = address(key)
        self._clock += 1
        shelf = self._shelf(listing, listing.group(key))
        shelf.touched[key] = self._clock
        if listing.single is None:
            shelf.rows = None

    def disturb(self, *names: str) -> None:
        """Forget what is known of these kinds: a write to another may have changed them."""
        self._clock += 1
        for (name, _), shelf in self._shelves.items():
            if name in names:
                shelf.rows, shelf.disturbed = None, self._clock

    def _shelf(self, listing: Listing, group: str) -> Shelf:
        return self._shelves.setdefault((listing.name, group), Shelf())

    def _fresh(self, shelf: Shelf) -> bool:
        return shelf.rows is not None and time.monotonic() - shelf.loaded_at < LIFETIME

    async def _load(self, listing: Listing, group: str, shelf: Shelf) -> None:
        assert listing.whole is not None  # noqa: S101 - only called where there is a list
        started = self._clock
        path = listing.whole(group)
        answer = await self._client.get(path)
        rows = listing.rows(answer, group) if listing.rows else _items(answer, path)
        shelf.rows = {address(listing.key(row)): row for row in rows if listing.key(row)}
        shelf.touched = {key: at for key, at in shelf.touched.items() if at > started}
        shelf.loaded_at = time.monotonic() if shelf.disturbed <= started else -math.inf

    async def _single(self, listing: Listing, key: str, shelf: Shelf) -> Row | None:
        assert listing.single is not None  # noqa: S101 - where there is no list there is this
        started = self._clock
        path = listing.single(key)
        answer = await self._client.get(path)
        row = listing.shape(answer, key) if listing.shape else _item(answer, path)
        if row is not None and not listing.key(row):
            msg = (
                f"{listing.name} {key} is there by halves: Mailcow answers nulls for it and leaves "
                "it out of its lists"
            )
            raise RemnantError(msg)
        if row is not None and address(listing.key(row)) != key:
            # Another object: an alias domain answers its target, an address that begins with
            # digits may answer the alias of that number.
            row = None
            if listing.whole is not None and answer:
                async with shelf.lock:
                    await self._load(listing, listing.group(key), shelf)
                    return (shelf.rows or {}).get(key)
        if shelf.rows is not None and shelf.touched.get(key, 0) <= started:
            shelf.touched.pop(key, None)
            if row is None:
                shelf.rows.pop(key, None)
            else:
                shelf.rows[key] = row
        return row


def _items(answer: Any, path: str) -> list[Row]:
    if not answer:
        return []
    if isinstance(answer, list):
        return [row for row in answer if isinstance(row, dict)]
    msg = f"reading {path}: a list was expected"
    raise UnreadableError(msg)


def _item(answer: Any, path: str) -> Row | None:
    if not answer:
        return None
    if isinstance(answer, dict):
        return answer
    msg = f"reading {path}: one object was expected"
    raise UnreadableError(msg)
