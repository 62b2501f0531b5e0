"""Resources that are there but not as asked: noted, reported, tried again."""

import json

from rehearsal.engine import Op, Severity
from tests.engine.stage import MARKER, Stage, changed, step

HALF = """
box = shelf.Box("half", label="one", undone="create", opts=O())
shelf.Box("above", label=box.label, opts=O())
shelf.Box("beside", opts=O())
"""
REASONS = ["the lid is open", "the lock does not take none"]


def test_what_was_half_created_stands_in_the_state_with_the_reasons(stage: Stage) -> None:
    outcome = stage.up(HALF)
    assert not outcome.ok
    (error,) = outcome.errors
    assert error.urn.endswith("::half")
    assert all(reason in error.message for reason in REASONS)
    entry = stage.resources()["half"]
    assert entry["initErrors"] == REASONS
    assert entry["id"] == stage.path_of("half").stem
    assert entry["inputs"]["label"] == entry["outputs"]["label"] == "one"
    assert "above" not in stage.resources()
    assert "beside" in stage.resources()


def test_the_next_run_updates_it_without_a_difference_and_goes_on(stage: Stage) -> None:
    stage.up(HALF)
    plan = stage.preview()
    assert step(plan, "half").op is Op.UPDATE
    assert step(plan, "half").diff == ()
    told = [
        diagnostic.message
        for diagnostic in plan.diagnostics
        if diagnostic.severity is Severity.INFO
    ]
    assert len(told) == 1
    assert REASONS[0] in told[0]
    stage.forget_calls()
    outcome = stage.good()
    assert changed(outcome) == ["update half", "create above"]
    assert stage.calls("create", "update") == ["update half", "create above"]
    assert "initErrors" not in stage.resources()["half"]
    assert not stage.good().changed


def test_what_stays_undone_is_tried_at_every_run(stage: Stage) -> None:
    half = 'shelf.Box("half", label="one", undone="create update", opts=O())'
    stage.up(half)
    assert not stage.up().ok
    assert not stage.up().ok
    assert stage.calls("create", "update") == ["create half", "update half", "update half"]
    assert len(stage.boxes()) == 1


def test_a_half_done_update_keeps_the_old_inputs_and_the_true_outputs(stage: Stage) -> None:
    stage.good('shelf.Box("a", label="one", opts=O())')
    before = stage.resources()["a"]
    assert not stage.up('shelf.Box("a", label="two", undone="update", opts=O())').ok
    entry = stage.resources()["a"]
    assert entry["initErrors"] == REASONS
    assert entry["inputs"] == before["inputs"]
    assert entry["outputs"] == before["outputs"]
    assert entry["id"] == before["id"]
    assert changed(stage.good('shelf.Box("a", label="two", opts=O())')) == ["update a"]
    assert "initErrors" not in stage.resources()["a"]


def test_what_the_difference_asks_for_goes_before_the_update(stage: Stage) -> None:
    stage.up('shelf.Box("half", port=1, undone="create", opts=O())')
    stage.forget_calls()
    outcome = stage.good('shelf.Box("half", port=2, opts=O())')
    assert changed(outcome) == ["delete-replaced half", "replace half"]
    assert stage.calls("create", "delete") == ["delete half", "create half"]
    assert "initErrors" not in stage.resources()["half"]


def test_a_half_done_replacement_leaves_the_old_one_to_the_next_run(stage: Stage) -> None:
    stage.good('shelf.Box("a", place="here", opts=O())')
    assert not stage.up('shelf.Box("a", place="there", undone="create", opts=O())').ok
    assert len(list(stage.shelf.glob("a-*.json"))) == 2
    outcome = stage.good()
    assert sorted(changed(outcome)) == ["delete-replaced a", "update a"]
    assert stage.boxes()["a"]["place"] == "there"


def test_a_refresh_settles_it_or_notes_what_is_wrong_now(stage: Stage) -> None:
    stage.up('shelf.Box("half", undone="create", opts=O())')
    assert stage.engine().refresh().ok
    assert "initErrors" not in stage.resources()["half"]
    assert not stage.good().changed
    stage.good('shelf.Box("half", undone="read", opts=O())')
    outcome = stage.engine().refresh()
    assert outcome.ok
    (warning,) = [
        diagnostic for diagnostic in outcome.diagnostics if diagnostic.severity is Severity.WARNING
    ]
    assert REASONS[0] in warning.message
    assert stage.resources()["half"]["initErrors"] == REASONS
    assert changed(stage.good()) == ["update half"]


def test_what_is_half_done_can_be_deleted(stage: Stage) -> None:
    stage.up('shelf.Box("half", undone="create", opts=O())')
    assert stage.engine().destroy().ok
    assert stage.boxes() == {}


def test_a_secret_in_a_reason_is_masked_in_the_state_too(stage: Stage) -> None:
    stage.secret("code")
    half = 'shelf.Box("half", code=config.require_secret("code"), undone="create", opts=O())'
    outcome = stage.up(half)
    assert MARKER not in repr(outcome)
    assert MARKER not in stage.state_file.read_text()
    assert MARKER not in json.dumps([repr(event) for event in stage.events])
    assert stage.resources()["half"]["initErrors"][1] == "the lock does not take [secret]"


def test_a_component_whose_child_fails_adds_nothing_to_the_cause(stage: Stage) -> None:
    outcome = stage.up("""
        class People(pulumi.ComponentResource):
            def __init__(self, name, opts=None, **props):
                super().__init__("test:index:People", name, props, opts)
                self.box = shelf.Box(f"{name}-box", fail=props.get("fail"), label=props["label"],
                                     opts=O(parent=self))
                self.register_outputs({"label": self.box.label})
        first = People("first", label="1", fail="create")
        People("fed", label=first.box.label)
        People("after", ResourceOptions(depends_on=[first]), label="2")
        People("below", ResourceOptions(parent=first, depends_on=[first.box]), label="3")
        pulumi.export("label", first.box.label)
    """)
    assert [diagnostic.message for diagnostic in outcome.diagnostics] == [
        "the shelf refused to create"
    ]
    assert [event.name for event in stage.events if event.kind == "failed"] == ["first-box"]
