"""The front door, in a checkout whose path the shell would take apart."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import PROJECT


def described() -> list[str]:
    """Return the commands that `make help` lists."""
    return re.findall(r"^([a-z-]+):.*## ", (PROJECT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", ["a b", "a'b", 'a"b', "a;b", "a$(b)", "é"])
def test_clean_removes_what_runs_left_and_nothing_else(tmp_path: Path, name: str) -> None:
    checkout = tmp_path / name / "p"
    runs = checkout / ".rehearsal" / "stacks"
    neighbours = [tmp_path / "a", tmp_path / "b", checkout / "b" / "p" / ".rehearsal"]
    for folder in (runs, *neighbours):
        folder.mkdir(parents=True)
        (folder / "kept").touch()
    shutil.copy(PROJECT / "Makefile", checkout)

    subprocess.run(["make", "clean"], cwd=checkout, check=True, timeout=60)

    assert not (checkout / ".rehearsal").exists()
    assert all((folder / "kept").is_file() for folder in neighbours)
