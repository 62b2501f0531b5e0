"""`python -m operations prove`: prove the mail of a stack, rehearsed or live."""

import asyncio
import getpass
import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from declaration.mistakes import DeclarationError
from declaration.model import Declaration
from operations.prove.declared import live_declaration
from operations.prove.model import EXIT_DECLARATION, EXIT_UNJUDGED, Proof
from operations.prove.net import LiveNet
from operations.prove.report import junit, page, terminal
from operations.prove.run import prove
from operations.prove.subject import Subject
from operations.site import PROJECT, SiteError, open_site
from operations.site.command import RunsOption, told
from rehearsal.stage import StageError
from rehearsal.world.client import WorldUnreachableError
from rehearsal.world.world import WorldError

PASSWORD = "PROVE_PASSWORD"  # noqa: S105 - the name of a variable
"""Environment variable with the password of the mailbox that is named by --mailbox."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
@told(
    {
        DeclarationError: EXIT_DECLARATION,
        SiteError: EXIT_UNJUDGED,
        StageError: EXIT_UNJUDGED,
        WorldUnreachableError: EXIT_UNJUDGED,
        WorldError: EXIT_UNJUDGED,
    }
)
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
    runs: RunsOption = None,
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
        declaration = subject.declaration
    else:
        proof, declaration = asyncio.run(_in_the_world(stack, runs))
    terminal.show(proof, Console(highlight=False, soft_wrap=True))
    _write(as_json, json.dumps(proof.as_dict(), indent=2) + "\n")
    _write(as_junit, junit.render(proof))
    _write(as_html, page.render(proof, declaration))
    raise typer.Exit(proof.exit_code)


async def _in_the_world(stack: str, runs: Path | None) -> tuple[Proof, Declaration]:
    """Prove a rehearsed world: everything, with everybody's password."""

    def say(text: str) -> None:
        sys.stderr.write(f"  {text}\n")

    async with open_site(stack, live=False, runs=runs, say=say) as site:
        return await site.prove(), site.declaration


def _live_subject(stack: str, resolver: str | None, mailbox: str, send_to: str) -> Subject:
    declaration, unset = live_declaration(PROJECT / f"Pulumi.{stack}.yaml")
    passwords = {}
    if mailbox:
        if mailbox not in {mailbox.name for mailbox in declaration.mailboxes}:
            raise typer.BadParameter(f"{mailbox} is none of the declared mailboxes")
        given = os.environ.get(PASSWORD)
        passwords[mailbox] = given or getpass.getpass(f"Password of {mailbox}: ")
    elif send_to:
        raise typer.BadParameter("--send-to needs --mailbox: somebody has to write")
    return Subject(declaration, LiveNet(resolver), passwords, unset, send_to)


def _write(path: Path | None, text: str) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
