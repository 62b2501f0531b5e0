"""The program's process: how it ends is told as the genuine language host tells it."""

from pathlib import Path

import pytest

from rehearsal.engine import Engine, ProjectRefusedError
from tests.engine.stage import PROLOGUE, Stage


def test_a_run_error_is_its_message_alone(stage: Stage) -> None:
    outcome = stage.up('raise pulumi.RunError("2 mistakes, nothing was touched")')
    assert not outcome.ok
    assert [error.message for error in outcome.errors] == ["2 mistakes, nothing was touched"]


def test_a_traceback_begins_in_the_program(stage: Stage) -> None:
    outcome = stage.up("""
        def deep():
            raise KeyError("nothing here")
        deep()
    """)
    (error,) = outcome.errors
    assert error.message.startswith("Program failed with an unhandled exception:\nTraceback")
    assert "KeyError: 'nothing here'" in error.message
    assert "__main__.py" in error.message
    assert "launch.py" not in error.message


def test_an_exit_code_of_the_programs_own_fails_the_run(stage: Stage) -> None:
    outcome = stage.up("import sys\nsys.exit(3)")
    assert [error.message for error in outcome.errors] == ["the program ended with exit code 3"]


def test_a_program_with_a_mistake_in_its_syntax_fails_the_run(stage: Stage) -> None:
    outcome = stage.up("def (")
    assert "SyntaxError" in outcome.errors[0].message


def test_the_program_sees_its_stack_its_folder_and_no_input(stage: Stage) -> None:
    stage.program(
        """
        import os, sys
        pulumi.export("stack", pulumi.get_stack())
        pulumi.export("project", pulumi.get_project())
        pulumi.export("organization", pulumi.get_organization())
        pulumi.export("root", pulumi.runtime.get_root_directory())
        pulumi.export("here", os.getcwd())
        pulumi.export("input", sys.stdin.read())
        pulumi.export("preview", pulumi.runtime.is_dry_run())
        import beside
        pulumi.export("beside", beside.WORD)
        """,
        prologue=PROLOGUE,
    )
    (stage.project / "beside.py").write_text("WORD = 'found'\n")
    outcome = stage.engine().up()
    assert outcome.outputs == {
        "stack": "dev",
        "project": "test",
        "organization": "organization",
        "root": str(stage.project),
        "here": str(stage.project),
        "input": "",
        "preview": False,
        "beside": "found",
    }


def test_the_programs_process_is_not_told_the_passphrase(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "open sesame")
    outcome = stage.up("""
        import os
        pulumi.export("told", [k for k in os.environ if k.startswith("PULUMI_CONFIG")])
    """)
    assert outcome.outputs == {"told": []}


def test_the_program_cannot_leave_the_machine(stage: Stage) -> None:
    outcome = stage.up("""
        import socket
        socket.create_connection(("192.0.2.1", 443), timeout=1)
    """)
    assert "192.0.2.1 is not a loopback address" in outcome.errors[0].message


def test_messages_of_the_program_reach_the_operator_with_their_gravity(stage: Stage) -> None:
    outcome = stage.up('pulumi.info("so far")\npulumi.warn("beware")\npulumi.error("no")')
    assert [(str(d.severity), d.message) for d in outcome.diagnostics] == [
        ("info", "so far"),
        ("warning", "beware"),
        ("error", "no"),
    ]
    assert not outcome.ok


def test_events_tell_a_step_from_its_begin_to_its_end(stage: Stage) -> None:
    stage.good('shelf.Box("a", opts=O())')
    told = [(event.kind, event.op) for event in stage.events if event.name == "a"]
    assert told == [("begin", "create"), ("end", "create")]
    written = (stage.folder / "logs" / "events.jsonl").read_text()
    assert '"kind": "end"' in written


def test_a_folder_without_a_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProjectRefusedError, match="not a Pulumi project"):
        Engine(tmp_path, "dev", tmp_path, "x", {})


def test_a_project_in_another_language_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: x\nruntime:\n  name: nodejs\n")
    with pytest.raises(ProjectRefusedError, match="the runtime is nodejs"):
        Engine(tmp_path, "dev", tmp_path, "x", {})
