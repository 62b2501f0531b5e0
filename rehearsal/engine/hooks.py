"""Resource hooks: functions of the program that are called before and after a resource's steps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import grpc
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import callback_pb2, callback_pb2_grpc, resource_pb2

from rehearsal.engine.model import ResourceState
from rehearsal.engine.urn import name_of
from rehearsal.engine.values import to_struct

_HERE = ("127.0.0.1:", "localhost:", "[::1]:")


class HookRefusedError(Exception):
    """A hook that cannot be registered."""


class HookFailedError(Exception):
    """A hook refused; the message is its own."""


class Moment(StrEnum):
    """When a hook is called, in the words of Pulumi's checkpoint."""

    BEFORE_CREATE = "BeforeCreate"
    AFTER_CREATE = "AfterCreate"
    BEFORE_UPDATE = "BeforeUpdate"
    AFTER_UPDATE = "AfterUpdate"
    BEFORE_DELETE = "BeforeDelete"
    AFTER_DELETE = "AfterDelete"


@dataclass(frozen=True)
class _Hook:
    """A function of the program, as it is reached."""

    token: str
    stub: Any
    on_dry_run: bool
    ignore_errors: bool


class Hooks:
    """The hooks that the program of this run has registered."""

    def __init__(self, warn: Callable[[str, str], None], *, preview: bool) -> None:
        """Begin with none.

        Args:
            warn: Takes the message of a hook whose failure is to be ignored, and a URN.
            preview: Whether only hooks that ask for it are called.
        """
        self._warn = warn
        self._preview = preview
        self._hooks: dict[str, _Hook] = {}
        self._channels: dict[str, grpc.aio.Channel] = {}

    def register(self, request: resource_pb2.RegisterResourceHookRequest) -> None:
        """Take up a hook.

        Raises:
            HookRefusedError: its name is taken or missing, or it is not on this machine.
        """
        if not request.name:
            raise HookRefusedError("a resource hook needs a name")
        if request.name in self._hooks:
            message = f'resource hook already registered for name "{request.name}"'
            raise HookRefusedError(message)
        target = request.callback.target
        # gRPC connects below Python, where the guard does not see it.
        if not target.startswith(_HERE):
            message = f'resource hook "{request.name}" is called at {target}, which is not loopback'
            raise HookRefusedError(message)
        if target not in self._channels:
            self._channels[target] = grpc.aio.insecure_channel(
                target, options=_GRPC_CHANNEL_OPTIONS
            )
        self._hooks[request.name] = _Hook(
            request.callback.token,
            callback_pb2_grpc.CallbacksStub(self._channels[target]),
            request.on_dry_run,
            request.ignore_errors,
        )

    async def call(
        self, moment: Moment, *, old: ResourceState | None = None, new: ResourceState | None = None
    ) -> None:
        """Call what a resource has for one moment, in order.

        Args:
            moment: When.
            old: The resource as it was, for an update or a deletion.
            new: The resource as it is to be, or is now; for a creation or an update.

        Raises:
            HookFailedError: one of them failed, or was not registered.
        """
        state = new or old
        if state is None:
            return
        for name in state.resource_hooks.get(moment, ()):
            hook = self._hooks.get(name)
            if hook is None:
                message = f'hook "{name}" was not registered'
                raise HookFailedError(message)
            if self._preview and not hook.on_dry_run:
                continue
            error = await _call(hook, _request(moment, state, old, new))
            if not error:
                continue
            if not hook.ignore_errors:
                when = "before" if moment.startswith("Before") else "after"
                message = f'{when} hook "{name}" failed: {error}'
                raise HookFailedError(message)
            self._warn(f'{moment} hook "{name}" failed: {error}', state.urn)

    async def close(self) -> None:
        """Close the connections to the program."""
        for channel in self._channels.values():
            await channel.close()
        self._channels.clear()


async def _call(hook: _Hook, request: resource_pb2.ResourceHookRequest) -> str:
    """Return a hook's complaint, or nothing."""
    call = callback_pb2.CallbackInvokeRequest(token=hook.token, request=request.SerializeToString())
    try:
        answer = await hook.stub.Invoke(call)
    except grpc.aio.AioRpcError as error:
        return error.details() or str(error.code())
    return str(resource_pb2.ResourceHookResponse.FromString(answer.response).error)


def _request(
    moment: Moment, state: ResourceState, old: ResourceState | None, new: ResourceState | None
) -> resource_pb2.ResourceHookRequest:
    request = resource_pb2.ResourceHookRequest(
        urn=state.urn, id=state.id, name=name_of(state.urn), type=state.type
    )
    if new is not None:
        _fill(request.new_inputs, new.inputs)
        if moment in {Moment.AFTER_CREATE, Moment.AFTER_UPDATE}:
            _fill(request.new_outputs, new.outputs)
    if old is not None:
        _fill(request.old_inputs, old.inputs)
        _fill(request.old_outputs, old.outputs)
    return request


def _fill(message: Any, properties: Mapping[str, PropertyValue]) -> None:
    message.CopyFrom(to_struct(properties))
