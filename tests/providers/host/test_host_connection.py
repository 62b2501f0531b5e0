"""How the host is reached: the key that must match, what happens when the connection is lost."""

import asyncio
from typing import Any

import asyncssh
import pytest
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.provider import (
    CheckRequest,
    ConfigureRequest,
    CreateRequest,
    DiffRequest,
)
from pulumi.runtime.rpc import UNKNOWN

from pulumi_host import connection
from pulumi_host.connection import Account
from pulumi_host.errors import HostError
from pulumi_host.provider import HostProvider
from tests.providers.host.sftp_host import FILE, ScratchSftp, SftpHost, run


def public(key: asyncssh.SSHKey) -> str:
    return str(key.export_public_key().decode())


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256"])
def test_a_host_with_another_key_is_not_spoken_to(host: SftpHost, kind: str) -> None:
    async def story() -> None:
        other = public(asyncssh.generate_private_key(kind))
        async with host.provider(hostKey=other) as driver:
            with pytest.raises(HostError, match="host key") as caught:
                await driver.create(FILE, path="/a", content="1")
        assert "\n" not in str(caught.value)
        assert not list(host.root.iterdir())

    run(story())


def test_a_user_key_that_is_refused_is_one_line_without_the_key(host: SftpHost) -> None:
    async def story() -> None:
        key = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
        async with host.provider(privateKey=key) as driver:
            with pytest.raises(HostError, match="refuses the private key") as caught:
                await driver.create(FILE, path="/a", content="1")
        assert key.splitlines()[1] not in str(caught.value)

    run(story())


def test_a_host_that_does_not_answer_is_named(host: SftpHost) -> None:
    async def story() -> None:
        async with host.provider(port="1") as driver:
            with pytest.raises(HostError, match=r"deployer@127\.0\.0\.1 port 1: cannot be reached"):
                await driver.create(FILE, path="/a", content="1")

    run(story())


def test_operations_share_one_connection(host: SftpHost) -> None:
    async def story() -> None:
        async with host.provider() as driver:
            await asyncio.gather(
                *(driver.create(FILE, path=f"/d{n % 3}/{n}", content=str(n)) for n in range(40))
            )
        assert len(host.connections) == 1
        assert len([path for path in host.root.rglob("*") if path.is_file()]) == 40

    run(story())


def test_a_lost_connection_is_opened_again(host: SftpHost) -> None:
    async def story() -> None:
        async with host.provider() as driver:
            await driver.create(FILE, path="/a", content="1")
            host.lose_connections()
            await driver.create(FILE, path="/b", content="2")
        assert (host.root / "b").read_text() == "2"
        assert len(host.connections) == 2

    run(story())


def test_a_connection_lost_in_the_middle_of_a_write_loses_nothing(host: SftpHost) -> None:
    async def story() -> None:
        cuts: list[str] = []

        def cut(act: str, path: str) -> None:
            if act == "rename" and not cuts:
                cuts.append(path)
                host.lose_connections()

        host.sftp.fault = staticmethod(cut)
        async with host.provider() as driver:
            await driver.create(FILE, path="/a", content="whole")
        assert cuts
        assert (host.root / "a").read_text() == "whole"
        assert [path.name for path in host.root.iterdir()] == ["a"]

    run(story())


def test_a_connection_that_is_lost_again_and_again_ends_in_an_error(host: SftpHost) -> None:
    async def story() -> None:
        host.sftp.fault = staticmethod(lambda *_: host.lose_connections())
        async with host.provider() as driver:
            with pytest.raises(HostError, match="the connection was lost 3 times"):
                await driver.create(FILE, path="/a", content="1")
        assert len(host.connections) == 3

    run(story())


def test_an_operation_that_takes_too_long_ends_in_an_error(
    host: SftpHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        monkeypatch.setattr(connection, "OPERATION_SECONDS", 0.2)

        class Silent(ScratchSftp):
            async def open(self, *_: object) -> Any:
                return await asyncio.Event().wait()

        Silent.root = host.root
        host.sftp = Silent
        async with host.provider() as driver:
            with pytest.raises(HostError, match="no answer within"):
                await driver.create(FILE, path="/a", content="1")

    run(story())


def test_a_configuration_that_is_not_known_yet_opens_no_connection(host: SftpHost) -> None:
    async def story() -> None:
        provider = HostProvider()
        configuration = host.configuration(port="22", hostKey=UNKNOWN)
        checked = await provider.check_config(CheckRequest("urn", {}, configuration, b""))
        assert not checked.failures
        await provider.configure(
            ConfigureRequest({}, configuration, accept_secrets=True, accept_resources=False)
        )
        urn = f"urn:pulumi:t::p::{FILE}::a"
        inputs = {"path": PropertyValue("/a"), "content": PropertyValue("1")}
        checked = await provider.check(CheckRequest(urn, {}, inputs, b""))
        assert checked.inputs is not None
        planned = await provider.create(CreateRequest(urn, checked.inputs, 0, preview=True))
        assert planned.properties["revision"].value == UNKNOWN
        with pytest.raises(HostError, match="not known yet"):
            await provider.create(CreateRequest(urn, checked.inputs, 0, preview=False))

    run(story())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("port", "70000"),
        ("hostKey", "ssh-ed25519 nonsense"),
        ("privateKey", "-----BEGIN OPENSSH PRIVATE KEY-----\nplanted\n"),
        ("address", ""),
    ],
)
def test_a_wrong_configuration_is_refused_by_its_key(host: SftpHost, key: str, value: str) -> None:
    async def story() -> None:
        configuration = host.configuration(**{"port": "22", key: value})
        response = await HostProvider().check_config(CheckRequest("urn", {}, configuration, b""))
        (failure,) = response.failures or []
        # The engine prints the value of a property that is named; a secret's is not to be.
        assert failure.property == ("" if key == "privateKey" else key)
        assert failure.reason.startswith(key) or failure.property == key
        assert "planted" not in failure.reason

    run(story())


def test_a_port_as_number_or_text_is_the_same_configuration(host: SftpHost) -> None:
    async def story() -> None:
        old = host.configuration(port="22")
        new = {**old, "port": PropertyValue(22.0)}
        response = await HostProvider().diff_config(DiffRequest("urn", "id", old, new, []))
        assert not response.changes

    run(story())


def test_the_private_key_is_not_in_the_representation_of_an_account() -> None:
    assert "planted" not in repr(Account("a", 22, "root", "planted", "ssh-ed25519 AAAA"))
