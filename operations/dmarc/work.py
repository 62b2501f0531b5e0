"""The operation on a site: collect reports, say what they advise, declare another stage."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from components.dmarc import DmarcSettings
from components.dmarc_advice import Advice, Verdict, advise, step_of
from components.dmarc_evidence import Evidence, StepTaken
from operations.dmarc import mailbox, metrics
from operations.dmarc.collecting import Collected, collect, load, save
from operations.dmarc.page import render
from operations.dmarc.wording import as_dict, headline, percent
from operations.site import Plan, Site
from operations.site.command import EXIT_DONE, EXIT_FAILED, EXIT_TO_DO, EXIT_UNJUDGED
from rehearsal.report import Report


@dataclass(frozen=True)
class Order:
    """What is asked for.

    Attributes:
        today: The day to judge by.
        reports: Folder of files with reports; the mailbox if None.
        html: File for the page; none if None.
        dry: Whether to change nothing.
        agree: Asks whether to go on.
    """

    today: date
    reports: Path | None = None
    html: Path | None = None
    dry: bool = False
    agree: Callable[[str], bool] = lambda _: False


async def gather(site: Site, report: Report, order: Order) -> Evidence:
    """Collect what has come in, and return everything that is known."""
    evidence = load(site.evidence, site.declaration.domain)
    if order.reports is not None:
        found, place = await asyncio.to_thread(mailbox.files, order.reports), str(order.reports)
    else:
        if site.world is not None:
            # A day has passed: whoever received mail reports it.
            await asyncio.to_thread(site.world.ask, "POST", "/receiver/report", {})
        found = await mailbox.fetch(site, order.today)
        place = f"mailbox {mailbox.mailbox_of(site.declaration)}@"
    collected = await asyncio.to_thread(collect, evidence, found, order.today)
    _tell(report, collected, place, len(found))
    if order.dry:
        report.line("evidence", "dry run: nothing is written")
        return evidence
    file = save(site.evidence, evidence)
    report.line("evidence", f"{file}: {len(evidence.days)} days", "ok")
    path = await metrics.publish(site, metrics.render(site.declaration, evidence))
    report.line("metrics", path, "ok")
    return evidence


def _tell(report: Report, collected: Collected, place: str, found: int) -> None:
    text = f"{place}: {collected.counted} new of {found}, {collected.messages} messages"
    report.line("reports", text, "ok")
    for reason, count in sorted(collected.left_out.items()):
        report.detail(f"left out: {count} {reason}", "yellow")
    report.put(
        "collected",
        {
            "found": found,
            "counted": collected.counted,
            "messages": collected.messages,
            "leftOut": dict(sorted(collected.left_out.items())),
        },
    )


def judge(site: Site, report: Report, order: Order, evidence: Evidence) -> tuple[Advice, int]:
    """Say what the evidence advises, and return that with the exit code."""
    advice = advise(site.declaration, evidence, order.today)
    report.put("advice", as_dict(advice))
    _show_figures(report, advice)
    for one in advice.conditions:
        report.line("", one.text, "ok" if one.met else "wait")
    status = {Verdict.ADVANCE: "ok", Verdict.STEP_BACK: "wait", Verdict.UNJUDGED: "wait"}
    report.line("advice", headline(advice), status.get(advice.verdict, ""))
    if not advice.conditions:
        for reason in advice.reasons:
            report.detail(reason)
    for hurt in advice.hurt:
        report.detail(f"would lose mail: {hurt.source.name}, {hurt.failing} of {hurt.messages}")
    if order.html is not None:
        page = render(site.declaration, evidence, advice, order.today)
        order.html.write_text(page, "utf-8")
        report.line("page", str(order.html), "ok")
    if advice.verdict is Verdict.UNJUDGED:
        return advice, EXIT_UNJUDGED
    to_do = advice.verdict is not Verdict.KEEP or advice.strangers
    return advice, EXIT_TO_DO if to_do else EXIT_DONE


def _show_figures(report: Report, advice: Advice) -> None:
    figures = advice.figures
    if figures is None:
        return
    report.line(
        "period",
        f"{figures.start} to {figures.end}: {figures.days} days with reports of"
        f" {figures.reporters} receivers",
    )
    for one in figures.tallies[:12]:
        text = f"{one.source.name:<28} {one.messages:>6}  {percent(one):>7} aligned"
        report.line("", f"{text}  {one.source.kind}")
    if len(figures.tallies) > 12:
        report.detail(f"and {len(figures.tallies) - 12} more; --html or --json shows all")


async def carry_out(site: Site, report: Report, order: Order, evidence: Evidence) -> int:
    """Declare the advised stage, show what a deployment would do, and return the exit code."""
    advice, code = judge(site, report, order, evidence)
    if advice.verdict not in (Verdict.ADVANCE, Verdict.STEP_BACK) or advice.target is None:
        # What is left to do is the operator's: nothing here can be applied.
        return EXIT_UNJUDGED if code == EXIT_UNJUDGED else EXIT_DONE
    changes = _changes(advice, order.today)
    shown = ", ".join(f"mail:{path}: {value}" for path, value in changes.items())
    report.put("changes", changes)
    if order.dry:
        report.line("declaration", f"would become {shown}")
        return EXIT_TO_DO
    if not order.agree(f"{headline(advice)}? {shown}"):
        report.line("declaration", "left as it is")
        return EXIT_TO_DO
    return await _declare(site, report, order, evidence, advice)


def _changes(advice: Advice, today: date) -> dict[str, Any]:
    return {"dmarc.stage": str(advice.target), "dmarc.since": today.isoformat()}


async def _declare(
    site: Site, report: Report, order: Order, evidence: Evidence, advice: Advice
) -> int:
    before = _Before(site.declaration.dmarc, evidence.steps)
    if advice.verdict is Verdict.ADVANCE and advice.figures and advice.target:
        evidence.steps = (*before.steps, step_of(advice.target, order.today, advice.figures))
    # The evidence goes first: the policies ask for it as soon as the stage is declared.
    save(site.evidence, evidence)
    site.declare(_changes(advice, order.today))
    report.line("declaration", f"{site.file.name}: stage {advice.target}", "ok")
    try:
        plan = await asyncio.to_thread(site.deployer.preview)
    except BaseException:
        _undo(site, evidence, before)
        raise
    report.put("plan", _plan(plan))
    if not plan.ok:
        _undo(site, evidence, before)
        for error in plan.errors:
            report.line("plan", error, "failed")
        report.detail(f"the declaration is again as it was: stage {advice.stage}")
        return EXIT_FAILED
    for step in plan.steps:
        report.line("plan", f"{step.op} {step.name} {', '.join(step.properties)}")
    report.line("next", f"make up STACK={site.stack}, then commit declaration and evidence")
    return EXIT_DONE


@dataclass(frozen=True)
class _Before:
    settings: DmarcSettings
    steps: tuple[StepTaken, ...]


def _undo(site: Site, evidence: Evidence, before: _Before) -> None:
    evidence.steps = before.steps
    settings = before.settings
    site.declare({"dmarc.stage": settings.stage.value, "dmarc.since": settings.since.isoformat()})
    save(site.evidence, evidence)


def _plan(plan: Plan) -> dict[str, Any]:
    return {
        "steps": [{"op": one.op, "name": one.name, "type": one.type} for one in plan.steps],
        "unchanged": plan.unchanged,
        "errors": list(plan.errors),
    }
