"""The hook that the program has: a function of its own, asked before a resource is updated."""

from typing import Any

import grpc
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import callback_pb2, callback_pb2_grpc, resource_pb2

from rehearsal.engine.model import LEFT_OUT, ResourceState
from rehearsal.engine.urn import name_of

BEFORE_UPDATE = "BeforeUpdate"
"""The moment, in the words of Pulumi's checkpoint."""
_HERE = ("127.0.0.1:", "localhost:", "[::1]:")


class HookRefusedError(Exception):
    """A hook that cannot be registered."""


class HookFailedError(Exception):
    """A hook refused; the message is its own."""


class Hooks:
    """The hooks that the program of this run has registered."""

    def __init__(self) -> None:
        """Begin with none."""
        self._requests: dict[str, resource_pb2.RegisterResourceHookRequest] = {}

    def register(self, request: resource_pb2.RegisterResourceHookRequest) -> None:
        """Take up a hook.

        Raises:
            HookRefusedError: its name is taken, it is not on this machine, or asks for what this
                engine does not do.
        """
        if request.name in self._requests:
            message = f'resource hook already registered for name "{request.name}"'
            raise HookRefusedError(message)
        # gRPC connects below Python, where the guard does not see it.
        if not request.callback.target.startswith(_HERE):
            message = f'resource hook "{request.name}" is called at an address off this machine'
            raise HookRefusedError(message)
        if not request.on_dry_run or request.ignore_errors:
            message = f'resource hook "{request.name}" stays out of previews, or may fail'
            raise HookRefusedError(f"{message}; {LEFT_OUT}")
        self._requests[request.name] = request

    async def before_update(self, old: ResourceState, new: ResourceState) -> None:
        """Ask what a resource has to be asked before it becomes `new`.

        Raises:
            HookFailedError: one of them refused, or was not registered.
        """
        for name in new.resource_hooks.get(BEFORE_UPDATE, ()):
            hook = self._requests.get(name)
            if hook is None:
                raise HookFailedError(f'hook "{name}" was not registered')
            if error := await _complaint(hook, old, new):
                raise HookFailedError(f'before hook "{name}" failed: {error}')


async def _complaint(
    hook: resource_pb2.RegisterResourceHookRequest, old: ResourceState, new: ResourceState
) -> str:
    """Return what a hook has against an update, or nothing."""
    question = resource_pb2.ResourceHookRequest(
        urn=new.urn,
        id=new.id,
        name=name_of(new.urn),
        type=new.type,
        new_inputs=PropertyValue.marshal_map(new.inputs),
        old_inputs=PropertyValue.marshal_map(old.inputs),
        old_outputs=PropertyValue.marshal_map(old.outputs),
    )
    call = callback_pb2.CallbackInvokeRequest(
        token=hook.callback.token, request=question.SerializeToString()
    )
    target: Any = hook.callback.target
    async with grpc.aio.insecure_channel(target, options=_GRPC_CHANNEL_OPTIONS) as channel:
        try:
            answer = await callback_pb2_grpc.CallbacksStub(channel).Invoke(call)
        except grpc.aio.AioRpcError as error:
            return error.details() or str(error.code())
    return str(resource_pb2.ResourceHookResponse.FromString(answer.response).error)
