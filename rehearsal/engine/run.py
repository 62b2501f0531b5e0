"""What every kind of run has in common: its state, its providers, its pace, what it reports."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from rehearsal.engine.model import (
    Diagnostic,
    Event,
    Op,
    Outcome,
    PropertyChange,
    ResourceState,
    Severity,
    Step,
)
from rehearsal.engine.providers import Pool
from rehearsal.engine.scrub import Scrubber
from rehearsal.engine.urn import ROOT_TYPE, name_of, type_of
from rehearsal.engine.values import plain_all, secret_texts


@dataclass
class Report:
    """Gathers steps and diagnostics, and tells whoever watches."""

    watch: Callable[[Event], None]
    scrubber: Scrubber
    steps: list[Step] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """What the program was refused; it will complain of it in its own words."""
    failed: bool = False

    def refuse(self, message: str) -> None:
        """Report a refusal, once."""
        self.refused.append(message)
        self.say(Severity.ERROR, message)

    def say(self, severity: Severity, message: str, urn: str = "") -> None:
        """Add a diagnostic; an error fails the run."""
        text = self.scrubber.scrub(message)
        if severity is not Severity.DEBUG:
            self.diagnostics.append(Diagnostic(severity, text, urn))
        self.failed = self.failed or severity is Severity.ERROR
        self.watch(Event("diagnostic", urn, message=text, severity=severity))

    def fail(self, urn: str, op: Op | None, message: str) -> None:
        """Report that a resource's step failed."""
        self.say(Severity.ERROR, message, urn)
        self.watch(Event("failed", urn, op, self.scrubber.scrub(message), Severity.ERROR))

    def skip(self, urn: str, message: str) -> None:
        """Report that a resource was left alone because of another's failure."""
        self.watch(Event("skipped", urn, message=message))

    def step(self, op: Op, urn: str, diff: Iterable[PropertyChange] = ()) -> None:
        """Report a step that took no time worth speaking of."""
        self._add(op, urn, tuple(diff), 0.0)

    @asynccontextmanager
    async def timed(
        self, op: Op, urn: str, diff: Iterable[PropertyChange] = ()
    ) -> AsyncIterator[None]:
        """Report a step around the work it takes; one that raises is not counted."""
        changes = tuple(diff)
        self.watch(Event("begin", urn, op, diff=changes))
        begun = time.monotonic()
        yield
        self._add(op, urn, changes, time.monotonic() - begun)

    def _add(self, op: Op, urn: str, diff: tuple[PropertyChange, ...], seconds: float) -> None:
        self.steps.append(Step(op, urn, type_of(urn), name_of(urn), diff))
        self.watch(Event("end", urn, op, seconds=seconds, diff=diff))


class Table:
    """The resources while a run is at work, in the order in which they came."""

    def __init__(self, resources: Iterable[ResourceState]) -> None:
        """Take over a state; its resources have their serials."""
        self._states = {state.serial: state for state in resources}
        self._next = max(self._states, default=-1) + 1
        self.changed = False

    def states(self) -> list[ResourceState]:
        """Return every state, live ones and those to be deleted."""
        return [self._states[serial] for serial in sorted(self._states)]

    def put(self, state: ResourceState) -> None:
        """Note a state, a new one or one in another's place."""
        if state.serial < 0:
            state.serial = self._next
            self._next += 1
        self._states[state.serial] = state
        self.changed = True

    def drop(self, state: ResourceState) -> None:
        """Note that a resource is gone."""
        del self._states[state.serial]
        self.changed = True


@dataclass
class Run:
    """One run at work."""

    table: Table
    pool: Pool
    report: Report
    preview: bool
    slots: asyncio.Semaphore
    """As many operations of providers go on at once as there are slots."""

    @asynccontextmanager
    async def change(
        self, op: Op, urn: str, diff: Iterable[PropertyChange] = ()
    ) -> AsyncIterator[None]:
        """Report a step around a change of something outside, when there is a slot for it."""
        async with self.slots, self.report.timed(op, urn, diff):
            yield

    def learn(self, state: ResourceState) -> None:
        """Let the scrubber know the secrets of a resource."""
        self.report.scrubber.learn(secret_texts(state.inputs))
        self.report.scrubber.learn(secret_texts(state.outputs))

    def outcome(self) -> Outcome:
        """Return what the run has come to."""
        states = [state for state in self.table.states() if not state.delete]
        root = next((state for state in states if state.type == ROOT_TYPE), None)
        return Outcome(
            changes=dict(Counter(step.op for step in self.report.steps)),
            steps=self.report.steps,
            resources=[state.view() for state in states],
            outputs=plain_all(root.outputs) if root else {},
            diagnostics=self.report.diagnostics,
            ok=not self.report.failed,
        )
