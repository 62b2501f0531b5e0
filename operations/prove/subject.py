"""What is proved: a declaration, on a network, by people whose passwords are known."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from declaration.model import Declaration
from operations.prove.net import Net

_T = TypeVar("_T")

_ROLES = {"postmaster", "abuse"}


@dataclass
class Subject:
    """What is proved. Whatever several checks need is looked at once.

    Attributes:
        declaration: What should be.
        net: Where to look.
        passwords: Passwords that are known, by local part.
        unset: Account facts that are not declared yet; stand-ins are in their place.
        send_to: Address outside to which one message may be sent; empty for none.
    """

    declaration: Declaration
    net: Net
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)
    unset: frozenset[str] = frozenset()
    send_to: str = ""
    _seen: dict[str, "asyncio.Task[Any]"] = field(default_factory=dict, repr=False)

    @property
    def host(self) -> str:
        """Public address of the mail host."""
        return self.declaration.host.address

    @property
    def rehearsed(self) -> bool:
        """Whether the other side belongs to us as well, so that anything may be sent."""
        return self.net.inside is not None

    @property
    def writer(self) -> str | None:
        """Local part of somebody who can log in, a person rather than a role; None for nobody."""
        known = [
            mailbox for mailbox in self.declaration.mailboxes if mailbox.name in self.passwords
        ]
        persons = [name.name for name in known if not name.published and name.name not in _ROLES]
        return next(iter([*reversed(persons), *(name.name for name in known)]), None)

    @property
    def addressee(self) -> str:
        """Local part of somebody who is written to, preferably published on the website."""
        boxes = self.declaration.mailboxes
        return next((box.name for box in boxes if box.published), boxes[0].name)

    def address(self, local_part: str) -> str:
        """Return the whole address of a local part."""
        return f"{local_part}@{self.declaration.domain}"

    async def once(self, key: str, look: Callable[[], Awaitable[_T]]) -> _T:
        """Look at something once, however many checks ask for it.

        The look goes on when the first who asked gives up, for the others' sake.
        """
        if key not in self._seen:
            self._seen[key] = asyncio.ensure_future(_awaited(look))
        return cast("_T", await asyncio.shield(self._seen[key]))

    async def close(self) -> None:
        """End whatever still looks."""
        for task in self._seen.values():
            task.cancel()
        await asyncio.gather(*self._seen.values(), return_exceptions=True)


async def _awaited(look: Callable[[], Awaitable[_T]]) -> _T:
    return await look()
