"""The whole rehearsal, step by step: check, plan, deploy, and see mail flow."""

import os
import time
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from declaration.mistakes import DeclarationError
from rehearsal.judgement import say_policies
from rehearsal.report import Report
from rehearsal.stage import Stage, refusals
from rehearsal.world.client import WorldClient

if TYPE_CHECKING:
    from rehearsal.engine.model import Event, Op, Outcome, Step
    from rehearsal.flow import Passage

EXIT_FAILED = 1
"""A step failed: a resource was not created, or a message did not arrive."""
EXIT_DECLARATION = 2
"""The declaration has mistakes; nothing was touched."""
EXIT_CHANGES = 3
"""There were changes where none were expected."""

_SIGNS = {
    "create": "+",
    "update": "~",
    "replace": "+-",
    "delete": "-",
    "delete-replaced": "--",
    "import": "=",
    "refresh": "~",
}
_SHOWN_STEPS = 12
_WIDTH = 60
"""Characters of a value in a plan."""
_LEAD = 20
"""Characters shown before the place where two long values part."""


def say_mistakes(error: DeclarationError, report: Report) -> None:
    """Say what is wrong with a declaration."""
    report.put(
        "mistakes",
        [{"path": mistake.path, "message": mistake.message} for mistake in error.mistakes],
    )
    report.fail(str(error))


def say_declaration(stage: Stage, report: Report) -> bool:
    """Check the declaration and say so; return whether it holds."""
    try:
        parts = stage.check().parts
    except DeclarationError as error:
        say_mistakes(error, report)
        return False
    mailboxes, aliases = len(parts["mailboxes"]), len(parts["aliases"])
    report.line(
        "declaration",
        f"{stage.file.name}: {parts['domain']}, {mailboxes} mailboxes, {aliases} aliases",
        "ok",
    )
    report.put("declaration", {"file": stage.file.name, "domain": parts["domain"]})
    return True


def say_cut_short(stage: Stage, report: Report) -> bool:
    """Look whether an earlier run was cut short; if so, say it and remove what it left.

    Returns:
        Whether one was: the world is then to be started anew.
    """
    words = stage.cut_short()
    if not words:
        return False
    report.line("earlier run", f"{words}; its world and state are made anew", "anew")
    report.put("cut_short", words)
    stage.clear()
    return True


def say_world(stage: Stage, report: Report, *, parent: int | None) -> WorldClient:
    """Start the world, if it does not run yet, and say what is in it."""
    world = stage.start_world(parent=parent)
    report.line("world", ", ".join(service.name for service in world.services), "up")
    report.put(
        "world",
        [
            {"name": service.name, "stands_for": service.stands_for, "genuine": service.genuine}
            for service in world.services
        ],
    )
    return world


def counted(changes: "dict[Op, int]") -> str:
    """Return the counts of a plan in words: `+ 68 to create, 3 unchanged`."""
    from rehearsal.engine.model import Op  # noqa: PLC0415  # a declaration is checked without it

    verbs = {Op.CREATE: "create", Op.UPDATE: "update", Op.REPLACE: "replace", Op.DELETE: "delete"}
    parts = [
        f"{_SIGNS[op]} {changes[op]} to {verb}" for op, verb in verbs.items() if changes.get(op)
    ]
    if changes.get(Op.SAME):
        parts.append(f"{changes[Op.SAME]} unchanged")
    return ", ".join(parts) or "nothing to do"


def say_steps(steps: "Sequence[Step]", report: Report, *, limit: int = _SHOWN_STEPS) -> None:
    """Show which resources change, and which of their properties."""
    changing = [step for step in steps if step.op.changes]
    for step in changing[:limit]:
        report.detail(f"{_SIGNS.get(step.op, '?')} {step.type} {step.name}")
        for change in step.diff:
            replaces = " (replaces)" if change.replaces else ""
            old, new = _beside(change.old, change.new)
            report.detail(f"    {change.path}: {old} => {new}{replaces}", style="dim")
    if len(changing) > limit:
        report.detail(f"... and {len(changing) - limit} more")


def _beside(old: object, new: object) -> tuple[str, str]:
    """Return two values in short; of long texts, the place where they part."""
    before, after = _words(old), _words(new)
    texts = all(isinstance(item, str) and not isinstance(item, Enum) for item in (old, new))
    if not texts or max(len(before), len(after)) <= _WIDTH:
        return _cut(before, 0), _cut(after, 0)
    pairs = enumerate(zip(before, after, strict=False))
    shorter = min(len(before), len(after))
    parting = next((place for place, (one, other) in pairs if one != other), shorter)
    begin = max(0, parting - _LEAD)
    return _cut(before, begin), _cut(after, begin)


def _words(value: object) -> str:
    from rehearsal.engine.values import UNKNOWN  # noqa: PLC0415  # only a plan has such values

    if value is UNKNOWN:
        return "known after deployment"
    return "nothing" if value is None else str(value).replace("\n", "\\n")


def _cut(text: str, begin: int) -> str:
    shown = f"...{text[begin + 3 :]}" if begin else text
    return shown if len(shown) <= _WIDTH else f"{shown[: _WIDTH - 3]}..."


