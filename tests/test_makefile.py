"""The front door, in a checkout whose path the shell would take apart."""

import os
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


@pytest.mark.parametrize(("code", "told"), [(0, 0), (1, 2), (2, 2), (3, 2), (4, 2)])
@pytest.mark.parametrize("target", ["rehearse", "policy", "prove", "preview"])
def test_make_ends_in_2_whatever_a_step_ends_in(
    tmp_path: Path, target: str, code: int, told: int
) -> None:
    shutil.copy(PROJECT / "Makefile", tmp_path)
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    (tmp_path / "requirements.txt").touch()
    for name in ("python", "pulumi"):
        (programs / name).write_text(f"#!/bin/sh\nexit {code}\n")
        (programs / name).chmod(0o755)
    (tmp_path / ".venv" / ".ready").touch()

    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["make", target], cwd=tmp_path, env={**os.environ, "PATH": path},
        capture_output=True, check=False, timeout=60,
    )  # fmt: skip

    assert done.returncode == told


def test_a_half_made_environment_is_removed_with_the_way_out(tmp_path: Path) -> None:
    shutil.copy(PROJECT / "Makefile", tmp_path)
    (tmp_path / "requirements.txt").touch()
    python = tmp_path / "python"
    # As Debian without python3-venv: the folder is there, pip is not, the status is 1.
    python.write_text(
        "#!/bin/sh\n"
        "[ $1 = -m ] && mkdir -p .venv/bin && ln -s $0 .venv/bin/python && exit 1\nexit 0\n"
    )
    python.chmod(0o755)

    done = subprocess.run(
        ["make", "setup", f"PYTHON={python}"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert done.returncode == 2
    assert "apt-get install python3-venv" in done.stderr
    assert not (tmp_path / ".venv").exists()
