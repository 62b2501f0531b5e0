"""`python -m operations VERB`: what an operator does around a deployment, by one command line."""

import sys
from contextlib import suppress
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

VERBS = {
    "new": "Write the declaration of another company.",
    "doctor": "Say what this machine lacks, or what is wrong with the real accounts.",
    "prove": "See that mail leaves signed, arrives, and is refused where it should be.",
    "adopt": "Take over an installation that already runs.",
    "backup": "Back the mail up now, or list what there is.",
    "drill": "Restore a backup beside the running mail and compare everything.",
    "dmarc": "Read DMARC reports and say which stage they carry.",
    "update": "Bring Mailcow to another release, and back.",
    "rotate": "Change a credential without losing a message.",
    "guide": "Write the set-up guide of each person.",
    "dashboard": "Draw the dashboard from a Prometheus, or with sample data.",
}
"""Each verb with what it does; its options are in `operations/VERB/command_line.py`."""


class _Verbs(TyperGroup):
    """Loads a verb when it is called: each needs libraries that the others do not."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - Typer's signature
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - Typer's signature
        if cmd_name not in VERBS:
            return None
        command = typer.main.get_command(import_module(f"operations.{cmd_name}.command_line").app)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - as above
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


app = typer.Typer(
    cls=_Verbs, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
    no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip


@app.callback()
def operations() -> None:
    """Work on a stack: the rehearsed world, or with --live the real one.

    Exit status of every verb: 0 done, 1 it failed, 2 the declaration or the command line has
    mistakes, 3 a dry run found something to do, 4 something could not be judged.
    """


if __name__ == "__main__":
    # A pipe that was closed early is no error worth a traceback.
    with suppress(BrokenPipeError):
        app()
    sys.stdout.flush()
