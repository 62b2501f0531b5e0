"""What is generated is up to date, and the examples in it run."""

import asyncio
import json
from typing import Any

import pulumi
import pytest

import pulumi_mailcow as mailcow
from pulumi_mailcow import generate
from pulumi_mailcow.describe import camel, snake
from pulumi_mailcow.objects import OBJECTS
from pulumi_mailcow.objects.base import MailcowObject
from pulumi_mailcow.schema import schema
from tests.providers.mailcow.stack import in_loop, standing


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (generate.RESOURCES, generate.resources()),
        (generate.PACKAGE_FILE, generate.package()),
        (generate.REFERENCE, generate.reference()),
    ],
    ids=["resources", "package", "reference"],
)
def test_generated_files_follow_from_the_descriptions(path: Any, text: str) -> None:
    assert path.read_text() == text, "run `python -m pulumi_mailcow.generate`"


def test_the_schema_describes_every_object() -> None:
    described = json.loads(schema())
    assert set(described["resources"]) == {f"mailcow:index:{item.token}" for item in OBJECTS}
    for item in OBJECTS:
        found = described["resources"][f"mailcow:index:{item.token}"]
        for property_ in item.properties:
            assert found["properties"][property_.wire]["description"]
            assert found["properties"][property_.wire].get("secret", False) == property_.secret
        assert set(found["requiredInputs"]) == {
            property_.wire for property_ in item.properties if property_.required
        }


def test_names_go_to_pulumi_and_back() -> None:
    for item in OBJECTS:
        for property_ in item.properties:
            assert snake(camel(property_.name)) == property_.name


class _Recorder(pulumi.runtime.Mocks):
    def __init__(self) -> None:
        self.seen: list[pulumi.runtime.MockResourceArgs] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.seen.append(args)
        return "id", dict(args.inputs)

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], None]:
        del args
        return {}, None


def _declared(item: MailcowObject) -> tuple[str, dict[str, Any]]:
    """Return what the example in the reference page registers."""
    recorder = _Recorder()
    asyncio.set_event_loop(asyncio.new_event_loop())
    pulumi.runtime.set_mocks(recorder, preview=False)

    def declare() -> None:
        exec(item.example, {"mailcow": mailcow, "pulumi": pulumi, "opts": None})

    pulumi.runtime.test(declare)()  # type: ignore[no-untyped-call] # the SDK's own gap
    (seen,) = [text for text in recorder.seen if text.typ.startswith("mailcow:")]
    return seen.typ.rpartition(":")[2], {
        # The mock is shown a secret as the message that carries it.
        key: value["value"] if isinstance(value, dict) else value
        for key, value in seen.inputs.items()
        if value is not None
    }


def test_the_examples_run_one_after_the_other_and_settle() -> None:
    program = {item.token: _declared(item) for item in OBJECTS}
    assert all(name == token for name, (token, _) in program.items())

    @in_loop
    async def deployed() -> None:
        async with standing() as (_, stack):
            assert set((await stack.up(program)).values()) == {"create"}
            await stack.configure()
            assert await stack.refresh() == {}
            assert set((await stack.up(program)).values()) == {"same"}
            await stack.up({})

    deployed()
