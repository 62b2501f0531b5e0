"""The backup on the host: what is stored and verified; no failure passes for success."""

import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.onhost.backup_host import DUMP, PASSPHRASE, STORAGE_KEY, BackupHost


@pytest.fixture
def host(tmp_path: Path) -> BackupHost:
    (tmp_path / "root").mkdir()
    return BackupHost(tmp_path / "root")


@pytest.fixture
def genuine(tmp_path: Path) -> BackupHost:
    (tmp_path / "root").mkdir()
    return BackupHost(tmp_path / "root", genuine_restic=True)


def test_a_good_run_stores_every_part_and_says_so(host: BackupHost) -> None:
    before = int(time.time())
    result = host.run("--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["ok"] is True
    backup = next(call for call in host.calls() if call[:2] == ["restic", "backup"])
    stored = {Path(word).name for word in backup[backup.index("--") + 1 :]}
    assert stored == {
        "_data", "conf", "mailcow.conf", "secrets", "database.sql", "inventory.json",
        "manifest.json",
    }  # fmt: skip
    metrics = host.metrics()
    assert metrics["po_mail_backup_last_run_success"] == 1
    assert metrics["po_mail_backup_last_success_timestamp_seconds"] >= before
    assert metrics["po_mail_backup_size_bytes"] > 0


def test_old_snapshots_are_thinned_out_as_declared_after_the_check(host: BackupHost) -> None:
    assert host.run().returncode == 0
    steps = [call[1] for call in host.calls() if call[0] == "restic"]
    assert steps.index("check") < steps.index("forget")
    forget = next(call for call in host.calls() if call[:2] == ["restic", "forget"])
    assert steps.index("check") < steps.index("tag") < steps.index("forget")
    assert forget[forget.index("--tag") + 1] == "po-mail,verified"
    assert forget[forget.index("--group-by") + 1] == "host"
    for kind, number in (("daily", "7"), ("weekly", "4"), ("monthly", "6")):
        assert forget[forget.index(f"--keep-{kind}") + 1] == number
    assert "--prune" in forget


@pytest.mark.parametrize(
    "fault",
    [
        {"docker:volume": 1},
        {"docker:dump": 2},
        {"docker:dump": ""},
        {"docker:dump": "CREATE DATABASE mailcow;\n"},
        {"docker:dump": "-- Dump completed on 2026-01-01  0:00:00\n"},
        {"docker:dump": "CREATE TABLE `mailbox` (\n-- Dump completed\n"},
        {"docker:tables": ""},
        {"docker:tables": 1},
        {"docker:rows": 1},
        {"docker:hashes": 1},
        {"docker:redis": 1},
        {"docker:redis": "(error) NOAUTH Authentication required.\n"},
        {"restic:init": 1},
        {"restic:unlock": 1},
        {"restic:backup": 1},
        {"restic:backup": 3},
        {"restic:mute": 1},
        {"restic:size": 0},
        {"restic:snapshots": 1},
        {"restic:ls": 1},
        {"restic:loses": "crypt-vol-1"},
        {"restic:loses": "cur/2.M2"},
        {"restic:dump": 1},
        {"restic:spoils": "CREATE"},
        {"restic:check": 1},
        {"restic:tag": 1},
    ],
    ids=str,
)
def test_no_failure_passes_for_success_and_nothing_old_is_removed(
    host: BackupHost, fault: dict[str, Any]
) -> None:
    host.faults = fault
    result = host.run()
    assert result.returncode == 1
    assert result.stderr.startswith("backup: ")
    assert len(result.stderr.splitlines()) == 1
    assert not host.called("restic", "forget")
    metrics = host.metrics()
    assert metrics["po_mail_backup_last_run_success"] == 0
    assert "po_mail_backup_last_success_timestamp_seconds" not in metrics


@pytest.mark.parametrize("fault", [{"restic:forget": 1}, {"restic:forgets-all": 1}], ids=str)
def test_a_failure_while_thinning_out_is_a_failure(host: BackupHost, fault: dict[str, Any]) -> None:
    host.faults = fault
    assert host.run().returncode == 1
    assert host.metrics()["po_mail_backup_last_run_success"] == 0


def test_mail_that_moved_while_it_was_read_is_tried_again(host: BackupHost) -> None:
    host.faults = {"restic:backup": [3, 3]}
    assert host.run().returncode == 0
    assert sum(call[:2] == ["restic", "backup"] for call in host.calls()) == 3


def test_a_failure_keeps_the_age_of_the_last_good_run(host: BackupHost) -> None:
    assert host.run().returncode == 0
    good = host.metrics()
    host.faults = {"docker:dump": 2}
    assert host.run().returncode == 1
    bad = host.metrics()
    kept = "po_mail_backup_last_success_timestamp_seconds"
    assert bad[kept] == good[kept]
    assert bad["po_mail_backup_last_run_success"] == 0


@pytest.mark.parametrize("part", ["conf", "mailcow.conf"])
def test_a_part_that_is_not_there_ends_the_run(host: BackupHost, part: str) -> None:
    place = {"conf": "data/conf", "mailcow.conf": "mailcow.conf"}[part]
    path = host.at(f"/opt/po-mail/mailcow/{place}")
    path.rename(path.with_name("away"))
    result = host.run()
    assert result.returncode == 1
    assert "not there: " in result.stderr
    assert not host.called("restic", "backup")


def test_a_repository_that_is_gone_is_not_made_anew(host: BackupHost) -> None:
    assert host.run().returncode == 0
    shutil.rmtree(host.repository)
    result = host.run()
    assert result.returncode == 1
    assert "it was there at the last run" in result.stderr
    assert not host.repository.exists()


def test_a_repository_that_lost_its_snapshots_is_not_taken_for_a_good_one(
    host: BackupHost,
) -> None:
    assert host.run().returncode == 0
    for snapshot in host.repository.glob("snap-*"):
        snapshot.unlink()
    result = host.run()
    assert result.returncode == 1
    assert "it holds no snapshot of this host; it did at the last run" in result.stderr
    assert not list(host.repository.glob("snap-*"))


def test_a_much_smaller_snapshot_is_not_believed_unless_told(host: BackupHost) -> None:
    assert host.run().returncode == 0
    host.faults = {"restic:size": 10}
    result = host.run()
    assert result.returncode == 1
    assert "--accept-size" in result.stderr
    assert host.run("--accept-size").returncode == 0


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"docker:rows": ""}, "rows 0, the last good one had 1"),
        ({"restic:size": 10}, "size 10, the last good one had"),
    ],
)
def test_what_falls_to_nothing_or_by_half_is_not_believed_unless_told(
    host: BackupHost, fault: dict[str, Any], said: str
) -> None:
    assert host.run().returncode == 0
    host.faults = fault
    result = host.run()
    assert result.returncode == 1
    assert f"verification: {said}" in result.stderr
    assert host.run("--accept-size").returncode == 0


