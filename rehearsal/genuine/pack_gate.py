"""A gate before a policy pack: the engine speaks to it from the start, the pack comes later.

A pack reads its configuration when it starts; the engine tells it only afterwards.
"""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

_UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
_PASSED_ON = ("Analyze", "AnalyzeStack", "Remediate", "GetAnalyzerInfo", "GetPluginInfo",
              "Configure", "Cancel")  # fmt: skip


class PackGate(analyzer_pb2_grpc.AnalyzerServicer):
    """What the engine takes for the policy pack."""

    def __init__(self) -> None:
        """Listen on a port of loopback."""
        self._told = threading.Event()
        self._ready = threading.Event()
        self._stack: Any = None
        self._pack: Any = None
        for method in _PASSED_ON:
            setattr(self, method, self._handing_on(method))
        self._server = grpc.server(ThreadPoolExecutor(max_workers=16), options=_UNLIMITED)
        analyzer_pb2_grpc.add_AnalyzerServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def Handshake(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Answer at once: the pack does not run yet."""
        del request, context
        return analyzer_pb2.AnalyzerHandshakeResponse()

    def ConfigureStack(self, request: Any, context: Any) -> Any:  # noqa: N802 - as above
        """Let the pack start."""
        del context
        self._stack = request
        self._told.set()
        return analyzer_pb2.AnalyzerStackConfigureResponse()

    def configuration(self) -> dict[str, str]:
        """Wait until the engine has told the configuration; return it as variables of the pack.

        As Pulumi's own host does, which names no secret keys.
        """
        self._told.wait()
        if self._stack is None:
            return {}
        variables = {
            "PULUMI_ORGANIZATION": self._stack.organization,
            "PULUMI_PROJECT": self._stack.project,
            "PULUMI_STACK": self._stack.stack,
            "PULUMI_DRY_RUN": "true" if self._stack.dry_run else "false",
            "PULUMI_CONFIG": json.dumps(dict(self._stack.config)),
        }
        return {name: value for name, value in variables.items() if value}

    def open(self, port: int) -> None:
        """Hand on what is asked from now on to the pack on a port of loopback."""
        channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=_UNLIMITED)
        pack: Any = analyzer_pb2_grpc.AnalyzerStub(channel)
        if self._stack is not None:
            try:
                pack.ConfigureStack(self._stack, wait_for_ready=True)
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                    raise
        self._pack = pack
        self._ready.set()

    def close(self) -> None:
        """Answer no more; nobody waits any longer."""
        self._told.set()
        self._ready.set()
        self._server.stop(None)

    def _handing_on(self, method: str) -> Any:
        def hand_on(request: Any, context: Any) -> Any:
            self._told.set()  # whoever publishes a pack has no stack to tell of
            self._ready.wait()
            if self._pack is None:
                context.abort(grpc.StatusCode.UNAVAILABLE, "the policy pack did not start")
            try:
                return getattr(self._pack, method)(request)
            except grpc.RpcError as error:
                context.abort(error.code(), error.details())

        return hand_on
