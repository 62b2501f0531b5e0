"""`python -m rehearsal`: the single steps of a rehearsal, and all of them in a row."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from declaration.mistakes import DeclarationError
from rehearsal.engine import Op
from rehearsal.engine.importing import load
from rehearsal.rehearse import (
    EXIT_CHANGES,
    EXIT_DECLARATION,
    EXIT_FAILED,
    as_dict,
    counted,
    deploy,
    mail_flows,
    preview,
    rehearse,
    say_cut_short,
    say_declaration,
    say_failure,
    say_mistakes,
    say_steps,
    say_world,
)
from rehearsal.report import Report
from rehearsal.stage import Stage, refusals
from rehearsal.world.client import WorldClient
from rehearsal.world.zone_file import published

PROJECT = Path(__file__).resolve().parents[1]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Run the declaration of a stack on this machine, against a world on loopback.",
)
world_app = typer.Typer(no_args_is_help=True, help="The services around the program.")
app.add_typer(world_app, name="world")

StackOption = Annotated[
    str, typer.Option("--stack", "-s", help="Stack to rehearse: Pulumi.<stack>.yaml.")
]
RunsOption = Annotated[
    Path | None,
    typer.Option(
        "--runs",
        envvar="REHEARSAL_RUNS",
        metavar="DIR",
        help="Folder for what runs leave behind, instead of `.rehearsal`.",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="One JSON document on standard output, nothing else.")
]
NoChangesOption = Annotated[
    bool, typer.Option("--expect-no-changes", help=f"Exit {EXIT_CHANGES} if anything changes.")
]


def _stage(stack: str, runs: Path | None) -> Stage:
    return Stage(PROJECT, stack, runs)


@contextmanager
def _told(report: Report) -> Iterator[None]:
    """Say what a person can mend as one message, also in a JSON document."""
    try:
        yield
    except DeclarationError as error:
        say_mistakes(error, report)
        report.finish()
        raise typer.Exit(EXIT_DECLARATION) from None
    except refusals() as error:
        report.fail(str(error))
        raise typer.Exit(report.finish()) from None
    except OSError as error:
        report.fail(_of_disk(error))
        raise typer.Exit(report.finish()) from None


def _of_disk(error: OSError) -> str:
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}"


@contextmanager
def _at_work(stage: Stage, report: Report) -> Iterator[WorldClient]:
    """Hold the stack while its world is worked on, a world whose state is known.

    Where an earlier run was cut short, the world is made anew first.

    Raises:
        LockedError: another command is at work on the stack.
        WorldUnreachableError: no world runs.
    """
    # Asked before the lock is taken: it would leave a file where there is nothing yet.
    stage.world()
    with stage.lock:
        yield stage.start_world() if say_cut_short(stage, report) else stage.world()


@app.command()
def run(
    stack: StackOption = "qual",
    runs: RunsOption = None,
    as_json: JsonOption = False,
    engine: Annotated[
        str, typer.Option(help="`rehearsal`, or `pulumi`: the genuine CLI with its plugins.")
    ] = "rehearsal",
    svg: Annotated[
        Path | None, typer.Option(help="Draw what is shown into this file (SVG).")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the world running afterwards.")
    ] = False,
) -> None:
    """Check, plan, deploy, send one message out and take one in."""
    stage = _stage(stack, runs)
    report = Report(as_json=as_json, record=svg)
    if engine == "pulumi":
        from rehearsal.genuine.engine import rehearse_genuinely  # noqa: PLC0415  # only when asked for

        act = rehearse_genuinely
    elif engine == "rehearsal":
        act = rehearse
    else:
        raise typer.BadParameter(f"{engine} is neither rehearsal nor pulumi")
    if not say_declaration(stage, report):
        report.finish()
        raise typer.Exit(EXIT_DECLARATION)
    with _told(report), stage.lock:
        try:
            say_cut_short(stage, report)
            code = act(stage, report, parent=None if keep else os.getpid())
        finally:
            if not keep:
                stage.stop_world()
        raise typer.Exit(code)


@app.command()
def check(
    stack: StackOption = "qual",
    runs: RunsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the declaration alone; nothing is started."""
    report = Report(as_json=as_json)
    held = say_declaration(_stage(stack, runs), report)
    report.finish()
    raise typer.Exit(0 if held else EXIT_DECLARATION)


@app.command("preview")
def preview_command(
    stack: StackOption = "qual",
    runs: RunsOption = None,
    as_json: JsonOption = False,
    expect_no_changes: NoChangesOption = False,
) -> None:
    """Say what a deployment would change, property by property."""
    stage, report = _stage(stack, runs), Report(as_json=as_json)
    with _told(report):
        stage.check()
        world = stage.world()
        with stage.lock:
            outcome = preview(stage, world, report, every=True)
        code = report.finish()
        raise typer.Exit(
            EXIT_CHANGES if not code and expect_no_changes and outcome.changed else code
        )


@app.command()
def up(
    stack: StackOption = "qual",
    runs: RunsOption = None,
    as_json: JsonOption = False,
    expect_no_changes: NoChangesOption = False,
) -> None:
    """Deploy the declaration to the running world."""
    stage, report = _stage(stack, runs), Report(as_json=as_json)
    with _told(report):
        stage.check()
    with _told(report), _at_work(stage, report) as world:
        plan = preview(stage, world, report)
        if plan.ok and expect_no_changes and plan.changed:
            report.finish()
            raise typer.Exit(EXIT_CHANGES)
        if plan.ok:
            total = sum(count for op, count in plan.changes.items() if op.changes)
            deploy(stage, world, report, total=total)
        raise typer.Exit(report.finish())


