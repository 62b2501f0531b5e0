"""The real stack is reached through the genuine CLI; here a program stands in for it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from operations.site import PlannedStep, SiteError
from operations.site.live import LiveSite, _Cli, inputs_of, plan_of, read_secrets
from rehearsal.engine import UNKNOWN
from rehearsal.genuine.cli import Outcome, Step

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


def _outcome(*steps: Step, errors: tuple[str, ...] = ()) -> Outcome:
    return Outcome(steps, {"same": 7, "update": 1}, errors)


def test_what_the_cli_did_is_told_in_the_words_that_both_engines_share() -> None:
    urn = "urn:pulumi:qual::mail::t:m:T::"
    same, update = Step("same", f"{urn}a", "t:m:T"), Step("update", f"{urn}b", "t:m:T", ("text",))

    plan = plan_of(_outcome(same, update))

    assert plan.ok
    assert plan.unchanged == 7
    assert plan.steps == (PlannedStep("update", "t:m:T", "b", ("text",)),)
    assert plan_of(_outcome(update, errors=("DMARC without rua",))).errors == ("DMARC without rua",)


def test_the_inputs_of_a_plan_are_read_and_its_secrets_stay_unknown() -> None:
    declared = {
        "name": "x", "password": "[secret]", "parts": [UNKNOWN.value],
        "__defaults": [], "port": {"__defaults": ["protocol"], "internal": 9099},
    }  # fmt: skip

    inputs = inputs_of(_outcome(Step("create", "urn:pulumi:q::m::t:m:T::b", "t:m:T", (), declared)))

    assert inputs["t:m:T", "b"] == {
        "name": "x", "password": inputs["t:m:T", "b"]["password"], "parts": [UNKNOWN],
        "port": {"internal": 9099},
    }  # fmt: skip
    assert inputs["t:m:T", "b"]["password"].open() is UNKNOWN


UP_IS_REFUSED = """
for word; do log=$word; done
case "$1" in
  up) cat events >>"$log"; exit 255 ;;
esac
"""


def test_a_deployment_that_a_rule_refuses_tells_what_was_done_and_which_rule(
    cli: Callable[[str], None], tmp_path: Path
) -> None:
    urn = "urn:pulumi:qual::mail::t:m:T::a"
    metadata = {"op": "update", "urn": urn, "type": "t:m:T"}
    policy = {"policyName": "api-narrow", "message": "wide", "enforcementLevel": "mandatory"}
    events = [{"resOutputsEvent": {"metadata": metadata}}, {"policyEvent": policy}]
    (tmp_path / "events").write_text("".join(f"{json.dumps(event)}\n" for event in events))
    cli(UP_IS_REFUSED)
    told: list[str] = []

    done = _Cli(_Deployed(), tmp_path).up(told.append)

    assert [step.name for step in done.steps] == told == ["a"]
    assert done.errors == ("api-narrow: wide",)


def test_a_plan_that_a_rule_refuses_is_not_told_as_done(
    cli: Callable[[str], None], tmp_path: Path
) -> None:
    cli(UP_IS_REFUSED.replace("up)", "preview)").replace("cat events", "echo {}"))

    done = _Cli(_Deployed(), tmp_path).up()

    assert done.steps == ()
    assert not done.ok


class _Deployed(LiveSite):
    """A site of which nothing is read."""

    def __init__(self) -> None:
        self.stack = "qual"

    def refresh(self) -> None:
        """Read nothing again."""
