"""restic and its stand-in: the commands of the backup and the drill, their answers and statuses."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rehearsal.parts import need
from tests.conftest import PROJECT
from tests.real.both import BOTH

Restic = Callable[..., subprocess.CompletedProcess[str]]
"""Runs restic; by keyword, what differs in its environment."""

HOST, TAG = "mx.example.org", "po-mail"
OURS = ("--host", HOST, "--tag", TAG)
VERIFIED = ("--host", HOST, "--tag", f"{TAG},verified")
MARKER = "marker-that-no-archive-may-show"
NO_REPOSITORY = {1, 10}
"""Exit statuses; restic tells them apart since 0.17."""
WRONG_PASSWORD = {1, 12}


@pytest.fixture(params=BOTH)
def restic(request: pytest.FixtureRequest, tmp_path: Path) -> Restic:
    command = (
        [str(need("restic"))]
        if request.param == "genuine"
        else [sys.executable, "-m", "rehearsal.world.host_tools.restic"]
    )
    (tmp_path / "passphrase").write_text("the passphrase\n")

    def run(*words: str, **others: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(PROJECT),
            "RESTIC_REPOSITORY": str(tmp_path / "repository"),
            "RESTIC_PASSWORD_FILE": str(tmp_path / "passphrase"),
            "RESTIC_CACHE_DIR": str(tmp_path / "cache"), **others,
        }  # fmt: skip
        return subprocess.run(
            [*command, *words], env=environment, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip

    return run


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return folders and a file as the backup stores them."""
    mail = tmp_path / "volumes/vmail/example.org/ana/Maildir/cur"
    mail.mkdir(parents=True)
    (mail / "1700000000.M1.mx,S=12:2,S").write_text(MARKER)
    (mail / "1700000001.M2.mx,S=12:2,").write_bytes(os.urandom(2**20))
    (tmp_path / "mailcow.conf").write_text("DBPASS=hidden\n")
    (tmp_path / "mailcow.conf").chmod(0o600)
    (tmp_path / "volumes/link").symlink_to("vmail")
    return tmp_path / "volumes"


