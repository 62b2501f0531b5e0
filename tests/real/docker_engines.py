"""A genuine Docker engine of one's own, and a tiny image that needs no registry."""

import io
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rehearsal.parts import need
from tests.real.server_process import running

_PROGRAM = Path("/bin/sleep")


def tiny_image() -> bytes:
    """Return the files of an image that can sleep: one program and the libraries it needs."""
    listed = subprocess.run(
        ["ldd", _PROGRAM], capture_output=True, text=True, check=True, timeout=10
    ).stdout
    words = [word for line in listed.splitlines() for word in line.split()]
    files = [_PROGRAM, *(Path(word) for word in words if word.startswith("/"))]
    packed = io.BytesIO()
    # A folder that is not listed would be its owner's alone, whose capabilities are dropped.
    folders = {parent for file in files for parent in file.parents}
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for folder in sorted(folders):
            entry = tarfile.TarInfo(f"./{str(folder).lstrip('/')}")
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        for file in files:
            archive.add(file.resolve(), arcname=str(file).lstrip("/"))
    return packed.getvalue()


@contextmanager
def genuine(folder: Path) -> Iterator[str]:
    """Run an engine with its own folders and its own network until the block ends.

    Its bridge and its packet filter live in a network namespace of its own, so the machine's stay
    as they are. Needs root.

    Yields:
        Address of its socket.
    """
    dockerd, socket = need("dockerd"), folder / "docker.sock"
    need("iptables")
    command = (
        f"ip link set lo up && exec {dockerd} --host=unix://{socket} --data-root={folder}/data "
        f"--exec-root={folder}/exec --pidfile={folder}/docker.pid --storage-driver=vfs"
    )
    with running(
        ["unshare", "--net", "sh", "-c", command], folder=folder, ready=lambda: _answers(socket),
        within=60.0,
    ):  # fmt: skip
        yield f"unix://{socket}"


def _answers(socket: Path) -> bool:
    done = subprocess.run(
        ["curl", "--silent", "--fail", "--max-time", "2", "--unix-socket", socket,
         "http://localhost/_ping"],
        capture_output=True, text=True, check=False, timeout=10,
    )  # fmt: skip
    return done.stdout == "OK"
