"""What can go wrong between a client and Mailcow, to be asked of the stand-in.

Each kind was seen on the genuine API, or is what a proxy, a network or a dying process makes of it.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

EVERY_WRITE = "POST *"
EVERY_READ = "GET *"


class Kind(StrEnum):
    """One way to go wrong."""

    DANGER = "danger"
    """Mailcow says no: `words` is its message code."""
    LOST = "lost"
    """Mailcow says success and has done nothing."""
    WARNING = "warning"
    """Done, with a warning (`words`) beside the success."""
    EMPTY = "empty"
    """An empty body with status 200: an error that Mailcow does not catch."""
    STATUS = "status"
    """HTML with `status`: 500 when Redis is down, 405 and 502 when php-fpm is."""
    HTML = "html"
    """HTML with status 200: the page of a proxy, or of a sign-in."""
    REDIRECT = "redirect"
    """302 to elsewhere."""
    HUGE = "huge"
    """A body without an end: `size` bytes of it."""
    CUT = "cut"
    """The first half of the right body, and then the connection is gone."""
    DROP = "drop"
    """The connection is closed without an answer."""
    SLOW = "slow"
    """The answer comes after `seconds`."""
    HANG = "hang"
    """No answer before the faults are lifted."""
    LATE = "late"
    """No answer either, and the request is carried out only when the faults are lifted."""
    UNAUTHORIZED = "401"
    """The key is not accepted."""
    BROKEN = "broken"
    """Carried out up to the statement `at`, which fails; what was done before it stays.

    `at` is the number of a writing statement, from 0, or the name of a table or a Redis hash.
    The answer is empty, or `status` says that the worker died: 405 for a POST.
    """
    LAST = "last"
    """Carried out and answered, and the last thing that php-fpm does before it is away."""
    KEY_ERROR = "key error"
    """An import of a DKIM key meets an error that making another key left behind."""


NEVER_DONE = frozenset({Kind.LOST, Kind.UNAUTHORIZED, Kind.LATE})
"""Kinds of which nothing is carried out (`late`: not yet). Others may say `after`."""
ALWAYS_DONE = frozenset({Kind.WARNING, Kind.SLOW, Kind.CUT, Kind.BROKEN, Kind.LAST, Kind.KEY_ERROR})
"""Kinds that only touch the answer of what is carried out, or how it is carried out."""


@dataclass
class Fault:
    """A fault, and whom it strikes.

    Attributes:
        kind: What goes wrong.
        route: Pattern of method and path below `/api/v1/`, `*` standing for anything, such as
            `POST add/relayhost`.
        times: How many requests it strikes; None is every one until it is lifted.
        after: Whether the request was carried out all the same.
        status: HTTP status of the answer; 0 is the kind's own.
        words: Message of a `danger` or a warning.
        seconds: How long `slow` takes.
        size: Bytes of a huge answer.
        at: Statement at which the request breaks.
    """

    kind: Kind
    route: str = EVERY_WRITE
    times: int | None = 1
    after: bool = False
    status: int = 0
    words: str = ""
    seconds: float = 1.0
    size: int = 64 * 1024**2
    at: int | str = 0

    def carried_out(self) -> bool:
        """Return whether the request that it strikes is carried out."""
        return self.kind in ALWAYS_DONE or (self.after and self.kind not in NEVER_DONE)


@dataclass
class Faults:
    """The faults that are set, the first that matches strikes."""

    waiting: list[Fault] = field(default_factory=list)

    def set(self, *faults: Fault) -> None:
        """Let these strike, and no others."""
        self.waiting = list(faults)

    def php_away(self) -> None:
        """Let nginx answer alone: it refuses POST on its error page, and answers 502 to GET."""
        self.set(
            Fault(Kind.STATUS, EVERY_WRITE, times=None, status=405),
            Fault(Kind.STATUS, EVERY_READ, times=None, status=502),
        )

    def due(self, route: str) -> Fault | None:
        """Return the fault that strikes a request, and count one of its times down."""
        for fault in self.waiting:
            if fault.times != 0 and fnmatchcase(route, fault.route):
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None

    @classmethod
    def read(cls, described: list[dict[str, Any]]) -> list[Fault]:
        """Return faults as JSON describes them.

        Raises:
            ValueError: a kind is not known.
            TypeError: a property is not known.
        """
        return [Fault(**{**fault, "kind": Kind(fault["kind"])}) for fault in described]
