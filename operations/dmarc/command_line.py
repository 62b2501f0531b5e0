"""`python -m operations dmarc`: the DMARC stage by what receivers report."""

import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from operations.dmarc.work import Order, carry_out, gather, judge, load
from operations.site import Site
from operations.site.command import (
    EXIT_DONE,
    DryRunOption,
    JsonOption,
    LiveOption,
    RunsOption,
    StackOption,
    on_site,
)
from rehearsal.report import Report

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Action(StrEnum):
    """What to do."""

    REVIEW = "review"
    COLLECT = "collect"
    ADVISE = "advise"
    APPLY = "apply"


@app.command()
def main(
    action: Annotated[
        Action,
        typer.Argument(
            help="review: collect, then advise. apply: declare the advised stage, show the plan."
        ),
    ] = Action.REVIEW,
    stack: StackOption = "qual",
    live: LiveOption = False,
    reports: Annotated[
        Path | None,
        typer.Option(help="Folder of reports (messages, .xml, .gz, .zip), not the mailbox."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write the advice with its chart as one page.")
    ] = None,
    today: Annotated[
        str, typer.Option(metavar="DATE", help="In a rehearsal: judge as if on this day.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before applying.")] = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    runs: RunsOption = None,
) -> None:
    """May the DMARC stage be tightened, must it be loosened, and who would be hurt?

    Nothing is advised without evidence: reports of enough days, messages and receivers, in which
    every declared sender is aligned and no unknown one is left. Dates are minima, never reasons.

    Exit status: 0 done, or nothing to do; 1 a step failed; 2 the declaration or the command line
    has mistakes; 3 there is something to do; 4 there are not enough reports to judge by.
    """
    day = _day(today, live=live)
    report = Report(as_json=as_json)

    async def act(site: Site) -> int:
        order = Order(day, reports, html, dry_run, _question(yes, as_json))
        report.line("stack", f"{stack}: {site.declaration.domain}, {site.place}")
        return await _work(site, report, order, action)

    raise typer.Exit(on_site(report, act, stack=stack, live=live, runs=runs, label="world"))


async def _work(site: Site, report: Report, order: Order, action: Action) -> int:
    if action in (Action.REVIEW, Action.COLLECT):
        evidence = await gather(site, report, order)
    else:
        evidence = load(site)
        evidence.trim(order.today)
    if action is Action.COLLECT:
        return EXIT_DONE
    if action is Action.APPLY:
        return await carry_out(site, report, order, evidence)
    return judge(site, report, order, evidence)[1]


def _day(text: str, *, live: bool) -> date:
    if not text:
        return datetime.now(UTC).date()
    if live:
        raise typer.BadParameter("--today is for rehearsals: on the real stack it is today")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"--today {text} is no date such as 2026-12-01") from None


def _question(yes: bool, as_json: bool) -> Callable[[str], bool]:  # noqa: FBT001  # two flags
    if yes:
        return lambda _: True
    if as_json or not sys.stdin.isatty():
        return lambda _: False
    return typer.confirm
