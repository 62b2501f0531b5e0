"""The command line where the packages are not there: this machine alone, in plain text."""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from operations.doctor.machine import UnknownCommandError, chosen, examine

EXIT_FAILED = 1
EXIT_DECLARATION = 2


class Plain:
    """Tells what a `Report` tells, without colours."""

    def __init__(self, *, as_json: bool) -> None:
        self._json = as_json
        self.document: dict[str, Any] = {}

    def line(self, label: str, text: str, status: str = "") -> None:
        """Show one line: a label, what there is to say, and how it stands."""
        if not self._json:
            sys.stdout.write(f"  {label:<14}{text}{f'   {status}' if status else ''}\n")

    def put(self, key: str, value: Any) -> None:
        """Note a result for the JSON document."""
        self.document[key] = value


def main(arguments: Sequence[str]) -> int:
    """Look at this machine and return the exit code.

    Args:
        arguments: Command line without the program's name.
    """
    parser = argparse.ArgumentParser(
        "python -m operations.doctor", description="Say what is missing on this machine.",
        epilog="Exit status: 0 nothing is missing; 2 a mistake in the command line; 3 something is "
        "missing; 4 something could not be seen. The rest comes with `make setup`.",
    )  # fmt: skip
    parser.add_argument("commands", nargs="*", metavar="COMMAND", help="Commands of make; all.")
    parser.add_argument("--stack", "-s", default="qual", help="Pulumi.<stack>.yaml.")
    parser.add_argument("--json", action="store_true", help="One JSON document, nothing else.")
    parser.add_argument("--live", action="store_true", help="The real accounts; needs .venv.")
    given = parser.parse_args(arguments)
    if given.live:
        sys.stderr.write("the real accounts are asked with .venv; `make setup` makes it\n")
        return EXIT_FAILED
    report = Plain(as_json=given.json)
    try:
        code = examine(report, chosen(given.commands))
    except UnknownCommandError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_DECLARATION
    if given.json:
        sys.stdout.write(json.dumps(report.document, indent=2) + "\n")
    return code
