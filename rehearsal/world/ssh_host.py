"""The rehearsed host: an SSH server whose commands and files stay below a scratch root."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any, ClassVar, cast

import asyncssh
from aiohttp import web

from rehearsal.world.host_tools import shims
from rehearsal.world.service import LOOPBACK, Service, Surroundings

_CHUNK = 32768
_LAST_WORDS = 2.0
"""Seconds for output to arrive after a command's end; a background process may hold the pipe."""
_DIRECTORIES = ("etc/systemd/system", "etc/po-mail", "opt", "tmp", "usr/local", "var/lib", "run")


def _host_key(file: Path) -> asyncssh.SSHKey:
    if not file.exists():
        key = asyncssh.generate_private_key("ssh-ed25519", comment="rehearsed host")
        file.touch(mode=0o600)
        file.write_bytes(key.export_private_key())
    return asyncssh.read_private_key(file)


def public_line(key: asyncssh.SSHKey) -> str:
    """Return a key's type and public half, as in known_hosts."""
    return " ".join(key.export_public_key().decode().split()[:2])


class SshHost(Service):
    """SSH on loopback: commands run as the current user, `DESTDIR` being the scratch root.

    The user of the declaration logs in with the world's key and nothing else. Commands run by
    `/bin/sh -c` in an environment of their own, with the host's tools first on their PATH; SFTP
    sees the scratch root as `/`. A genuine sshd, where one is installed, is not used: it needs
    root to let anyone log in, and it would show the machine's own files.

    Faults: `refuse_connection` and `refuse_login` (true), `wrong_host_key` (true), `drop_after`
    (bytes, both ways together, of a connection's commands and files), `fail_command`
    ({match, exit, stderr}: commands containing `match` do not run), `disk_full` (true: SFTP
    writes fail), `tool_fails` ({tool: exit status} for tools of the host and of its containers).
    """

    name = "ssh"
    stands_for: ClassVar[str] = "SSH of the host"

    def __init__(self) -> None:
        super().__init__()
        self._socket: socket.socket | None = None
        self._doors: set[asyncio.Task[None]] = set()
        self._sessions: set[asyncio.Task[None]] = set()
        self._connections: dict[asyncssh.SSHServerConnection, int] = {}
        self.port = 0

    async def start(self, world: Surroundings) -> None:
        """Lay the host's tools and listen."""
        self._world = world
        host = world.config["host"]
        self.user = str(host["ssh"]["user"])
        self._public = (str(host["address"]), int(host["ssh"]["port"]))
        self._folder = world.folder / "ssh"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._log = self._folder / "commands.jsonl"
        self.groups = _Groups(self._folder / "groups.json")
        self._key = _host_key(self._folder / "host_key")
        self._other_key = _host_key(self._folder / "other_host_key")
        client = asyncssh.import_private_key(world.secrets["sshPrivateKey"])
        self.accepted = public_line(client)
        self._home = world.root / ("root" if self.user == "root" else f"home/{self.user}")
        for directory in (self._home, *(world.root / directory for directory in _DIRECTORIES)):
            directory.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(shims.lay, world.folder / "tools")
        self._socket = socket.create_server((LOOPBACK, world.port("ssh")))
        self._socket.setblocking(False)  # noqa: FBT003  # the standard library's signature
        self.port = self._socket.getsockname()[1]
        world.addresses.publish(*self._public, self.port)
        self._spawn(self._doors, self._accept(self._socket))

    async def stop(self) -> None:
        """Close the port and every connection; end whatever still runs."""
        if self._socket is None:
            return
        self._world.addresses.withdraw(*self._public)
        for door in list(self._doors):
            door.cancel()
        await asyncio.gather(*self._doors, return_exceptions=True)
        for connection in list(self._connections):
            connection.abort()
        # A session ends by itself once its channel is closed, and takes with it what it started.
        # Cut short, it would leave its command to nobody.
        while self._sessions:
            await asyncio.wait(self._sessions)
        self._socket.close()
        self._socket = None

    def overlay(self) -> dict[str, Any]:
        """Tell where the host is reached and which key it shows."""
        return {
            "endpoints": {"ssh": {"address": LOOPBACK, "port": self.port}},
            "hostKey": public_line(self._key),
        }

    def control(self) -> Iterable[web.RouteDef]:
        """Show the commands that ran, or forget them."""
        return (
            web.get("/commands", self._show_commands),
            web.delete("/commands", self._forget_commands),
        )

    def commands(self) -> list[dict[str, Any]]:
        """Return the commands that ran: time, command, exit status, seconds; never their input."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [json.loads(line) for line in lines]

    async def _show_commands(self, _request: web.Request) -> web.Response:
        return web.json_response(self.commands())

    async def _forget_commands(self, _request: web.Request) -> web.Response:
        self._log.unlink(missing_ok=True)
        return web.Response(status=204)

    # Connections

    @staticmethod
    def _spawn(among: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        among.add(task)
        task.add_done_callback(among.discard)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            accepted, _ = await loop.sock_accept(listening)
            if self.faults.get("refuse_connection"):
                accepted.close()
                continue
            self._spawn(self._doors, self._greet(accepted))

    async def _greet(self, accepted: socket.socket) -> None:
        key = self._other_key if self.faults.get("wrong_host_key") else self._key
        try:
            await asyncssh.run_server(
                accepted, server_factory=lambda: _Door(self), server_host_keys=[key],
                process_factory=self._begin, sftp_factory=lambda chan: _Files(self, chan),
                allow_scp=True, encoding=None, login_timeout=30, keepalive_interval=0,
                agent_forwarding=False, x11_forwarding=False,
            )  # fmt: skip
        except (OSError, asyncssh.Error):
            accepted.close()

    def opened(self, connection: asyncssh.SSHServerConnection) -> None:
        """Remember a connection until it ends."""
        self._connections[connection] = 0

    def closed(self, connection: asyncssh.SSHServerConnection) -> None:
        """Forget a connection."""
        self._connections.pop(connection, None)

    def carried(self, connection: asyncssh.SSHServerConnection, count: int) -> None:
        """Count bytes of a connection, and drop it where a fault says so."""
        total = self._connections.get(connection, 0) + count
        self._connections[connection] = total
        limit = self.faults.get("drop_after")
        if limit is not None and total > int(limit):
            connection.abort()

    @property
    def root(self) -> Path:
        """The scratch root."""
        return self._world.root

    # Commands

    def _environment(self, sent: dict[str, str]) -> dict[str, str]:
        tools = self._world.folder / "tools"
        environment = sent | {
            "DESTDIR": str(self._world.root), "PATH": f"{tools}:/usr/bin:/bin",
            "HOME": str(self._home), "USER": self.user, "LOGNAME": self.user,
            "SHELL": "/bin/sh", "LANG": "C.UTF-8", "REHEARSAL_TOOLS": str(tools),
            "REHEARSAL_STATE": str(self._world.folder / "host"),
        }  # fmt: skip
        docker = self._world.services.get("docker")
        if docker is not None:
            environment["DOCKER_HOST"] = docker.overlay()["endpoints"]["docker"]
        if self.faults.get("tool_fails"):
            environment["REHEARSAL_TOOL_FAULTS"] = json.dumps(self.faults["tool_fails"])
        return environment

    def _begin(self, process: Any) -> None:
        """Begin a session in a task of our own: asyncssh would cancel one of its own with it."""
        self._spawn(self._sessions, self._session(process))

    async def _session(self, process: Any) -> None:
        started = time.time()
        status = await self._run(process)
        entry = {
            "time": round(started, 3), "command": process.command, "exit": status,
            "seconds": round(time.time() - started, 3),
        }  # fmt: skip
        descriptor = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "a") as log:
            log.write(json.dumps(entry) + "\n")

    async def _run(self, process: Any) -> int:
        """Run what the client asks for, and return its exit status."""
        command = process.command
        if command is None:
            process.stderr.write(b"the rehearsed host has no shell to talk to\n")
            process.exit(1)
            return 1
        fault = self.faults.get("fail_command")
        if fault and fault["match"] in command:
            process.stderr.write(str(fault.get("stderr", "rehearsed failure\n")).encode())
            process.exit(int(fault.get("exit", 1)))
            return int(fault.get("exit", 1))
        child = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", command, cwd=self._home, start_new_session=True, umask=0o022,
            env=self._environment(dict(process.env)), stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            status = await self._stream(process, child)
        finally:
            # Whatever the command left behind ends with its channel.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            await child.wait()
            child._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001  # else its pipes stay open
        if status < 0:
            process.exit_with_signal(signal.Signals(-status).name.removeprefix("SIG"))
        else:
            process.exit(status)
        return status

    async def _stream(self, process: Any, child: asyncio.subprocess.Process) -> int:
        """Carry bytes both ways until the command or its channel ends; return the exit status."""
        connection = process.channel.get_connection()
        feeding = asyncio.create_task(self._feed(process, child, connection))
        outputs = [
            asyncio.create_task(self._drain(child.stdout, process.stdout, connection)),
            asyncio.create_task(self._drain(child.stderr, process.stderr, connection)),
        ]
        ended = asyncio.create_task(child.wait())
        hung_up = asyncio.create_task(process.channel.wait_closed())
        try:
            await asyncio.wait({ended, hung_up}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                return -signal.SIGHUP
            await asyncio.wait(outputs, timeout=_LAST_WORDS)
            return ended.result()
        finally:
            pending = [feeding, *outputs, ended, hung_up]
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    async def _feed(self, process: Any, child: asyncio.subprocess.Process, connection: Any) -> None:
        """Carry the client's input to the command."""
        writer = child.stdin
        if writer is None:
            return
        try:
            while True:
                try:
                    data = await process.stdin.read(_CHUNK)
                except asyncssh.SignalReceived as received:
                    number = getattr(signal, f"SIG{received.signal}", signal.SIGTERM)
                    os.killpg(child.pid, number)
                    continue
                except (asyncssh.BreakReceived, asyncssh.TerminalSizeChanged):
                    continue
                if not data:
                    break
                self.carried(connection, len(data))
                writer.write(data)
                await writer.drain()
        except (OSError, asyncssh.Error):
            pass  # the command does not read its input, or the client has gone
        writer.close()

    async def _drain(self, reader: Any, writer: Any, connection: Any) -> None:
        """Carry the command's output to the client."""
        try:
            while data := await reader.read(_CHUNK):
                self.carried(connection, len(data))
                writer.write(data)
                await writer.drain()
        except (OSError, asyncssh.Error):
            pass  # the client has gone; the command ends with its channel