@app.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(help="What to take over: `make adopt` writes it.")],
    stack: StackOption = "qual",
    runs: RunsOption = None,
    as_json: JsonOption = False,
    protect: Annotated[
        bool,
        typer.Option(
            help="Protect what is imported from deletion and replacement, until the next "
            "deployment sets what is declared."
        ),
    ] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read everything, and leave the state as it is.")
    ] = False,
) -> None:
    """Take over what runs already: the state learns of it, nothing out there is changed."""
    stage, report = _stage(stack, runs), Report(as_json=as_json)
    with _told(report), _at_work(stage, report) as world:
        document = load(file)
        outcome = stage.engine(world).import_resources(document, protect=protect, preview=dry_run)
        report.put("import", as_dict(outcome))
        taken = sum(1 for step in outcome.steps if step.op is Op.IMPORT)
        held = sum(1 for step in outcome.steps if step.op is Op.SAME)
        said = f"{taken} taken over" + (f", {held} in the state already" if held else "")
        if outcome.ok:
            report.line("import", said + (" (dry run)" if dry_run else ""), "ok")
        else:
            say_failure(outcome, report, "import")
        raise typer.Exit(report.finish())


@app.command()
def refresh(
    stack: StackOption = "qual",
    runs: RunsOption = None,
    as_json: JsonOption = False,
    expect_no_changes: NoChangesOption = False,
) -> None:
    """Ask what really stands, show what was changed behind the program's back, and note it."""
    stage, report = _stage(stack, runs), Report(as_json=as_json)
    with _told(report), _at_work(stage, report) as world:
        outcome = stage.engine(world).refresh()
        report.put("refresh", as_dict(outcome))
        if outcome.ok:
            drift = [step for step in outcome.steps if step.op.changes]
            report.line("refresh", f"{len(drift)} changed behind the program's back",
                        "" if drift else "same")  # fmt: skip
        else:
            say_failure(outcome, report, "refresh")
        say_steps(outcome.steps, report, limit=10_000)
        code = report.finish()
        raise typer.Exit(
            EXIT_CHANGES if not code and expect_no_changes and outcome.changed else code
        )


@app.command()
def destroy(
    stack: StackOption = "qual",
    runs: RunsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take down, in the running world, all that was deployed."""
    stage, report = _stage(stack, runs), Report(as_json=as_json)
    with _told(report), _at_work(stage, report) as world:
        outcome = stage.engine(world).destroy()
        report.put("destroy", as_dict(outcome))
        if outcome.ok:
            report.line("destroy", counted(outcome.changes), "ok")
        else:
            say_failure(outcome, report, "destroy")
            if any(" is protected" in error.message for error in outcome.errors):
                report.detail(
                    "nothing was taken down: mailboxes hold mail. To let them go as well, declare "
                    "mail:protectMailboxes: false, deploy, and destroy again"
                )
        raise typer.Exit(report.finish())


@app.command()
def flow(
    stack: StackOption = "qual",
    runs: RunsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send one message out and take one in, in the running world."""
    stage, report = _stage(stack, runs), Report(as_json=as_json)
    with _told(report):
        mail_flows(stage, stage.world(), report)
        raise typer.Exit(report.finish())


@world_app.command("start")
def world_start(stack: StackOption = "qual", runs: RunsOption = None) -> None:
    """Start the world of a stack and leave it running."""
    stage, report = _stage(stack, runs), Report()
    stage.check()
    with _told(report), stage.lock:
        say_cut_short(stage, report)
        say_world(stage, report, parent=None)


@world_app.command("stop")
def world_stop(stack: StackOption = "qual", runs: RunsOption = None) -> None:
    """Stop the world of a stack, with every process in it; what it holds is kept."""
    stage, report = _stage(stack, runs), Report()
    if not stage.folder.exists():
        typer.echo("nothing ran")
        return
    with _told(report), stage.lock:
        typer.echo("stopped" if stage.stop_world() else "nothing ran")


@world_app.command("status")
def world_status(
    stack: StackOption = "qual",
    runs: RunsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what runs, and where."""
    stage, report = _stage(stack, runs), Report(as_json=as_json)
    with _told(report):
        world = stage.world()
        for service in world.services:
            where = f"127.0.0.1:{service.port}" if service.port else ""
            report.line(
                service.name,
                f"{service.stands_for:<48} {where}",
                "genuine" if service.genuine else "",
            )
        report.put("status", world.status())
        raise typer.Exit(report.finish())


@world_app.command("zone")
def world_zone(stack: StackOption = "qual", runs: RunsOption = None) -> None:
    """Print the published zone as a file that any name server loads."""
    zones = published(_stage(stack, runs).folder / "world")
    if not zones:
        typer.echo("nothing is published yet: python -m rehearsal up", err=True)
        raise typer.Exit(EXIT_FAILED)
    typer.echo("\n".join(zones), nl=False)


def main() -> None:
    """Run the command line; what a person can mend is one message, never a traceback."""
    try:
        app()
    except DeclarationError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(EXIT_DECLARATION)
    except refusals() as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(EXIT_FAILED)
    except BrokenPipeError:
        sys.exit(EXIT_FAILED)
    except OSError as error:
        sys.stderr.write(f"{_of_disk(error)}\n")
        sys.exit(EXIT_FAILED)


if __name__ == "__main__":
    main()