def test_a_background_save_costs_patience_and_not_the_night(
    host: BackupHost,
) -> None:
    host.put("/opt/po-mail/backup.json", json.dumps(host.settings() | {"patienceSeconds": 30}))
    host.faults = {"docker:redis": ["ERR Background save already in progress\n"]}
    result = host.run()
    assert result.returncode == 0
    assert "Background save already in progress; tried again" in result.stderr


def kinds(host: BackupHost) -> dict[str, list[str]]:
    """Return the ids of the snapshots as they are listed."""
    answer = json.loads(host.run("--list", "--json").stdout)
    return {
        kind: [row["id"] for row in answer[kind]] for kind in ("snapshots", "earlier", "unverified")
    }


def test_what_a_failed_run_left_is_listed_apart_and_goes_by_its_age(host: BackupHost) -> None:
    host.faults = {"docker:nothing": 0, "restic:check": 1}
    assert host.run().returncode == 1
    found = kinds(host)
    assert (len(found["snapshots"]), len(found["unverified"])) == (0, 1)
    host.faults = {}
    assert host.run().returncode == 0
    assert kinds(host)["unverified"] == found["unverified"]
    host.times(found["unverified"][0], "2026-01-01T03:00:00Z")
    assert host.run().returncode == 0
    left = kinds(host)
    assert (len(left["snapshots"]), left["unverified"]) == (2, [])


