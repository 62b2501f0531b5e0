"""What a program ends with stands in its help and in the one table of the runbook, alike."""

import ast
import re
from pathlib import Path

import pytest

from components import onhost
from tests.conftest import PROJECT

PROGRAMS = [
    path
    for path in sorted(Path(onhost.__file__).parent.glob("*.py"))
    if path.read_text("utf-8").startswith("#!")
]


def table() -> dict[str, set[int]]:
    """Return the statuses of each program that the runbook explains."""
    text = (PROJECT / "docs/runbook.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z_]+\.py)` \|(.+)\|$", text, re.MULTILINE)
    return {
        name: {status for status, cell in enumerate(cells.split("|")) if cell.strip()}
        for name, cells in rows
    }


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_the_runbook_explains_every_status_that_the_help_names(program: Path) -> None:
    told = ast.get_docstring(ast.parse(program.read_text("utf-8"))) or ""
    named = re.findall(r"(?:Exit status: |[;,]\s)(\d) ", told[told.index("Exit status: ") :])
    assert table()[program.name] == {int(status) for status in named}


def test_the_runbook_explains_no_program_that_is_not_there() -> None:
    assert table().keys() == {program.name for program in PROGRAMS}
