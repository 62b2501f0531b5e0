"""Which room may know which: the arrows point one way, for type checkers too."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import PROJECT

_PROVIDERS = {"pulumi_host", "pulumi_mailcow"}
_SDKS = {
    "pulumi", "pulumi_cloudflare", "pulumi_command", "pulumi_docker", "pulumi_minio",
    "pulumi_policy",
}  # fmt: skip

KNOWS: dict[str, set[str]] = {
    "readers": set(),
    "dmarc": set(),
    "declaration": {"readers", "dmarc"},
    "components": {"declaration", *_PROVIDERS, *_SDKS},
    "providers/kit": {"pulumi"},
    "providers/host": {"pulumi_kit", "pulumi"},
    "providers/mailcow": {"pulumi_kit", "pulumi"},
    "policies": {"declaration", "readers", "dmarc", "pulumi_policy", "pulumi"},
    # Operations compare what is there with what the components would write.
    "operations": {
        "components", "declaration", "readers", "dmarc", "policies", "rehearsal", *_PROVIDERS
    },
    "rehearsal": {"declaration", "policies", "readers", "pulumi_kit", *_PROVIDERS, "pulumi"},
    "rehearsal/world": {"readers", "pulumi_mailcow", "rehearsal"},
    "rehearsal/engine": {"rehearsal", "pulumi"},
    "rehearsal/standins": {"pulumi_kit", "rehearsal", "pulumi"},
}  # fmt: skip
"""What a room may import, beside itself and the libraries of others."""

OURS = {room.partition("/")[0] for room in KNOWS} | {"pulumi_kit", "tests", "benchmarks"}
OURS |= _PROVIDERS | _SDKS


def imported(text: str) -> Iterator[str]:
    """Yield the top of every module that a source imports, wherever it does."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def sources(room: str) -> list[Path]:
    """Return the sources of a room, without those of rooms in it that have a line of their own."""
    inner = [PROJECT / other for other in KNOWS if other.startswith(f"{room}/")]
    files = (PROJECT / room).rglob("*.py")
    return [file for file in files if not any(file.is_relative_to(item) for item in inner)]


@pytest.mark.parametrize("room", KNOWS)
def test_a_room_knows_only_what_it_stands_on(room: str) -> None:
    own = {room.partition("/")[0], f"pulumi_{room.rpartition('/')[2]}"}
    files = sources(room)
    assert files
    wrong = {
        f"{file.relative_to(PROJECT)}: {name}"
        for file in files
        for name in set(imported(file.read_text("utf-8"))) & OURS - KNOWS[room] - own
    }
    assert not wrong


def test_an_import_for_types_alone_is_one() -> None:
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from components import x\n"
    assert "components" in set(imported(text))


def test_a_module_imports_none_that_imports_it() -> None:
    """Within the declaration, nothing goes in a circle either."""
    known = {
        ".".join(file.relative_to(PROJECT).with_suffix("").parts): file
        for file in sources("declaration")
    }
    stands_on = {
        name: {
            node.module
            for node in ast.walk(ast.parse(file.read_text("utf-8")))
            if isinstance(node, ast.ImportFrom) and node.module in known
        }
        for name, file in known.items()
    }
    while stands_on:
        free = [name for name, others in stands_on.items() if not others & set(stands_on)]
        assert free, f"in a circle: {sorted(stands_on)}"
        for name in free:
            del stands_on[name]
