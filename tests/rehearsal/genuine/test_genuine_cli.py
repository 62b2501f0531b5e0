"""What Pulumi's CLI did is read from its log of events; here a program stands in for it."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rehearsal.genuine.cli import Cli, Step

_URN = "urn:pulumi:qual::mail::t:m:T::"


@pytest.fixture
def cli(tmp_path: Path) -> Callable[..., Cli]:
    """Return what makes a CLI that logs events, says some words and ends."""

    def make(*events: dict[str, Any], words: str = "", status: int = 0) -> Cli:
        (tmp_path / "events").write_text("".join(json.dumps(event) + "\n" for event in events))
        program = tmp_path / "pulumi"
        program.write_text(
            "#!/bin/sh\nfor word; do log=$word; done\n"  # the log's path comes last
            f'cat {tmp_path}/events >>"$log"\necho "{words}"\nexit {status}\n'
        )
        program.chmod(0o755)
        return Cli(program, tmp_path)

    return make


def _step(kind: str, op: str, name: str, **more: Any) -> dict[str, Any]:
    metadata = {"op": op, "urn": _URN + name, "type": "t:m:T", **more}
    return {kind: {"metadata": metadata, "planning": kind == "resourcePreEvent"}}


def test_a_preview_tells_what_would_be_done(cli: Callable[..., Cli]) -> None:
    outcome = cli(
        _step("resourcePreEvent", "same", "a"),
        _step("resourcePreEvent", "update", "b", detailedDiff={"content": {}},
              new={"inputs": {"name": "x"}}),
        {"summaryEvent": {"resourceChanges": {"same": 1, "update": 1}, "isPreview": True}},
    ).deploy("preview")  # fmt: skip

    assert outcome.ok
    assert outcome.changed == {"update": 1}
    assert [step for step in outcome.steps if step.changes] == [
        Step("update", f"{_URN}b", "t:m:T", ("content",), {"name": "x"})
    ]


def test_an_up_tells_what_was_done_and_not_what_was_begun(cli: Callable[..., Cli]) -> None:
    told: list[str] = []

    outcome = cli(
        _step("resourcePreEvent", "create", "a"),
        _step("resOutputsEvent", "create", "a"),
        _step("resourcePreEvent", "create", "b"),
        {"diagnosticEvent": {"severity": "error", "message": "<{%reset%}>refused<{%reset%}>\n"}},
        {"summaryEvent": {"resourceChanges": {"create": 1}}},
        status=255,
    ).deploy("up", on_step=lambda step: told.append(step.name))

    assert [step.name for step in outcome.steps] == told == ["a"]
    assert outcome.errors == ("refused",)


def test_what_is_only_planned_is_not_told_as_done(cli: Callable[..., Cli]) -> None:
    planned = _step("resOutputsEvent", "delete", "a")
    planned["resOutputsEvent"]["planning"] = True
    summary = {"summaryEvent": {"resourceChanges": {"delete": 1}, "isPreview": True}}

    outcome = cli(planned, summary, status=255).deploy("destroy")

    assert outcome.steps == ()
    assert outcome.changed == {}


def test_a_rule_that_refuses_is_an_error_and_one_that_waits_is_advice(
    cli: Callable[..., Cli],
) -> None:
    def said(rule: str, level: str) -> dict[str, Any]:
        body = {"policyName": rule, "message": "why", "enforcementLevel": level}
        return {"policyEvent": body}

    outcome = cli(
        said("spf-single", "mandatory"), said("api-narrow", "advisory"), status=255
    ).deploy("preview")

    assert outcome.errors == ("spf-single: why",)
    assert outcome.advice == ("api-narrow: why",)


def test_a_cli_that_fails_before_it_begins_is_told_by_its_words(cli: Callable[..., Cli]) -> None:
    outcome = cli(words="error: the stack is currently locked", status=255).deploy("up")

    assert outcome.errors == ("error: the stack is currently locked",)
    assert not outcome.ok


def test_a_cli_that_was_killed_is_told_with_the_place_of_the_way_on(
    cli: Callable[..., Cli],
) -> None:
    started: list[subprocess.Popen[bytes]] = []

    def kill(_: Step) -> None:
        os.kill(started[0].pid, signal.SIGKILL)

    killed = cli(_step("resOutputsEvent", "create", "a"), words="$(sleep 30)").deploy(
        "up", on_step=kill, on_start=started.append
    )

    assert len(killed.steps) == 1
    assert "signal 9; docs/runbook.md" in killed.errors[0]


def test_an_error_on_the_way_to_success_is_none(cli: Callable[..., Cli]) -> None:
    event = {"diagnosticEvent": {"severity": "error", "message": "tried again"}}

    assert cli(event).deploy("up").ok
