"""A rehearsal begins wherever a checkout may lie, and whoever starts it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rehearsal.world import process
from tests.conftest import PROJECT

NAMES = "Firma 'Sol & Mar', \"caf\u00e9\" $HOME `x` #1 \u6771\u4eac"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Copy the checkout into a folder whose path has every trouble at once."""
    place = tmp_path / NAMES / ("a" * 200)
    place.mkdir(parents=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, check=True, timeout=60
    )
    for name in listed.stdout.decode().split("\0"):
        source = PROJECT / name
        if name and not name.startswith(("tests/", "benchmarks/")) and source.is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, place / name)
    return place


def test_a_rehearsal_runs_in_any_folder_without_a_terminal_under_any_umask(
    checkout: Path, tmp_path: Path
) -> None:
    temporary = tmp_path / "tmp elsewhere"
    temporary.mkdir()
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "TMPDIR": str(temporary),
        "XDG_RUNTIME_DIR": str(tmp_path / "not there"),
    }  # fmt: skip
    try:
        done = subprocess.run(
            [sys.executable, "-m", "rehearsal", "run", "--stack", "qual"],
            cwd=checkout, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, start_new_session=True, umask=0o077, timeout=900, check=False,
        )  # fmt: skip
    finally:
        process.stop(checkout / ".rehearsal/stacks/qual/world")
    assert done.returncode == 0, done.stdout + done.stderr
    for step in ("mail out", "mail in"):
        assert [line.split()[-1] for line in done.stdout.splitlines() if step in line] == ["pass"]
    assert done.stderr == ""
    assert list(temporary.iterdir()) == []
