"""Readers are pure: they open neither file nor connection."""

import ast
from pathlib import Path

import pytest

from tests.conftest import PROJECT

READERS = sorted((PROJECT / "readers").rglob("*.py"))


@pytest.mark.parametrize("file", READERS, ids=lambda file: file.relative_to(PROJECT).as_posix())
def test_a_reader_opens_nothing(file: Path) -> None:
    calls = {
        node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call)
    }
    assert not calls & {"open", "read_text", "read_bytes", "urlopen", "create_connection", "run"}
