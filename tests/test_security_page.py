"""What docs/security.md names as shown by a test is shown by a test that is there."""

import ast
import re

from tests.conftest import PROJECT

PAGE = (PROJECT / "docs/security.md").read_text("utf-8")
_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def functions_of(file: str) -> set[str]:
    """Return the names of the functions in a file."""
    tree = ast.parse((PROJECT / file).read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)} | {
        node.name for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef)
    }


def test_every_test_that_the_page_names_is_there() -> None:
    named = _NAMED.findall(PAGE)
    assert [pair for pair in named if pair[1] not in functions_of(pair[0])] == []


def test_every_attempt_on_the_page_names_a_test() -> None:
    attempts = [row for row in PAGE.splitlines() if row.startswith("| ") and "---" not in row]
    attempts = [row for row in attempts if not row.startswith("| he tries |")]
    assert len(attempts) > 20
    assert [row for row in attempts if not _NAMED.search(row)] == []


def test_every_attacker_has_a_section() -> None:
    assert re.findall(r"^## (.+)$", PAGE, re.MULTILINE) == [
        "A stranger who sends mail", "A stranger on the web ports", "A neighbour's container",
        "A user of the operator's machine", "A thief of the backup's key", "A thief of the state",
        "A thief of the host",
    ]  # fmt: skip
