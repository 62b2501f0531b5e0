"""The provider as a process of its own, as the engine starts it."""

import functools
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from pulumi.provider.experimental import server
from pulumi.runtime.proto import provider_pb2

from pulumi_host.errors import HostError
from pulumi_host.provider import HostProvider
from pulumi_host.schema import VERSION

_ANSWERED = (
    "CheckConfig", "DiffConfig", "Configure", "GetSchema",
    "Check", "Diff", "Create", "Read", "Update", "Delete",
)  # fmt: skip

Answer = Callable[[Any, Any, Any], Awaitable[Any]]


def _spoken_plainly(answer: Answer) -> Answer:
    """Turn a failure into one line; the SDK's server would send a traceback."""

    @functools.wraps(answer)
    async def plain(self: Any, request: Any, context: Any) -> Any:
        try:
            return await answer(self, request, context)
        except NotImplementedError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not travel as it is
            # The SDK wraps what was raised in an exception of its own.
            cause = error if isinstance(error, HostError) else error.__context__
            if isinstance(cause, HostError):
                message = str(cause)
            else:
                # Only the kind: the text of an unforeseen error could quote a secret.
                message = f"unexpected {type(cause or error).__name__} in the host provider"
        return await context.abort(grpc.StatusCode.UNKNOWN, message)

    return plain


class PlainServicer(server.ProviderServicer):
    """The SDK's servicer, with failures in one line and a right answer to `DiffConfig`."""

    async def DiffConfig(self, request: Any, context: Any) -> Any:  # noqa: N802 - protocol's name
        """Say whether the configuration changed.

        The SDK puts a truth value where the protocol has three answers: "changed" would arrive
        as "unchanged".
        """
        response = await super().DiffConfig(request, context)
        changed = provider_pb2.DiffResponse.DIFF_SOME
        same = provider_pb2.DiffResponse.DIFF_NONE
        response.changes = changed if response.diffs else same
        return response


for _name in _ANSWERED:
    setattr(PlainServicer, _name, _spoken_plainly(getattr(PlainServicer, _name)))


def main(arguments: list[str]) -> None:
    """Serve until the engine ends the process; `arguments` holds the engine's address."""
    # `main` of the SDK takes a provider, not a servicer: it looks this name up when it starts.
    server.ProviderServicer = PlainServicer  # type: ignore[misc]  # replaced on purpose
    server.main(arguments, VERSION, HostProvider())