def test_the_archives_of_an_earlier_program_are_left_until_others_have_taken_their_place(
    host: BackupHost,
) -> None:
    """It did not tell which were good: an old repository must not be emptied by the first night."""
    for _ in range(3):
        assert host.run().returncode == 0
    host.retag({"po-mail"}, "2025-01-01T03:00:00.123456789Z")
    assert host.run().returncode == 0
    assert len(kinds(host)["earlier"]) == 3
    for _ in range(6):
        assert host.run().returncode == 0
    found = kinds(host)
    assert (len(found["snapshots"]), found["earlier"]) == (7, [])


def test_what_an_operation_relies_on_is_kept_until_it_is_done_with(host: BackupHost) -> None:
    assert host.run().returncode == 0
    answer = json.loads(host.run("--keep-for", "update", "--json").stdout)
    assert kinds(host)["snapshots"] == [answer["snapshot"]]
    assert host.run().returncode == 0
    forget = [call for call in host.calls() if call[:2] == ["restic", "forget"]][-1]
    assert forget[forget.index("--keep-tag") + 1] == "kept-for-update"
    assert host.run("--done-with", "update").returncode == 0
    assert host.run().returncode == 0
    forget = [call for call in host.calls() if call[:2] == ["restic", "forget"]][-1]
    assert "--keep-tag" not in forget


def test_a_memory_that_is_spoilt_costs_no_night_and_makes_no_new_repository(
    host: BackupHost,
) -> None:
    assert host.run().returncode == 0
    memory = host.at("/opt/po-mail/state/backup.json")
    memory.write_text("")
    shutil.move(host.repository, f"{host.repository}.away")
    assert host.run().returncode == 1
    assert not host.repository.exists()
    shutil.move(f"{host.repository}.away", host.repository)
    assert host.run().returncode == 0
    assert json.loads(memory.read_text())["messages"] == 3


def test_a_metrics_folder_that_cannot_be_written_does_not_cost_the_night(host: BackupHost) -> None:
    folder = host.at(str(host.settings()["metrics"])).parent
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    result = host.run()
    assert result.returncode == 0
    assert "no metrics: everybody may write there" in result.stderr
    assert len(kinds(host)["snapshots"]) == 1


def test_what_people_changed_in_the_release_is_stored_where_there_is_something(
    host: BackupHost,
) -> None:
    def stored() -> set[str]:
        assert host.run().returncode == 0
        call = [call for call in host.calls() if call[:2] == ["restic", "backup"]][-1]
        return {Path(word).name for word in call[call.index("--") + 1 :]}

    assert not stored() & {"vars.local.inc.php", "changes.patch"}
    tree = host.at("/opt/po-mail/mailcow")
    host.put("/opt/po-mail/mailcow/data/assets/templates/quota.tpl", "theirs\n")
    for words in (["init", "-q"], ["add", "data/assets"], ["commit", "-q", "-m", "release"]):
        fixed = ["git", "-C", str(tree), "-c", "user.name=x", "-c", "user.email=x@example.org"]
        subprocess.run([*fixed, *words], check=True, timeout=30)
    host.put("/opt/po-mail/mailcow/data/web/inc/vars.local.inc.php", "<?php\n")
    assert stored() >= {"vars.local.inc.php"}
    host.put("/opt/po-mail/mailcow/data/assets/templates/quota.tpl", "ours\n")
    assert stored() >= {"vars.local.inc.php", "changes.patch"}
    (tree / ".git/HEAD").write_text("spoilt")
    assert "changes.patch" not in stored()


