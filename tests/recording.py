"""A program run against a monitor that records what is registered and deploys nothing."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
from google.protobuf import json_format
from pulumi.runtime import config as runtime_config
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs, Mocks, set_mocks
from pulumi.runtime.stack import run_pulumi_func

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"
MARKER = "planted"
"""What every invented secret begins with, so that it can be searched for."""
ZONE_ID = "0123456789abcdef0123456789abcdef"


@dataclass(frozen=True)
class Sealed:
    """A value that was registered as a secret."""

    value: Any


@dataclass(frozen=True)
class Registered:
    """One registration, with properties in Pulumi's spelling and secrets as `Sealed`."""

    type: str
    name: str
    urn: str
    parent: str
    provider: str
    protect: bool
    dependencies: tuple[str, ...]
    inputs: Mapping[str, Any]

    def after(self, name: str) -> bool:
        """Tell whether it waits for a resource of this name."""
        return any(urn.endswith(f"::{name}") for urn in self.dependencies)


@dataclass
class Recording:
    """What a program registered, in the order of arrival."""

    resources: list[Registered] = field(default_factory=list)
    calls: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    error: BaseException | None = None

    def of_type(self, token: str) -> dict[str, Registered]:
        """Return the resources of a type by name."""
        return {resource.name: resource for resource in self.resources if resource.type == token}


class _Answers(Mocks):
    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        state: dict[Any, Any] = {"revision": "1", "sha256": "0" * 64} | dict(args.inputs)
        if args.typ == "host:index:Secret":
            invented = (f"{MARKER}-{args.name}-" + "x" * 512)[: int(args.inputs["length"])]
            state["value"] = pulumi.Output.secret(invented)
        return f"{args.name}-id", state

    def call(self, args: MockCallArgs) -> dict[Any, Any]:  # type: ignore[override]  # failures may be left out
        self._recording.calls.append((args.token, dict(args.args)))
        return {"zoneId": ZONE_ID, "id": ZONE_ID}


class _Monitor(MockMonitor):
    def __init__(self, recording: Recording) -> None:
        super().__init__(_Answers(recording))
        self._recording = recording

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the protocol's name
        answer = super().RegisterResource(request)  # type: ignore[no-untyped-call]  # untyped in the SDK
        if request.type != "pulumi:pulumi:Stack":
            self._recording.resources.append(
                Registered(
                    type=request.type,
                    name=request.name,
                    urn=answer.urn,
                    parent=request.parent.rpartition("::")[2],
                    provider=request.provider,
                    protect=request.protect,
                    dependencies=tuple(request.dependencies),
                    inputs=_opened(json_format.MessageToDict(request.object)),
                )
            )
        return answer


def _opened(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get(_SIGNATURE) == _SECRET:
            return Sealed(_opened(value["value"]))
        if _SIGNATURE in value:  # an output with its dependencies
            opened = _opened(value.get("value"))
            return Sealed(opened) if value.get("secret") else opened
        return {key: _opened(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_opened(item) for item in value]
    return value


def record(
    program: Callable[[], object],
    config: Mapping[str, str] | None = None,
    secret_keys: Iterable[str] = (),
    stack: str = "qual",
) -> Recording:
    """Run a program to its end, in a thread and an event loop of its own.

    Args:
        program: The program.
        config: Configuration by full key, such as `mail:domain`.
        secret_keys: Full keys that are sealed.
        stack: Name of the stack.

    Returns:
        What it registered; `error` is what it raised.
    """
    recording = Recording()

    def started() -> None:
        program()

    def run() -> None:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            set_mocks(_Answers(recording), project="mail", stack=stack, monitor=_Monitor(recording))
            runtime_config.set_all_config(dict(config or {}), list(secret_keys))
            loop.run_until_complete(run_pulumi_func(started))
        except BaseException as error:  # noqa: BLE001 - handed to the test
            recording.error = error
        finally:
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(timeout=120)
    if thread.is_alive():
        msg = "the program did not end"
        raise TimeoutError(msg)
    return recording


def json_config(values: Mapping[str, Any]) -> dict[str, str]:
    """Return values as the runtime hands them over: structures as JSON, scalars as text."""
    return {
        f"mail:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in values.items()
    }
