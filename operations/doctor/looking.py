"""What a look of the preflight is."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from operations.prove.findings import unseen
from operations.prove.model import Finding
from operations.prove.subject import Subject
from operations.site import Site

ONLY_REAL = "not seen from here: only the real one can show it"
"""Told where loopback stands for an account or a host."""


@dataclass(frozen=True)
class Look:
    """One look at an account or at the host.

    Attributes:
        name: A word for it, such as `cloudflare-zone`.
        question: What is asked, in a sentence.
        place: Key of the declaration or of the secret that it concerns.
        way_out: What to do where it is wrong, unless the finding says more.
        see: Looks; changes nothing.
        needs: Keys of the secrets without which there is nothing to look with.
    """

    name: str
    question: str
    place: str
    way_out: str
    see: Callable[[Site, Subject], Awaitable[Finding]]
    needs: tuple[str, ...] = ()


def only_real(subject: Subject) -> Finding | None:
    """Return that nothing can be seen where the world stands for the internet; None elsewhere."""
    return unseen(ONLY_REAL) if subject.rehearsed else None
