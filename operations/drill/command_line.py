"""`python -m operations drill`: restore the last backup into an empty place, and compare all."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from operations.drill import holding
from operations.drill.certificate import certificate, write
from operations.drill.holding import Drill
from operations.site import Site
from operations.site.command import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_TO_DO,
    DryRunOption,
    JsonOption,
    LiveOption,
    RunsOption,
    StackOption,
    on_site,
)
from rehearsal.report import Report

_LABELS = {
    "parts": "parts", "messages": "messages", "configuration": "configuration",
    "database": "database", "redis": "redis", "objects": "objects", "crypt": "mail key",
    "imap": "over IMAP",
}  # fmt: skip

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    stack: StackOption = "qual",
    snapshot: Annotated[
        str, typer.Option(help="Snapshot to restore, instead of that of the last good backup.")
    ] = "",
    live: LiveOption = False,
    dry_run: DryRunOption = False,
    clean: Annotated[
        bool, typer.Option("--clean", help="Remove what an interrupted drill left, and end.")
    ] = False,
    as_json: JsonOption = False,
    runs: RunsOption = None,
) -> None:
    """Restore the last backup into an empty place beside the running mail, and compare everything.

    The restored mail is opened by containers without any network; nothing that runs is touched,
    and no mail can leave. A good drill writes a dated certificate into evidence/<stack>/.

    Exit status: 0 everything was restored; 1 something was not, or a step failed; 2 the declaration
    has mistakes, or the command line; 3 a dry run found everything that a drill needs.
    """
    if clean and dry_run:
        raise typer.BadParameter("--clean removes, --dry-run changes nothing: give one of them")
    report = Report(as_json=as_json)

    async def act(site: Site) -> int:
        report.put("place", site.place)
        if dry_run or clean:
            return await look(site, report, snapshot, clean=clean)
        return await hold(site, report, snapshot)

    raise typer.Exit(on_site(report, act, stack=stack, live=live, runs=runs, label="world"))


async def look(site: Site, report: Report, snapshot: str, *, clean: bool) -> int:
    """Say what a drill would do, or remove what an interrupted one left."""
    if clean:
        answer = await holding.ask(site, "--clean")
        if not answer["ok"]:
            raise holding.DrillFailedError(f"nothing was removed: {answer['error']}")
        report.line("drill", "nothing of a drill is left on the host", "ok")
        return EXIT_DONE
    options = ["--dry-run", *(["--snapshot", snapshot] if snapshot else [])]
    answer = await holding.ask(site, *options)
    if not answer["ok"]:
        raise holding.DrillFailedError(f"the drill refuses: {answer['error']}")
    report.put("plan", answer["plan"])
    report.line("drill", f"would be held on {site.place}", "wait")
    for item in answer["plan"]:
        report.detail(item)
    return EXIT_TO_DO


async def hold(site: Site, report: Report, snapshot: str) -> int:
    """Hold the drill, show what was compared, and write the certificate of a good one."""
    drill = await holding.hold(site, snapshot, lambda step: report.line("", step))
    show(drill, report)
    if not drill.ok:
        report.fail(
            "the drill failed: the backup does not hold everything. Nothing that runs was touched. "
            "Make a new backup (make backup), then hold the drill again; if it fails again, see "
            "docs/restore.md"
        )
        return EXIT_FAILED
    document = certificate(
        drill,
        site.declaration,
        place=site.place,
        rehearsed=not site.live,
        now=datetime.now(UTC),
    )
    file = write(site.evidence, document)
    report.put("certificate", document)
    report.line("certificate", str(file), "ok")
    if site.live:
        report.detail("commit it: the policy drill-in-time reads it")
    return EXIT_DONE


def show(drill: Drill, report: Report) -> None:
    """Show what was compared."""
    report.line("snapshot", f"{drill.snapshot[:8]} of {drill.taken[:19]}, {drill.seconds:.0f} s")
    for check in drill.checks:
        report.line(_LABELS.get(check.id, check.id), check.text, "pass" if check.ok else "failed")
    report.put("checks", [vars(check) for check in drill.checks])
    report.put("snapshot", drill.snapshot)
