"""Refusing settings that are unsafe to change after the first start."""

import io
import json
from pathlib import Path

import pytest

from components.onhost import settings_guard

FIRST = {
    "COMPOSE_PROJECT_NAME": {"value": "po-mail", "reason": "prefixes volumes", "secret": False},
    "DBPASS": {"value": "planted", "reason": "read once", "secret": True},
}
WORDS = ["--conf", "/m/mailcow.conf", "--file", "/state/first-start.json"]


def run(monkeypatch: pytest.MonkeyPatch, *more: str, **values: str) -> int:
    """Run the program with some values changed."""
    settings = {
        key: {**setting, "value": values.get(key, setting["value"])}
        for key, setting in FIRST.items()
    }
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(settings)))
    return settings_guard.main([*WORDS, *more])


@pytest.fixture
def started(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the note of a first start."""
    assert run(monkeypatch, "--note") == 0
    return root / "state/first-start.json"


def test_before_the_first_start_everything_may_change(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch) == 0
    assert run(monkeypatch, COMPOSE_PROJECT_NAME="other") == 0


@pytest.mark.usefixtures("started")
def test_afterwards_a_change_is_refused_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch) == 0
    assert run(monkeypatch, COMPOSE_PROJECT_NAME="other") == 1
    complaint = capsys.readouterr().err
    assert "COMPOSE_PROJECT_NAME is po-mail, not other: prefixes volumes" in complaint


@pytest.mark.usefixtures("started")
def test_a_changed_secret_is_refused_without_being_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, DBPASS="replanted") == 1
    complaint = capsys.readouterr().err
    assert "DBPASS was changed: read once" in complaint
    assert "planted" not in complaint


def test_the_note_holds_no_secret_and_is_for_root_alone(started: Path) -> None:
    assert "planted" not in started.read_text()
    assert started.stat().st_mode & 0o777 == 0o600


def test_what_was_noted_first_stays(started: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = started.read_text()
    assert run(monkeypatch, "--note", COMPOSE_PROJECT_NAME="other") == 1
    assert started.read_text() == before


def test_an_installation_that_already_runs_is_not_started_on_other_settings(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "m").mkdir()
    (root / "m/mailcow.conf").write_text(
        "# mailcow web ui configuration\nCOMPOSE_PROJECT_NAME=mailcowdockerized\nDBPASS=theirs\n"
    )
    assert run(monkeypatch) == 1
    complaint = capsys.readouterr().err
    assert "COMPOSE_PROJECT_NAME is mailcowdockerized, not po-mail" in complaint
    assert "DBPASS was changed" in complaint
    assert "theirs" not in complaint


def test_a_first_deployment_that_failed_half_way_may_be_corrected(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "m").mkdir()
    (root / "m/mailcow.conf").write_text("# Written by Pulumi; ...\nCOMPOSE_PROJECT_NAME=wrong\n")
    assert run(monkeypatch) == 0


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_where_the_note_was_lost_the_configuration_in_place_is_compared_and_noted_anew(
    started: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    conf = started.parents[1] / "m/mailcow.conf"
    conf.parent.mkdir()
    conf.write_text("# Written by Pulumi; ...\nCOMPOSE_PROJECT_NAME=po-mail\nDBPASS=planted\n")
    started.write_text(content)
    for _ in range(2):
        assert run(monkeypatch, COMPOSE_PROJECT_NAME="other") == 1
    assert run(monkeypatch) == 0
    assert run(monkeypatch, "--note") == 0
    assert json.loads(started.read_text())["COMPOSE_PROJECT_NAME"] == "po-mail"
