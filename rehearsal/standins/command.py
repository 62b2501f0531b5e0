"""Stand-in for the Command plugin: commands and copies on a host over SSH, on asyncssh.

Every operation dials anew and closes again, as the plugin does. Connections are bounded, because
sshd refuses more than a few that are not yet authenticated (`MaxStartups`).
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import PurePosixPath
from typing import Any, ClassVar

import asyncssh
from pulumi import Archive, Asset, FileArchive, FileAsset
from pulumi.provider.experimental.property_value import PropertyValue
from typing_extensions import override

from rehearsal.standins import assets
from rehearsal.standins.base import Kind, StandIn
from rehearsal.standins.failure import OperationError
from rehearsal.standins.values import Plain, Properties, Unknown

LAST_LINES = 5
"""Lines of output quoted when a command fails."""

_LOGGING = frozenset({"stdout", "stderr", "stdoutAndStderr", "none"})
_CONNECTION_DEFAULTS: Mapping[str, object] = {
    "user": "root",
    "port": 22.0,
    "dialErrorLimit": 10.0,
    "perDialTimeout": 15.0,
}
_RETRY_FIRST, _RETRY_MOST = 0.1, 5.0
"""Seconds before the first retry of a dial, and at most before any."""


_CONNECTION_SECRETS = frozenset({"privateKey", "privateKeyPassword", "password"})
"""What the plugin marks secret inside a connection, which is secret as a whole besides."""


def _options(connection: Plain) -> dict[str, Any]:
    """Return what asyncssh needs for a connection; nothing of the user's own SSH set-up is read.

    Raises:
        OperationError: a key cannot be read.
    """
    options: dict[str, Any] = {
        "port": int(connection.get("port", 22)),
        "username": connection.get("user", "root"),
        "config": None,
        "agent_path": connection.get("agentSocketPath"),
        "client_keys": None,
        "known_hosts": None,
        "keepalive_interval": 30,
    }
    try:
        if host_key := connection.get("hostKey"):
            key = asyncssh.import_public_key(host_key)
            options["known_hosts"] = ([key], [], [])
            options["server_host_key_algs"] = _algorithms(host_key.split()[0])
        if private := connection.get("privateKey"):
            passphrase = connection.get("privateKeyPassword")
            options["client_keys"] = [asyncssh.import_private_key(private, passphrase)]
    except asyncssh.KeyImportError as error:
        raise OperationError(f"a key of the connection cannot be read: {error}") from None
    if password := connection.get("password"):
        options["password"] = password
    return options


def _algorithms(kind: str) -> list[str]:
    """Return the signature algorithms of a host key; RSA keys sign with SHA-2 today."""
    return ["rsa-sha2-512", "rsa-sha2-256"] if kind == "ssh-rsa" else [kind]


async def _dial(connection: Plain) -> asyncssh.SSHClientConnection:
    """Return a connection whose host key was verified, trying again up to `dialErrorLimit` times.

    Raises:
        OperationError: the host is not reached, is not the one it should be, or refuses the user.
    """
    options = _options(connection)
    place = f"{options['username']}@{connection['host']}:{options['port']}"
    limit = int(connection.get("dialErrorLimit", 10))
    timeout = float(connection.get("perDialTimeout", 15)) or None
    failed, pause = 0, _RETRY_FIRST
    while True:
        try:
            async with asyncio.timeout(timeout):
                return await asyncssh.connect(connection["host"], **options)
        except asyncssh.HostKeyNotVerifiable:
            raise OperationError(f"{place}: the host's key is not the declared hostKey") from None
        except asyncssh.PermissionDenied:
            raise OperationError(f"{place}: the host refuses this user or key") from None
        except (OSError, TimeoutError, asyncssh.Error) as error:
            reason = str(error) or "no answer in time"
        failed += 1
        if 0 <= limit < failed:
            raise OperationError(f"{place}: after {failed} attempts: {reason}")
        await asyncio.sleep(pause)
        pause = min(pause * 2, _RETRY_MOST)


@asynccontextmanager
async def _connected(connection: Plain) -> AsyncIterator[asyncssh.SSHClientConnection]:
    client = await _dial(connection)
    try:
        yield client
    finally:
        client.close()
        await client.wait_closed()


def _completed(inputs: Properties) -> Properties:
    """Return the inputs with the connection's defaults filled in, and marked as the plugin does."""
    connection = inputs.get("connection")
    if connection is None or not isinstance(connection.value, Mapping):
        return inputs
    given = {key: item for key, item in connection.value.items() if item.value is not None}
    for name, default in _CONNECTION_DEFAULTS.items():
        if name not in given:
            given[name] = PropertyValue(default)  # type: ignore[arg-type]  # plain scalars
    for name in _CONNECTION_SECRETS & given.keys():
        given[name] = given[name].with_secret(is_secret=True)
    return {**inputs, "connection": connection.with_value(given).with_secret(is_secret=True)}


