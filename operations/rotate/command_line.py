"""`python -m operations rotate WHAT`: another credential in place of the one in use."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from operations.rotate.catalogue import ROTATIONS
from operations.rotate.deploying import CLEAN
from operations.rotate.given import Asking
from operations.rotate.memory import Memory, Progress
from operations.rotate.model import Options, Rotation, Step, Work
from operations.rotate.running import Ending, abandon, carry_out, left
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


def known(what: str) -> str:
    """Return a name that can be rotated.

    Raises:
        typer.BadParameter: there is no such thing.
    """
    if what not in ROTATIONS:
        raise typer.BadParameter(f"{what} is none of {', '.join(ROTATIONS)}")
    return what


@app.command()
def main(
    what: Annotated[
        str, typer.Argument(callback=known, help=f"What is rotated: {', '.join(ROTATIONS)}.")
    ],
    stack: StackOption = "qual",
    live: LiveOption = False,
    mailbox: Annotated[
        str, typer.Option(help="mailbox: local part of the mailbox whose password it is.")
    ] = "",
    selector: Annotated[str, typer.Option(help="dkim: name of the next selector.")] = "",
    record: Annotated[
        str, typer.Option(help="dkim: its record as the smarthost's account shows it, public.")
    ] = "",
    signed: Annotated[
        Path | None,
        typer.Option(help="dkim: a received message, as it came.", exists=True, dir_okay=False),
    ] = None,
    days: Annotated[
        int, typer.Option(min=5, max=60, help="dkim: days for which the old one stays published.")
    ] = 7,
    send_to: Annotated[
        str, typer.Option(help="On a real stack, an address of yours that gets one message.")
    ] = "",
    give_up: Annotated[
        bool, typer.Option("--abandon", help="Put the old one back, and forget the rotation.")
    ] = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    runs: RunsOption = None,
) -> None:
    """Change a credential without losing a message, in steps that are remembered on the host.

    A new secret is read from ROTATE_NEW, from standard input, or asked for; never from the command
    line. Where something is to be done by you, the command says what and ends; the same command
    goes on afterwards. In a rehearsal the world's accounts are used, and a secret that is not
    given is invented.

    Exit status: 0 done or put back, 1 a step failed (the message has the ways on and back), 2 the
    declaration or the command line has mistakes, 3 a dry run found steps to do, or somebody else
    is next.
    """
    report = Report(as_json=as_json)
    options = Options(mailbox, selector, record, signed, days, send_to)
    rotation = ROTATIONS[what]

    async def act(site: Site) -> int:
        under_way = await _under_way(site, rotation, options, report)
        if dry_run:
            return await _foresee(rotation, under_way, report)
        if give_up:
            words = await abandon(rotation, under_way)
            report.line("abandoned", words, "ok")
            report.put("ending", Ending.ABANDONED.value)
            return EXIT_DONE
        return await _rotate(rotation, under_way, report)

    raise typer.Exit(on_site(report, act, stack=stack, live=live, runs=runs))


async def _under_way(site: Site, rotation: Rotation, options: Options, report: Report) -> Work:
    """Recall the rotation if one was begun, or begin one."""
    name = rotation.name(options)
    memory = Memory(site.host, name)
    recalled = await memory.recall()
    begun = recalled.begun if recalled else today().isoformat()
    report.line(
        "rotate", f"{rotation.title}, {site.place}" + (f", begun {begun}" if recalled else "")
    )
    report.put("what", name)
    report.put("resumed", recalled is not None)
    return Work(
        site=site,
        memory=memory,
        progress=recalled or Progress(name, begun),
        options=options,
        ask=Asking(rehearsed=site.world is not None),
        today=today(),
    )


async def _foresee(rotation: Rotation, work: Work, report: Report) -> int:
    """Say which steps are left, and see that the first of them would do."""
    steps = left(rotation, work)
    if CLEAN in steps:
        report.line(CLEAN.name, await CLEAN.do(work), "ok")
    for step in steps:
        if step is not CLEAN:
            report.line(step.name, step.title)
    report.put("steps", [step.name for step in steps])
    return EXIT_TO_DO if steps else EXIT_DONE


async def _rotate(rotation: Rotation, work: Work, report: Report) -> int:
    """Do what is left, with a line for each step."""
    shown: list[dict[str, str]] = []
    with report.progress("rotate", len(left(rotation, work))) as bar:

        def say(step: Step, words: str, status: str) -> None:
            report.line(step.name, words or step.title, status)
            shown.append({"step": step.name, "words": words, "status": status})
            report.put("steps", shown)
            bar.done(step.name)

        ending = await carry_out(rotation, work, say)
    report.put("ending", ending.value)
    return EXIT_DONE if ending is Ending.DONE else EXIT_TO_DO


def today() -> date:
    """Return the day in UTC."""
    return datetime.now(UTC).date()
