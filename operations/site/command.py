"""What the command lines of all operations share: options, exit codes, and how errors are said."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from declaration.mistakes import DeclarationError
from operations.site.host import CommandFailedError
from operations.site.model import Site, SiteError
from operations.site.opening import open_site
from pulumi_host.errors import HostError
from pulumi_mailcow.errors import MailcowError
from rehearsal.report import Report
from rehearsal.stage import refusals

EXIT_DONE = 0
"""Done, or nothing to do."""
EXIT_FAILED = 1
"""A step failed; the message says which, and the way back."""
EXIT_DECLARATION = 2
"""The declaration has mistakes, or the command line has; nothing was touched."""
EXIT_TO_DO = 3
"""A dry run found something to do."""
EXIT_UNJUDGED = 4
"""Nothing failed, but something could not be judged."""

StackOption = Annotated[str, typer.Option("--stack", "-s", help="Pulumi.<stack>.yaml.")]
LiveOption = Annotated[
    bool, typer.Option("--live/--world", help="The real stack, or the rehearsed world.")
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="One JSON document on standard output, nothing else.")
]
RunsOption = Annotated[
    Path | None,
    typer.Option(
        "--runs", envvar="REHEARSAL_RUNS", metavar="DIR",
        help="Folder of rehearsals, instead of `.rehearsal`.",
    ),
]  # fmt: skip


def on_site(
    report: Report,
    act: Callable[[Site], Awaitable[int]],
    *,
    stack: str,
    live: bool,
    runs: Path | None,
    label: str = "",
) -> int:
    """Open the site of a stack, act on it, and return the exit code.

    Args:
        report: Where it is said, what takes long included.
        act: The operation; it returns its exit code.
        stack: Name of the stack.
        live: The real stack instead of the rehearsed world.
        runs: Folder of rehearsals.
        label: Under which it is said that a world is started.
    """

    async def work() -> int:
        def say(text: str) -> None:
            report.line(label, text)

        async with open_site(stack, live=live, runs=runs, say=say) as site:
            return await act(site)

    return finish(report, work())


def finish(report: Report, work: Coroutine[Any, Any, int]) -> int:
    """Carry an operation out and return its exit code; what a person can mend is one message.

    Args:
        report: Where it is said; a JSON document is written also when it failed.
        work: The operation; it returns its exit code.
    """
    try:
        code = asyncio.run(work)
    except DeclarationError as error:
        report.fail(str(error))
        code = EXIT_DECLARATION
    except (SiteError, CommandFailedError, HostError, MailcowError) as error:
        report.fail(str(error))
        code = EXIT_FAILED
    except FileNotFoundError as error:
        report.fail(f"{error}: not there; is the stack deployed?")
        code = EXIT_FAILED
    except (TimeoutError, OSError, httpx.HTTPError) as error:
        report.fail(f"{type(error).__name__}: {error}" if str(error) else "no answer in time")
        code = EXIT_FAILED
    except refusals() as error:
        report.fail(str(error))
        code = EXIT_FAILED
    ended = report.finish()
    return code or ended


@contextmanager
def told(codes: Mapping[type[Exception], int]) -> Iterator[None]:
    """Say what a person can mend in one message, and end with its exit code.

    Args:
        codes: Exit code of each kind of error.
    """
    try:
        yield
    except tuple(codes) as error:
        place = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
        typer.echo(place, err=True)
        code = next(code for kind, code in codes.items() if isinstance(error, kind))
        raise typer.Exit(code) from None
