"""What a rotation is made of: steps in their order, remembered, and undone together."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

from operations.rotate.memory import Memory, Progress
from operations.site import Site, SiteError


class WaitingError(Exception):
    """Somebody else is next, or time is; the message says who does what. The step comes again."""


class StepFailedError(SiteError):
    """A step failed; what was done is remembered."""


@dataclass(frozen=True)
class Options:
    """What the operator said.

    Attributes:
        mailbox: Local part of the mailbox whose password is changed.
        selector: Name of the next DKIM selector.
        record: Value of its record as the smarthost's account shows it; public.
        signed: A received message, as it came, from which the signature is read.
        days: Days for which a retired DKIM selector stays published.
        send_to: Address of the operator's own that gets one message, on a real stack.
    """

    mailbox: str = ""
    selector: str = ""
    record: str = ""
    signed: Path | None = None
    days: int = 7
    send_to: str = ""


@dataclass
class Work:
    """One rotation under way.

    Attributes:
        site: Where it happens.
        memory: Where its progress is kept.
        progress: How far it has come.
        options: What the operator said.
        ask: Asks for the new secret; called only by the step that needs it.
        today: The day.
        on_resource: Told of each resource that was changed.
        new: The new secret, once it is known.
        old: The old one, where the host may not know it; gone when the process ends.
    """

    site: Site
    memory: Memory
    progress: Progress
    options: Options
    ask: Callable[[str], str]
    today: date
    on_resource: Callable[[str], None] = lambda _: None
    new: str = field(default="", repr=False)
    old: str = field(default="", repr=False)

    @property
    def notes(self) -> dict[str, Any]:
        """What later steps need to know; never a secret."""
        return self.progress.notes

    async def keep(self) -> None:
        """Remember the notes as they are now."""
        await self.memory.keep(self.progress)


@dataclass(frozen=True)
class Step:
    """One step of a rotation.

    Attributes:
        name: Short name, which is remembered.
        title: What is done, in words.
        do: Does it, and returns what there is to say of it. It may be done twice: a step that
            was cut off comes again.
    """

    name: str
    title: str
    do: Callable[[Work], Awaitable[str]]


class Rotation(ABC):
    """One thing that can be rotated."""

    what: ClassVar[str]
    """Its name on the command line."""
    title: ClassVar[str]
    """What it is, in words."""
    touches: ClassVar[tuple[str, ...]] = ()
    """Names of the resources that a deployment may change; one that ends in `*` is a beginning."""

    @abstractmethod
    def steps(self) -> Sequence[Step]:
        """Return the steps in their order."""

    @abstractmethod
    async def undo(self, work: Work) -> str:
        """Put the old one back, as far as it was replaced; return what there is to say.

        Raises:
            SiteError: that is no longer possible; the message says why.
        """

    def name(self, options: Options) -> str:
        """Return under which name it is remembered.

        Raises:
            SiteError: the options do not say enough.
        """
        del options
        return self.what
