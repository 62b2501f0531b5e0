"""An SSH host with a scratch root, in the test's own process."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncssh
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.provider import (
    CheckRequest,
    ConfigureRequest,
    CreateRequest,
    DeleteRequest,
    DiffRequest,
    DiffResponse,
    ReadRequest,
    UpdateRequest,
)

from pulumi_host.provider import HostProvider

Values = dict[str, PropertyValue]

FILE = "host:index:File"
SECRET = "host:index:Secret"


class ScratchSftp(asyncssh.SFTPServer):
    """SFTP below a scratch root; `fault` is called around opening a file and before a rename."""

    root: Path
    fault: Callable[[str, str], None]

    def __init__(self, channel: Any) -> None:
        super().__init__(channel, chroot=str(self.root).encode())

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> Any:
        type(self).fault("open", path.decode())
        opened = super().open(path, pflags, attrs)
        type(self).fault("opened", path.decode())
        return opened

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> Any:
        type(self).fault("rename", newpath.decode())
        return super().posix_rename(oldpath, newpath)


class SftpHost:
    """What a test needs of the host: its root, its address, its keys, its connections."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.connections: list[asyncssh.SSHServerConnection] = []
        self.host_private = asyncssh.generate_private_key("ssh-ed25519")
        self.user_private = asyncssh.generate_private_key("ssh-ed25519")
        self.port = 0
        self.sftp: type[ScratchSftp] = type(
            "Sftp", (ScratchSftp,), {"root": root, "fault": staticmethod(lambda *_: None)}
        )

    def configuration(self, **changes: str) -> Values:
        settings = {
            "address": "127.0.0.1",
            "port": str(self.port),
            "user": "deployer",
            "privateKey": self.user_private.export_private_key().decode(),
            "hostKey": self.host_private.export_public_key().decode(),
        }
        return {key: PropertyValue(value) for key, value in (settings | changes).items()}

    def lose_connections(self) -> None:
        for connection in self.connections:
            connection.abort()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["SftpHost"]:
        host = self

        class Server(asyncssh.SSHServer):
            def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
                host.connections.append(conn)

        users = self.user_private.export_public_key().decode()
        listener = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=Server,
            server_host_keys=[self.host_private],
            authorized_client_keys=asyncssh.import_authorized_keys(users),
            sftp_factory=self.sftp,
        )
        self.port = listener.get_port()
        try:
            yield self
        finally:
            listener.close()
            self.lose_connections()
            await listener.wait_closed()

    @asynccontextmanager
    async def provider(self, **changes: str) -> AsyncIterator["Driver"]:
        """Run the host and a provider that is configured for it."""
        async with self.running():
            provider = HostProvider()
            await provider.configure(
                ConfigureRequest(
                    {}, self.configuration(**changes), accept_secrets=True, accept_resources=False
                )
            )
            try:
                yield Driver(provider)
            finally:
                await provider.cancel()


def plain(values: Values) -> dict[str, Any]:
    return {key: value.value for key, value in values.items()}


class Driver:
    """Asks a provider the way an engine does: check, diff, then act; state in, state out."""

    def __init__(self, provider: HostProvider) -> None:
        self.provider = provider

    async def check(self, kind: str, **inputs: Any) -> Values:
        response = await self.provider.check(CheckRequest(_urn(kind), {}, _values(inputs), b""))
        assert not response.failures, [
            (failure.property, failure.reason) for failure in response.failures
        ]
        assert response.inputs is not None
        return response.inputs

    async def failures(self, kind: str, **inputs: Any) -> dict[str, str]:
        response = await self.provider.check(CheckRequest(_urn(kind), {}, _values(inputs), b""))
        return {failure.property: failure.reason for failure in response.failures or []}

    async def create(self, kind: str, *, preview: bool = False, **inputs: Any) -> Values:
        checked = await self.check(kind, **inputs)
        response = await self.provider.create(CreateRequest(_urn(kind), checked, 0, preview))
        return response.properties

    async def diff(self, kind: str, state: Values, **inputs: Any) -> DiffResponse:
        checked = await self.check(kind, **inputs)
        path = str(state["path"].value)
        return await self.provider.diff(DiffRequest(_urn(kind), path, state, checked, []))

    async def update(
        self, kind: str, state: Values, *, preview: bool = False, **inputs: Any
    ) -> Values:
        checked = await self.check(kind, **inputs)
        path = str(state["path"].value)
        response = await self.provider.update(
            UpdateRequest(_urn(kind), path, state, checked, 0, [], preview)
        )
        return response.properties

    async def refresh(self, kind: str, state: Values) -> tuple[Values, Values] | None:
        """Return outputs and inputs as read, None where the resource is gone."""
        inputs = {
            key: value
            for key, value in state.items()
            if key in {"path", "content", "mode", "length", "alphabet"}
        }
        path = str(state["path"].value)
        response = await self.provider.read(ReadRequest(_urn(kind), path, state, inputs))
        return (response.properties, response.inputs) if response.resource_id else None

    async def imported(self, kind: str, path: str) -> tuple[Values, Values]:
        response = await self.provider.read(ReadRequest(_urn(kind), path, {}, {}))
        assert response.resource_id == path
        return response.properties, response.inputs

    async def delete(self, kind: str, state: Values) -> None:
        path = str(state["path"].value)
        await self.provider.delete(DeleteRequest(_urn(kind), path, state, 0))


def _urn(kind: str) -> str:
    return f"urn:pulumi:test::mail::{kind}::it"


def _values(inputs: dict[str, Any]) -> Values:
    return {
        key: value
        if isinstance(value, PropertyValue)
        else PropertyValue(float(value) if isinstance(value, int) else value)
        for key, value in inputs.items()
    }


def run(story: Any) -> None:
    """Run a test's coroutine, bounded in time."""
    asyncio.run(asyncio.wait_for(story, 30))
