"""The stand-in for restic, on a folder."""

import json
import os
from argparse import Namespace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rehearsal.world.host_tools import restic

MARKER = b"marker-that-no-repository-may-show"


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RESTIC_REPOSITORY", str(tmp_path / "repository"))
    monkeypatch.setenv("RESTIC_PASSWORD", "passphrase")
    source = tmp_path / "source"
    (source / "folder").mkdir(parents=True)
    (source / "folder/mail").write_bytes(MARKER)
    (source / "folder/mail").chmod(0o640)
    (source / "link").symlink_to("folder/mail")
    return source


@pytest.fixture
def backed_up(source: Path) -> Path:
    assert restic.main(["init"]) == 0
    assert restic.main(["backup", "--", str(source)]) == 0
    return source


def test_everything_comes_back_as_it_was(backed_up: Path, tmp_path: Path) -> None:
    assert restic.main(["restore", "latest", "--target", str(tmp_path / "target")]) == 0
    restored = tmp_path / "target" / str(backed_up).lstrip("/")
    assert (restored / "folder/mail").read_bytes() == MARKER
    assert (restored / "folder/mail").stat().st_mode & 0o777 == 0o640
    assert os.readlink(restored / "link") == "folder/mail"  # noqa: PTH115  # the text, not a path


def test_the_repository_shows_nothing(backed_up: Path, tmp_path: Path) -> None:
    files = [path for path in (tmp_path / "repository").rglob("*") if path.is_file()]
    assert files
    assert not any(MARKER in file.read_bytes() or b"mail" in file.read_bytes() for file in files)


def test_another_passphrase_opens_nothing(backed_up: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTIC_PASSWORD", "another")
    assert restic.main(["snapshots"]) == 12


def test_no_repository_and_a_second_one_are_refused(source: Path) -> None:
    assert restic.main(["cat", "config"]) == 10
    assert restic.main(["init"]) == 0
    assert restic.main(["init"]) == 1


@pytest.mark.parametrize("harm", ["altered", "missing"])
def test_damage_is_found(backed_up: Path, tmp_path: Path, harm: str) -> None:
    (piece,) = (tmp_path / "repository/data").iterdir()
    assert restic.main(["check", "--read-data"]) == 0
    if harm == "missing":
        piece.unlink()
    else:
        piece.write_bytes(piece.read_bytes()[:-1] + b"x")
    assert restic.main(["check", "--read-data-subset=5%"]) == 1


def test_a_source_that_is_not_there_is_refused(backed_up: Path, tmp_path: Path) -> None:
    assert restic.main(["backup", str(tmp_path / "nothing")]) == 1


def test_pruning_takes_what_no_snapshot_needs(backed_up: Path, tmp_path: Path) -> None:
    (backed_up / "folder/mail").write_bytes(b"other")
    assert restic.main(["backup", str(backed_up)]) == 0
    assert len(list((tmp_path / "repository/data").iterdir())) == 2
    assert restic.main(["forget", "--keep-last", "1", "--prune"]) == 0
    assert len(list((tmp_path / "repository/data").iterdir())) == 1
    assert restic.main(["forget"]) == 1


def test_seven_daily_four_weekly_six_monthly_overlap() -> None:
    start = datetime(2026, 1, 1, 3, tzinfo=UTC)
    nights = [
        {"id": str(number), "time": (start + timedelta(days=number)).isoformat(), "tags": []}
        for number in range(320)
    ]
    options = Namespace(keep_last=None, keep_hourly=None, keep_daily=7, keep_weekly=4,
                        keep_monthly=6, keep_yearly=None, keep_tag=None)  # fmt: skip
    kept = restic.kept_by(options, nights)
    assert 13 <= len(kept) <= 15
    assert "319" in kept


def test_a_summary_names_the_snapshot(backed_up: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    restic.main(["backup", "--json", str(backed_up)])
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    restic.main(["snapshots", "--json", summary["snapshot_id"]])
    assert len(json.loads(capsys.readouterr().out)) == 1
