"""`python -m operations adopt`: what runs already, and the file that imports it."""

from pathlib import Path
from typing import Annotated

import typer

from operations.adopt.adoption import Adoption, adopt
from operations.adopt.telling import tell
from operations.site import PROJECT, Site
from operations.site.command import (
    EXIT_DONE,
    EXIT_TO_DO,
    EXIT_UNJUDGED,
    DryRunOption,
    JsonOption,
    LiveOption,
    RunsOption,
    StackOption,
    on_site,
)
from rehearsal.engine.importing import write_import_file
from rehearsal.report import Report
from rehearsal.stage import RUNS

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    stack: StackOption = "qual",
    live: LiveOption = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    runs: RunsOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Where the import file goes."),
    ] = None,
    take: Annotated[
        list[str] | None,
        typer.Option("--take", metavar="NAME=ID", help="Answer a question; may be repeated."),
    ] = None,
    set_passwords: Annotated[
        bool,
        typer.Option(
            "--set-passwords",
            help="Let the next deployment set the declared password of every mailbox. Otherwise "
            "each keeps the one that it has.",
        ),
    ] = False,
) -> None:
    """Compare what already runs with the declaration, and write the file for `pulumi import`.

    Nothing is changed at the zone, Mailcow, the storage or the host.

    Exit status: 0 the file is written, or everything is in the state already; 1 it failed; 2 the
    declaration has mistakes; 3 a dry run found something to import; 4 something could not be
    looked at, or is in question: the file is written without it.
    """
    report = Report(as_json=as_json)
    answers = {}
    for item in take or ():
        name, equals, identity = item.partition("=")
        if not (name and equals and identity):
            raise typer.BadParameter(f"{item} is not NAME=ID")
        answers[name] = identity

    async def act(site: Site) -> int:
        report.line("site", site.place)
        found = await adopt(site, keep_passwords=not set_passwords, taken=answers)
        tell(found, report)
        file = out or (runs or PROJECT / RUNS) / "adopt" / f"{stack}.json"
        if not dry_run and found.imported:
            write_import_file(file, found.document)
        _say_next(site, found, file, report, dry_run=dry_run)
        if not found.judged:
            return EXIT_UNJUDGED
        return EXIT_TO_DO if dry_run and found.imported else EXIT_DONE

    raise typer.Exit(on_site(report, act, stack=stack, live=live, runs=runs))


def _say_next(site: Site, adoption: Adoption, file: Path, report: Report, *, dry_run: bool) -> None:
    if not adoption.imported:
        report.line("import", "nothing is left to import", "same")
        return
    if dry_run:
        report.line("import", f"{adoption.imported} resources; nothing was written (dry run)")
        return
    report.put("file", str(file))
    near = file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
    report.line("import", f"{adoption.imported} resources in {near}", "ok")
    report.line("next", _command(site, near))
    report.detail("then preview: it must show what is said above, and nothing else")


def _command(site: Site, file: Path) -> str:
    if site.live:
        return f"pulumi import --stack {site.stack} --generate-code=false --file {file}"
    return f"python -m rehearsal import {file} --stack {site.stack}"
