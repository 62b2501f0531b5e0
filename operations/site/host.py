"""The host as an operation sees it: commands and files over one verified SSH connection."""

import asyncio
import posixpath
import secrets
import shlex
from collections.abc import Callable
from dataclasses import dataclass

import asyncssh

from pulumi_host.connection import Account, open_connection

COMMAND_SECONDS = 600.0
"""How long a command may take unless it is told otherwise."""
_SHOWN = 2000
"""Characters of a failed command's last words that are shown."""


@dataclass(frozen=True)
class Finished:
    """How a command ended.

    Attributes:
        status: Exit status; -1 if a signal ended it.
        stdout: What it wrote.
        stderr: What it complained of.
    """

    status: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.status == 0


class CommandFailedError(Exception):
    """A command on the host failed; the message has what it was for, and its last words."""

    def __init__(self, what: str, finished: Finished) -> None:
        """Say what failed.

        Args:
            what: What the command was for, in words; the command itself may be long.
            finished: How it ended.
        """
        words = (finished.stderr.strip() or finished.stdout.strip())[-_SHOWN:]
        super().__init__(f"{what}: exit status {finished.status}" + (f": {words}" if words else ""))
        self.finished = finished


class Host:
    """Runs commands and handles files on the host. Paths are the host's own, absolute.

    Commands prefix absolute paths with `${DESTDIR:-}`, which is empty on a real host.
    """

    def __init__(self, account: Account) -> None:
        """Prepare the connection; nothing is opened yet.

        Args:
            account: Where the host is, who signs in, and by which key it is known.
        """
        self._account = account
        self._connection: asyncssh.SSHClientConnection | None = None
        self._opening = asyncio.Lock()

    async def run(
        self,
        command: str,
        *,
        what: str = "",
        stdin: str | None = None,
        timeout: float = COMMAND_SECONDS,  # noqa: ASYNC109 - as with subprocess.run, each command has its own
        check: bool = True,
        on_line: Callable[[str], None] | None = None,
    ) -> Finished:
        """Run a shell command.

        Args:
            command: For `sh`. It is visible in the host's process list: a secret goes on `stdin`.
            what: What it is for, for the message when it fails; the command if empty.
            stdin: What it reads.
            timeout: Seconds that it may take.
            check: Whether a status other than 0 is an error.
            on_line: Told of each line of standard output as it comes.

        Raises:
            CommandFailedError: it failed, and `check` is set.
            HostError: the host cannot be reached.
            TimeoutError: it took too long.
        """
        connection = await self._connected()
        lines: list[str] = []
        async with asyncio.timeout(timeout), connection.create_process(command) as process:
            if stdin is not None:
                process.stdin.write(stdin)
            process.stdin.write_eof()
            complaints = asyncio.ensure_future(process.stderr.read())
            async for line in process.stdout:
                lines.append(line)
                # The end of the stream reads as one more, empty line.
                if on_line is not None and line:
                    on_line(line.rstrip("\n"))
            stderr = await complaints
            await process.wait()
            status = process.exit_status
        finished = Finished(-1 if status is None else status, "".join(lines), stderr)
        if check and not finished.ok:
            raise CommandFailedError(what or command, finished)
        return finished

    async def read(self, path: str) -> bytes:
        """Return the content of a file.

        Raises:
            FileNotFoundError: there is none.
        """
        async with (await self._connected()).start_sftp_client() as sftp:
            try:
                async with sftp.open(path, "rb") as file:
                    content: bytes = await file.read()
                    return content
            except asyncssh.SFTPNoSuchFile:
                raise FileNotFoundError(path) from None

    async def write(self, path: str, content: bytes | str, *, mode: int = 0o600) -> None:
        """Write a file in one step, made for its owner alone before it has any content.

        Args:
            path: Absolute path; its folder exists.
            content: What shall be in it.
            mode: Permission bits.
        """
        data = content.encode() if isinstance(content, str) else content
        folder, name = posixpath.split(path)
        draft = f"{folder}/.{name}.{secrets.token_hex(4)}"
        async with (await self._connected()).start_sftp_client() as sftp:
            attributes = asyncssh.SFTPAttrs(permissions=0o600)
            try:
                async with sftp.open(draft, "xb", attributes) as file:
                    await file.write(data)
                await sftp.chmod(draft, mode)
                await sftp.posix_rename(draft, path)
            except asyncssh.SFTPError:
                await self.run(f'rm -f "${{DESTDIR:-}}"{shlex.quote(draft)}', check=False)
                raise

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            await self._connection.wait_closed()
            self._connection = None

    async def _connected(self) -> asyncssh.SSHClientConnection:
        async with self._opening:
            if self._connection is None or self._connection.is_closed():
                self._connection = await open_connection(self._account)
            return self._connection
