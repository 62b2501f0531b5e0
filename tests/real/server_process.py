"""A genuine server as a child process: bounded in time, gone when the test or its runner ends."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from rehearsal.world.service import LOOPBACK

START_SECONDS = 30.0
STOP_SECONDS = 10.0
LOOK_SECONDS = 8.0
"""How long a server may take to do what it does by itself."""
_PAUSE_SECONDS = 0.05
_ENDS_WITH_ITS_PARENT = ("setpriv", "--pdeathsig", "TERM", "--")
"""Of util-linux: what follows gets a signal when the test's runner is gone, even killed."""

T = TypeVar("T")


def free_port() -> int:
    """Return a port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> Callable[[], bool]:
    """Return a question: does somebody accept connections on this port of loopback?"""

    def ask() -> bool:
        with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), 1.0):
            return True
        return False

    return ask


def eventually(look: Callable[[], T], *, within: float = LOOK_SECONDS) -> T:
    """Return the first true answer; the last one, whatever it is, when the time is over.

    For what a genuine server does by itself, some time after its files changed.
    """
    end = time.monotonic() + within
    while not (answer := look()) and time.monotonic() < end:
        time.sleep(_PAUSE_SECONDS)
    return answer


class ServerFailedError(RuntimeError):
    """A genuine server did not start; the message has the end of its log."""


class ServerProcess:
    """One server, from its start to its end."""

    def __init__(self, child: "subprocess.Popen[bytes]", log: Path) -> None:
        """Take a child process and the file that gets what it says."""
        self._child = child
        self._log = log

    @property
    def pid(self) -> int:
        """Id of the process."""
        return self._child.pid

    def log(self) -> str:
        """Return what the server has said so far."""
        return self._log.read_text(errors="replace")

    def await_ready(self, ready: Callable[[], bool], within: float) -> None:
        """Wait until the server is ready.

        Raises:
            ServerFailedError: it ended, or is not ready in time.
        """
        eventually(lambda: self._child.poll() is not None or ready(), within=within)
        if self._child.poll() is not None or not ready():
            last = "\n".join(self.log().splitlines()[-20:])
            raise ServerFailedError(f"{self._child.args!r} does not start\n{last}")

    def stop(self) -> None:
        """End the server and whatever it started in its session."""
        if self._child.poll() is None:
            self._child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()


@contextmanager
def running(
    command: Sequence[str | Path],
    *,
    folder: Path,
    ready: Callable[[], bool],
    environment: Mapping[str, str] | None = None,
    within: float = START_SECONDS,
) -> Iterator[ServerProcess]:
    """Run a server until the block ends.

    Args:
        command: Program and arguments.
        folder: Where it runs and its log lies; also its home.
        ready: Says whether it can be spoken to.
        environment: What it sees beside PATH and HOME.
        within: Seconds until it must be ready.

    Raises:
        ServerFailedError: it does not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{Path(command[0]).name}.log"
    with log.open("ab") as sink:
        child = subprocess.Popen(
            [*_ENDS_WITH_ITS_PARENT, *map(str, command)], cwd=folder, stdin=subprocess.DEVNULL,
            stdout=sink, stderr=subprocess.STDOUT, start_new_session=True,
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                 "HOME": str(folder), "LC_ALL": "C.UTF-8", **(environment or {})},
        )  # fmt: skip
    server = ServerProcess(child, log)
    try:
        server.await_ready(ready, within)
        yield server
    finally:
        server.stop()
