"""`python -m operations.prove`: prove the mail of a stack, rehearsed or live."""

import asyncio
import getpass
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from components.mistakes import DeclarationError
from operations.prove.declared import live_declaration
from operations.prove.model import EXIT_DECLARATION, EXIT_UNJUDGED
from operations.prove.net import LiveNet, WorldNet
from operations.prove.report import junit, page, terminal
from operations.prove.run import prove
from operations.prove.subject import Subject
from rehearsal.stage import Stage, StageError
from rehearsal.world.client import WorldClient, WorldUnreachableError
from rehearsal.world.world import WorldError

PROJECT = Path(__file__).resolve().parents[2]
PASSWORD = "PROVE_PASSWORD"  # noqa: S105 - the name of a variable
"""Environment variable with the password of the mailbox that is named by --mailbox."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    stack: Annotated[str, typer.Option("--stack", "-s", help="Pulumi.<stack>.yaml.")] = "qual",
    live: Annotated[
        bool, typer.Option("--live/--world", help="The live internet, or the rehearsed world.")
    ] = False,
    resolver: Annotated[
        str | None, typer.Option(help="Resolver to ask when live: IP, or IP#port.")
    ] = None,
    send_to: Annotated[
        str, typer.Option(help="When live, send one message to this address of yours.")
    ] = "",
    mailbox: Annotated[
        str, typer.Option(help=f"When live, log in as this mailbox; password in {PASSWORD}.")
    ] = "",
    as_json: Annotated[Path | None, typer.Option("--json", help="Write JSON here.")] = None,
    as_junit: Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML here.")] = None,
    as_html: Annotated[Path | None, typer.Option("--html", help="Write the page here.")] = None,
) -> None:
    """Will mail be delivered, will forgeries be refused, can people log in?

    Exit status: 0 nothing failed, 1 a check failed, 2 the declaration has mistakes, 4 nothing
    failed but something could not be judged.
    """
    if live:
        subject = _live_subject(stack, resolver, mailbox, send_to)
        proof = asyncio.run(prove(subject, stack=stack))
    else:
        with _running_world(Stage(PROJECT, stack)) as (stage, world):
            subject = world_subject(stage, world)
            proof = asyncio.run(prove(subject, stack=stack))
    terminal.show(proof, Console(highlight=False, soft_wrap=True))
    _write(as_json, json.dumps(proof.as_dict(), indent=2) + "\n")
    _write(as_junit, junit.render(proof))
    _write(as_html, page.render(proof, subject.declaration))
    raise typer.Exit(proof.exit_code)


def world_subject(stage: Stage, world: WorldClient) -> Subject:
    """Return what is proved in a rehearsed world: everything, with everybody's password."""
    mark = "password."
    passwords = {
        key.removeprefix(mark): value
        for key, value in world.secrets.items()
        if key.startswith(mark)
    }
    return Subject(stage.declaration(world), WorldNet(world), passwords)


def _live_subject(stack: str, resolver: str | None, mailbox: str, send_to: str) -> Subject:
    declaration, unset = live_declaration(PROJECT / f"Pulumi.{stack}.yaml")
    passwords = {}
    if mailbox:
        if mailbox not in {one.name for one in declaration.mailboxes}:
            raise typer.BadParameter(f"{mailbox} is none of the declared mailboxes")
        given = os.environ.get(PASSWORD)
        passwords[mailbox] = given or getpass.getpass(f"Password of {mailbox}: ")
    elif send_to:
        raise typer.BadParameter("--send-to needs --mailbox: somebody has to write")
    return Subject(declaration, LiveNet(resolver), passwords, unset, send_to)


@contextmanager
def _running_world(stage: Stage) -> Iterator[tuple[Stage, WorldClient]]:
    """Use the world that runs; without one, start it, deploy, and stop it afterwards."""
    stage.check()
    found = _found(stage)
    if found is not None:
        yield stage, found
        return
    sys.stderr.write("  no world runs: starting one and deploying to it\n")
    world = stage.start_world(parent=os.getpid())
    try:
        outcome = stage.engine(world).up()
        if not outcome.ok:
            said = "; ".join(one.message for one in outcome.errors) or "see its log"
            raise StageError(f"the rehearsed deployment failed: {said}")
        yield stage, world
    finally:
        stage.stop_world()


def _found(stage: Stage) -> WorldClient | None:
    try:
        return stage.world()
    except WorldUnreachableError:
        return None


def _write(path: Path | None, text: str) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def run() -> None:
    """Run the command line; what a person can mend is one message, never a traceback."""
    try:
        app()
    except DeclarationError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(EXIT_DECLARATION)
    except (StageError, WorldUnreachableError, WorldError) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(EXIT_UNJUDGED)


if __name__ == "__main__":
    run()
