"""Records what a component registers, without an engine."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_command as command
from google.protobuf import json_format
from pulumi.runtime import mocks, settings

SECRET_MARK = "4dabf18193072939515e22adb298388d"
"""Key by which Pulumi's protocol marks a sealed value."""

CONNECTION = command.remote.ConnectionArgs(host="127.0.0.1", user="root", host_key="ssh-ed25519 A")
"""A connection that nothing ever uses."""


@dataclass(frozen=True)
class Registration:
    """One resource, as the program registered it.

    Attributes:
        type: Type token.
        name: Name.
        inputs: Inputs as plain values, seals removed.
        raw: Inputs as the protocol carries them, seals included.
        after: Names of the resources that it waits for.
        ignored: Inputs whose change is ignored.
    """

    type: str
    name: str
    inputs: dict[str, Any]
    raw: dict[str, Any]
    after: frozenset[str]
    ignored: frozenset[str]


class _Outputs(mocks.Mocks):
    """Answers as the providers would."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        """Give a resource the outputs that the program reads."""
        outputs = dict(args.inputs)
        if args.typ == "host:index:Secret":
            outputs["value"] = secret_value(args.name, int(args.inputs["length"]))
        if args.typ == "host:index:File":
            outputs |= {"sha256": "0" * 64, "revision": f"revision-of-{args.name}"}
        return f"{args.name}-id", outputs

    def call(self, args: mocks.MockCallArgs) -> Any:  # noqa: ARG002 - nothing is invoked
        """Answer nothing."""
        return {}


class _Monitor(mocks.MockMonitor):
    """Keeps the requests."""

    def __init__(self) -> None:
        super().__init__(_Outputs())
        self.found: dict[str, Registration] = {}

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the protocol's name
        raw = json_format.MessageToDict(request.object)
        self.found[request.name] = Registration(
            type=request.type,
            name=request.name,
            inputs=_unsealed(raw),
            raw=raw,
            after=frozenset(urn.rpartition("::")[2] for urn in request.dependencies),
            ignored=frozenset(request.ignoreChanges),
        )
        answer: Any = super().RegisterResource(request)  # type: ignore[no-untyped-call] # the SDK's
        return answer


def secret_value(name: str, length: int) -> str:
    """Return the value that a generated secret has here."""
    return (name.replace("-", "") * length)[:length]


def _unsealed(value: Any) -> Any:
    if isinstance(value, dict):
        if SECRET_MARK in value:
            return _unsealed(value["value"])
        return {key: _unsealed(inner) for key, inner in value.items()}
    return [_unsealed(inner) for inner in value] if isinstance(value, list) else value


def registered(program: Callable[[], object]) -> dict[str, Registration]:
    """Run a program and return what it registered, by name."""
    monitor = _Monitor()
    asyncio.set_event_loop(asyncio.new_event_loop())
    mocks.set_mocks(_Outputs(), project="mail", stack="test", monitor=monitor)

    def run() -> None:
        program()

    pulumi.runtime.test(run)()  # type: ignore[no-untyped-call] # the SDK's
    settings.reset_options()
    return monitor.found


def waits_for(found: dict[str, Registration], later: str, earlier: str) -> bool:
    """Tell whether one resource waits for another, directly or not."""
    seen: set[str] = set()
    waiting = [later]
    while waiting:
        name = waiting.pop()
        for before in found[name].after - seen:
            seen.add(before)
            waiting.append(before)
    return earlier in seen


__all__ = ["CONNECTION", "Registration", "registered", "secret_value", "waits_for"]