def _tail(text: str) -> str:
    return "; ".join(line.strip() for line in text.splitlines()[-LAST_LINES:] if line.strip())


def _failure(result: asyncssh.SSHCompletedProcess, logging: str) -> OperationError:
    """Say how a command ended, and its last words unless they are not to be logged."""
    if result.exit_status is None:
        return OperationError("the connection broke before the command ended")
    if result.exit_signal:
        what = f"the command was ended by signal {result.exit_signal[0]}"
    else:
        what = f"the command ended with exit code {result.exit_status}"
    words = {
        "none": "",
        "stdout": _tail(str(result.stdout)),
    }.get(logging, _tail(str(result.stderr)) or (
        "" if logging == "stderr" else _tail(str(result.stdout))
    ))  # fmt: skip
    return OperationError(f"{what}: {words}" if words else what)


async def _run(command: str, inputs: Plain, previous: Plain) -> Plain:
    """Run a command; return its `stdout` and `stderr` without the last line end."""
    environment = dict(inputs.get("environment", {}))
    if inputs.get("addPreviousOutputInEnv", True):
        for name in ("stdout", "stderr"):
            if previous.get(name):
                environment[f"PULUMI_COMMAND_{name.upper()}"] = previous[name]
    given = {"input": inputs["stdin"]} if inputs.get("stdin") else {"stdin": asyncssh.DEVNULL}
    try:
        async with _connected(inputs["connection"]) as client:
            result = await client.run(
                command, env=environment, encoding="utf-8", errors="replace", **given
            )
    except asyncssh.Error as error:
        raise OperationError(f"the connection broke before the command ended: {error}") from None
    if result.exit_status != 0:
        raise _failure(result, inputs.get("logging", "stdoutAndStderr"))
    return {
        name: str(text or "").removesuffix("\n")
        for name, text in (("stdout", result.stdout), ("stderr", result.stderr))
    }


class Command(Kind[None]):
    """A command that runs when it is created, updated and deleted.

    Any change of an input is an update, which runs `update`, or `create` where that is unset; a
    change of `triggers` always replaces, which runs `create` and then the old `delete`.
    """

    token = "command:remote:Command"  # noqa: S105 - a type token
    sdk = "pulumi_command.remote.command:Command"
    replaces = frozenset({"triggers"})

    @override
    def mistakes(self, inputs: Plain) -> list[tuple[str, str]]:
        """Refuse a `logging` that is none of the plugin's."""
        logging = inputs.get("logging", "none")
        if isinstance(logging, Unknown) or logging in _LOGGING:
            return []
        return [("logging", f"must be one of {', '.join(sorted(_LOGGING))}")]

    @override
    def completed(self, inputs: Properties) -> Properties:
        """Fill in the connection's defaults."""
        return _completed(inputs)

    @override
    async def create(self, account: None, inputs: Plain) -> tuple[str, Plain]:
        """Run `create`."""
        output = {"stdout": "", "stderr": ""}
        if command := inputs.get("create"):
            output = await _run(command, inputs, {})
        return secrets.token_hex(8), {**inputs, **output}

    @override
    async def read(self, account: None, identity: str, state: Plain) -> tuple[str, Plain] | None:
        """Return the state as it is: what a command did on a host cannot be read back.

        Raises:
            OperationError: an import; there is nothing to read.
        """
        if not state:
            raise OperationError("a command cannot be imported")
        return identity, state

    @override
    async def update(self, account: None, identity: str, old: Plain, new: Plain) -> Plain:
        """Run `update`, or `create` where there is none."""
        output = {name: old.get(name, "") for name in ("stdout", "stderr")}
        if command := new.get("update") or new.get("create"):
            output = await _run(command, new, old)
        return {**new, **output}

    @override
    async def delete(self, account: None, identity: str, state: Plain) -> None:
        """Run `delete`."""
        if command := state.get("delete"):
            await _run(command, state, state)


