"""The declaration of a stack: whether it can be used, and what follows from it."""

import json
from pathlib import Path
from typing import Annotated

import typer

from declaration.mistakes import DeclarationError
from declaration.reading import check, load_values
from declaration.resolved import resolve


def main(
    stack: Annotated[str, typer.Option("--stack", "-s", help="Pulumi.<stack>.yaml.")] = "qual",
    *,
    resolved: Annotated[
        bool, typer.Option("--resolved", help="With every default filled in, and every name.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output, nothing else.")
    ] = False,
) -> None:
    """Read the declaration of a stack: tell its mistakes, or what follows from it.

    Exit status: 0 it can be used, 2 there are mistakes.
    """
    file = Path(f"Pulumi.{stack}.yaml")
    try:
        values = load_values(file)
        reading = check(values, file)
    except DeclarationError as error:
        if as_json:
            typer.echo(json.dumps({"mistakes": [vars(mistake) for mistake in error.mistakes]}))
        else:
            typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    shown = resolve(reading) if resolved else values
    typer.echo(json.dumps(shown, default=str, indent=None if as_json else 2))


if __name__ == "__main__":
    typer.run(main)
