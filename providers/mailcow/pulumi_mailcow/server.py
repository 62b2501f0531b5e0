"""Serve the provider over gRPC, with errors that a person can read and a state that is true.

The SDK's own server turns every exception into a traceback, and has no way to say that a resource
was created but is not as declared. This one puts both right.
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.protobuf import any_pb2
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.server import ProviderServicer
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from pulumi_mailcow.errors import MailcowError, PartlyDoneError
from pulumi_mailcow.provider import MailcowProvider
from pulumi_mailcow.version import VERSION

LARGEST_MESSAGE = 400 * 1024 * 1024
"""Bytes; what Pulumi's own servers take."""


class Servicer(ProviderServicer):
    """The SDK's servicer, with errors rephrased."""

    async def CheckConfig(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        """Check the configuration."""
        return await _guarded(super().CheckConfig, request, context)

    async def Configure(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        """Take the configuration."""
        return await _guarded(super().Configure, request, context)

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        """Check a declaration."""
        return await _guarded(super().Check, request, context)

    async def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        """Compare."""
        return await _guarded(super().Diff, request, context)

    async def Create(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        """Create."""
        return await _guarded(super().Create, request, context)

    async def Read(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        """Read."""
        return await _guarded(super().Read, request, context)

    async def Update(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        """Change."""
        return await _guarded(super().Update, request, context)

    async def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        """Remove."""
        return await _guarded(super().Delete, request, context)


async def _guarded(method: Callable[[Any, Any], Awaitable[Any]], request: Any, context: Any) -> Any:
    try:
        return await method(request, context)
    except Exception as wrapped:  # noqa: BLE001 - whatever it is, the engine gets one clear line
        # The SDK raises a text that holds the traceback; the real error is what it was raised in.
        error = wrapped.__context__ or wrapped
    if isinstance(error, PartlyDoneError):
        context.set_trailing_metadata((("grpc-status-details-bin", _details(error)),))
    await context.abort(grpc.StatusCode.UNKNOWN, _said(error))
    return None


def _said(error: BaseException) -> str:
    if isinstance(error, MailcowError):
        return str(error)
    # Not its text: that could hold anything, a password too.
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = ""
    if place is not None:
        where = f" in {Path(place.tb_frame.f_code.co_filename).name}, line {place.tb_lineno}"
    return f"a fault of the mailcow provider: {type(error).__name__}{where}"


def _details(error: PartlyDoneError) -> bytes:
    partly = provider_pb2.ErrorResourceInitFailed(
        id=error.resource_id,
        properties=PropertyValue.marshal_map(error.properties),
        reasons=list(error.reasons),
        inputs=PropertyValue.marshal_map(error.inputs),
    )
    detail = any_pb2.Any()
    detail.Pack(partly)
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=_said(error))
    status.details.append(detail)
    return bytes(status.SerializeToString())


async def _serve(engine: str) -> None:
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", LARGEST_MESSAGE)])
    servicer = Servicer([], VERSION, MailcowProvider(), engine_address=engine)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await server.wait_for_termination()


def main(arguments: list[str]) -> None:
    """Serve until the engine goes away; the port is printed first, as Pulumi expects."""
    parser = argparse.ArgumentParser(description="Pulumi provider `mailcow`")
    parser.add_argument("engine", nargs="?", default="", help="address of the engine")
    known, _ = parser.parse_known_args(arguments)
    try:
        asyncio.run(_serve(known.engine))
    except KeyboardInterrupt:
        return
