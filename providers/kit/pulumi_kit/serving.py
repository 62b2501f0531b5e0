"""A provider as a plugin: a process that the engine starts, or one that runs and is attached to.

The SDK's own server sends tracebacks, answers `DiffConfig` with a truth value where the protocol
has three answers, knows no `Attach`, and cannot say that a resource is there, but not as declared.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
from google.protobuf import empty_pb2
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.provider import DiffRequest, Provider
from pulumi.provider.experimental.server import ProviderServicer
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from pulumi_kit.failures import PartlyDoneError, spoken

LARGEST_MESSAGE = 400 * 1024 * 1024
"""Bytes; what Pulumi's own servers take."""

_ORPHAN_SECONDS = 0.5
_CHANGES = {
    True: provider_pb2.DiffResponse.DIFF_SOME,
    False: provider_pb2.DiffResponse.DIFF_NONE,
    None: provider_pb2.DiffResponse.DIFF_UNKNOWN,
}
"""What is left open is for the engine to find out: taken for "none", a changed configuration would
not reach the provider before the next deployment."""

Method = Callable[[Any, Any], Awaitable[Any]]


class Servicer(ProviderServicer):
    """The SDK's servicer, with what it lacks."""

    async def Attach(self, request: Any, context: Any) -> Any:  # noqa: N802 - protocol's name
        """Serve the engine at the address that it gives.

        An engine asks this of a provider that it did not start: one that
        `PULUMI_DEBUG_PROVIDERS=name:port` names.
        """
        del context
        self._engine_address = request.address
        return empty_pb2.Empty()

    async def DiffConfig(self, request: Any, context: Any) -> Any:  # noqa: N802 - protocol's name
        """Say whether the configuration changed, and whether that makes another provider."""
        del context
        answer = await self._provider.diff_config(
            DiffRequest(
                request.urn,
                request.id,
                PropertyValue.unmarshal_map(request.olds),
                PropertyValue.unmarshal_map(request.news),
                list(request.ignoreChanges),
            )
        )
        return provider_pb2.DiffResponse(
            changes=_CHANGES[answer.changes],
            replaces=answer.replaces,
            diffs=answer.diffs,
        )


class _Plainly(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # grpc publishes no types
    """Turns every failure into one line that a person can read."""

    def __init__(self, package: str) -> None:
        self._package = package

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        """Guard the method that was called."""
        handler = await continuation(handler_call_details)
        if handler is None or handler.unary_unary is None:
            return handler
        return grpc.unary_unary_rpc_method_handler(
            self._guarded(handler.unary_unary),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _guarded(self, method: Method) -> Method:
        async def guarded(request: Any, context: Any) -> Any:
            try:
                return await method(request, context)
            except NotImplementedError as error:
                code, message = grpc.StatusCode.UNIMPLEMENTED, str(error) or "not implemented"
            except grpc.aio.AbortError:
                raise
            except Exception as wrapped:  # noqa: BLE001 - whatever it is, it must not travel as is
                # The SDK raises a text that holds the traceback, while it handles the real error.
                failure = wrapped.__context__ or wrapped
                code, message = grpc.StatusCode.UNKNOWN, spoken(failure, self._package)
                if isinstance(failure, PartlyDoneError):
                    details = failure.details()
                    context.set_trailing_metadata((("grpc-status-details-bin", details),))
            return await context.abort(code, message)

        return guarded


async def start(
    provider: Provider, package: str, version: str, *, engine: str = "", port: int = 0
) -> tuple[grpc.aio.Server, int]:
    """Serve a provider on loopback; return the server and its port.

    Args:
        provider: The provider.
        package: Name of its package, as in a type token.
        version: Version of the package.
        engine: Address of the engine; empty for one that attaches itself.
        port: Port to listen on; 0 for any that is free.
    """
    server = grpc.aio.server(
        interceptors=[_Plainly(package)],
        options=[("grpc.max_receive_message_length", LARGEST_MESSAGE)],
    )
    servicer = Servicer([], version, provider, engine_address=engine)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    return server, bound


async def _orphaned() -> None:
    """Return when the parent is gone: an engine that was killed does not say so."""
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(_ORPHAN_SECONDS)


async def _serve(provider: Provider, package: str, version: str, known: Any) -> None:
    engine = known.engine[-1] if known.engine else ""
    server, port = await start(provider, package, version, engine=engine, port=known.port)
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    try:
        await (_orphaned() if engine else server.wait_for_termination())
    finally:
        await provider.cancel()
        await server.stop(None)


def serve(provider: Callable[[], Provider], package: str, version: str, words: list[str]) -> None:
    """Serve until the engine ends the process or is gone; the port is printed first.

    Args:
        provider: Makes the provider.
        package: Name of its package, as in a type token.
        version: Version of the package.
        words: The command line without the program: an engine's flags and address, or none and
            `--port` for a provider that engines attach to.
    """
    parser = argparse.ArgumentParser(prog=f"pulumi-resource-{package}")
    # What comes before the address belongs to flags that are not known here.
    parser.add_argument("engine", nargs="*", default=[], help="address of the engine")
    parser.add_argument("--port", type=int, default=0, help="port to listen on, by default any")
    known, _ = parser.parse_known_args(words)
    try:
        asyncio.run(_serve(provider(), package, version, known))
    except KeyboardInterrupt:
        return
