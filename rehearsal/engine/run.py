"""What every kind of run has in common: its state, its providers, its pace, what it reports."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from rehearsal.engine.hooks import Hooks
from rehearsal.engine.ledger import Ledger
from rehearsal.engine.model import (
    Diagnostic,
    Event,
    Op,
    Outcome,
    PropertyChange,
    ResourceState,
    ResourceView,
    Severity,
    Step,
)
from rehearsal.engine.providers import Pool
from rehearsal.engine.scrub import Scrubber
from rehearsal.engine.urn import name_of
from rehearsal.engine.values import plain_all, secret_texts


@dataclass
class Report:
    """Gathers steps and diagnostics, and tells whoever watches."""

    watch: Callable[[Event], None]
    scrubber: Scrubber
    steps: list[Step] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    failed: bool = False

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
        resource_type = urn.split("::", 3)[2].rsplit("$", 1)[-1]
        self.steps.append(Step(op, urn, resource_type, name_of(urn), diff))
        self.watch(Event("end", urn, op, seconds=seconds, diff=diff))


@dataclass
class Run:
    """One run at work."""

    ledger: Ledger
    pool: Pool
    report: Report
    preview: bool
    slots: asyncio.Semaphore
    """As many operations of providers go on at once as there are slots."""
    hooks: Hooks = field(init=False)
    """What the program wants to be asked before and told after."""

    def __post_init__(self) -> None:
        def warn(message: str, urn: str) -> None:
            self.report.say(Severity.WARNING, message, urn)

        self.hooks = Hooks(warn, preview=self.preview)

    def learn(self, state: ResourceState) -> None:
        """Let the scrubber know the secrets of a resource."""
        self.report.scrubber.learn(secret_texts(state.inputs))
        self.report.scrubber.learn(secret_texts(state.outputs))

    def outcome(self) -> Outcome:
        """Return what the run has come to."""
        states = [state for state in self.ledger.states() if not state.delete]
        root = next((state for state in states if state.type == "pulumi:pulumi:Stack"), None)
        return Outcome(
            changes=dict(Counter(step.op for step in self.report.steps)),
            steps=self.report.steps,
            resources=[_view(state) for state in states],
            outputs=plain_all(root.outputs) if root else {},
            diagnostics=self.report.diagnostics,
            ok=not self.report.failed,
        )


def _view(state: ResourceState) -> ResourceView:
    return ResourceView(
        urn=state.urn,
        type=state.type,
        name=name_of(state.urn),
        id=state.id,
        inputs=plain_all(state.inputs),
        outputs=plain_all(state.outputs),
        provider=state.provider,
        parent=state.parent,
        dependencies=tuple(state.dependencies),
        protect=state.protect,
        custom=state.custom,
    )
