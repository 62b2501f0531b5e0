"""Functions of the program that are called around a resource's steps."""

import json
from typing import Any

from rehearsal.engine import Severity
from tests.engine.stage import MARKER, Stage, changed

NOTING = """
import json
def note(args):
    with open(folder + "/hooks.log", "a") as log:
        log.write(json.dumps([hook_now, args.urn, args.id, args.name, args.type,
                              *(None if one is None else {k: str(v) for k, v in one.items()}
                                for one in (args.old_inputs, args.new_inputs,
                                            args.old_outputs, args.new_outputs))]) + chr(10))
def noting(moment):
    def call(args):
        global hook_now
        hook_now = moment
        note(args)
    return call
MOMENTS = ["before_create", "after_create", "before_update", "after_update", "before_delete",
           "after_delete"]
def all_hooks(name, **options):
    return pulumi.ResourceHookBinding(**{
        moment: [pulumi.ResourceHook(f"{name}-{moment}", noting(moment),
                                     pulumi.ResourceHookOptions(**options))]
        for moment in MOMENTS})
"""
REFUSING = """
def refuse(args):
    if args.new_inputs["label"] != args.old_inputs["label"]:
        raise ValueError("label was " + args.old_inputs["label"] + ", that stays")
hooks = pulumi.ResourceHookBinding(before_update=[
    pulumi.ResourceHook("fixed", refuse, pulumi.ResourceHookOptions(on_dry_run=True))])
box = shelf.Box("a", label={label!r}, opts=O(hooks=hooks))
shelf.Box("b", label=box.label, opts=O())
"""


def noted(stage: Stage) -> list[list[Any]]:
    """Return the calls of hooks since the last look."""
    path = stage.shelf / "hooks.log"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return [json.loads(line) for line in lines]


def test_a_hook_is_told_what_was_and_what_is_to_be(stage: Stage) -> None:
    stage.good(NOTING + 'shelf.Box("a", label="one", opts=O(hooks=all_hooks("a")))')
    before, after = noted(stage)
    box_id = stage.path_of("a").stem
    urn = stage.resources()["a"]["urn"]
    given = {"label": "one"}
    made = given | {"serial": "0.0", "token": "token of a"}
    assert before == ["before_create", urn, "", "a", "shelf:index:Box", None, given, None, None]
    assert after[:3] == ["after_create", urn, box_id]
    assert after[5:7] == [None, given]
    assert after[7] is None
    assert after[8].keys() == made.keys()

    stage.good(NOTING + 'shelf.Box("a", label="two", opts=O(hooks=all_hooks("a")))')
    before, after = noted(stage)
    assert [before[0], after[0]] == ["before_update", "after_update"]
    assert before[2] == after[2] == box_id
    assert before[5:7] == after[5:7] == [given, {"label": "two"}]
    assert before[7]["label"] == after[7]["label"] == "one"
    assert before[8] is None
    assert after[8]["label"] == "two"

    stage.good(NOTING + 'all_hooks("a")')
    before, after = noted(stage)
    assert [before[0], after[0]] == ["before_delete", "after_delete"]
    assert before[5:7] == [{"label": "two"}, None]
    assert stage.boxes() == {}


def test_nothing_is_called_where_nothing_happens(stage: Stage) -> None:
    stage.good(NOTING + 'shelf.Box("a", opts=O(hooks=all_hooks("a")))')
    noted(stage)
    assert not stage.good().changed
    assert noted(stage) == []


def test_a_preview_calls_only_the_hooks_that_ask_for_it(stage: Stage) -> None:
    program = NOTING + (
        'shelf.Box("a", opts=O(hooks=all_hooks("a")))\n'
        'shelf.Box("b", label="1", opts=O(hooks=all_hooks("b", on_dry_run=True)))\n'
    )
    assert stage.preview(program).ok
    assert [(call[0], call[3]) for call in noted(stage)] == [
        ("before_create", "b"),
        ("after_create", "b"),
    ]


def test_a_replacement_is_a_creation_and_a_deletion(stage: Stage) -> None:
    stage.good(NOTING + 'shelf.Box("a", port=1, opts=O(hooks=all_hooks("a")))')
    noted(stage)
    stage.good(NOTING + 'shelf.Box("a", port=2, opts=O(hooks=all_hooks("a")))')
    order = ["before_delete", "after_delete", "before_create", "after_create"]
    assert [call[0] for call in noted(stage)] == order
    stage.good(NOTING + 'shelf.Box("a", port=2, place="x", opts=O(hooks=all_hooks("a")))')
    assert [call[0] for call in noted(stage)] == order[2:] + order[:2]


def test_a_component_has_hooks_too_and_is_created_once_its_outputs_are_there(stage: Stage) -> None:
    stage.good(
        NOTING
        + """
crate = Crate("crate", ResourceOptions(hooks=all_hooks("crate")), size=1)
box = shelf.Box("in", label="x", opts=O(parent=crate, hooks=all_hooks("in")))
crate.register_outputs({"label": box.label})
"""
    )
    calls = noted(stage)
    assert [(call[0], call[3]) for call in calls] == [
        ("before_create", "crate"),
        ("before_create", "in"),
        ("after_create", "in"),
        ("after_create", "crate"),
    ]
    assert calls[-1][8] == {"label": "x"}


