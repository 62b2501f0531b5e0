"""The operation on a site: collect reports, say what they advise, declare another stage."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from declaration import evidence as kept
from declaration.dmarc import DmarcSettings
from declaration.mail_domain import mail_domain
from dmarc.advice import Advice, Verdict, advise, step_of
from dmarc.collecting import Collected, Collecting
from dmarc.evidence import SUBJECT, Evidence, StepTaken, parse
from dmarc.evidence import render as render_evidence
from operations.dmarc import mailbox, metrics
from operations.dmarc.page import render
from operations.dmarc.wording import as_dict, headline, kind_of, percent
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


def load(site: Site) -> Evidence:
    """Return what is known of a site's mail domain."""
    document = kept.read(site.evidence.name, SUBJECT, site.evidence.parent)
    return parse(document, site.declaration.domain)


def save(site: Site, evidence: Evidence) -> Path:
    """Keep what is known, and return the file."""
    return kept.write(site.evidence, SUBJECT, render_evidence(evidence))


async def gather(site: Site, report: Report, order: Order) -> Evidence:
    """Collect what has come in, and return everything that is known."""
    evidence = load(site)
    collecting = Collecting(evidence, site.declaration.names.mail_host, order.today)
    if order.reports is not None:
        place = str(order.reports)
        await asyncio.to_thread(mailbox.take_files, order.reports, collecting)
    else:
        place = f"mailbox {mailbox.mailbox_of(site.declaration)}@"
        if site.world is not None:
            # A day has passed: whoever received mail reports it.
            await asyncio.to_thread(site.world.ask, "POST", "/receiver/report", {})
        await mailbox.fetch(site, order.today, collecting)
    evidence.trim(order.today)
    _tell(report, collecting.collected, place)
    if order.dry:
        report.line("evidence", "dry run: nothing is written")
        return evidence
    file = save(site, evidence)
    report.line("evidence", f"{file}: {len(evidence.days)} days", "ok")
    path = await metrics.publish(site, metrics.render(mail_domain(site.declaration), evidence))
    report.line("metrics", path, "ok")
    return evidence


def _tell(report: Report, collected: Collected, place: str) -> None:
    text = f"{place}: {collected.counted} new of {collected.found}, {collected.messages} messages"
    if collected.tls:
        text += f"; {collected.tls} new TLS reports"
    report.line("reports", text, "ok")
    for reason, count in sorted(collected.left_out.items()):
        first = collected.first[reason]
        where = f" ({first})" if first and count == 1 else f" (the first: {first})" if first else ""
        report.detail(f"left out: {count} {reason}{where}", "yellow")
    report.put(
        "collected",
        {
            "found": collected.found,
            "counted": collected.counted,
            "messages": collected.messages,
            "tls": collected.tls,
            "leftOut": dict(sorted(collected.left_out.items())),
        },
    )


def judge(site: Site, report: Report, order: Order, evidence: Evidence) -> tuple[Advice, int]:
    """Say what the evidence advises, and return that with the exit code."""
    domain = mail_domain(site.declaration)
    advice = advise(domain, evidence, order.today)
    report.put("advice", as_dict(advice))
    _show_figures(report, advice)
    _show_tls(report, evidence)
    for condition in advice.conditions:
        report.line("", condition.text, "ok" if condition.met else "wait")
    status = {Verdict.ADVANCE: "ok", Verdict.STEP_BACK: "wait", Verdict.UNJUDGED: "wait"}
    report.line("advice", headline(advice), status.get(advice.verdict, ""))
    if not advice.conditions:
        for reason in advice.reasons:
            report.detail(reason)
    for hurt in advice.hurt:
        report.detail(f"would lose mail: {hurt.source.name}, {hurt.failing} of {hurt.messages}")
    if order.html is not None:
        page = render(site.declaration, domain, evidence, advice, order.today)
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
    for tally in figures.tallies[:12]:
        text = f"{tally.source.name:<28} {tally.messages:>6}  {percent(tally):>7} aligned"
        report.line("", f"{text}  {kind_of(tally)}")
    if len(figures.tallies) > 12:
        report.detail(f"and {len(figures.tallies) - 12} more; --html or --json shows all")


def _show_tls(report: Report, evidence: Evidence) -> None:
    """Say what TLS reports told of the days that are kept."""
    days = evidence.tls.values()
    if not days:
        return
    failures = sum((day.failures for day in days), Counter[str]())
    text = f"{sum(day.successful for day in days)} sessions kept to TLS, {failures.total()} failed"
    kinds = ", ".join(f"{count} {kind}" for kind, count in failures.most_common())
    reporters = len({name for day in days for name in day.reports.values()})
    told = f"{text}, told by {reporters} senders" + (f": {kinds}" if kinds else "")
    report.line("tls", told, "wait" if failures else "ok")
    report.put(
        "tls",
        {
            "days": len(evidence.tls),
            "successful": sum(day.successful for day in days),
            "failures": dict(failures),
        },
    )


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
    """Declare a stage, and take it back if its plan fails, and in a rehearsal in any case."""
    before = _Before(site.declaration.dmarc, evidence.steps)
    if advice.verdict is Verdict.ADVANCE and advice.figures and advice.target:
        evidence.steps = (*before.steps, step_of(advice.target, order.today, advice.figures))
    kept_as_declared = False
    # The evidence goes first: the policies ask for it as soon as the stage is declared.
    save(site, evidence)
    try:
        site.declare(_changes(advice, order.today))
        plan = await asyncio.to_thread(site.deployer.preview)
        kept_as_declared = plan.ok and site.live
    finally:
        if not kept_as_declared:
            _undo(site, evidence, before)
    report.put("plan", _plan(plan))
    for error in plan.errors:
        report.line("plan", error, "failed")
    for step in plan.steps if plan.ok else ():
        report.line("plan", f"{step.op} {step.name} {', '.join(step.properties)}")
    if not plan.ok:
        report.detail(f"the declaration is again as it was: stage {advice.stage}")
        return EXIT_FAILED
    if not site.live:
        report.line("declaration", f"rehearsed only: {site.file.name} still says {advice.stage}")
        return EXIT_TO_DO
    report.line("declaration", f"{site.file.name}: stage {advice.target}", "ok")
    report.line("next", f"make up STACK={site.stack}, then commit declaration and evidence")
    return EXIT_DONE


@dataclass(frozen=True)
class _Before:
    settings: DmarcSettings
    steps: tuple[StepTaken, ...]


def _undo(site: Site, evidence: Evidence, before: _Before) -> None:
    evidence.steps = before.steps
    save(site, evidence)
    settings = before.settings
    if site.declaration.dmarc != settings:
        stage, since = settings.stage.value, settings.since.isoformat()
        site.declare({"dmarc.stage": stage, "dmarc.since": since})


def _plan(plan: Plan) -> dict[str, Any]:
    return {
        "steps": [{"op": step.op, "name": step.name, "type": step.type} for step in plan.steps],
        "unchanged": plan.unchanged,
        "errors": list(plan.errors),
    }
