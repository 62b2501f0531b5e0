"""The provider as the engine starts it: a process of its own that speaks gRPC."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncssh
import grpc
import pytest
from google.protobuf import struct_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc
from pulumi.runtime.rpc import _special_secret_sig, _special_sig_key

import pulumi_host
from tests.providers.host.sftp_host import FILE, SECRET, SftpHost, run

PACKAGE = Path(pulumi_host.__file__).parent.parent
MARKER = "planted-secret-5d20"


def struct(values: dict[str, Any]) -> struct_pb2.Struct:
    result = struct_pb2.Struct()
    result.update(values)
    return result


def sealed(value: str) -> dict[str, str]:
    return {_special_sig_key: _special_secret_sig, "value": value}


def urn(kind: str) -> str:
    return f"urn:pulumi:test::mail::{kind}::it"


@asynccontextmanager
async def served() -> AsyncIterator[Any]:
    """Start the provider and yield its stub."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(PACKAGE / "__main__.py"),
        "127.0.0.1:1",
        stdout=asyncio.subprocess.PIPE,
        cwd=PACKAGE,
    )
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield provider_pb2_grpc.ResourceProviderStub(channel)
    finally:
        process.terminate()
        await process.wait()


def configuration(host: SftpHost, **changes: str) -> struct_pb2.Struct:
    values: dict[str, Any] = {
        key: value.value for key, value in host.configuration(**changes).items()
    }
    return struct(values | {"privateKey": sealed(str(values["privateKey"]))})


async def configure(stub: Any, host: SftpHost, **changes: str) -> Any:
    return await stub.Configure(
        provider_pb2.ConfigureRequest(
            args=configuration(host, **changes), acceptSecrets=True, acceptResources=True
        )
    )


async def circle(stub: Any) -> None:
    """Check, create, compare, refresh, import and delete one secret file."""
    declared = struct({"path": "/etc/a", "content": sealed(MARKER), "mode": "600"})
    checked = await stub.Check(provider_pb2.CheckRequest(urn=urn(FILE), news=declared))
    assert checked.inputs["mode"] == "0600"
    created = await stub.Create(
        provider_pb2.CreateRequest(urn=urn(FILE), properties=checked.inputs)
    )
    assert created.id == "/etc/a"
    assert created.properties["content"][_special_sig_key] == _special_secret_sig
    compared = await stub.Diff(
        provider_pb2.DiffRequest(
            urn=urn(FILE), id=created.id, olds=created.properties, news=checked.inputs
        )
    )
    assert compared.changes == provider_pb2.DiffResponse.DIFF_NONE
    read = await stub.Read(
        provider_pb2.ReadRequest(
            urn=urn(FILE), id=created.id, properties=created.properties, inputs=checked.inputs
        )
    )
    assert read.properties == created.properties
    assert read.inputs == checked.inputs
    imported = await stub.Read(provider_pb2.ReadRequest(urn=urn(FILE), id=created.id))
    assert imported.inputs == checked.inputs
    await stub.Delete(
        provider_pb2.DeleteRequest(urn=urn(FILE), id=created.id, properties=created.properties)
    )
    gone = await stub.Read(
        provider_pb2.ReadRequest(
            urn=urn(FILE), id=created.id, properties=created.properties, inputs=checked.inputs
        )
    )
    assert gone.id == ""


def test_the_whole_circle_over_grpc(host: SftpHost) -> None:
    async def story() -> None:
        async with host.running(), served() as stub:
            checked = await stub.CheckConfig(
                provider_pb2.CheckRequest(urn="urn", news=configuration(host))
            )
            assert not checked.failures
            answer = await configure(stub, host)
            assert answer.acceptSecrets
            assert answer.supportsPreview
            await circle(stub)
        assert not (host.root / "etc/a").exists()

    run(story())


def test_the_schema_knows_what_is_secret_required_and_replacing() -> None:
    async def story() -> None:
        async with served() as stub:
            answer = await stub.GetSchema(provider_pb2.GetSchemaRequest(version=0))
        schema = json.loads(answer.schema)
        assert set(schema["resources"]) == {FILE, SECRET}
        file = schema["resources"][FILE]
        assert file["requiredInputs"] == ["path", "content"]
        assert file["inputProperties"]["path"]["willReplaceOnChanges"]
        assert schema["resources"][SECRET]["properties"]["value"]["secret"]
        assert schema["provider"]["inputProperties"]["privateKey"]["secret"]
        for resource in (schema["provider"], *schema["resources"].values()):
            assert all(value["description"] for value in resource["properties"].values())

    run(story())


def test_a_changed_configuration_is_told_from_an_unchanged_one(host: SftpHost) -> None:
    async def story() -> None:
        old = configuration(host, port="22")
        moved = struct_pb2.Struct()
        moved.CopyFrom(old)
        moved.update({"port": "23"})
        async with served() as stub:
            for new, changes in (
                (old, provider_pb2.DiffResponse.DIFF_NONE),
                (moved, provider_pb2.DiffResponse.DIFF_SOME),
            ):
                answer = await stub.DiffConfig(
                    provider_pb2.DiffRequest(urn="urn", id="id", olds=old, news=new)
                )
                assert answer.changes == changes
                assert not answer.replaces

    run(story())


def test_a_failure_reaches_the_engine_as_one_line_without_a_secret(host: SftpHost) -> None:
    async def story() -> None:
        other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
        async with host.running(), served() as stub:
            await configure(stub, host, hostKey=other)
            inputs = struct({"path": "/a", "content": sealed(MARKER), "mode": "0600"})
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Create(provider_pb2.CreateRequest(urn=urn(FILE), properties=inputs))
        details = caught.value.details() or ""
        assert details.startswith(f"127.0.0.1 port {host.port} does not show the declared host key")
        assert "\n" not in details
        assert MARKER not in repr(caught.value)

    run(story())


def test_an_unforeseen_failure_tells_its_kind_and_nothing_else(host: SftpHost) -> None:
    async def story() -> None:
        async with host.running(), served() as stub:
            await configure(stub, host)
            inputs = struct({"path": "/a", "content": sealed(MARKER), "mode": MARKER})
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Create(provider_pb2.CreateRequest(urn=urn(FILE), properties=inputs))
        details = caught.value.details() or ""
        assert details.startswith("a fault of the host provider: ValueError in file.py, line ")
        assert MARKER not in repr(caught.value)

    run(story())
