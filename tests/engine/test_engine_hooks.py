"""A function of the program that is asked before a resource is updated."""

import json

from rehearsal.engine.model import LEFT_OUT
from tests.engine.stage import MARKER, Stage, changed

REFUSING = """
def refuse(args):
    if args.new_inputs["label"] != args.old_inputs["label"]:
        raise ValueError("label was " + args.old_inputs["label"] + ", that stays")
hooks = pulumi.ResourceHookBinding(before_update=[
    pulumi.ResourceHook("fixed", refuse, pulumi.ResourceHookOptions(on_dry_run=True))])
box = shelf.Box("a", label={label!r}, opts=O(hooks=hooks))
shelf.Box("b", label=box.label, opts=O())
"""


def test_a_change_that_a_hook_refuses_is_refused_in_the_preview_already(stage: Stage) -> None:
    stage.good(REFUSING.format(label="one"))
    assert not stage.good().changed
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


def test_a_change_that_a_hook_does_not_mind_is_made(stage: Stage) -> None:
    stage.good(REFUSING.format(label="one").replace('["label"]', '.get("size")'))
    outcome = stage.good(REFUSING.format(label="two").replace('["label"]', '.get("size")'))
    assert changed(outcome) == ["update a", "update b"]


def test_a_hook_gets_secrets_and_its_message_gives_none_away(stage: Stage) -> None:
    body = """
        async def tell(args):
            code = await args.new_inputs["code"].future()
            raise ValueError("the code is " + code)
        hooks = pulumi.ResourceHookBinding(before_update=[pulumi.ResourceHook(
            "tell", tell, pulumi.ResourceHookOptions(on_dry_run=True))])
        shelf.Box("a", code=config.require_secret("code"), label="{}", opts=O(hooks=hooks))
    """
    stage.secret("code").good(body.format("one"))
    (error,) = stage.up(body.format("two")).errors
    assert error.message == 'before hook "tell" failed: the code is [secret]'
    assert MARKER not in repr(stage.events)


def test_the_state_names_the_hook_as_the_genuine_engine_does(stage: Stage) -> None:
    stage.good(REFUSING.format(label="one"))
    assert stage.resources()["a"]["resourceHooks"] == {"BeforeUpdate": ["fixed"]}
    document = json.loads(stage.state_file.read_text())
    assert (document["version"], document["features"]) == (4, ["hooks"])
    stage.good('shelf.Box("b", label="one", opts=O())')
    document = json.loads(stage.state_file.read_text())
    assert document["version"] == 3
    assert "features" not in document


def test_two_hooks_of_one_name_are_refused(stage: Stage) -> None:
    options = "pulumi.ResourceHookOptions(on_dry_run=True)"
    hook = f'pulumi.ResourceHook("same", print, {options})\n'
    assert 'already registered for name "same"' in stage.up(hook + hook).errors[0].message


def test_a_hook_that_previews_leave_out_is_refused_by_name(stage: Stage) -> None:
    (error,) = stage.up('pulumi.ResourceHook("late", print)').errors
    assert '"late"' in error.message
    assert error.message.endswith(LEFT_OUT)
