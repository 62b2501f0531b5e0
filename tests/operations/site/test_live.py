"""The real stack is reached through the genuine CLI; here a program stands in for it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from operations.site import PlannedStep, SiteError
from operations.site.live import inputs_of, plan_of, read_secrets
from rehearsal.engine import UNKNOWN

MARKER = "planted-7f3a9c"


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return what puts a `pulumi` on PATH that runs a shell script."""

    def put(script: str) -> None:
        program = tmp_path / "pulumi"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return put


def test_secrets_come_from_the_configuration(cli: Callable[[str], None], tmp_path: Path) -> None:
    said = {
        "mail:domain": {"value": "example.com", "secret": False},
        "mail:smarthostPassword": {"value": MARKER, "secret": True},
        "other:token": {"value": "x", "secret": True},
    }
    (tmp_path / "said.json").write_text(json.dumps(said))
    cli(f"cat {tmp_path}/said.json")
    assert read_secrets("qual", tmp_path) == {"smarthostPassword": MARKER}


def test_a_configuration_that_cannot_be_opened_is_said_without_a_secret(
    cli: Callable[[str], None], tmp_path: Path
) -> None:
    cli(f"echo {MARKER}; echo 'error: incorrect passphrase' >&2; exit 255")
    with pytest.raises(SiteError, match="incorrect passphrase") as caught:
        read_secrets("qual", tmp_path)
    assert MARKER not in str(caught.value)


def test_without_the_cli_the_way_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SiteError, match="without --live"):
        read_secrets("qual", tmp_path)


def test_a_plan_of_the_cli_is_read() -> None:
    said = {
        "steps": [
            {"op": "same", "urn": "urn:pulumi:qual::mail::t:m:T::a", "newState": {"type": "t:m:T"}},
            {
                "op": "update",
                "urn": "urn:pulumi:qual::mail::t:m:T::b",
                "newState": {"type": "t:m:T"},
                "detailedDiff": {"content": {"kind": "update"}},
            },
        ],
        "changeSummary": {"same": 7, "update": 1},
    }
    plan = plan_of(json.dumps(said), 0)
    assert plan.ok
    assert plan.unchanged == 7
    assert plan.steps == (PlannedStep("update", "t:m:T", "b", ("content",)),)


def test_a_plan_that_failed_has_its_errors() -> None:
    said = {"steps": [], "diagnostics": [{"severity": "error", "message": "DMARC without rua\n"}]}
    assert plan_of(json.dumps(said), 1).errors == ("DMARC without rua",)
    assert not plan_of("no JSON", 1).ok


def test_the_inputs_of_a_plan_are_read_and_its_secrets_stay_unknown() -> None:
    said = {
        "steps": [
            {
                "op": "create",
                "urn": "urn:pulumi:qual::mail::t:m:T::b",
                "newState": {
                    "type": "t:m:T",
                    "urn": "urn:pulumi:qual::mail::t:m:T::b",
                    "inputs": {"name": "x", "password": "[secret]", "parts": [UNKNOWN.value]},
                },
            }
        ]
    }
    inputs = inputs_of(json.dumps(said))["t:m:T", "b"]
    assert inputs["name"] == "x"
    assert inputs["password"].open() is UNKNOWN
    assert inputs["parts"] == [UNKNOWN]
