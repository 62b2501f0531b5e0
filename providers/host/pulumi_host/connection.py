"""One SSH connection to the host, shared by all operations and renewed when it is lost."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import asyncssh

from pulumi_host.errors import HostError

T = TypeVar("T")

CONCURRENT_OPERATIONS = 8
"""Operations at a time on the one connection; sshd's SFTP server answers them in turn anyway."""
CONNECT_SECONDS = 20.0
"""How long connecting and signing in may take."""
OPERATION_SECONDS = 60.0
"""How long one operation, such as writing a file and reading it back, may take."""
ATTEMPTS = 3
"""How often an operation is begun when the connection is lost under it. All are idempotent."""

_LOST = (
    asyncssh.ConnectionLost,
    asyncssh.ChannelOpenError,
    asyncssh.SFTPConnectionLost,
    asyncssh.SFTPNoConnection,
    ConnectionError,
)


@dataclass(frozen=True)
class Account:
    """Where the host is, who signs in there, and by which key the host is known."""

    address: str
    port: int
    user: str
    private_key: str = field(repr=False)
    host_key: str

    def __str__(self) -> str:
        """Return `user@address port N`."""
        return f"{self.user}@{self.address} port {self.port}"


def parse_private_key(text: str) -> asyncssh.SSHKey:
    """Read a private key.

    Raises:
        HostError: it is none, or it is protected by a passphrase.
    """
    try:
        # A key that passed through YAML or a shell variable often lost its last newline.
        return asyncssh.import_private_key(text.strip() + "\n")
    except asyncssh.KeyEncryptionError:
        msg = "the private key is protected by a passphrase; give a key without one"
    except (asyncssh.KeyImportError, ValueError):
        msg = "the private key cannot be read; it must be in OpenSSH or PEM format"
    # Raised outside the handlers: the parser's own error could quote the key.
    raise HostError(msg)


def parse_host_key(text: str) -> asyncssh.SSHKey:
    """Read a public host key such as `ssh-ed25519 AAAA...`.

    Raises:
        HostError: it is none.
    """
    try:
        return asyncssh.import_public_key(text.strip() + "\n")
    except (asyncssh.KeyImportError, ValueError):
        msg = "the host key cannot be read; write it as in known_hosts: ssh-ed25519 AAAA..."
        raise HostError(msg) from None


class Connection:
    """SFTP sessions with one host over one connection."""

    def __init__(self, account: Account) -> None:
        """Prepare the connection; nothing is opened yet.

        Raises:
            HostError: a key cannot be read.
        """
        self._account = account
        self._private_key = parse_private_key(account.private_key)
        self._host_key = parse_host_key(account.host_key)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._free = asyncio.Semaphore(CONCURRENT_OPERATIONS)
        self._opening = asyncio.Lock()
        self._connection: asyncssh.SSHClientConnection | None = None
        self._sftp: asyncssh.SFTPClient | None = None

    async def run(self, operation: Callable[[asyncssh.SFTPClient], Awaitable[T]]) -> T:
        """Run an idempotent operation on the host, again when the connection is lost under it.

        Raises:
            HostError: the host cannot be reached, refuses, or takes too long.
        """
        self._belong_to_this_loop()
        async with self._free:
            for attempt in range(1, ATTEMPTS + 1):
                sftp = await self._session()
                try:
                    return await asyncio.wait_for(operation(sftp), OPERATION_SECONDS)
                except TimeoutError:
                    await self._drop(sftp)
                    msg = f"{self._account}: no answer within {OPERATION_SECONDS:.0f} s"
                    raise HostError(msg) from None
                except _LOST:
                    await self._drop(sftp)
                    if attempt == ATTEMPTS:
                        msg = f"{self._account}: the connection was lost {ATTEMPTS} times"
                        raise HostError(msg) from None
        raise AssertionError  # the loop above returns or raises

    async def close(self) -> None:
        """Close the connection; the next operation opens it again."""
        if self._connection is not None:
            self._connection.close()
            await self._connection.wait_closed()
        self._connection = self._sftp = None

    def _belong_to_this_loop(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            # Locks and connections are bound to a loop; an embedding engine may use several.
            self._loop = loop
            self._free = asyncio.Semaphore(CONCURRENT_OPERATIONS)
            self._opening = asyncio.Lock()
            self._connection = self._sftp = None

    async def _session(self) -> asyncssh.SFTPClient:
        async with self._opening:
            if self._sftp is None:
                self._connection = await open_connection(
                    self._account, self._private_key, self._host_key
                )
                try:
                    self._sftp = await asyncio.wait_for(
                        self._connection.start_sftp_client(), CONNECT_SECONDS
                    )
                except (asyncssh.Error, OSError, TimeoutError):
                    await self.close()
                    msg = f"{self._account}: sshd offers no SFTP"
                    raise HostError(msg) from None
            return self._sftp

    async def _drop(self, sftp: asyncssh.SFTPClient) -> None:
        async with self._opening:
            # Several operations may notice one loss; only the first drops the connection.
            if self._sftp is sftp and self._connection is not None:
                self._connection.abort()
                self._connection = self._sftp = None


async def open_connection(
    account: Account,
    private_key: asyncssh.SSHKey | None = None,
    host_key: asyncssh.SSHKey | None = None,
) -> asyncssh.SSHClientConnection:
    """Connect and sign in; the host must show the declared key.

    Args:
        account: Where, who, and by which key the host is known.
        private_key: The account's private key, if it was read already.
        host_key: The host's key, if it was read already.

    Raises:
        HostError: a key cannot be read, or the host cannot be reached, is another one or refuses.
    """
    private_key = private_key or parse_private_key(account.private_key)
    host_key = host_key or parse_host_key(account.host_key)
    try:
        return await asyncio.wait_for(
            asyncssh.connect(
                account.address,
                account.port,
                username=account.user,
                client_keys=[private_key],
                known_hosts=([host_key], [], []),
                # What this machine happens to have configured must not change the outcome.
                config=None,
                agent_path=None,
                preferred_auth="publickey",
                keepalive_interval=15,
                keepalive_count_max=3,
            ),
            CONNECT_SECONDS,
        )
    except asyncssh.HostKeyNotVerifiable:
        msg = (
            f"{account.address} port {account.port} does not show the declared host key; "
            "nothing was sent. Compare it with ssh-keyscan from a place that you trust"
        )
    except asyncssh.KeyExchangeFailed:
        msg = (
            f"{account.address} port {account.port} has no host key of the declared kind "
            f"({host_key.get_algorithm()})"
        )
    except asyncssh.PermissionDenied:
        msg = f"{account}: sshd refuses the private key for this user"
    except TimeoutError:
        msg = f"{account}: no connection within {CONNECT_SECONDS:.0f} s"
    except OSError as error:
        msg = f"{account}: cannot be reached: {error.strerror or type(error).__name__}"
    except asyncssh.Error as error:
        msg = f"{account}: the connection failed: {error.reason}"
    raise HostError(msg)