def good(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def summary(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found = [json.loads(line) for line in good(done).splitlines()]
    (last,) = [snapshot for snapshot in found if snapshot["message_type"] == "summary"]
    return dict(last)


@pytest.fixture
def stored(restic: Restic, source: Path) -> dict[str, Any]:
    """Return the summary of a first snapshot."""
    good(restic("init"))
    return summary(
        restic("backup", "--json", *OURS, "--", str(source), f"{source.parent}/mailcow.conf")
    )


def listed(restic: Restic, *words: str) -> list[dict[str, Any]]:
    return list(json.loads(good(restic("snapshots", "--json", *words))) or [])


def nodes(restic: Restic, snapshot: str, *words: str) -> dict[str, dict[str, Any]]:
    lines = good(restic("ls", "--json", "--no-lock", snapshot, *words)).splitlines()
    found = [json.loads(line) for line in lines]
    assert found[0]["struct_type"] == "snapshot"
    return {
        snapshot["path"]: snapshot for snapshot in found[1:] if snapshot["struct_type"] == "node"
    }


def test_a_repository_is_made_once(restic: Restic) -> None:
    assert restic("cat", "config").returncode in NO_REPOSITORY
    assert "created restic repository" in good(restic("init"))
    assert len(json.loads(good(restic("cat", "config")))["id"]) == 64
    again = restic("init")
    assert again.returncode == 1
    assert "config file already exists" in again.stderr


@pytest.mark.parametrize(
    "words",
    [("cat", "config"), ("snapshots", "--json"), ("unlock",), ("check",),
     ("ls", "--json", "latest"), ("backup", "--json", "/etc/hostname"),
     ("forget", "--keep-daily", "7", "--prune")],
)  # fmt: skip
def test_without_a_repository_nothing_works(restic: Restic, words: tuple[str, ...]) -> None:
    done = restic(*words)
    assert done.returncode in NO_REPOSITORY
    assert "Fatal: unable to open config file" in done.stderr
    assert "Is there a repository at the following location?" in done.stderr


@pytest.mark.parametrize("words", [("cat", "config"), ("snapshots", "--json"), ("check",)])
def test_another_passphrase_opens_nothing(
    restic: Restic, stored: dict[str, Any], tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "other").write_text("another passphrase")
    done = restic(*words, RESTIC_PASSWORD_FILE=str(tmp_path / "other"))
    assert done.returncode in WRONG_PASSWORD
    assert "Fatal: wrong password or no key found" in done.stderr


def test_a_passphrase_that_is_not_there_or_empty_is_refused(restic: Restic, tmp_path: Path) -> None:
    done = restic("init", RESTIC_PASSWORD_FILE=str(tmp_path / "nowhere"))
    assert done.returncode == 1
    assert "nowhere" in done.stderr
    (tmp_path / "empty").write_text("\n")
    assert restic("init", RESTIC_PASSWORD_FILE=str(tmp_path / "empty")).returncode == 1
    assert restic("cat", "config").returncode in NO_REPOSITORY


def test_a_summary_names_the_snapshot_and_its_size(
    restic: Restic, stored: dict[str, Any], source: Path
) -> None:
    size = sum(path.stat().st_size for path in source.rglob("*") if path.is_file())
    assert stored["total_bytes_processed"] == size + len("DBPASS=hidden\n")
    assert stored["total_files_processed"] >= 3
    (one,) = listed(restic, stored["snapshot_id"])
    assert one["id"].startswith(stored["snapshot_id"])
    assert (one["hostname"], one["tags"]) == (HOST, [TAG])
    assert one["paths"] == sorted([str(source), f"{source.parent}/mailcow.conf"])
    assert one["short_id"] == one["id"][:8]
    # With the place of the time zone, and nanoseconds perhaps.
    assert one["time"][:4].isdigit()


def test_snapshots_are_chosen_by_id_host_and_tag(
    restic: Restic, stored: dict[str, Any], source: Path
) -> None:
    other = summary(restic("backup", "--json", "--host", "other", "--tag", "x", "--", str(source)))
    assert len(listed(restic)) == 2
    assert [snapshot["hostname"] for snapshot in listed(restic, *OURS)] == [HOST]
    assert listed(restic, "--host", "nobody") == []
    assert [snapshot["hostname"] for snapshot in listed(restic, other["snapshot_id"])] == ["other"]
    assert [snapshot["hostname"] for snapshot in listed(restic, "--tag", TAG, "latest")] == [HOST]


def test_a_listing_has_every_folder_and_file_with_its_kind(
    restic: Restic, stored: dict[str, Any], source: Path
) -> None:
    found = nodes(restic, stored["snapshot_id"])
    for path in (source, *source.rglob("*"), source.parent / "mailcow.conf"):
        node = found[str(path)]
        kind = "symlink" if path.is_symlink() else "dir" if path.is_dir() else "file"
        assert node["type"] == kind
        if kind == "file":
            assert node["size"] == path.stat().st_size
    # The folders on the way are there, so that a restore finds them.
    assert str(source.parent) in found
    part = nodes(restic, stored["snapshot_id"], str(source / "vmail"))
    assert str(source / "vmail") in part
    assert str(source.parent / "mailcow.conf") not in part


def test_a_file_is_written_out_as_it_was(
    restic: Restic, stored: dict[str, Any], source: Path
) -> None:
    snapshot = stored["snapshot_id"]
    assert good(restic("dump", snapshot, f"{source.parent}/mailcow.conf")) == "DBPASS=hidden\n"
    missing = restic("dump", snapshot, f"{source.parent}/nothing")
    assert missing.returncode in {1, 2}
    assert "cannot dump file" in missing.stderr
    unknown = restic("dump", "0" * 8, f"{source.parent}/mailcow.conf")
    assert unknown.returncode == 1
    # Not every build of restic says "Fatal: " before what it says.
    assert "no matching ID found" in unknown.stderr


def test_everything_is_restored_as_it_was(
    restic: Restic, stored: dict[str, Any], source: Path, tmp_path: Path
) -> None:
    good(restic("restore", stored["snapshot_id"], "--target", str(tmp_path / "t"), "--no-lock"))
    back = tmp_path / "t"
    for path in source.rglob("*"):
        copy = back / str(path).lstrip("/")
        if path.is_symlink():
            assert os.readlink(copy) == os.readlink(path)  # noqa: PTH115  # the text of the link
        elif path.is_file():
            assert copy.read_bytes() == path.read_bytes()
            assert int(copy.stat().st_mtime) == int(path.stat().st_mtime)
    conf = back / str(source.parent / "mailcow.conf").lstrip("/")
    assert conf.stat().st_mode & 0o777 == 0o600


def test_a_source_that_is_not_there_makes_no_silent_success(
    restic: Restic, stored: dict[str, Any], source: Path
) -> None:
    gone = restic("backup", "--json", *OURS, "--", str(source / "gone"))
    assert gone.returncode == 1
    assert "do not exist" in gone.stderr
    # One of two is missing: a snapshot is made, and the status says that something was not read.
    partly = restic("backup", "--json", *OURS, "--", str(source), str(source / "gone"))
    assert partly.returncode in {0, 3}
    assert str(source / "gone") in partly.stderr


def test_the_archives_show_nothing(restic: Restic, stored: dict[str, Any], tmp_path: Path) -> None:
    files = [path for path in (tmp_path / "repository").rglob("*") if path.is_file()]
    assert files
    for file in files:
        content = file.read_bytes()
        assert MARKER.encode() not in content
        assert b"mailcow.conf" not in content


def biggest(folder: Path) -> Path:
    return max(
        (path for path in folder.rglob("*") if path.is_file()), key=lambda x: x.stat().st_size
    )


@pytest.mark.parametrize("harm", ["missing", "altered"])
def test_damage_is_found(restic: Restic, stored: dict[str, Any], tmp_path: Path, harm: str) -> None:
    assert "no errors were found" in good(restic("check", "--read-data-subset=100%"))
    victim = biggest(tmp_path / "repository/data")
    content = victim.read_bytes()
    victim.chmod(0o600)
    if harm == "missing":
        victim.unlink()
    else:
        middle = len(content) // 2
        changed = bytes([content[middle] ^ 1])
        victim.write_bytes(content[:middle] + changed + content[middle + 1 :])
    # What is missing shows in the listing; reading it, restic would try again for minutes.
    done = restic("check", *(["--read-data-subset=100%"] if harm == "altered" else []))
    assert done.returncode == 1
    assert done.stderr


def at(when: datetime) -> str:
    return when.strftime("%Y-%m-%d %H:%M:%S")


def test_retention_keeps_the_same_snapshots(restic: Restic, source: Path) -> None:
    """Nights of half a year are thinned out as the backup does it; the kinds overlap."""
    good(restic("init"))
    file = str(source.parent / "mailcow.conf")
    begin = datetime(2026, 1, 3, 3, 0, tzinfo=UTC)
    days = (0, 20, 33, 61, 95, 120, 127, *range(134, 141))
    nights = [begin + timedelta(days=day) for day in days]
    for night in nights:
        good(restic("backup", "--json", *OURS, "--time", at(night), "--", file, TZ="UTC"))
    good(restic("backup", "--json", "--host", "other", "--time", at(begin), "--", file, TZ="UTC"))
    keep = ("--keep-daily", "7", "--keep-weekly", "4", "--keep-monthly", "6")
    good(restic("forget", *OURS, "--group-by", "host,tags", *keep, "--prune", TZ="UTC"))
    kept = {snapshot["time"][:10] for snapshot in listed(restic, *OURS)}
    daily = {f"{night:%Y-%m-%d}" for night in nights[-7:]}
    assert daily <= kept
    assert kept == daily | {
        # The last of each of the last four weeks, and of each of the last six months.
        "2026-05-17", "2026-05-10", "2026-05-03", "2026-01-23", "2026-02-05", "2026-03-05",
        "2026-04-08",
    }  # fmt: skip
    # Another host's archives in the same bucket are none of ours.
    assert len(listed(restic, "--host", "other")) == 1


def test_a_tag_gives_a_snapshot_another_id_and_keeps_the_first(
    restic: Restic, stored: dict[str, Any], source: Path
) -> None:
    both = summary(restic("backup", "--json", "--host", HOST, "--tag", f"{TAG},unverified", "--",
                          str(source)))  # fmt: skip
    good(restic("tag", "--add", "verified", "--remove", "unverified", both["snapshot_id"]))
    (marked,) = listed(restic, *VERIFIED)
    assert set(marked["tags"]) == {TAG, "verified"}
    assert not marked["id"].startswith(both["snapshot_id"])
    assert marked["original"].startswith(both["snapshot_id"])
    assert "original" not in listed(restic, stored["snapshot_id"])[0]
    good(restic("tag", "--add", "kept-for-update", marked["id"]))
    (kept,) = listed(restic, *VERIFIED)
    assert kept["original"] == marked["original"] != marked["id"] != kept["id"]
    assert listed(restic, marked["id"]) == []
    # A list with a comma asks for all of its words, two lists for either.
    assert len(listed(restic, "--tag", "verified", "--tag", TAG)) == 2


def test_forgetting_counts_verified_snapshots_alone_and_keeps_what_is_relied_on(
    restic: Restic, source: Path
) -> None:
    """Three runs a day for three days; the last of each day failed."""
    good(restic("init"))
    made = {}
    for day in range(3):
        for hour in range(3):
            when = datetime(2026, 5, 10 + day, 3 + hour, tzinfo=UTC)
            tags = f"{TAG},{'unverified' if hour == 2 else 'verified'}"
            words = ("backup", "--json", "--host", HOST, "--tag", tags, "--time", at(when))
            done = restic(*words, "--", str(source), TZ="UTC")
            made[day, hour] = summary(done)["snapshot_id"]
    good(restic("tag", "--add", "kept-for-update", made[0, 0]))
    keep = ("--keep-tag", "kept-for-update", "--keep-daily", "7")
    good(restic("forget", *VERIFIED, "--group-by", "host", *keep, "--prune", TZ="UTC"))
    left = sorted(snapshot["time"][:13] for snapshot in listed(restic, *VERIFIED))
    assert left == ["2026-05-10T03", "2026-05-10T04", "2026-05-11T04", "2026-05-12T04"]
    assert len(listed(restic, "--tag", "unverified")) == 3


def test_forgetting_without_a_rule_removes_nothing(restic: Restic, stored: dict[str, Any]) -> None:
    restic("forget", *OURS)
    assert len(listed(restic)) == 1


def test_pruning_leaves_what_is_still_needed(
    restic: Restic, stored: dict[str, Any], source: Path
) -> None:
    (source / "more").write_bytes(os.urandom(200_000))
    second = summary(restic("backup", "--json", *OURS, "--", str(source)))
    (source / "more").unlink()
    third = summary(restic("backup", "--json", *OURS, "--", str(source)))
    good(restic("forget", *OURS, "--group-by", "host,tags", "--keep-last", "1", "--prune"))
    (left,) = listed(restic)
    assert left["id"].startswith(third["snapshot_id"])
    assert not left["id"].startswith(second["snapshot_id"])
    good(restic("check", "--read-data"))


def test_the_size_of_a_snapshot_is_told(restic: Restic, stored: dict[str, Any]) -> None:
    found = json.loads(good(restic("stats", "--json", stored["snapshot_id"])))
    assert found["total_size"] == stored["total_bytes_processed"]


def test_unlocking_works_without_a_lock(restic: Restic, stored: dict[str, Any]) -> None:
    assert "successfully removed" in good(restic("unlock"))
