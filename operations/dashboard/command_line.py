"""`python -m operations dashboard`: draw the dashboard of a stack as one picture."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import httpx
import typer

from components.dashboard import dashboard_of
from declaration.mistakes import DeclarationError
from declaration.model import Declaration
from operations.dashboard.picture import draw
from operations.dashboard.prometheus import PATIENCE, Prometheus, QueryError
from operations.dashboard.sample import NOW, openmetrics, prometheus_with
from operations.site.command import told
from policies.program import prepare
from rehearsal.parts import PartMissingError

PROJECT = Path(__file__).resolve().parents[2]
EXIT_FAILED = 1
EXIT_DECLARATION = 2
EXIT_EMPTY = 4

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@contextmanager
def _source(declaration: Declaration, address: str | None) -> Iterator[Prometheus]:
    """Yield the Prometheus at an address; without one, a genuine one with sample data."""
    if address is None:
        with prometheus_with(openmetrics(declaration), NOW) as sample:
            yield sample
        return
    with httpx.Client(base_url=address, timeout=PATIENCE) as client:
        yield Prometheus(client, time.time())


@app.command()
@told(
    {
        DeclarationError: EXIT_DECLARATION,
        QueryError: EXIT_FAILED,
        PartMissingError: EXIT_FAILED,
        RuntimeError: EXIT_FAILED,
        OSError: EXIT_FAILED,
        httpx.InvalidURL: EXIT_FAILED,
    }
)
def dashboard(
    *,
    stack: Annotated[str, typer.Option("--stack", "-s", help="Stack to look at.")] = "qual",
    prometheus: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Prometheus to ask, such as http://127.0.0.1:9090 through an SSH tunnel; without "
            "it, invented sample data are drawn, for which Prometheus must be installed.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File to write, instead of `.rehearsal/dashboard.svg`."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output, nothing else.")
    ] = False,
) -> None:
    """Draw the Grafana dashboard of a stack as an SVG, with the very queries of its panels.

    Exit codes: 0 drawn, 1 Prometheus does not answer or is not installed, 2 the declaration has
    mistakes, 4 drawn, but some panels have nothing to show.
    """
    declaration = prepare(PROJECT / f"Pulumi.{stack}.yaml").declaration
    with _source(declaration, prometheus) as source:
        svg, empty = draw(
            dashboard_of(declaration.company, declaration.names.mail_host, declaration.bounds),
            source.panel,
            source.now,
        )
    file = out or PROJECT / ".rehearsal" / "dashboard.svg"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(svg, "utf-8")
    if as_json:
        typer.echo(json.dumps({"file": str(file), "empty": empty}))
    else:
        typer.echo(f"  {file}")
        for title in empty:
            typer.echo(f"  {title:<40} nothing to show")
    if empty:
        raise typer.Exit(EXIT_EMPTY)