def test_the_dump_in_clear_is_not_left_behind(host: BackupHost) -> None:
    for faults in ({}, {"restic:backup": 1}):
        host.faults = faults
        host.run()
        assert not list(host.root.rglob("database.sql"))


def test_no_secret_is_on_a_command_line_or_in_the_output(host: BackupHost) -> None:
    outputs = []
    for faults in ({}, {"restic:check": 1}):
        host.faults = faults
        result = host.run()
        outputs.append(result.stdout + result.stderr)
    said = json.dumps(host.calls()) + "".join(outputs)
    assert PASSPHRASE not in said
    assert STORAGE_KEY not in said


def test_a_second_run_at_the_same_time_does_nothing(host: BackupHost) -> None:
    lock = host.put("/opt/po-mail/state/backup.lock", "")
    with lock.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        result = host.run()
    assert result.returncode == 4
    assert not host.calls()


def test_a_run_that_is_stopped_is_a_failed_one_and_goes_no_further(
    host: BackupHost, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    opened = os.open(gate, os.O_RDWR)
    # The fake says that it was called, and then does not end by itself.
    (host.tools / "restic").write_text(f"#!/bin/sh\necho called > {gate}\nexec sleep 30\n")
    try:
        with subprocess.Popen(
            host.command(), env=host.environment(), stderr=subprocess.PIPE, text=True
        ) as process:
            assert select.select([opened], [], [], 20)[0]
            assert os.read(opened, 100) == b"called\n"
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=20)
        assert not select.select([opened], [], [], 0)[0]
    finally:
        os.close(opened)
    assert process.returncode == 1
    assert said == "backup: stopped before its end\n"
    assert host.metrics()["po_mail_backup_last_run_success"] == 0


def test_a_dry_run_looks_and_changes_nothing(host: BackupHost) -> None:
    result = host.run("--dry-run", "--json")
    assert result.returncode == 0
    assert any("vmail" in line for line in json.loads(result.stdout)["plan"])
    assert all(call[1:3] == ["volume", "inspect"] for call in host.calls())
    assert not host.at("/opt/po-mail/state").exists()


def test_a_dry_run_finds_what_is_missing(host: BackupHost) -> None:
    host.at("/opt/po-mail/secrets/backup-passphrase").unlink()
    assert host.run("--dry-run").returncode == 2


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"project": 1}'])
def test_wrong_settings_are_another_exit_status(host: BackupHost, content: str) -> None:
    host.put("/opt/po-mail/backup.json", content)
    result = host.run()
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def test_a_secret_file_that_others_may_read_is_refused(host: BackupHost) -> None:
    host.at("/opt/po-mail/secrets/backup.env").chmod(0o644)
    result = host.run()
    assert result.returncode == 2
    assert host.metrics()["po_mail_backup_last_run_success"] == 0


def test_the_help_tells_the_exit_statuses(host: BackupHost) -> None:
    result = host.run("--help")
    assert result.returncode == 0
    assert "Exit status" in result.stdout


@pytest.mark.real
def test_what_genuine_restic_stored_can_be_restored_and_not_with_another_passphrase(
    genuine: BackupHost, tmp_path: Path
) -> None:
    result = genuine.run()
    assert result.returncode == 0, result.stderr
    environment = genuine.environment() | {
        "RESTIC_REPOSITORY": str(genuine.repository),
        "RESTIC_PASSWORD": PASSPHRASE,
    }
    target = tmp_path / "restored"
    subprocess.run(
        ["restic", "restore", "latest", "--target", str(target)],
        env=environment, check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    manifest = next(target.rglob("manifest.json"))
    parts = json.loads(manifest.read_text())["parts"]
    assert all((target / path.lstrip("/")).exists() for path in parts.values())
    assert (target / parts["database"].lstrip("/")).read_text() == DUMP
    genuine.put("/opt/po-mail/secrets/backup-passphrase", "another", 0o600)
    assert genuine.run().returncode == 1
    assert genuine.metrics()["po_mail_backup_last_run_success"] == 0
