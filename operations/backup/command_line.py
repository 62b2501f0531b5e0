"""`python -m operations backup`: back the mail up now, list what there is."""

from enum import StrEnum
from typing import Annotated

import typer

from operations.backup import nightly
from operations.site import Site
from operations.site.command import (
    EXIT_DONE,
    EXIT_TO_DO,
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
    """What shall be done."""

    RUN = "run"
    """Make a backup now, as the timer does every night."""
    LIST = "list"
    """List the snapshots."""


@app.command()
def main(
    action: Annotated[
        Action, typer.Argument(help="run: make a backup now. list: list the snapshots.")
    ] = Action.RUN,
    stack: StackOption = "qual",
    live: LiveOption = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    runs: RunsOption = None,
) -> None:
    """Back the mail up now, as the timer does every night: dump, snapshot, verification.

    A run that fails removes nothing; the snapshots before it are there.

    Exit status: 0 done, the snapshot is there and verified; 1 it failed, the message says at which
    step; 2 the declaration has mistakes, or the command line; 3 a dry run found everything that a
    backup needs.
    """
    report = Report(as_json=as_json)

    async def act(site: Site) -> int:
        report.put("place", site.place)
        if action is Action.LIST:
            return await show(site, report)
        return await (plan(site, report) if dry_run else back_up(site, report))

    raise typer.Exit(on_site(report, act, stack=stack, live=live, runs=runs, label="world"))


async def show(site: Site, report: Report) -> int:
    """List the snapshots, the oldest first."""
    found = (await nightly.ask(site, "--list"))["snapshots"]
    report.put("snapshots", found)
    report.line("snapshots", f"{len(found)} in {site.declaration.backup.bucket}", "ok")
    for snapshot in found:
        report.detail(f"{snapshot['id'][:8]}  {snapshot['time'][:19]}")
    return EXIT_DONE


async def plan(site: Site, report: Report) -> int:
    """Say what a backup would do, after a look at everything that it needs."""
    steps = (await nightly.ask(site, "--dry-run"))["plan"]
    report.put("plan", steps)
    report.line("backup", f"would be made on {site.place}", "wait")
    for step in steps:
        report.detail(step)
    return EXIT_TO_DO


async def back_up(site: Site, report: Report) -> int:
    """Make the backup, follow it, and show what there is now."""
    done = await nightly.run_now(site, lambda step: report.line("", step))
    report.put("backup", {
        "snapshot": done.snapshot, "bytes": done.size, "messages": done.messages,
        "parts": list(done.parts), "seconds": done.seconds,
    })  # fmt: skip
    text = f"{done.snapshot[:8]}, {done.size} bytes, {done.messages} messages, {done.seconds:.0f} s"
    report.line("snapshot", text, "ok")
    report.line("parts", ", ".join(done.parts))
    kept = (await nightly.ask(site, "--list"))["snapshots"]
    report.put("kept", kept)
    number = f"{len(kept)} snapshot{'s' * (len(kept) != 1)}"
    report.line("kept", f"{number}, the oldest of {kept[0]['time'][:10]}")
    return EXIT_DONE
