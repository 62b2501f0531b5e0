"""Entry point of the shelf provider for the genuine engine."""

# ruff: noqa: N802 (the methods are the protocol's own)

import sys
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from google.protobuf import any_pb2
from pulumi.provider.experimental import server
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime.proto import provider_pb2, status_pb2
from shelf.provider import (  # type: ignore[import-not-found] # the engine runs it from here
    PartlyDoneError,
    ShelfProvider,
)


class _Servicer(server.ProviderServicer):
    """The SDK's servicer, which has no words of its own for a box that is half done."""

    async def Create(self, request: Any, context: Any) -> Any:
        return await _told(super().Create, request, context)

    async def Update(self, request: Any, context: Any) -> Any:
        return await _told(super().Update, request, context)

    async def Read(self, request: Any, context: Any) -> Any:
        return await _told(super().Read, request, context)


async def _told(method: Callable[[Any, Any], Awaitable[Any]], request: Any, context: Any) -> Any:
    try:
        return await method(request, context)
    except Exception as wrapped:
        error = wrapped.__context__
        if not isinstance(error, PartlyDoneError):
            raise
    detail = any_pb2.Any()
    detail.Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=error.resource_id,
            properties=PropertyValue.marshal_map(error.properties),
            reasons=error.reasons,
            inputs=PropertyValue.marshal_map(error.inputs),
        )
    )
    code = grpc.StatusCode.UNKNOWN
    status = status_pb2.Status(code=code.value[0], message=str(error), details=[detail])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    await context.abort(code, str(error))
    return None


vars(server)["ProviderServicer"] = _Servicer
server.main(sys.argv, "1.0.0", ShelfProvider())
