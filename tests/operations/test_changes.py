"""The pages of changes, and what the changes really do in a rehearsed world."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from declaration.reading import load_values
from operations.changes import CHANGES, FOLDER, OTHER_STACK, is_current, pages, plain
from operations.site.editing import edited
from rehearsal.flow import Flow
from rehearsal.stage import Stage
from tests.conftest import PROJECT

FIRST_USER = (
    "portugalodyssey", "portugal odyssey", "31.97.159.7", "po-shared", "po-qual", "cristina",
    "bookings@", "partners@", "lisbon",
)  # fmt: skip
"""What would be left of the first user."""


def test_the_pages_say_what_a_preview_says(tmp_path: Path) -> None:
    current = pages(tmp_path)
    stale = [name for name, text in current.items() if not is_current(FOLDER / name, text)]
    assert not stale, f"{stale}: run python -m operations.changes"


def test_what_differs_between_rehearsals_is_left_out() -> None:
    assert plain(f"at 127.0.0.1:4711 {'ab' * 20}") == "at 127.0.0.1:PORT ..."


def test_mail_leaves_through_another_smarthost_once_it_is_deployed(tmp_path: Path) -> None:
    change = next(change for change in CHANGES if change.page == "smarthost")
    stage = Stage(PROJECT, "qual", tmp_path / "runs")
    world = stage.start_world(parent=os.getpid())
    try:
        assert stage.engine(world).up().ok
        draft = tmp_path / stage.file.name
        draft.write_text(edited(stage.file.read_text("utf-8"), change.edits), "utf-8")
        stage.file = draft
        assert stage.engine(world).up().ok
        assert not [step for step in stage.engine(world).preview().steps if step.op.changes], (
            "the change is not complete after one deployment"
        )
        passage = Flow(stage.declaration(world), world).out()
        assert passage.ok, passage.problem
        assert world.ask("GET", "/smarthost/accepted")[-1]["house"] == "ses"
    finally:
        stage.stop_world()


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The stack of another company, deployed."""
    stage = Stage(PROJECT, OTHER_STACK, tmp_path_factory.mktemp("runs"))
    world = stage.start_world(parent=os.getpid())
    outcome = stage.engine(world).up()
    assert outcome.ok, [error.message for error in outcome.errors]
    yield stage
    stage.stop_world()


def test_mail_of_another_company_flows_both_ways(other: Stage) -> None:
    flow = Flow(other.declaration(other.world()), other.world())
    for passage in (flow.out(), flow.into()):
        assert passage.ok, passage.problem


def test_nothing_of_the_first_user_remains_in_another_companys_artifacts(other: Stage) -> None:
    world = other.world()
    kept = [file for file in (world.folder / "root").rglob("*") if file.is_file()]
    # The release and the shipped programs are the same for everybody.
    own = [file for file in kept if not {".git", "bin"} & set(file.parts)]
    texts = {str(file): file.read_bytes().decode(errors="replace").lower() for file in own}
    texts["zone"] = str(world.ask("GET", "/cloudflare/records")).lower()
    texts["containers"] = str(world.ask("GET", "/docker/containers")).lower()
    state = next((other.backend / ".pulumi" / "stacks").rglob(f"{OTHER_STACK}.json"))
    texts["state"] = state.read_text("utf-8").lower()
    found = {(place, name) for place, text in texts.items() for name in FIRST_USER if name in text}
    assert not found
    assert any("aurelia.example" in text for text in texts.values())


def test_the_example_declares_every_service_that_the_first_stack_does() -> None:
    ours, theirs = (
        load_values(PROJECT / f"Pulumi.{stack}.yaml")["mailcow"] for stack in ("qual", OTHER_STACK)
    )
    assert isinstance(ours, dict)
    assert isinstance(theirs, dict)
    assert ours["services"] == theirs["services"]
