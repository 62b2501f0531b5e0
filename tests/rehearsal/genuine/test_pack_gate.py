"""A policy pack starts when the engine has told the configuration, and is asked from then on."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from rehearsal.genuine.pack_gate import PackGate

_TOLD = analyzer_pb2.AnalyzerStackConfigureRequest(
    stack="qual", project="mail", organization="organization", dry_run=True,
    config={"mail:domain": "example.com"},
)  # fmt: skip


class _Pack(analyzer_pb2_grpc.AnalyzerServicer):
    """A pack that tells its name and what it was told."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.server = grpc.server(ThreadPoolExecutor(max_workers=2))
        analyzer_pb2_grpc.add_AnalyzerServicer_to_server(self, self.server)
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def GetAnalyzerInfo(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        del request, context
        return analyzer_pb2.AnalyzerInfo(name="mail")

    def ConfigureStack(self, request: Any, context: Any) -> Any:  # noqa: N802 - as above
        del context
        self.told.append(request)
        return analyzer_pb2.AnalyzerStackConfigureResponse()


@pytest.fixture
def gate() -> Iterator[PackGate]:
    gate = PackGate()
    yield gate
    gate.close()


@pytest.fixture
def pack() -> Iterator[_Pack]:
    pack = _Pack()
    yield pack
    pack.server.stop(None)


@pytest.fixture
def engine(gate: PackGate) -> Iterator[Any]:
    """Return the engine's end of the line."""
    with grpc.insecure_channel(f"127.0.0.1:{gate.port}") as channel:
        yield analyzer_pb2_grpc.AnalyzerStub(channel)


def test_the_configuration_reaches_a_pack_as_pulumis_own_host_says_it(
    gate: PackGate, engine: Any
) -> None:
    variables: dict[str, str] = {}
    waiting = threading.Thread(target=lambda: variables.update(gate.configuration()), daemon=True)
    waiting.start()
    assert not variables

    engine.ConfigureStack(_TOLD, timeout=10)
    waiting.join(10)

    assert variables == {
        "PULUMI_ORGANIZATION": "organization",
        "PULUMI_PROJECT": "mail",
        "PULUMI_STACK": "qual",
        "PULUMI_DRY_RUN": "true",
        "PULUMI_CONFIG": json.dumps({"mail:domain": "example.com"}),
    }


def test_a_question_waits_until_the_pack_is_there(gate: PackGate, engine: Any, pack: _Pack) -> None:
    engine.ConfigureStack(_TOLD, timeout=10)
    answer = engine.GetAnalyzerInfo.future(empty_pb2.Empty(), timeout=20)
    assert not answer.done()

    gate.open(pack.port)

    assert answer.result().name == "mail"
    assert [told.stack for told in pack.told] == ["qual"]


def test_a_pack_that_never_starts_is_said(gate: PackGate, engine: Any) -> None:
    answer = engine.GetAnalyzerInfo.future(empty_pb2.Empty(), timeout=20)

    gate.close()

    assert answer.code() is not grpc.StatusCode.OK
