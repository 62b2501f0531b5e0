"""A world in a process of its own: started, found again, and ended with all its children."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rehearsal.private_file import write_private
from rehearsal.world.client import WorldClient, WorldUnreachableError
from rehearsal.world.world import World, WorldError

MARK = "REHEARSAL_WORLD"
"""Environment variable that every process of a world carries: its folder."""

_WATCH_SECONDS = 0.5
_LOG_TAIL = 2000
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class Order:
    """What world is wanted.

    Attributes:
        config: Declaration, keys without `mail:`.
        stack: Name of the stack.
        services: Names of the services, all if None.
        parent: Process with which the world ends; it outlives its starter if None.
    """

    config: Mapping[str, Any]
    stack: str
    services: Sequence[str] | None = None
    parent: int | None = None


def start(folder: Path, order: Order, *, timeout: float = 60) -> WorldClient:
    """Start a world in the background and return it once everything in it listens.

    A world that already runs in `folder` is an error; what a killed one left is cleared away.

    Args:
        folder: The world's folder.
        order: What is wanted.
        timeout: Seconds until it must be ready.

    Raises:
        WorldError: one already runs, or it did not become ready.
    """
    folder = folder.resolve()
    _make_room(folder)
    temporary = folder / "tmp"
    for place in (folder, temporary):
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(folder / "order.json", json.dumps(asdict(order)))
    log = folder / "world.log"
    with log.open("ab") as sink:
        offset = sink.tell()
        process = subprocess.Popen(  # noqa: S603 - this interpreter, this package
            [sys.executable, "-m", "rehearsal.world", "run", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
            cwd=Path(__file__).resolve().parents[2],
            # Whatever the world drafts lies where it will stay: on one file system, and private.
            env={**os.environ, MARK: str(folder), "TMPDIR": str(temporary)},
        )
    _children[process.pid] = process
    try:
        return _await_ready(folder, process, time.monotonic() + timeout)
    except WorldError as error:
        sweep(folder)
        told = log.read_bytes()[offset:][-_LOG_TAIL:].decode(errors="replace").strip()
        raise WorldError(f"{error}; {log} says:\n{told}") from None


def _make_room(folder: Path) -> None:
    try:
        known = WorldClient.find(folder)
    except WorldUnreachableError:
        sweep(folder)
        return
    if known.answers():
        raise WorldError(f"a world already runs in {folder} (pid {known.pid})")
    sweep(folder)


def _await_ready(folder: Path, process: subprocess.Popen[bytes], deadline: float) -> WorldClient:
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise WorldError(f"the world ended before it was ready (exit {process.returncode})")
        try:
            known = WorldClient.find(folder)
        except WorldUnreachableError:
            time.sleep(0.05)
            continue
        if known.pid == process.pid:
            return known
        time.sleep(0.05)
    raise WorldError("the world was not ready in time")


def stop(folder: Path, *, timeout: float = 20) -> bool:
    """End the world of `folder` with every process it started, and see that none is left.

    Returns:
        Whether there was anything to end.

    Raises:
        WorldError: a process survived.
    """
    folder = folder.resolve()
    deadline = time.monotonic() + timeout
    was_there = bool(members(folder))
    try:
        WorldClient.find(folder).ask("POST", "/stop")
    except WorldUnreachableError:
        return sweep(folder) or was_there
    while members(folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    sweep(folder)
    return True


def sweep(folder: Path) -> bool:
    """End whatever processes of the world in `folder` are left, gently at first.

    Returns:
        Whether there were any.

    Raises:
        WorldError: a process survived.
    """
    found = members(folder)
    for means in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + 3
        for pid in members(folder):
            _signal(pid, means)
        while members(folder) and time.monotonic() < deadline:
            time.sleep(0.05)
    _collect()
    left = members(folder)
    (folder / "world.json").unlink(missing_ok=True)
    if left:
        raise WorldError(f"processes of the world in {folder} are left: {sorted(left)}")
    return bool(found)


def members(folder: Path) -> set[int]:
    """Return the processes of the world in `folder`: those that carry its mark.

    Where there is no `/proc`, only the world's own process is known.
    """
    mark = f"{MARK}={folder.resolve()}".encode()
    processes = Path("/proc")
    if not (processes / "self" / "environ").exists():
        return _known_process(folder)
    found = set()
    for entry in processes.iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            carries = mark in (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if carries:
            found.add(int(entry.name))
    return found


def _known_process(folder: Path) -> set[int]:
    try:
        known = WorldClient.find(folder)
    except WorldUnreachableError:
        return set()
    return {known.pid} if known.answers() else set()


def _signal(pid: int, means: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, means)


def _collect() -> None:
    """Take the exit status of our own ended worlds, so that they do not stay as zombies."""
    for pid, process in list(_children.items()):
        if process.poll() is not None:
            del _children[pid]


async def run(folder: Path) -> None:
    """Be the world that `order.json` in `folder` describes, until told to stop.

    It also ends when its folder vanishes or its parent, if it was given one, dies.

    Raises:
        WorldError: it could not start.
    """
    order = Order(**json.loads((folder / "order.json").read_text()))
    world = World(folder, order.config, stack=order.stack, services=order.services)
    loop = asyncio.get_running_loop()
    for means in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(means, world.control.stopping.set)
    await world.start()
    try:
        await _until_over(world, order.parent)
    finally:
        await world.stop()


async def _until_over(world: World, parent: int | None) -> None:
    described = world.folder / "world.json"
    while not world.control.stopping.is_set():
        if not described.exists() or (parent is not None and not _lives(parent)):
            return
        try:
            await asyncio.wait_for(world.control.stopping.wait(), _WATCH_SECONDS)
        except TimeoutError:
            continue


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state != "Z"
