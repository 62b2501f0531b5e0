"""The small shell scripts that stand on the rehearsed host's PATH."""

import shlex
import shutil
import sys
from pathlib import Path

_PROJECT = Path(__file__).resolve().parents[3]
_MODULES = {
    "docker": "docker",
    "nft": "nft",
    "systemctl": "systemctl",
    "systemd-analyze": "systemd_analyze",
}
_INSIDE = ("mariadb", "mariadb-admin", "mariadb-dump", "openssl", "postqueue", "redis-cli")
"""What is found in a container: what an artifact or an operation runs there, and nothing else."""


def _script(path: Path, command: str) -> None:
    path.write_text(f'#!/bin/sh\n{command} "$@"\n')
    path.chmod(0o755)


def _module(name: str, *arguments: str) -> str:
    # -P keeps the current directory off the path, whatever lies there.
    command = [sys.executable, "-P", "-m", f"rehearsal.world.host_tools.{name}", *arguments]
    return f"PYTHONPATH={shlex.quote(str(_PROJECT))} exec {shlex.join(command)}"


def lay(folder: Path) -> Path:
    """Write every shim into `folder` and return it.

    `inside` below it holds what a container of the mail stack finds on its PATH. restic is the
    genuine one where it is installed.
    """
    inside = folder / "inside"
    inside.mkdir(parents=True, exist_ok=True)
    for name, module in _MODULES.items():
        _script(folder / name, _module(module))
    # Without root nothing can be given away; everything belongs to whoever rehearses.
    _script(folder / "chown", "exit 0 #")
    _script(folder / "chgrp", "exit 0 #")
    _script(folder / "python3", f"exec {shlex.quote(sys.executable)}")
    restic = shutil.which("restic")
    _script(folder / "restic", f"exec {shlex.quote(restic)}" if restic else _module("restic"))
    for name in _INSIDE:
        _script(inside / name, _module("inside", name))
    return folder
