"""What stands while the program registers: the old state, what is wanted, what failed."""

from dataclasses import dataclass, field, replace

from rehearsal.engine.hooks import Moment
from rehearsal.engine.model import Goal, Op, ResourceState
from rehearsal.engine.providers import Instance
from rehearsal.engine.run import Run


class RefusedError(Exception):
    """A registration that cannot be carried out; the message is for the operator."""


@dataclass
class Task:
    """One registration on its way."""

    goal: Goal
    urn: str
    old: ResourceState | None
    new: ResourceState
    provider: Instance | None


@dataclass
class Standing:
    """The tables that every step of a deployment reads and writes.

    Attributes:
        run: The run.
        old: What the state held at the beginning, by URN.
        claimed: Serials of states that the program still wants.
        news: What it has registered so far, by URN.
        was: The URN that a resource had before, by its present one.
        failed: URNs of what failed.
        replaced: URNs of what is replaced.
        checked: Providers whose configuration was checked, by URN.
        to_tell: Hooks to call once a component has its outputs, by URN.
    """

    run: Run
    old: dict[str, ResourceState] = field(default_factory=dict)
    claimed: set[int] = field(default_factory=set)
    news: dict[str, ResourceState] = field(default_factory=dict)
    was: dict[str, str] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    replaced: set[str] = field(default_factory=set)
    checked: dict[str, Instance] = field(default_factory=dict)
    to_tell: dict[str, tuple[Moment, ResourceState | None]] = field(default_factory=dict)

    def fail(self, urn: str, op: Op | None, message: str) -> None:
        """Note and report a failure."""
        self.failed.add(urn)
        self.run.report.fail(urn, op, message)


def retired(old: ResourceState | None) -> tuple[ResourceState, ...]:
    """Return the old state as it waits for its end, its replacement being there."""
    return () if old is None or old.external else (replace(old, delete=True),)


def refuse_protected(state: ResourceState) -> None:
    """Refuse to replace what is protected."""
    if state.protect:
        message = f"{state.urn} is protected and is not replaced; take `protect` off first"
        raise RefusedError(message)
