"""A provider on the kit as an engine meets it: over gRPC, started by the engine or attached to."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from pulumi_kit.values import wrapped_map
from tests.providers.kit import shelf

URN = "urn:pulumi:test::mail::shelf:index:Box::it"
SECONDS = 20


def started(*words: str) -> Iterator[Any]:
    """A stub of the plugin, in a process of its own."""
    command = [sys.executable, "-m", shelf.__name__, *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield provider_pb2_grpc.ResourceProviderStub(channel)
        process.terminate()


@pytest.fixture
def stub() -> Iterator[Any]:
    """As an engine starts it."""
    yield from started("--logtostderr", "-v=3", "--tracing", "http://127.0.0.1:9", "127.0.0.1:1")


@pytest.fixture
def unattached() -> Iterator[Any]:
    """As a person starts it, for an engine to attach to."""
    yield from started("--port", "0")


def create(stub: Any, way: str) -> Any:
    properties = PropertyValue.marshal_map(wrapped_map({"way": way}))
    request = provider_pb2.CreateRequest(urn=URN, properties=properties)
    return stub.Create(request, timeout=SECONDS)


def failure(stub: Any, way: str) -> Any:
    with pytest.raises(grpc.RpcError) as caught:
        create(stub, way)
    return caught.value


def test_a_failure_is_one_line_and_no_traceback(stub: Any) -> None:
    assert failure(stub, "known").details() == "the shelf is full"
    with pytest.raises(grpc.RpcError, match="box-1 is nailed down"):
        stub.Delete(provider_pb2.DeleteRequest(urn=URN, id="box-1"), timeout=SECONDS)
    unforeseen = failure(stub, "unforeseen")
    assert unforeseen.details().startswith("a fault of the shelf provider: ValueError in shelf.py")
    assert shelf.MARKER not in repr(unforeseen)


def test_what_is_half_done_travels_with_its_state_and_its_reasons(stub: Any) -> None:
    metadata = dict(failure(stub, "half").trailing_metadata())
    status = status_pb2.Status.FromString(metadata["grpc-status-details-bin"])
    partly = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(partly)
    assert (partly.id, list(partly.reasons)) == ("box-1", ["the lid is open"])
    assert PropertyValue.unmarshal_map(partly.properties)["label"].is_secret
    assert PropertyValue.unmarshal_map(partly.inputs)["way"].value == "half"


def test_a_changed_configuration_is_told_from_an_unchanged_one(stub: Any) -> None:
    here, there = (PropertyValue.marshal_map(wrapped_map({"place": place})) for place in "ab")
    left_open = PropertyValue.marshal_map(wrapped_map({"open": True}))
    for new, changes in (
        (here, provider_pb2.DiffResponse.DIFF_NONE),
        (there, provider_pb2.DiffResponse.DIFF_SOME),
        (left_open, provider_pb2.DiffResponse.DIFF_UNKNOWN),
    ):
        request = provider_pb2.DiffRequest(urn="urn", id="id", olds=here, news=new)
        assert stub.DiffConfig(request, timeout=SECONDS).changes == changes


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("Handshake", provider_pb2.ProviderHandshakeRequest()),
        ("Invoke", provider_pb2.InvokeRequest(tok="shelf:index:find")),
    ],
)
def test_what_a_provider_does_not_know_is_not_implemented(
    stub: Any, method: str, request_: Any
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        getattr(stub, method)(request_, timeout=SECONDS)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_cancellation_reaches_the_provider(stub: Any) -> None:
    stub.Cancel(empty_pb2.Empty(), timeout=SECONDS)
    assert failure(stub, "well").details() == "the shelf was given up"


def test_a_plugin_ends_when_its_engine_was_killed() -> None:
    started_by = (
        "import subprocess, sys; "
        f"plugin = subprocess.Popen([sys.executable, '-m', '{shelf.__name__}', '127.0.0.1:1'], "
        "stdout=subprocess.PIPE); plugin.stdout.readline(); print(plugin.pid)"
    )
    engine = subprocess.run(
        [sys.executable, "-c", started_by], capture_output=True, text=True, check=True, timeout=60
    )
    place, end = Path("/proc", engine.stdout.strip()), time.monotonic() + SECONDS
    while place.exists() and time.monotonic() < end:
        time.sleep(0.1)
    assert not place.exists()


def test_an_engine_attaches_to_a_provider_that_runs_already(unattached: Any) -> None:
    unattached.Attach(plugin_pb2.PluginAttach(address="127.0.0.1:1"), timeout=SECONDS)
    assert unattached.GetPluginInfo(empty_pb2.Empty(), timeout=SECONDS).version == "1.2.3"
    assert create(unattached, "well").id == "box-1"
