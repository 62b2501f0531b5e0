"""A backup that is killed, or whose disk is full, never passes for a good one, and heals."""

import contextlib
import json
import random
import resource
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.onhost.backup_host import DUMP, PASSPHRASE, BackupHost

MOMENTS = 5
"""How often each signal is sent; each at another moment, the same ones at every run."""
LAST = "po_mail_backup_last_success_timestamp_seconds"
RUNNING = "po_mail_backup_running"
SUCCESS = "po_mail_backup_last_run_success"


@pytest.fixture
def host(tmp_path: Path) -> BackupHost:
    (tmp_path / "root").mkdir()
    return BackupHost(tmp_path / "root")


def broken_off(host: BackupHost, number: signal.Signals, seconds: float) -> int | None:
    """Start a run and send it a signal after a while; return its status, None if it was over."""
    with subprocess.Popen(
        host.command(), env=host.environment(), stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            return None
        process.send_signal(number)
        return process.wait(30)


def snapshots(host: BackupHost) -> list[str]:
    return sorted(path.name for path in host.repository.glob("snap-*"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_is_killed_at_any_moment_is_a_failed_one_and_the_next_heals(
    host: BackupHost, number: signal.Signals
) -> None:
    chance = random.Random(f"backup {number}")
    assert host.run().returncode == 0
    good, before = host.metrics(), snapshots(host)
    for _ in range(MOMENTS):
        # Before this it has not begun to write anything; later than this it may be over.
        status = broken_off(host, number, chance.uniform(0.15, 0.6))
        if status is None:
            continue
        assert status != 0
        metrics = host.metrics()
        if metrics != good:  # killed before it could say that it has begun, nothing has happened
            assert metrics[SUCCESS] == 0
            assert metrics[LAST] == good[LAST]
        assert set(before) <= set(snapshots(host))
        assert host.run("--ended").returncode == 0
        assert host.metrics()[RUNNING] == 0
        assert not list(host.root.rglob("database.sql"))
    assert host.run().returncode == 0
    healed = host.metrics()
    assert healed[SUCCESS] == 1
    assert healed[LAST] >= good[LAST]


def limited(size: int) -> Callable[[], None]:
    """Return what lets no file of a process and its children grow beyond a size."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


@pytest.mark.parametrize("size", [0, 100, 4_000])
def test_a_full_disk_never_passes_for_a_good_run(host: BackupHost, size: int) -> None:
    assert host.run().returncode == 0
    good, before = host.metrics(), snapshots(host)
    environment = host.environment() | {"FAKE_DUMP": "INSERT INTO mailbox;\n" * 300 + DUMP}
    # What the fakes note of their calls must not grow beyond the limit.
    host.calls_file.unlink()
    done = subprocess.run(
        host.command(), env=environment, capture_output=True, text=True, timeout=60, check=False,
        preexec_fn=limited(size),
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    file = host.at(str(host.settings()["metrics"]))
    # Metrics that cannot be written are taken away: their absence raises the alert as well.
    if file.exists():
        assert host.metrics()[SUCCESS] == 0
        assert host.metrics()[LAST] == good[LAST]
    assert snapshots(host) == before
    assert host.run().returncode == 0
    assert host.metrics()[SUCCESS] == 1


def test_another_passphrase_fails_and_the_right_one_heals(host: BackupHost) -> None:
    assert host.run().returncode == 0
    host.faults = {"restic:cat": 12}
    done = host.run("--json")
    assert done.returncode == 1
    assert "it was there at the last run" in json.loads(done.stdout)["error"]
    assert PASSPHRASE not in done.stdout
    assert host.metrics()[SUCCESS] == 0
    host.faults = {}
    assert host.run().returncode == 0
    assert host.metrics()[SUCCESS] == 1