async def _copy(inputs: Plain) -> None:
    source, path = inputs["source"], inputs["remotePath"]
    async with _connected(inputs["connection"]) as client:
        try:
            async with client.start_sftp_client() as sftp:
                if isinstance(source, Asset):
                    await _copy_file(sftp, source, PurePosixPath(path))
                else:
                    await _copy_folder(sftp, source, PurePosixPath(path))
        except asyncssh.Error as error:
            raise OperationError(f"{path}: {error.reason}") from None


async def _write(sftp: asyncssh.SFTPClient, path: PurePosixPath, data: bytes) -> None:
    await sftp.makedirs(str(path.parent), exist_ok=True)
    async with sftp.open(str(path), "wb") as file:
        await file.write(data)


async def _copy_file(sftp: asyncssh.SFTPClient, source: Asset, path: PurePosixPath) -> None:
    """Write to `path`, or into it where it is a folder and the source has a name."""
    if await sftp.isdir(str(path)):
        if not isinstance(source, FileAsset):
            raise OperationError(f"{path} is a folder; a text needs the path of a file")
        path /= PurePosixPath(source.path).name
    await _write(sftp, path, assets.content(source))


async def _copy_folder(sftp: asyncssh.SFTPClient, source: Archive, path: PurePosixPath) -> None:
    """Write the files below `path`, under the folder's own name unless it ends with a slash."""
    if await sftp.isfile(str(path)):
        raise OperationError(f"{path} is a file, the source is not")
    if isinstance(source, FileArchive) and not source.path.endswith("/"):
        path /= PurePosixPath(source.path).name
    await sftp.makedirs(str(path), exist_ok=True)
    for name, data in assets.files(source).items():
        await _write(sftp, path / name, data)


class CopyToRemote(Kind[None]):
    """A file or folder copied over SFTP; `delete` leaves it where it is, as the plugin does."""

    token = "command:remote:CopyToRemote"  # noqa: S105 - a type token
    sdk = "pulumi_command.remote.copy_to_remote:CopyToRemote"
    replaces = frozenset({"triggers"})

    @override
    def mistakes(self, inputs: Plain) -> list[tuple[str, str]]:
        """Refuse a source that is neither asset nor archive."""
        if isinstance(inputs.get("source"), Asset | Archive | Unknown | None):
            return []
        return [("source", "must be an asset or an archive")]

    @override
    def completed(self, inputs: Properties) -> Properties:
        """Fill in the connection's defaults."""
        return _completed(inputs)

    @staticmethod
    def _state(inputs: Plain) -> Plain:
        """Return the inputs; the source carries its digest, for an engine to keep in the state."""
        source = inputs["source"]
        source.hash = assets.digest(source)
        return inputs

    @override
    async def create(self, account: None, inputs: Plain) -> tuple[str, Plain]:
        """Copy."""
        await _copy(inputs)
        return secrets.token_hex(8), self._state(inputs)

    @override
    async def read(self, account: None, identity: str, state: Plain) -> tuple[str, Plain] | None:
        """Return the state as it is: the plugin does not look at the host again.

        Raises:
            OperationError: an import; there is nothing to read.
        """
        if not state:
            raise OperationError("a copy cannot be imported")
        return identity, state

    @override
    async def update(self, account: None, identity: str, old: Plain, new: Plain) -> Plain:
        """Copy again where content or path changed; a change of the connection alone copies not."""
        changed = assets.digest(new["source"]) != assets.digest(old["source"])
        if changed or new["remotePath"] != old["remotePath"]:
            await _copy(new)
        return self._state(new)

    @override
    async def delete(self, account: None, identity: str, state: Plain) -> None:
        """Do nothing."""


class StandInProvider(StandIn[Any]):
    """Stand-in for pulumi-command 1.2.1."""

    sdk = "pulumi_command"
    kinds: ClassVar = (Command, CopyToRemote)

    @override
    def open(self, configuration: Plain) -> None:
        """Open nothing: the plugin has no configuration, every resource has its own connection."""
