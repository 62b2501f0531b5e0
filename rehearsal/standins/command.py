"""Stand-in for the Command plugin: commands on a host over SSH, on asyncssh.

Every operation dials anew and closes again, as the plugin does. Connections are bounded, because
sshd refuses more than a few that are not yet authenticated (`MaxStartups`).
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import asyncssh
from typing_extensions import override

from pulumi_kit.failures import ProviderError
from pulumi_kit.values import Plain, Properties, Unknown, wrapped
from rehearsal.standins.base import Kind, StandIn

LAST_LINES = 5
"""Lines of output quoted when a command fails."""

_LOGGING = frozenset({"stdout", "stderr", "stdoutAndStderr", "none"})
_CONNECTION_DEFAULTS: Mapping[str, object] = {
    "user": "root",
    "port": 22,
    "dialErrorLimit": 10,
    "perDialTimeout": 15,
}
_RETRY_FIRST, _RETRY_MOST = 0.1, 5.0
"""Seconds before the first retry of a dial, and at most before any."""


_CONNECTION_SECRETS = frozenset({"privateKey", "privateKeyPassword", "password"})
"""What the plugin marks secret inside a connection, which is secret as a whole besides."""


def _options(connection: Plain) -> dict[str, Any]:
    """Return what asyncssh needs for a connection; nothing of the user's own SSH set-up is read.

    Raises:
        ProviderError: a key cannot be read.
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
        raise ProviderError(f"a key of the connection cannot be read: {error}") from None
    if password := connection.get("password"):
        options["password"] = password
    return options


def _algorithms(kind: str) -> list[str]:
    """Return the signature algorithms of a host key; RSA keys sign with SHA-2 today."""
    return ["rsa-sha2-512", "rsa-sha2-256"] if kind == "ssh-rsa" else [kind]


async def _dial(connection: Plain) -> asyncssh.SSHClientConnection:
    """Return a connection whose host key was verified, trying again up to `dialErrorLimit` times.

    Raises:
        ProviderError: the host is not reached, is not the one it should be, or refuses the user.
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
            raise ProviderError(f"{place}: the host's key is not the declared hostKey") from None
        except asyncssh.PermissionDenied:
            raise ProviderError(f"{place}: the host refuses this user or key") from None
        except (OSError, TimeoutError, asyncssh.Error) as error:
            reason = str(error) or "no answer in time"
        failed += 1
        if 0 <= limit < failed:
            raise ProviderError(f"{place}: after {failed} attempts: {reason}")
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


def _tail(text: str) -> str:
    return "; ".join(line.strip() for line in text.splitlines()[-LAST_LINES:] if line.strip())


def _failure(result: asyncssh.SSHCompletedProcess, logging: str) -> ProviderError:
    """Say how a command ended, and its last words unless they are not to be logged."""
    if result.exit_status is None:
        return ProviderError("the connection broke before the command ended")
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
    return ProviderError(f"{what}: {words}" if words else what)


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
        raise ProviderError(f"the connection broke before the command ended: {error}") from None
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
    taught = frozenset(
        {"addPreviousOutputInEnv", "connection", "create", "delete", "environment", "logging",
         "stdin", "triggers", "update"}
    )  # fmt: skip
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
        """Fill in the connection's defaults, and mark it as the plugin does."""
        connection = inputs.get("connection")
        if connection is None or not isinstance(connection.value, Mapping):
            return inputs
        whole = {name: wrapped(default) for name, default in _CONNECTION_DEFAULTS.items()}
        whole |= {key: item for key, item in connection.value.items() if item.value is not None}
        whole = {
            key: wrapped(item, secret=key in _CONNECTION_SECRETS) for key, item in whole.items()
        }
        return {**inputs, "connection": wrapped(whole, secret=True)}

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
            ProviderError: an import; there is nothing to read.
        """
        if not state:
            raise ProviderError("a command cannot be imported")
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


class StandInProvider(StandIn[Any]):
    """Stand-in for pulumi-command 1.2.1."""

    sdk = "pulumi_command"
    kinds: ClassVar = (Command,)

    @override
    def open(self, configuration: Plain) -> None:
        """Open nothing: the plugin has no configuration, every resource has its own connection."""
