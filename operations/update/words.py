"""How an upgrade is shown: the plan, the conditions, the steps."""

from operations.update.compare import Change, Differences
from operations.update.conditions import Condition
from operations.update.journal import Journal
from rehearsal.report import Report

_STEPS = {
    "backup": "taking a backup; the whole nightly run, verified",
    "declare": "declaring the release",
    "database": "looking at the database",
    "deploy": "deploying",
    "health": "waiting until every container is well",
    "prove": "proving the mail",
}


class Spoken:
    """Tells a person, line by line, and notes the same for a machine."""

    def __init__(self, report: Report) -> None:
        """Take the report that is written to."""
        self._report = report
        self._log: list[dict[str, str]] = []
        report.put("steps", self._log)

    def begins(self, step: str, *, back: bool) -> None:
        """Say that a step begins, where somebody watches."""
        if self._report.console.is_terminal:
            self._report.detail(
                _STEPS[step] + (", on the way back" if back else "") + " ...", "dim"
            )

    def ended(self, step: str, text: str, *, back: bool) -> None:
        """Say that a step is done."""
        self._say(step, text, "ok", back=back)

    def failed(self, step: str, text: str, *, back: bool) -> None:
        """Say that a step failed."""
        first, _, rest = text.partition("\n")
        self._say(step, first, "failed", back=back)
        self._report.detail(rest, "red")

    def changed(self, name: str) -> None:
        """Say which resource was changed, where somebody watches."""
        if self._report.console.is_terminal:
            self._report.detail(name, "dim")

    def _say(self, step: str, text: str, status: str, *, back: bool) -> None:
        label = f"back {step}" if back else step
        self._log.append({"step": label, "text": text, "status": status})
        self._report.line(label, text, status)


def show_plan(report: Report, plan: Differences, tiers: dict[str, str]) -> None:
    """Show what changes between two releases.

    Args:
        report: Where it is shown.
        plan: What changes.
        tiers: Tiers that were given on the command line.
    """
    report.put("plan", plan.as_dict())
    report.line("plan", f"{plan.pinned} -> {plan.target}, {plan.commits} commits", "")
    report.detail(f"commit {plan.commit}")
    _changes(report, "containers", plan.services)
    _changes(report, "options", plan.options)
    _changes(report, "ports", plan.ports)
    _changes(report, "volumes", plan.volumes)
    if plan.schema:
        report.line("database", f"schema {plan.schema[0]} becomes {plan.schema[1]}")
        report.detail("a way back restores the database from the backup; mailboxes stay")
    if plan.files:
        report.line("files", f"{len(plan.files)} that ours lean on are touched")
        for file in plan.files:
            report.detail(f"~ {file.path}: {file.why}")
    if plan.notes:
        report.line("notes", f"{len(plan.notes)} known to matter")
        for note in plan.notes:
            report.detail(f"{note.tag + ': ' if note.tag else ''}{note.text}")
            report.detail(f"  {note.source}", "dim")
    if plan.dropped:
        report.line("tiers", f"{', '.join(plan.dropped)}: gone, taken out of the declaration")
    for name in plan.tierless:
        text = f"{name}: {tiers[name]}" if name in tiers else f"{name} has none"
        report.line("tiers", text, "ok" if name in tiers else "wait")


def _changes(report: Report, label: str, changes: tuple[Change, ...]) -> None:
    if not changes:
        return
    signs = [change.sign for change in changes]
    counts = (("~", "changed"), ("+", "added"), ("-", "removed"))
    said = ", ".join(f"{signs.count(sign)} {word}" for sign, word in counts if sign in signs)
    report.line(label, said)
    for change in changes:
        match change.sign:
            case "~":
                text = f"{change.before} -> {change.after}"
            case "+":
                text = "" if change.after == "new" else change.after
            case _:
                text = "" if change.before in {"known", "there"} else change.before
        parts = [part for part in (text, change.remark) if part]
        report.detail(f"{change.sign} {change.name}" + (f": {'; '.join(parts)}" if parts else ""))


def show_condition(report: Report, condition: Condition) -> None:
    """Show one condition; what to do where it does not hold."""
    report.line(condition.title, condition.seen, "ok" if condition.holds else "failed")
    if not condition.holds and condition.mend:
        report.detail(condition.mend)


def show_way_back(report: Report, journal: Journal, lines: list[str]) -> None:
    """Show how to return."""
    report.put("way_back", lines)
    about = f"{journal.before.tag}, {journal.before.commit[:12]}"
    snapshot = f", snapshot {journal.snapshot[:12]}" if journal.snapshot else ""
    report.line("way back", about + snapshot)
    for line in lines:
        report.detail(line)
