"""`python -m operations guide`: write the set-up guides of a stack's people."""

import json
from pathlib import Path
from typing import Annotated

import typer

from declaration.account_facts import stood_in
from declaration.mistakes import DeclarationError
from declaration.model import Declaration
from declaration.reading import load_values, read_file
from operations.guide.facts import Guide, GuideError, guides
from operations.guide.folder import write
from operations.guide.pages import page, page_name, profile_name
from operations.guide.profile import profile
from operations.guide.words import Language, Program
from operations.site.command import told

PROJECT = Path(__file__).resolve().parents[2]
EXIT_FAILED = 1
EXIT_DECLARATION = 2

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
@told({DeclarationError: EXIT_DECLARATION, GuideError: EXIT_DECLARATION, OSError: EXIT_FAILED})
def guide(
    *,
    stack: Annotated[
        str, typer.Option("--stack", "-s", help="Stack whose people are served.")
    ] = "qual",
    language: Annotated[Language | None, typer.Option(help="One language; both if absent.")] = None,
    person: Annotated[
        str | None, typer.Option(metavar="NAME", help="One mailbox, by its local part.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder to write to, instead of `.rehearsal/guides`."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be written.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output, nothing else.")
    ] = False,
) -> None:
    """Write a set-up guide for each mailbox: pages to print, and a profile for Apple's devices.

    Everything comes from the declaration, Pulumi.<stack>.yaml; no secret and no account is needed.
    """
    everyone = list(guides(declared(PROJECT / f"Pulumi.{stack}.yaml")))
    chosen = [item for item in everyone if person in (None, item.name)]
    if not chosen:
        names = ", ".join(person.name for person in everyone)
        raise GuideError(f"{person} is no mailbox of {stack}; there are {names}")
    languages = [language] if language else list(Language)
    folder = out or PROJECT / ".rehearsal" / "guides" / stack
    files = {name: text for item in chosen for name, text in contents(item, languages).items()}
    stale = []
    if not dry_run:
        stale = write(folder, files, whole=person is None and language is None)
    if as_json:
        report = {"folder": str(folder), "files": sorted(files), "removed": stale, "dry": dry_run}
        typer.echo(json.dumps(report))
        return
    for item in chosen:
        count = sum(name.startswith(f"{item.name}/") for name in files)
        typer.echo(f"  {item.address:<40} {count} files   {folder / item.name}")
    for name in stale:
        typer.echo(f"  {name:<40} removed: no longer true")
    if dry_run:
        typer.echo("  nothing was written")


def contents(guide: Guide, languages: list[Language]) -> dict[str, bytes]:
    """Return the files of one person by path: pages by language, and the profile."""
    pages = {
        f"{guide.name}/{language}/{page_name(program)}": page(guide, language, program, languages)
        for language in languages
        for program in Program
    }
    files = {name: text.encode() for name, text in pages.items()}
    return files | {f"{guide.name}/{profile_name(guide)}": profile(guide)}


def declared(path: Path) -> Declaration:
    """Return a declaration; account facts that are not set yet are stood in for.

    No guide mentions an account fact, so people can be served before the first deployment.

    Raises:
        DeclarationError: the declaration has mistakes.
    """
    return read_file(path, stood_in(load_values(path)))
