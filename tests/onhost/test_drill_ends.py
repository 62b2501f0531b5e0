"""However a drill ends, it says that it has ended: one that seems to run mutes its alert."""

import argparse
import json
from pathlib import Path

import pytest

from components.onhost import archives, backup, drill, machine

RUNNING, SUCCESS = "po_mail_drill_running", "po_mail_drill_last_run_success"
OPTIONS = argparse.Namespace(snapshot="", settings="/drill.json", json=True)


@pytest.fixture
def settings(root: Path, monkeypatch: pytest.MonkeyPatch) -> drill.Settings:
    """Return the settings of a drill whose repository is not asked for its environment."""
    monkeypatch.setattr(backup, "restic_of", lambda _settings: archives.Restic({}))
    installation = backup.Settings(
        "po-mail", root, "mx", "r", {}, {}, {}, root, root / "state", root, "mailcow", {}, 5.0, 0.0
    )
    (root / "state").mkdir()
    return drill.Settings(installation, root / "drill", "po-mail-drill", root / "drill.prom", {})


def metrics(settings: drill.Settings) -> dict[str, float]:
    lines = settings.metrics.read_text().splitlines()
    return {
        name: float(value)
        for name, value in (line.split() for line in lines if not line.startswith("#"))
    }


@pytest.mark.parametrize(
    "error", [machine.StepError("restored database: no end within 3600 s"), backup.Stopped("stop")]
)
def test_a_step_that_takes_too_long_is_a_drill_that_failed(
    settings: drill.Settings, monkeypatch: pytest.MonkeyPatch, error: Exception,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def choose(*_: object) -> archives.Snapshot:
        assert metrics(settings)[RUNNING] == 1
        raise error

    monkeypatch.setattr(drill, "choose", choose)
    assert drill.hold(OPTIONS, settings, {}) == 1
    assert json.loads(capsys.readouterr().out) == {"ok": False, "error": str(error)}
    assert (metrics(settings)[RUNNING], metrics(settings)[SUCCESS]) == (0, 0)


def test_a_mistake_of_the_program_does_not_leave_a_drill_that_seems_to_run(
    settings: drill.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drill, "choose", lambda *_: None)
    with pytest.raises(AttributeError):
        drill.hold(OPTIONS, settings, {})
    assert (metrics(settings)[RUNNING], metrics(settings)[SUCCESS]) == (0, 0)
    assert "po_mail_drill_last_start_timestamp_seconds" not in metrics(settings)


def test_what_a_drill_left_when_the_host_went_down_is_removed_and_noted(
    settings: drill.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.remember(settings.backup.state / drill.BEGAN, {"began": 1})
    drill.report(settings, {}, running=True, good=False)
    (settings.scratch / "restored").mkdir(parents=True)
    (settings.scratch / "restored/letter").write_text("in clear\n")
    drill.note_end(settings)
    assert not settings.scratch.exists()
    assert (metrics(settings)[RUNNING], metrics(settings)[SUCCESS]) == (0, 0)
    settings.metrics.unlink()
    drill.note_end(settings)
    assert not settings.metrics.exists(), "nothing was under way"


def snapshot(name: str, *tags: str) -> dict[str, object]:
    return {
        "id": name * 8, "time": f"2026-11-2{name}T03:00:00Z", "paths": [],
        "tags": ["po-mail", *tags],
    }  # fmt: skip


def test_a_drill_restores_what_was_verified_and_nothing_of_a_run_that_failed(
    settings: drill.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = [snapshot("1"), snapshot("2", "verified"), snapshot("3", "unverified")]

    class Repository(archives.Restic):
        def run(self, *_: object, **__: object) -> argparse.Namespace:  # type: ignore[override] # only its output
            return argparse.Namespace(stdout=json.dumps(listed))

    restic = Repository({})
    assert drill.choose(settings, restic, "").id == "2" * 8
    assert drill.choose(settings, restic, "11111111").id == "1" * 8
    with pytest.raises(machine.StepError, match="is of a run that failed; it is no backup"):
        drill.choose(settings, restic, "33333333")
    # Before the first night of this program, what the one before found good is restored.
    listed[1:2] = []
    machine.remember(settings.backup.state / backup.MEMORY, {"snapshot": "11111111"})
    assert drill.choose(settings, restic, "").id == "1" * 8
