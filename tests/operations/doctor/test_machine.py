"""What this machine lacks is said for each command, with how it comes."""

import ast
import json
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from operations.doctor import machine
from operations.doctor.bare import EXIT_MISSING, least_python, too_old
from operations.doctor.machine import COMMANDS, NEEDS, PARTS, Seen, Standing, chosen, examine
from rehearsal.parts.catalogue import CATALOGUE
from rehearsal.parts.inventory import Held
from tests.conftest import PROJECT
from tests.test_makefile import described

OK, MISSING, UNSEEN = Standing.OK, Standing.MISSING, Standing.UNSEEN


class Space(NamedTuple):
    """What `shutil.disk_usage` tells."""

    total: int
    used: int
    free: int


class Told:
    """What was told."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, str]] = []
        self.document: dict[str, Any] = {}

    def line(self, label: str, text: str, status: str = "") -> None:
        self.lines.append((label.strip(), text, status))

    def put(self, key: str, value: Any) -> None:
        self.document[key] = value


def look(name: str) -> Seen:
    return NEEDS[name].look()


def put(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the only folder on PATH, which is empty."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("rehearsal.parts.finder.SYSTEM", ())
    return folder


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a checkout of which nothing is set up."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(PROJECT / name, folder)
    monkeypatch.setattr(machine, "PROJECT", folder)
    return folder


def test_every_command_of_the_makefile_has_its_needs() -> None:
    words = {command.partition(" ")[0] for command in COMMANDS} - {machine.LIVE}
    assert words == set(described())


def test_whatever_a_command_needs_is_looked_at() -> None:
    assert {name for needs in COMMANDS.values() for name in needs} == set(NEEDS)


def test_another_system_than_linux_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert look("system").standing is OK
    monkeypatch.setattr(sys, "platform", "darwin")
    assert look("system").standing is MISSING


def test_the_least_python_is_the_projects_own(monkeypatch: pytest.MonkeyPatch) -> None:
    least = least_python((PROJECT / "pyproject.toml").read_text())
    assert least == (3, 11)
    assert look("python").standing is OK
    monkeypatch.setattr(machine, "least_python", lambda _: (99, 1))
    seen = look("python")
    assert seen.standing is MISSING
    assert seen.way_out == "make setup PYTHON=python99.1"


def test_an_old_python_is_told_which_one_is_needed() -> None:
    assert not too_old('python_version = "3.11"\n')
    assert "99.1 or later is needed" in too_old('python_version = "99.1"\n')


@pytest.mark.parametrize("name", ["__init__", "doctor/__init__", "doctor/__main__", "doctor/bare"])
def test_an_old_python_can_read_that_it_is_too_old(name: str) -> None:
    text = (PROJECT / "operations" / f"{name}.py").read_text()
    ast.parse(text, feature_version=(3, 6))
    with pytest.raises(SyntaxError):
        ast.parse("match x:\n    case 1: pass\n", feature_version=(3, 6))


def test_debians_python_without_venv_is_told(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert look("venv").standing is OK
    monkeypatch.setattr(machine, "find_spec", lambda name: None if name == "ensurepip" else name)
    assert look("venv") == Seen(MISSING, "Python has no ensurepip", "apt-get install python3-venv")
    (checkout / ".venv/bin").mkdir(parents=True)
    (checkout / ".venv/bin/python").touch()
    assert look("venv").standing is OK


def test_an_environment_that_is_not_there_or_is_old_is_told(checkout: Path) -> None:
    assert look("packages").words == "there is no .venv"
    (checkout / ".venv/bin").mkdir(parents=True)
    (checkout / ".venv/bin/python").touch()
    assert look("packages").words == ".venv is not what requirements.txt asks for"
    (checkout / ".venv/.ready").touch()
    assert look("packages").standing is OK


def test_an_environment_is_not_taken_for_good_without_make(checkout: Path, tools: Path) -> None:
    (checkout / ".venv/bin").mkdir(parents=True)
    (checkout / ".venv/bin/python").touch()
    assert look("packages").standing is UNSEEN


@pytest.mark.parametrize("name", ["git", "ssh"])
def test_a_program_that_is_not_there_is_told(tools: Path, name: str) -> None:
    seen = look(name)
    assert seen.standing is MISSING
    assert "apt-get install" in seen.way_out
    put(tools, name, "")
    assert look(name).standing is OK


def test_the_cli_is_looked_for_on_path_and_in_the_cache(tools: Path, tmp_path: Path) -> None:
    assert "download-install" in look("pulumi").way_out
    built = tmp_path / "cache/po-mail/bin"
    built.mkdir(parents=True)
    put(built, "pulumi", "")
    assert look("pulumi") == Seen(
        MISSING, "the CLI is built, but not on PATH", f'export PATH="{built}:$PATH"'
    )
    put(tools, "pulumi", "")
    assert look("pulumi").standing is OK


@pytest.mark.parametrize("name", ["disk", "build-disk"])
def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Space(0, 0, 2**40))
    assert look(name).standing is OK
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Space(0, 0, 2**20))
    assert look(name).standing is MISSING


def test_a_loopback_on_which_nobody_may_listen_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert look("ports").standing is OK

    def refuse(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket, "create_server", refuse)
    assert look("ports").words == "no port of 127.0.0.1 can be used: Permission denied"


def test_a_clock_that_is_behind_or_alone_is_told(tools: Path) -> None:
    assert look("clock").standing is UNSEEN
    put(tools, "timedatectl", "echo no")
    assert look("clock").words == "the clock is not synchronised"
    put(tools, "timedatectl", "echo yes")
    assert look("clock").standing is OK
    put(tools, "git", f"echo {int(time.time()) + 5 * 86400 + 60}")
    assert look("clock").words == "the clock is at least 5 days behind the last commit"


def test_who_may_not_install_packages_is_told(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert look("debian").standing is MISSING
    for name in ("apt-get", "dpkg-query"):
        put(tools, name, "")
    assert look("debian").standing is OK
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert look("root").standing is MISSING
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert look("root").standing is OK


@pytest.mark.parametrize("part", CATALOGUE, ids=lambda part: part.name)
def test_every_genuine_part_that_is_not_there_is_told(tools: Path, part: Any) -> None:
    need = PARTS[list(CATALOGUE).index(part)]
    seen = need.look()
    assert seen.standing is MISSING
    assert all(program in seen.words for program in part.programs)
    assert seen.way_out.startswith("make engine" if part.name == "pulumi" else "make parts")


def test_a_part_of_another_version_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Path("/somewhere")
    monkeypatch.setattr(
        machine, "held", lambda part: Held(part, {"minio": place}, "v0", current=False)
    )
    assert look("minio").words == "version v0"


def test_each_command_is_told_what_it_lacks(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "COMMANDS", {"a": ("git",), "b": ("ssh", "git"), "c": ()})
    put(tools, "ssh", "")
    told = Told()
    assert examine(told, chosen(())) == EXIT_MISSING
    assert ("ready", "c", "") in told.lines
    assert ("not ready", "a, b: git", "") in told.lines
    assert told.document["commands"] == {"a": ["git"], "b": ["git"], "c": []}
    assert not told.document["ok"]


def test_what_was_not_seen_is_no_success(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "COMMANDS", {"a": ("clock",), "b": ("system",)})
    assert examine(Told(), chosen(())) == machine.EXIT_UNSEEN
    assert examine(Told(), chosen(["b"])) == 0


def test_a_word_that_is_no_command_is_refused() -> None:
    with pytest.raises(machine.UnknownCommandError, match="make has no rehears; there are help"):
        chosen(["rehears"])


def bare(*words: str) -> "subprocess.CompletedProcess[str]":
    """Run it on a Python that has no packages."""
    return subprocess.run(
        [sys.executable, "-S", "-m", "operations.doctor", *words],
        cwd=PROJECT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_it_runs_without_any_package() -> None:
    done = bare("--json", "test-real")
    assert not done.stderr
    document = json.loads(done.stdout)
    assert {need["name"] for need in document["needs"]} == set(COMMANDS["test-real"])
    assert done.returncode in {0, EXIT_MISSING, machine.EXIT_UNSEEN}
    assert bare("stop").stdout.startswith("  packages")


def test_without_packages_the_accounts_are_left_alone() -> None:
    done = bare("--live")
    assert done.returncode == 1
    assert "make setup" in done.stderr
    assert bare("nonsense").returncode == 2


@pytest.mark.parametrize("words", [["setup"], ["--json", "stop"]])
def test_with_and_without_packages_it_says_the_same(words: list[str]) -> None:
    full = subprocess.run(
        [sys.executable, "-m", "operations.doctor", *words],
        cwd=PROJECT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    plain = bare(*words)
    assert full.returncode == plain.returncode
    assert full.stdout.split() == plain.stdout.split()


def test_without_a_python_make_says_how_one_comes(checkout: Path) -> None:
    done = subprocess.run(
        ["make", "doctor", "PYTHON=no-python"],
        cwd=checkout, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "there is no no-python: apt-get install python3 python3-venv" in done.stderr
