"""A private view of this machine's files, in which a genuine mail server finds its container.

Postfix and Dovecot of Mailcow have their files at fixed places, and our rendered files name them
(`/opt/postfix/conf/...`). A mount namespace of its own puts a temporary folder at each of these
places for the servers alone; a process namespace takes every one of their processes away with the
first. Both need root.
"""

import asyncio
import contextlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

_DEVICES = {"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9}
_LOGGED = re.compile(r"^<\d+>(?P<at>\w{3} [ \d]\d \d\d:\d\d:\d\d) (?P<text>.*)$", re.DOTALL)
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_START_SECONDS = 20.0
_COMMAND_SECONDS = 20.0


class EnclosureError(RuntimeError):
    """A genuine server did not start, or a command in its enclosure failed."""


class Enclosure:
    """Processes that see folders and files of ours at the places given."""

    def __init__(
        self,
        *,
        empty: Sequence[str],
        folders: Mapping[str, Path],
        files: Mapping[str, Path],
        unsaid: str = "",
    ) -> None:
        """Lay the enclosure out.

        Args:
            empty: Directories that are empty inside, to be filled by the others.
            folders: Folders of ours by the directory at which they are seen; made if need be.
            files: Files of ours by the file in whose place they are seen.
            unsaid: Lines of the log in which this pattern is found are left out.
        """
        self._unsaid = re.compile(unsaid) if unsaid else None
        self._empty, self._folders, self._files = empty, folders, files
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        # A socket's path has little room, and a test's folder a long one.
        self._socket = Path(tempfile.mkdtemp(prefix="log-")) / "log"
        self._syslog: asyncio.DatagramTransport | None = None
        self._new_line = asyncio.Event()
        self.log: list[str] = []
        """What the servers said, each line with its time in front, as `docker logs -t` has it."""

    def _script(self, commands: Sequence[str]) -> str:
        lines = ["set -e", "mount --make-rprivate /"]
        lines += [f"mount -t tmpfs -o mode=0755 none {place}" for place in self._empty]
        lines += ["mount -t tmpfs -o mode=0755 none /dev"]
        lines += [f"mknod -m 666 /dev/{name} c 1 {minor}" for name, minor in _DEVICES.items()]
        lines += [": > /dev/log", f"mount --bind {self._socket} /dev/log"]
        for place, folder in self._folders.items():
            lines.append(f"mkdir -p {place}")
            lines.append(f"mount --bind {shlex.quote(str(folder))} {place}")
        for place, file in self._files.items():
            lines.append(f"test -e {place} || {{ mkdir -p {Path(place).parent}; : > {place}; }}")
            lines.append(f"mount --bind {shlex.quote(str(file))} {place}")
        return "\n".join([*lines, *commands])

    async def start(self, *commands: str) -> None:
        """Run commands of the shell inside; the enclosure ends with the last one."""
        loop = asyncio.get_running_loop()
        self._syslog, _ = await loop.create_datagram_endpoint(
            lambda: _Syslog(self.hear), local_addr=str(self._socket), family=socket.AF_UNIX
        )
        self._socket.chmod(0o666)
        # The first process stays the shell: the kernel ends it with us, however we end, and every
        # other process with it. A server that changes its user would not be told of our end.
        script = self._script([*commands[:-1], f"{commands[-1]} & wait"])
        words = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork",
                 "--kill-child=KILL", "--mount-proc", "sh", "-c", script]  # fmt: skip
        self._process = await asyncio.create_subprocess_exec(
            *words, env={"PATH": _PATH}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.hear(line.decode(errors="replace").rstrip())
        self._new_line.set()

    def hear(self, text: str) -> None:
        """Take down what a server said."""
        if self._unsaid is None or not self._unsaid.search(text):
            at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
            self.log.append(f"{at} {text}")
        self._new_line.set()

    async def logged(self, seen: Callable[[list[str]], bool], seconds: float = 15.0) -> None:
        """Wait until the log satisfies `seen`.

        Raises:
            EnclosureError: it did not in time; the end of the log is told.
        """
        deadline = time.monotonic() + seconds
        while not seen(self.log):
            self._new_line.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._new_line.wait(), deadline - time.monotonic())
            if time.monotonic() >= deadline or self._ended():
                raise EnclosureError("not in the log:\n" + "\n".join(self.log[-40:]))

    def _ended(self) -> bool:
        return self._reader is not None and self._reader.done()

    async def answers(self, ask: Callable[[], Awaitable[object]]) -> None:
        """Wait until `ask` raises no OSError any more.

        Raises:
            EnclosureError: it still did when the time was over.
        """
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                await ask()
            except OSError:
                if time.monotonic() > deadline or self._ended():
                    raise EnclosureError("no answer:\n" + "\n".join(self.log[-40:])) from None
                await asyncio.sleep(0.02)
            else:
                return

    async def run(self, *words: str, check: bool = True) -> tuple[int, str, str]:
        """Run a command inside and return its exit status and what it said.

        Raises:
            EnclosureError: it failed, and `check` asks for success.
        """
        assert self._process is not None
        first = _first_child(self._process.pid)
        done = await asyncio.create_subprocess_exec(
            "nsenter", "--target", first, "--mount", "--pid", *words, env={"PATH": _PATH},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        out, error = await asyncio.wait_for(done.communicate(), _COMMAND_SECONDS)
        status = int(done.returncode or 0)
        if status and check:
            raise EnclosureError(f"{words[0]}: {error.decode()}{out.decode()}")
        return status, out.decode(), error.decode()

    async def stop(self) -> None:
        """End every process inside at once."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
            await self._process.wait()
        if self._syslog is not None:
            self._syslog.close()
        shutil.rmtree(self._socket.parent, ignore_errors=True)
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)


def _first_child(pid: int) -> str:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]


class _Syslog(asyncio.DatagramProtocol):
    """Prints what is logged as syslog-ng of Mailcow's container does."""

    def __init__(self, hear: Callable[[str], None]) -> None:
        self._hear = hear

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 - asyncio's
        found = _LOGGED.match(data.decode(errors="replace").rstrip("\0\n"))
        if found:
            self._hear(f"{found['at']} postfix {found['text']}")
