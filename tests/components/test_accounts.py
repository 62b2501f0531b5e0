"""Accounts: what is declared is used, and nothing that happens to lie around."""

import asyncio
import json
from typing import Any

import asyncssh
import pulumi
import pytest

from components.accounts import open_accounts, open_mailcow
from components.configuration import Secrets
from declaration.model import Declaration
from declaration.reading import read
from tests.declaration.test_declaration import ENDPOINTS
from tests.recording import Recording, Sealed, record


def accounts(declaration: Declaration) -> Recording:
    def program() -> None:
        def secret(name: str) -> pulumi.Output[str]:
            return pulumi.Output.secret(f"planted-{name}")

        secrets = Secrets(
            cloudflare_api_token=secret("token"),
            ssh_private_key=secret("key"),
            smarthost_password=secret("smarthost"),
            storage_access_key=secret("access"),
            storage_secret_key=secret("secret"),
            backup_passphrase=secret("passphrase"),
        )
        open_accounts(declaration.names, declaration.backup.region, secrets)
        open_mailcow(declaration.names, secret("api-key"))

    recording = record(program)
    assert recording.error is None
    return recording


def inputs(recording: Recording, package: str) -> dict[str, Any]:
    return dict(recording.of_type(f"pulumi:providers:{package}")[package].inputs)


def test_a_real_stack_uses_the_public_addresses(qual: Declaration) -> None:
    recording = accounts(qual)

    assert "baseUrl" not in inputs(recording, "cloudflare")
    assert inputs(recording, "minio")["minioServer"] == "minio.portugalodyssey.pt:443"
    assert inputs(recording, "minio")["minioSsl"] == "true"
    assert inputs(recording, "docker")["host"] == "ssh://root@31.97.159.7:22"
    assert inputs(recording, "host")["address"] == "31.97.159.7"
    mailcow = inputs(recording, "mailcow")
    assert mailcow["endpoint"] == "https://mail-admin.portugalodyssey.pt"
    assert mailcow["connectTo"] == "31.97.159.7:443"


def test_a_rehearsal_reaches_nothing_but_loopback(qual_values: dict[str, Any]) -> None:
    qual_values["endpoints"] = ENDPOINTS | {"storageTls": False, "caBundle": "PEM"}

    recording = accounts(read(qual_values, source="x"))

    assert inputs(recording, "cloudflare")["baseUrl"] == "http://127.0.0.1:8080/client/v4"
    assert inputs(recording, "minio")["minioServer"] == "127.0.0.1:9000"
    assert inputs(recording, "minio")["minioSsl"] == "false"
    assert inputs(recording, "docker") == {"host": "tcp://127.0.0.1:2375"}
    assert inputs(recording, "host")["address"] == "127.0.0.1"
    assert inputs(recording, "mailcow")["connectTo"] == "127.0.0.1:8443"
    assert inputs(recording, "mailcow")["caBundle"] == "PEM"
    assert "31.97.159.7" not in str([resource.inputs for resource in recording.resources])


def test_every_credential_is_sealed(qual: Declaration) -> None:
    for resource in accounts(qual).resources:
        for key, value in resource.inputs.items():
            assert isinstance(value, Sealed) or "planted" not in str(value), (resource.name, key)


def test_ssh_takes_the_declared_host_key_and_no_other(qual: Declaration) -> None:
    options = json.loads(inputs(accounts(qual), "docker")["sshOpts"])

    assert f"KnownHostsCommand=/bin/echo %H {qual.host_key}" in options
    assert "StrictHostKeyChecking=yes" in options
    assert "UserKnownHostsFile=/dev/null" in options


@pytest.mark.real
@pytest.mark.parametrize("declared", [True, False])
def test_a_genuine_ssh_refuses_a_host_with_another_key(
    qual_values: dict[str, Any], *, declared: bool
) -> None:
    key, other = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    shown = key if declared else other
    qual_values["hostKey"] = shown.export_public_key().decode().strip()
    options = json.loads(inputs(accounts(read(qual_values, source="x")), "docker")["sshOpts"])

    said = asyncio.run(_dial(key, options))

    assert ("Permission denied" in said) is declared
    assert ("Host key verification failed" in said) is not declared


async def _dial(key: asyncssh.SSHKey, options: list[str]) -> str:
    """Return what `ssh` says of a server with this key that lets nobody in."""
    server = await asyncssh.listen("127.0.0.1", 0, server_host_keys=[key])
    async with server:
        port = str(server.get_port())
        process = await asyncio.create_subprocess_exec(
            *("ssh", "-F", "none", *options, "-p", port, "nobody@127.0.0.1", "true"),
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await asyncio.wait_for(process.communicate(), timeout=20)
    return said.decode()
