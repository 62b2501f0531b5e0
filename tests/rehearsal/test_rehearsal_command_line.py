"""The command line: exit codes, JSON, one line for what a person can mend, and a clean house."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rehearsal.__main__ import app
from rehearsal.rehearse import EXIT_CHANGES, EXIT_DECLARATION, EXIT_FAILED
from rehearsal.stage import Stage
from tests.conftest import PROJECT
from tests.rehearsal.rehearsed import (
    change_declaration,
    command_line,
    copy_project,
    nothing_stays,
    processes_of,
)

ONE_BY_ONE = ("preview", "up", "refresh", "destroy", "flow", "world status")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Copy the project, under git as a clone is."""
    folder = tmp_path_factory.mktemp("clone")
    project = copy_project(folder / "project")
    git(project, "init", "-q")
    git(project, "add", "-A")
    git(project, "-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "-q", "-m", "x")
    with nothing_stays(folder):
        yield project


def git(project: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=project, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def assert_clean(project: Path) -> None:
    """See that a command left no process, and no file that git would notice."""
    assert processes_of(project) == set()
    assert git(project, "status", "--porcelain") == ""


def document(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    """Return what a command handed to a machine."""
    told: dict[str, Any] = json.loads(done.stdout)
    return told


# What needs no world


COMMANDS = (
    "", "run", "check", "preview", "up", "refresh", "destroy", "flow", "world", "world start",
    "world stop", "world status",
)  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_explains_itself(words: str) -> None:
    shown = CliRunner().invoke(app, [*words.split(), "--help"])

    assert shown.exit_code == 0
    assert "Usage:" in shown.output
    if words not in {"", "world"}:
        assert "--stack" in shown.output
        assert "--runs" in shown.output


def test_a_command_that_does_not_exist_is_refused() -> None:
    assert CliRunner().invoke(app, ["deploy"]).exit_code == 2


def test_the_real_declaration_is_checked_without_a_trace(clone: Path) -> None:
    done = command_line(clone, "check", "--json")

    assert done.returncode == 0
    assert document(done)["declaration"]["domain"] == "portugalodyssey.pt"
    assert done.stderr == ""
    assert_clean(clone)
    assert not (clone / ".rehearsal" / "stacks").exists()


@pytest.mark.parametrize("stack", ["nothing", "../qual", "two words"])
@pytest.mark.parametrize("command", ["check", "run"])
def test_a_stack_that_does_not_exist_is_a_message_and_no_traceback(
    clone: Path, command: str, stack: str
) -> None:
    done = command_line(clone, command, "--stack", stack)

    assert done.returncode in {EXIT_FAILED, EXIT_DECLARATION}
    assert done.stdout == ""
    assert stack in done.stderr
    assert len(done.stderr.splitlines()) <= 2
    assert "Traceback" not in done.stderr
    assert not (clone / ".rehearsal" / "stacks").exists()
    assert_clean(clone)


def test_a_step_without_a_world_says_so(tmp_path: Path) -> None:
    for words in ONE_BY_ONE:
        said = CliRunner().invoke(app, [*words.split(), "--runs", str(tmp_path)])

        assert said.exit_code == EXIT_FAILED, words
        assert "no world runs in" in said.output, words
        assert len(said.output.splitlines()) == 1, words
    assert list(tmp_path.iterdir()) == []


def test_a_step_without_a_world_says_so_to_a_machine(tmp_path: Path) -> None:
    for words in ONE_BY_ONE:
        said = CliRunner().invoke(app, [*words.split(), "--runs", str(tmp_path), "--json"])

        assert said.exit_code == EXIT_FAILED, words
        told = json.loads(said.stdout)
        assert told["ok"] is False
        assert "no world runs in" in told["error"]


@pytest.mark.parametrize("words", [("run",), ("world", "start"), ("run", "--json")])
def test_the_second_command_is_told_in_one_line_who_is_at_work(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    with Stage(PROJECT, "qual", tmp_path).lock:
        done = command_line(PROJECT, *words, "--runs", str(tmp_path))

    assert done.returncode == EXIT_FAILED
    assert "Traceback" not in done.stderr
    told = json.loads(done.stdout)["error"] if "--json" in words else done.stderr.strip()
    assert "\n" not in told
    assert f"qual is in use: pid {os.getpid()} (python " in told
    assert "since 2" in told
    assert not (tmp_path / "stacks" / "qual" / "world").exists()


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "stacks").write_text("a file where a folder should be")

    done = command_line(PROJECT, "world", "start", "--runs", str(tmp_path))

    assert (done.returncode, done.stderr.count("\n")) == (EXIT_FAILED, 1), done.stderr
    assert "stacks" in done.stderr


def test_an_engine_that_does_not_exist_is_named(tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["run", "--engine", "terraform", "--runs", str(tmp_path)])

    assert said.exit_code == 2
    assert "terraform" in said.output


# The whole way, twice, with another stack beside it


def second_stack(project: Path) -> None:
    """Declare a stack of one's own, as a stranger would."""
    file = project / "Pulumi.second.yaml"
    file.write_text((project / "Pulumi.qual.yaml").read_text())

    def other(values: dict[str, Any]) -> None:
        values["company"] = "Second"
        kept = {"postmaster", "info", "bookings"}
        values["mailboxes"] = [
            mailbox for mailbox in values["mailboxes"] if mailbox["name"] in kept
        ]

    change_declaration(project, other, "second")


def test_a_rehearsal_for_a_machine_is_one_document(clone: Path) -> None:
    done = command_line(clone, "run", "--json", "--keep")

    assert done.returncode == 0, done.stderr
    told = document(done)
    assert told["ok"] is True
    assert told["plan"]["changes"]["create"] == told["deploy"]["changes"]["create"] > 60
    assert told["mail_out"]["verdicts"]["DMARC"] == "pass"
    assert told["mail_in"]["ok"] is True
    assert {item["name"] for item in told["world"]} >= {"dns", "cloudflare", "mailcow", "smarthost"}


def test_another_stack_is_rehearsed_beside_it_and_neither_disturbs_the_other(clone: Path) -> None:
    before = processes_of(clone)
    assert before
    second_stack(clone)
    try:
        done = command_line(clone, "run", "--stack", "second")
    finally:
        (clone / "Pulumi.second.yaml").unlink()

    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 mailboxes" in done.stdout
    assert "nothing changes" not in done.stdout.partition("next")[0]
    assert processes_of(clone) == before
    flow = command_line(clone, "flow", "--json")
    assert flow.returncode == 0, flow.stdout
    assert document(flow)["mail_out"]["ok"]


def test_a_change_where_none_is_expected_has_an_exit_code_of_its_own(clone: Path) -> None:
    settled = command_line(clone, "preview", "--expect-no-changes", "--json")
    assert settled.returncode == 0, settled.stdout

    before = change_declaration(clone, lambda values: values["zone"].update(ttl=600))
    try:
        changed = command_line(clone, "up", "--expect-no-changes")
    finally:
        (clone / "Pulumi.qual.yaml").write_text(before)

    assert changed.returncode == EXIT_CHANGES
    assert "ttl: 300 => 600" in changed.stdout


def test_a_world_that_is_stopped_leaves_no_process(clone: Path) -> None:
    assert command_line(clone, "world", "stop").stdout == "stopped\n"
    assert_clean(clone)
    assert command_line(clone, "world", "stop").stdout == "nothing ran\n"


def test_a_second_run_says_that_nothing_changes(clone: Path) -> None:
    done = command_line(clone, "run")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "deploy        nothing changes" in done.stdout
    assert done.stdout.count("pass\n") == 2
    assert "\x1b" not in done.stdout
    assert done.stderr == ""
    assert_clean(clone)


def test_a_run_that_is_interrupted_leaves_no_process(clone: Path) -> None:
    run = subprocess.Popen(
        [sys.executable, "-m", "rehearsal", "run"],
        cwd=clone,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stdout is not None
    # The world is up when it is said to be.
    for line in run.stdout:
        if line.startswith("  world "):
            break
    run.kill()
    run.communicate(timeout=30)

    assert command_line(clone, "world", "stop").returncode == 0
    assert_clean(clone)


def test_a_state_of_another_passphrase_is_a_message_and_no_traceback(clone: Path) -> None:
    file = clone / ".rehearsal" / "stacks" / "qual" / "passphrase"
    before = file.read_text()
    file.write_text("another")
    try:
        done = command_line(clone, "run")
    finally:
        file.write_text(before)

    assert done.returncode == EXIT_FAILED
    assert "passphrase" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert_clean(clone)
