"""The command line: this machine, or the real accounts."""

from typing import Annotated

import typer

from operations.doctor.machine import UnknownCommandError, chosen, examine
from operations.site import Site
from operations.site.command import (
    EXIT_DECLARATION,
    JsonOption,
    RunsOption,
    StackOption,
    on_site,
)
from rehearsal.report import Report

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    commands: Annotated[
        list[str] | None,
        typer.Argument(metavar="[COMMAND]...", help="Commands of make; all of them if none."),
    ] = None,
    stack: StackOption = "qual",
    live: Annotated[
        bool | None,
        typer.Option(
            "--live/--world",
            help="Look at the real accounts and the host before the first `up`, or do so in the "
            "rehearsed world; at this machine without either.",
        ),
    ] = None,
    as_json: JsonOption = False,
    runs: RunsOption = None,
) -> None:
    """Say what is missing on this machine for each command, or what is wrong with the accounts.

    Nothing is changed. What could not be seen never passes.

    Exit status: 0 nothing is missing or wrong; 1 something is wrong with an account or the host; 2
    the declaration or the command line has mistakes; 3 something is missing on this machine; 4
    something could not be seen.
    """
    report = Report(as_json=as_json)
    if live is None:
        try:
            code = examine(report, chosen(commands or ()))
        except UnknownCommandError as error:
            report.fail(str(error))
            code = EXIT_DECLARATION
        report.finish()
        raise typer.Exit(code)
    if commands:
        raise typer.BadParameter(f"{commands[0]}: commands are for this machine, not for accounts")

    async def act(site: Site) -> int:
        # Only now: without an account to look at none of it is needed.
        from operations.doctor.preflight import preflight, tell  # noqa: PLC0415

        report.line("stack", f"{stack}: {site.declaration.domain}, {site.place}")
        return tell(await preflight(site), report)

    raise typer.Exit(on_site(report, act, stack=stack, live=live, runs=runs, label="world"))
