"""The plugin as Pulumi runs it: a process that prints its port and speaks gRPC."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf import struct_pb2
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from pulumi_mailcow.generate import PACKAGE_FILE
from pulumi_mailcow.testing import API_KEY, Mailcow
from tests.providers.mailcow.stack import in_loop, urn, wire

PLUGIN = PACKAGE_FILE.parents[1]


def _struct(values: dict[str, Any]) -> struct_pb2.Struct:
    return PropertyValue.marshal_map(wire(values))


@asynccontextmanager
async def plugin() -> AsyncIterator[provider_pb2_grpc.ResourceProviderStub]:
    """Yield a stub of the plugin in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PLUGIN), "127.0.0.1:1", stdout=asyncio.subprocess.PIPE, cwd=Path("/")
    )
    try:
        assert process.stdout is not None
        port = int(await asyncio.wait_for(process.stdout.readline(), 30))
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield provider_pb2_grpc.ResourceProviderStub(channel)
    finally:
        process.terminate()
        await process.wait()


async def _checked(stub: Any, token: str, inputs: dict[str, Any]) -> struct_pb2.Struct:
    request = provider_pb2.CheckRequest(urn=urn(token, "it"), news=_struct(inputs))
    answer: struct_pb2.Struct = (await stub.Check(request)).inputs
    return answer


async def _create(stub: Any, token: str, inputs: dict[str, Any]) -> Any:
    properties = await _checked(stub, token, inputs)
    request = provider_pb2.CreateRequest(urn=urn(token, "it"), properties=properties)
    return await stub.Create(request)


@in_loop
async def test_the_plugin_serves_schema_objects_and_errors_without_a_traceback() -> None:
    async with Mailcow() as mailcow, plugin() as stub:
        described = json.loads((await stub.GetSchema(provider_pb2.GetSchemaRequest())).schema)
        assert described["name"] == "mailcow"
        settings = _struct({"endpoint": mailcow.url, "apiKey": API_KEY})
        await stub.Configure(provider_pb2.ConfigureRequest(args=settings, acceptSecrets=True))
        await _create(stub, "Domain", {"domain": "example.org"})
        await _create(stub, "Resource", {"domain": "example.org", "description": "room"})
        box = {"localPart": "a", "domain": "example.org", "password": "Planted-Plugin-1"}
        made = await _create(stub, "Mailbox", box)
        assert made.id == "a@example.org"
        secret = PropertyValue.unmarshal_map(made.properties)["password"]
        assert secret.is_secret
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await _create(stub, "Mailbox", box)
        details = refused.value.details() or ""
        assert "pulumi import mailcow:index:Mailbox it 'a@example.org'" in details
        assert "Traceback" not in details
        assert ".py" not in details
        assert "Planted" not in str(refused.value)
        await _half_done(stub)


async def _half_done(stub: Any) -> None:
    inputs = {"address": "b@example.org", "goto": ["c@example.net", "room@example.org"]}
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await _create(stub, "Alias", inputs)
    metadata = dict(refused.value.trailing_metadata() or ())
    status = status_pb2.Status.FromString(metadata["grpc-status-details-bin"])
    partly = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(partly)
    assert partly.id == "b@example.org"
    goto = PropertyValue.unmarshal_map(partly.properties)["goto"]
    assert isinstance(goto.value, tuple)
    assert [item.value for item in goto.value] == ["c@example.net"]
    assert any(reason.startswith("goto:") for reason in partly.reasons)