def test_a_change_that_a_hook_refuses_is_refused_in_the_preview_already(stage: Stage) -> None:
    stage.good(REFUSING.format(label="one"))
    stage.forget_calls()
    for run in (stage.preview, stage.up):
        outcome = run(REFUSING.format(label="two"))
        assert not outcome.ok
        (error,) = outcome.errors
        assert error.urn.endswith("::a")
        assert error.message == 'before hook "fixed" failed: label was one, that stays'
        assert changed(outcome) == []
    assert stage.calls("update") == []
    assert stage.resources()["a"]["outputs"]["label"] == "one"


def test_a_hook_that_fails_afterwards_leaves_the_step_done_and_fails_the_run(stage: Stage) -> None:
    outcome = stage.up("""
        def complain(args):
            raise ValueError("too late")
        hooks = pulumi.ResourceHookBinding(after_create=[pulumi.ResourceHook("late", complain)])
        box = shelf.Box("a", label="one", opts=O(hooks=hooks))
        shelf.Box("b", label=box.label, opts=O())
    """)
    assert not outcome.ok
    assert [one.message for one in outcome.errors] == ['after hook "late" failed: too late']
    assert set(stage.boxes()) == {"a"}
    assert stage.resources()["a"]["id"]
    next_run = stage.good("""
        shelf.Box("b", label=shelf.Box("a", label="one", opts=O()).label, opts=O())
    """)
    assert changed(next_run) == ["create b"]


def test_a_failure_that_is_to_be_ignored_is_a_warning(stage: Stage) -> None:
    outcome = stage.good("""
        def complain(args):
            raise ValueError("so what")
        hooks = pulumi.ResourceHookBinding(before_create=[pulumi.ResourceHook(
            "mild", complain, pulumi.ResourceHookOptions(ignore_errors=True))])
        shelf.Box("a", opts=O(hooks=hooks))
    """)
    (warning,) = [one for one in outcome.diagnostics if one.severity is Severity.WARNING]
    assert warning.message == 'BeforeCreate hook "mild" failed: so what'


def test_a_deletion_that_a_hook_refuses_does_not_happen(stage: Stage) -> None:
    stage.good("""
        def refuse(args):
            raise ValueError("not that one")
        hooks = pulumi.ResourceHookBinding(before_delete=[pulumi.ResourceHook("keep", refuse)])
        shelf.Box("a", opts=O(hooks=hooks))
    """)
    outcome = stage.up("""
        def refuse(args):
            raise ValueError("not that one")
        pulumi.ResourceHook("keep", refuse)
    """)
    assert [one.message for one in outcome.errors] == ['before hook "keep" failed: not that one']
    assert set(stage.boxes()) == {"a"}
    assert [one.message for one in stage.up("").errors] == ['hook "keep" was not registered']
    assert not stage.engine().destroy().ok
    assert set(stage.boxes()) == {"a"}


def test_a_hook_gets_secrets_and_its_message_gives_none_away(stage: Stage) -> None:
    outcome = stage.secret("code").up("""
        async def tell(args):
            code = await args.new_inputs["code"].future()
            raise ValueError("the code is " + code)
        hooks = pulumi.ResourceHookBinding(before_create=[pulumi.ResourceHook("tell", tell)])
        shelf.Box("a", code=config.require_secret("code"), opts=O(hooks=hooks))
    """)
    (error,) = outcome.errors
    assert error.message == 'before hook "tell" failed: the code is [secret]'
    assert MARKER not in repr(stage.events)


def test_the_state_names_the_hooks_as_the_genuine_engine_does(stage: Stage) -> None:
    stage.good(REFUSING.format(label="one"))
    assert stage.resources()["a"]["resourceHooks"] == {"BeforeUpdate": ["fixed"]}
    document = json.loads(stage.state_file.read_text())
    assert document["version"] == 4
    assert document["features"] == ["hooks"]
    stage.good('shelf.Box("b", label="one", opts=O())')
    document = json.loads(stage.state_file.read_text())
    assert document["version"] == 3
    assert "features" not in document


def test_two_hooks_of_one_name_are_refused(stage: Stage) -> None:
    outcome = stage.up("""
        pulumi.ResourceHook("same", print)
        pulumi.ResourceHook("same", print)
    """)
    assert 'already registered for name "same"' in outcome.errors[0].message


def test_hooks_are_called_in_a_process_of_its_own_too(real_stage: Stage) -> None:
    assert real_stage.up(REFUSING.format(label="one")).ok
    outcome = real_stage.preview(REFUSING.format(label="two"))
    assert [one.message for one in outcome.errors] == [
        'before hook "fixed" failed: label was one, that stays'
    ]
    assert real_stage.up(NOTING + 'shelf.Box("a", label="one", opts=O(hooks=all_hooks("a")))').ok
    assert real_stage.up(NOTING + 'all_hooks("a")').ok
    assert [call[0] for call in noted(real_stage)] == ["before_delete", "after_delete"]
