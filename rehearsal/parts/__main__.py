"""`python -m rehearsal.parts`: list and install the genuine parts."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from rehearsal.parts.catalogue import CATALOGUE, Debian, Part, UnknownPartError, chosen
from rehearsal.parts.commands import InstallError
from rehearsal.parts.debian import Apt
from rehearsal.parts.go_modules import Builder
from rehearsal.parts.inventory import Held, held
from rehearsal.parts.lock import BusyError
from rehearsal.report import Report

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_MISSING = 3

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Genuine programs against which the world's stand-ins are checked (`make test-real`).",
)

JsonOption = Annotated[
    bool, typer.Option("--json", help="One JSON document on standard output, nothing else.")
]


def _show(one: Held, report: Report) -> None:
    missing = [name for name, place in one.places.items() if place is None]
    status = "ok" if one.complete else "missing" if missing else "other version"
    report.line(one.part.name, one.version or ("" if missing else "version unknown"), status)
    report.detail(f"{one.part.purpose}\nstand-in: {one.part.checks}")
    if not one.complete:
        report.detail(f"comes from {one.part.source}")


@app.command("list")
def list_parts(*, as_json: JsonOption = False) -> None:
    """Say which parts are there, in which version, and what each one is the counterpart of.

    Exit status: 0 all are there; 3 some are missing or of another version than the pinned one.
    """
    report = Report(as_json=as_json)
    every = [held(part) for part in CATALOGUE]
    for item in every:
        _show(item, report)
    report.put("parts", [part.as_dict() for part in every])
    absent = [part.part.name for part in every if not part.complete]
    if absent:
        report.line("next", f"make parts installs {', '.join(absent)}")
    report.finish()
    raise typer.Exit(EXIT_MISSING if absent else 0)


@app.command()
def install(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Parts; all of them if none.")
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Install parts that are missing: packages of Debian as root, Go modules into the user's cache.

    No service is started. What is there already is left alone.

    Exit status: 0 they are all there; 1 some could not be installed; 2 no part has such a name.
    """
    report = Report(as_json=as_json)
    try:
        wanted = chosen(names or ())
    except UnknownPartError as error:
        report.fail(str(error))
        report.finish()
        raise typer.Exit(EXIT_USAGE) from None
    missing = [part for part in wanted if not held(part).complete]
    failures = _install(missing, report)
    every = [held(part) for part in wanted]
    for item in every:
        status = "ok" if item.complete else "failed"
        report.line(item.part.name, item.version or "", status)
    report.put("parts", [part.as_dict() for part in every])
    if failures:
        report.fail("\n".join(failures))
    raise typer.Exit(report.finish())


def _install(parts: Sequence[Part], report: Report) -> list[str]:
    """Install parts; what one of them cannot have does not keep the others from coming."""

    def say(line: str) -> None:
        report.line("parts", line)

    failures = []
    packages = [part for part in parts if isinstance(part.source, Debian)]
    try:
        Apt(say).install(packages)
    except (InstallError, BusyError, OSError) as error:
        failures.append(str(error))
    builder = Builder(say)
    for part in parts:
        if part in packages:
            continue
        try:
            builder.install(part)
        except (InstallError, BusyError, OSError) as error:
            failures.append(f"{part.name}: {error}")
    return failures


def main() -> None:
    """Run the command line; an interruption is no traceback."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
