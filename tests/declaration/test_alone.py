"""The declaration is read by itself: no engine, no SDK, no other room."""

import subprocess
import sys

from tests.conftest import PROJECT

_LOAD = """
import importlib, json, pkgutil, sys
import declaration
for module in pkgutil.walk_packages(declaration.__path__, "declaration."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
_OTHERS = (
    "pulumi",
    "components",
    "policies",
    "operations",
    "rehearsal",
    "grpc",
    "dns",
    "cryptography",
)


def test_reading_it_loads_neither_pulumi_nor_what_is_slow() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LOAD], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert [name for name in _OTHERS if f'"{name}"' in done.stdout] == []
    assert '"pydantic"' in done.stdout


def test_the_resolved_declaration_is_plain_data_with_every_name() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "declaration", "--resolved", "--json", "--stack", "example"],
        cwd=PROJECT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert '"mail_host": "mx.aurelia.example"' in done.stdout
    assert '"httpsPort": 9443' in done.stdout


def test_a_stack_that_is_not_there_ends_in_2() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "declaration", "--stack", "none"],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "Pulumi.none.yaml: 1 mistake, nothing was touched" in done.stderr
