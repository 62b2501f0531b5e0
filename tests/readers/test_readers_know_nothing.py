"""Readers are pure: they import no other room, and open neither file nor connection."""

import ast
from pathlib import Path

import pytest

from tests.conftest import PROJECT

READERS = sorted((PROJECT / "readers").rglob("*.py"))
ROOMS = {path.name for path in PROJECT.iterdir() if path.is_dir()} | {
    path.name for path in (PROJECT / "providers").rglob("pulumi_*")
}


def imported(file: Path) -> set[str]:
    """Return the top-level packages that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return names


@pytest.mark.parametrize("file", READERS, ids=lambda file: file.relative_to(PROJECT).as_posix())
def test_a_reader_imports_readers_alone(file: Path) -> None:
    assert imported(file) & ROOMS <= {"readers"}


@pytest.mark.parametrize("file", READERS, ids=lambda file: file.relative_to(PROJECT).as_posix())
def test_a_reader_opens_nothing(file: Path) -> None:
    calls = {
        node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call)
    }
    assert not calls & {"open", "read_text", "read_bytes", "urlopen", "create_connection", "run"}