class _Groups:
    """To which group files were given, by their number in the file system."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def _known(self) -> dict[str, int]:
        return dict(json.loads(self._file.read_text())) if self._file.exists() else {}

    def give(self, inode: int, group: int) -> None:
        """Remember that a file was given away."""
        self._file.write_text(json.dumps(self._known() | {str(inode): group}))

    def of(self, inode: int, group: int | None) -> int | None:
        """Return the group of a file that belongs to `group` as far as this machine knows."""
        return self._known().get(str(inode), group)


class _Door(asyncssh.SSHServer):
    """Who may come in."""

    def __init__(self, host: SshHost) -> None:
        self._host = host
        self._connection: Any = None

    def connection_made(self, conn: Any) -> None:
        self._connection = conn
        self._host.opened(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._host.closed(self._connection)

    def begin_auth(self, username: str) -> bool:
        del username
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: Any) -> bool:
        if self._host.faults.get("refuse_login"):
            return False
        return username == self._host.user and public_line(key) == self._host.accepted


class _Files(asyncssh.SFTPServer):
    """SFTP below the scratch root."""

    def __init__(self, host: SshHost, channel: Any) -> None:
        self._host = host
        super().__init__(channel, chroot=os.fsencode(host.root))

    def write(self, file_obj: object, offset: int, data: bytes) -> Any:
        if self._host.faults.get("disk_full"):
            raise asyncssh.SFTPFailure("No space left on device")
        self._host.carried(self.connection, len(data))
        return super().write(file_obj, offset, data)

    def read(self, file_obj: object, offset: int, size: int) -> Any:
        data = super().read(file_obj, offset, size)
        self._host.carried(self.connection, len(data) if isinstance(data, bytes) else size)
        return data

    def setstat(self, path: bytes, attrs: Any) -> Any:
        if attrs.gid is not None:
            self._host.groups.give(Path(os.fsdecode(self.map_path(path))).stat().st_ino, attrs.gid)
        return super().setstat(path, self._without_owner(attrs))

    def fstat(self, file_obj: object) -> Any:
        status = cast("os.stat_result", super().fstat(file_obj))
        attributes = asyncssh.SFTPAttrs.from_local(status)
        attributes.gid = self._host.groups.of(status.st_ino, attributes.gid)
        return attributes

    def lsetstat(self, path: bytes, attrs: Any) -> Any:
        return super().lsetstat(path, self._without_owner(attrs))

    def fsetstat(self, file_obj: object, attrs: Any) -> Any:
        return super().fsetstat(file_obj, self._without_owner(attrs))

    @staticmethod
    def _without_owner(attrs: Any) -> Any:
        # Without root nothing can be given away; everything belongs to whoever rehearses, and to
        # which group it was given is remembered.
        attrs.uid = attrs.gid = attrs.owner = attrs.group = None
        return attrs