def as_dict(outcome: "Outcome") -> dict[str, Any]:
    """Return an outcome for JSON; secrets in it are masked."""
    return {
        "ok": outcome.ok,
        "changes": {op.value: count for op, count in outcome.changes.items()},
        "steps": [
            {
                "op": step.op.value,
                "urn": step.urn,
                "diff": [
                    {"path": change.path, "old": _plain(change.old), "new": _plain(change.new)}
                    for change in step.diff
                ],
            }
            for step in outcome.steps
            if step.op.changes
        ],
        "diagnostics": [
            {
                "severity": diagnostic.severity.value,
                "message": diagnostic.message,
                "urn": diagnostic.urn,
            }
            for diagnostic in outcome.diagnostics
        ],
    }


def _plain(value: object) -> str | None:
    """Return a value of a diff for JSON, None where there is none; a secret is masked by itself."""
    from rehearsal.engine.values import UNKNOWN  # noqa: PLC0415  # only a plan has such values

    if value is UNKNOWN:
        return "[unknown]"
    return None if value is None else str(value)


def say_failure(outcome: "Outcome", report: Report, label: str) -> None:
    """Show the errors of a run that failed."""
    report.line(label, f"{len(outcome.errors)} errors", "failed")
    for error in outcome.errors:
        where = f"{error.urn.rpartition('::')[2]}: " if error.urn else ""
        report.detail(f"{where}{error.message}", style="red")


def preview(stage: Stage, world: WorldClient, report: Report, *, every: bool = False) -> "Outcome":
    """Plan, and say what would change."""
    outcome = stage.engine(world).preview()
    report.put("plan", as_dict(outcome))
    if not outcome.ok:
        say_failure(outcome, report, "plan")
        return outcome
    report.line("plan", counted(outcome.changes), "" if outcome.changed else "same")
    fresh = all(step.op.value == "create" for step in outcome.steps)
    if every or not fresh:
        say_steps(outcome.steps, report, limit=10_000 if every else _SHOWN_STEPS)
    return outcome


def deploy(stage: Stage, world: WorldClient, report: Report, *, total: int) -> "Outcome":
    """Deploy with progress on screen, and say how it ended."""
    began = time.monotonic()
    with report.progress("deploy", total) as steps:

        def on_event(event: "Event") -> None:
            if event.kind == "end" and event.op is not None and event.op.changes:
                steps.done(event.name)

        outcome = stage.engine(world, on_event=on_event).up()
    report.put("deploy", as_dict(outcome))
    if not outcome.ok:
        say_failure(outcome, report, "deploy")
        return outcome
    took = time.monotonic() - began
    changed = sum(count for op, count in outcome.changes.items() if op.changes)
    text = f"{changed} changed in {took:.0f} s" if outcome.changed else "nothing changes"
    report.line("deploy", text, "ok" if outcome.changed else "same")
    return outcome


def say_passage(passage: "Passage", report: Report) -> None:
    """Show what became of one message."""
    text = " > ".join(passage.path)
    if passage.verdicts:
        text += "    " + "  ".join(f"{name} {said}" for name, said in passage.verdicts.items())
    report.line(f"mail {passage.direction}", text, "pass" if passage.ok else "failed")
    if passage.problem:
        report.detail(passage.problem, style="red")
    report.put(f"mail_{passage.direction}", passage.as_dict())


def say_parts(world: WorldClient, report: Report) -> None:
    """Say what was real and what stood in."""
    genuine = [service.name for service in world.services if service.genuine]
    standins = [service.name for service in world.services if not service.genuine]
    report.line("genuine", ", ".join(genuine) or "nothing")
    report.line("stand-in", ", ".join(standins))


def _near(path: Path) -> str:
    """Return a path as it is typed from where the person stands."""
    return os.path.relpath(path)


def mail_flows(stage: Stage, world: WorldClient, report: Report) -> bool:
    """Send one message out and one in; return whether both arrived as they should."""
    from rehearsal.flow import Flow  # noqa: PLC0415  # a plan needs no mail program

    flow = Flow(stage.declaration(world), world)
    passages = (flow.out(), flow.into())
    for passage in passages:
        say_passage(passage, report)
    return all(passage.ok for passage in passages)


def rehearse(stage: Stage, report: Report, *, parent: int | None) -> int:
    """Take every step after the check of the declaration, and return the exit code."""
    try:
        world = say_world(stage, report, parent=parent)
        plan = preview(stage, world, report)
        if plan.ok and say_policies(stage, world, plan, report):
            total = sum(count for op, count in plan.changes.items() if op.changes)
            done = deploy(stage, world, report, total=total)
            if done.ok and say_policies(stage, world, done, report, deployed=True):
                mail_flows(stage, world, report)
                say_parts(world, report)
                logs = _near(stage.logs)
                report.line("next", f"make rehearse again: nothing changes.  Logs: {logs}")
                report.line("", f"pulumi up --stack {stage.stack}: the real host, see README.md")
    except refusals() as error:
        report.fail(str(error))
    return report.finish()
