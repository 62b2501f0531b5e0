"""What went wrong, as a person reads it: one line, no traceback, and nothing secret in it."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from google.protobuf import any_pb2
from grpc import StatusCode
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.provider import CheckFailure
from pulumi.runtime.proto import provider_pb2, status_pb2

from pulumi_kit.values import Wire


class ProviderError(Exception):
    """A failure that a person can understand; the message names no secret."""


class PartlyDoneError(ProviderError):
    """The resource exists, or may exist, but is not as declared.

    An engine keeps `resource_id` and `properties` as the resource's state, notes `reasons` with
    it, and tries an update at the next run. Over gRPC this travels as `ErrorResourceInitFailed`
    (pulumi's provider.proto).

    Attributes:
        resource_id: Id under which the object is found again.
        properties: State that tells the truth, as `PropertyValue`s once it leaves the provider.
        inputs: Inputs to remember with it.
        reasons: One sentence for each thing that is not as declared.
    """

    def __init__(
        self,
        resource_id: str,
        properties: Mapping[str, Any],
        reasons: Sequence[str],
        inputs: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__("; ".join(reasons))
        self.resource_id = resource_id
        self.properties = dict(properties)
        self.inputs = dict(inputs or {})
        self.reasons = tuple(reasons)

    def details(self) -> bytes:
        """Return the details of the status that tells an engine so."""
        partly = provider_pb2.ErrorResourceInitFailed(
            id=self.resource_id,
            properties=PropertyValue.marshal_map(self.properties),
            reasons=list(self.reasons),
            inputs=PropertyValue.marshal_map(self.inputs),
        )
        detail = any_pb2.Any()
        detail.Pack(partly)
        status = status_pb2.Status(code=StatusCode.UNKNOWN.value[0], message=str(self))
        status.details.append(detail)
        return bytes(status.SerializeToString())


def spoken(error: BaseException, package: str) -> str:
    """Return what is told of an error.

    Of one that nobody foresaw these are its kind and place: its text could hold a password.
    """
    if isinstance(error, ProviderError):
        return str(error)
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = ""
    if frame is not None:
        where = f" in {Path(frame.tb_frame.f_code.co_filename).name}, line {frame.tb_lineno}"
    return f"a fault of the {package} provider: {type(error).__name__}{where}"


def refused(
    mistakes: Iterable[tuple[str, str]], inputs: Wire, secret: frozenset[str] = frozenset()
) -> list[CheckFailure]:
    """Return mistakes such that the engine repeats no secret.

    It prints the value of the property that a failure names, marked secret or not.

    Args:
        mistakes: Path of the property, and what is wrong with it.
        inputs: The inputs that were checked.
        secret: Names of properties that are secret whether or not they are marked so.
    """
    failures = []
    for path, reason in mistakes:
        name = path.partition(".")[0].partition("[")[0]
        sealed = name in secret or (name in inputs and inputs[name].contains_secret())
        if sealed:
            failures.append(CheckFailure("", f"{path} {reason}"))
        else:
            failures.append(CheckFailure(path, reason))
    return failures
