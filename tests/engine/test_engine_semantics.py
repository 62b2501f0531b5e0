"""What happens to resources when the program changes: one semantic, one test."""

import json

import pytest

from rehearsal.engine import UNKNOWN, Kind, Op, PropertyChange
from rehearsal.engine.model import LEFT_OUT
from tests.engine.stage import Stage, changed, step


def test_a_resource_that_is_new_is_created(stage: Stage) -> None:
    outcome = stage.good('shelf.Box("a", label="one", opts=O())')
    assert changed(outcome)[-1] == "create a"
    assert stage.boxes()["a"]["label"] == "one"
    assert stage.resources()["a"]["outputs"]["label"] == "one"


def test_a_second_run_changes_nothing_and_leaves_the_state_untouched(stage: Stage) -> None:
    stage.good('pulumi.export("label", shelf.Box("a", label="one", opts=O()).label)')
    before = stage.state_file.read_bytes()
    stage.forget_calls()
    outcome = stage.good()
    assert not outcome.changed
    assert outcome.outputs == {"label": "one"}
    assert stage.calls("create", "update", "delete") == []
    assert stage.state_file.read_bytes() == before


def test_a_changed_property_is_updated_in_place(stage: Stage) -> None:
    stage.good('shelf.Box("a", label="one", opts=O())')
    before = stage.resources()["a"]["id"]
    outcome = stage.good('shelf.Box("a", label="two", opts=O())')
    assert changed(outcome) == ["update a"]
    assert step(outcome, "a").diff == (PropertyChange("label", Kind.UPDATE, "one", "two"),)
    assert stage.resources()["a"]["id"] == before


def test_a_replacement_is_created_before_the_old_one_goes(stage: Stage) -> None:
    stage.good('shelf.Box("a", place="left", opts=O())')
    stage.forget_calls()
    outcome = stage.good('shelf.Box("a", place="right", opts=O())')
    assert changed(outcome) == ["replace a", "delete-replaced a"]
    assert stage.calls("create", "delete") == ["create a", "delete a"]
    assert step(outcome, "a", Op.REPLACE).diff[0].replaces
    assert [r["urn"].count("Box") for r in stage.state()["resources"]].count(1) == 1


def test_a_provider_may_ask_for_the_old_one_to_go_first(stage: Stage) -> None:
    stage.good('shelf.Box("a", port=1, opts=O())')
    stage.forget_calls()
    outcome = stage.good('shelf.Box("a", port=2, opts=O())')
    assert changed(outcome) == ["delete-replaced a", "replace a"]
    assert stage.calls("create", "delete") == ["delete a", "create a"]
    assert "pendingReplacement" not in stage.resources()["a"]


def test_the_program_may_ask_for_the_old_one_to_go_first(stage: Stage) -> None:
    stage.good('shelf.Box("a", place="left", opts=O(delete_before_replace=True))')
    stage.forget_calls()
    stage.good('shelf.Box("a", place="right", opts=O(delete_before_replace=True))')
    assert stage.calls("create", "delete") == ["delete a", "create a"]


def test_what_others_are_made_from_is_not_deleted_first(stage: Stage) -> None:
    body = """
        a = shelf.Box("a", port={port}, opts=O())
        shelf.Box("b", place=a.id, opts=O())
    """
    stage.good(body.format(port=1))
    stage.forget_calls()
    outcome = stage.up(body.format(port=2))
    assert "::b would fall with it" in outcome.errors[0].message
    assert outcome.errors[0].message.endswith(LEFT_OUT)
    assert stage.calls("create", "update", "delete") == []


def test_what_only_waits_for_another_stays_when_that_is_deleted_first(stage: Stage) -> None:
    body = """
        a = shelf.Box("a", port={port}, opts=O())
        shelf.Box("b", label="x", opts=O(depends_on=[a]))
    """
    stage.good(body.format(port=1))
    assert changed(stage.good(body.format(port=2))) == ["delete-replaced a", "replace a"]


def test_what_the_program_drops_goes_dependents_first(stage: Stage) -> None:
    stage.good("""
        a = shelf.Box("a", opts=O())
        b = shelf.Box("b", label=a.id, opts=O())
        c = shelf.Box("c", opts=O(depends_on=[b]))
    """)
    stage.forget_calls()
    outcome = stage.good("")
    assert stage.calls("delete") == ["delete c", "delete b", "delete a"]
    assert outcome.changes[Op.DELETE] == 3
    assert stage.boxes() == {}


def test_children_go_before_their_parents(stage: Stage) -> None:
    stage.good("""
        crate = Crate("crate", O())
        parent = shelf.Box("parent", opts=O(parent=crate))
        shelf.Box("child", opts=O(parent=parent))
    """)
    outcome = stage.good("")
    assert changed(outcome) == ["delete child", "delete parent", "delete crate"]


def test_destroy_leaves_nothing(stage: Stage) -> None:
    stage.good('a = shelf.Box("a", opts=O())\nshelf.Box("b", label=a.id, opts=O())')
    outcome = stage.engine().destroy()
    assert outcome.ok
    assert outcome.resources == []
    assert stage.calls("delete") == ["delete b", "delete a"]
    assert "resources" not in stage.state()


def test_a_protected_resource_is_not_deleted_nor_anything_with_it(stage: Stage) -> None:
    stage.good('shelf.Box("a", opts=O(protect=True))\nshelf.Box("b", opts=O())')
    outcome = stage.up("")
    assert not outcome.ok
    assert "protected" in outcome.errors[0].message
    assert outcome.errors[0].urn.endswith("::a")
    assert set(stage.boxes()) == {"a", "b"}
    assert not stage.engine().destroy().ok
    assert stage.calls("delete") == []


def test_a_protected_resource_is_not_replaced(stage: Stage) -> None:
    stage.good('shelf.Box("a", place="left", opts=O(protect=True))')
    outcome = stage.up('shelf.Box("a", place="right", opts=O(protect=True))')
    assert "protected" in outcome.errors[0].message
    assert stage.boxes()["a"]["place"] == "left"


def test_protection_is_noted_without_touching_the_resource(stage: Stage) -> None:
    stage.good('shelf.Box("a", opts=O(protect=True))')
    outcome = stage.good('shelf.Box("a", opts=O(protect=False))')
    assert not outcome.changed
    assert "protect" not in stage.resources()["a"]


def test_a_change_that_replaces_on_the_programs_wish(stage: Stage) -> None:
    body = 'shelf.Box("a", content={{"x": {}}}, opts=O(replace_on_changes=["content.*"]))'
    stage.good(body.format(1))
    assert not stage.good().changed
    # The provider reports the whole of `content`, which is above the path: that is no match.
    assert changed(stage.good(body.format(2))) == ["update a"]
    wider = body.replace("content.*", "content")
    assert changed(stage.good(wider.format(3))) == ["replace a", "delete-replaced a"]


def test_a_renamed_resource_with_an_alias_is_kept(stage: Stage) -> None:
    stage.good('shelf.Box("old", label="x", opts=O())')
    box = stage.resources()["old"]["id"]
    outcome = stage.good('shelf.Box("new", label="x", opts=O(aliases=[Alias(name="old")]))')
    assert not outcome.changed
    assert stage.resources()["new"]["id"] == box
    assert "old" not in stage.resources()


def test_a_resource_with_the_urn_of_its_past_is_kept(stage: Stage) -> None:
    stage.good('shelf.Box("old", label="x", opts=O())')
    urn = stage.resources()["old"]["urn"]
    assert not stage.good(f'shelf.Box("new", label="x", opts=O(aliases=[{urn!r}]))').changed


def test_a_resource_that_moves_below_a_component_is_kept(stage: Stage) -> None:
    stage.good('shelf.Box("a", opts=O())')
    outcome = stage.good("""
        crate = Crate("crate", O())
        shelf.Box("a", opts=O(parent=crate, aliases=[Alias(parent=pulumi.ROOT_STACK_RESOURCE)]))
    """)
    assert changed(outcome) == ["create crate"]


def test_children_of_a_renamed_component_move_with_it(stage: Stage) -> None:
    body = """
        crate = Crate({0!r}, ResourceOptions(provider=provider, aliases={1}))
        inner = Crate({0!r} + "-inner", ResourceOptions(parent=crate))
        box = shelf.Box({0!r} + "-inner-box", opts=ResourceOptions(parent=inner))
        shelf.Box("beside", label=box.id, opts=O())
    """
    stage.good(body.format("old", "[]"))
    outcome = stage.good(body.format("new", "[Alias(name='old')]"))
    assert not outcome.changed
    assert {"new", "new-inner", "new-inner-box", "beside"} < set(stage.resources())
    assert "new-inner-box" in stage.resources()["beside"]["dependencies"][0]


def test_a_component_that_changes_its_type_with_an_alias_keeps_its_children(stage: Stage) -> None:
    body = """
        crate = Crate("crate", O(aliases={}), token="{}")
        shelf.Box("box", opts=ResourceOptions(parent=crate))
    """
    stage.good(body.format("[]", "test:index:Crate"))
    outcome = stage.good(body.format("[Alias(type_='test:index:Crate')]", "test:index:Chest"))
    assert not outcome.changed


def test_a_component_deletes_nothing_and_gives_out_its_outputs(stage: Stage) -> None:
    stage.good("""
        crate = Crate("crate", O(), size=3)
        crate.register_outputs({"full": True})
    """)
    crate = stage.resources()["crate"]
    assert crate["inputs"] == {"size": 3}
    assert crate["outputs"] == {"full": True}
    assert not crate["custom"]


def test_dependencies_are_noted_by_resource_and_by_property(stage: Stage) -> None:
    stage.good("""
        a = shelf.Box("a", opts=O())
        b = shelf.Box("b", opts=O())
        shelf.Box("c", label=a.id, content={"x": [a.serial]}, opts=O(depends_on=[b]))
    """)
    resources = stage.resources()
    a, b = resources["a"]["urn"], resources["b"]["urn"]
    assert resources["c"]["dependencies"] == [a, b]
    assert resources["c"]["propertyDependencies"] == {"content": [a], "label": [a]}


def test_a_function_of_the_provider_is_called(stage: Stage) -> None:
    outcome = stage.good("""
        answer = shelf.describe({"a": [1, "x"]}, pulumi.InvokeOptions(provider=provider))
        pulumi.export("heard", answer["heard"])
    """)
    assert outcome.outputs == {"heard": {"a": [1, "x"]}}


def test_a_function_that_refuses_its_arguments_says_which(stage: Stage) -> None:
    outcome = stage.up(
        'pulumi.export("x", shelf.describe({"forbidden": 1},'
        " pulumi.InvokeOptions(provider=provider)))"
    )
    assert any("not allowed" in error.message for error in outcome.errors)


def test_a_preview_touches_nothing(stage: Stage) -> None:
    outcome = stage.preview("""
        a = shelf.Box("a", label="x", opts=O())
        b = shelf.Box("b", label=a.id, content={"n": a.serial}, opts=O())
        pulumi.export("id", a.id)
        pulumi.export("label", a.label)
    """)
    assert outcome.ok
    assert outcome.changes == {Op.CREATE: 4}
    assert not (stage.folder / ".pulumi").exists() or not stage.state_file.exists()
    assert stage.calls("create") == []
    assert outcome.outputs == {"id": UNKNOWN, "label": "x"}
    (b,) = [resource for resource in outcome.resources if resource.name == "b"]
    assert b.inputs["label"] is UNKNOWN
    assert b.inputs["content"] == {"n": UNKNOWN}


def test_a_preview_of_changes_says_what_up_then_does(stage: Stage) -> None:
    body = """
        a = shelf.Box("a", place="{place}", opts=O())
        b = shelf.Box("b", place=a.id, opts=O())
        shelf.Box("c", label=b.id, opts=O())
        shelf.Box("d", port={port}, opts=O(depends_on=[a]))
        {more}
    """
    stage.good(body.format(place="left", port=1, more='shelf.Box("gone", opts=O())'))
    before = stage.state_file.read_bytes()
    planned = stage.preview(body.format(place="right", port=2, more=""))
    assert stage.state_file.read_bytes() == before
    done = stage.good()
    assert sorted(changed(planned)) == sorted(changed(done))


def test_a_resource_behind_an_unknown_configuration_is_planned(stage: Stage) -> None:
    body = """
        where = shelf.Box("where", label=folder, opts=O())
        late = shelf.Provider("late", folder=where.serial.apply(lambda n: folder + "/late"))
        shelf.Box("a", size=13, opts=O(provider=late))
    """
    planned = stage.preview(body)
    assert planned.ok
    assert "create a" in changed(planned)
    assert "13 brings bad luck" in stage.up().errors[0].message


def test_refresh_takes_in_what_changed_behind_its_back(stage: Stage) -> None:
    stage.good('shelf.Box("a", label="one", content={"x": 1}, opts=O())')
    path = stage.path_of("a")
    stored = json.loads(path.read_text())
    path.write_text(json.dumps(stored | {"label": "tampered"}))
    outcome = stage.engine().refresh()
    assert step(outcome, "a").diff == (PropertyChange("label", Kind.UPDATE, "one", "tampered"),)
    assert stage.resources()["a"]["outputs"]["label"] == "tampered"
    assert changed(stage.good()) == ["update a"]
    assert json.loads(path.read_text())["label"] == "one"


def test_refresh_forgets_what_is_gone_and_up_makes_it_anew(stage: Stage) -> None:
    body = 'a = shelf.Box("a", opts=O())\nshelf.Box("b", label="x", opts=O(depends_on=[a]))'
    stage.good(body)
    stage.path_of("a").unlink()
    outcome = stage.engine().refresh()
    assert changed(outcome) == ["delete a"]
    assert "a" not in stage.resources()
    assert "dependencies" not in stage.resources()["b"]
    assert changed(stage.good()) == ["create a"]


def test_a_refresh_that_finds_all_as_it_was_leaves_the_state(stage: Stage) -> None:
    stage.secret("code").good('shelf.Box("a", code=config.require_secret("code"), opts=O())')
    before = stage.state_file.read_bytes()
    outcome = stage.engine().refresh()
    assert not outcome.changed
    assert stage.state_file.read_bytes() == before


def test_what_official_plugins_note_for_themselves_is_no_drift(stage: Stage) -> None:
    stage.good('shelf.Box("a", content={"x": {"y": 1}}, opts=O())')
    state = json.loads(stage.state_file.read_text())
    (box,) = [
        entry
        for entry in state["checkpoint"]["latest"]["resources"]
        if entry["type"] == "shelf:index:Box"
    ]
    box["inputs"] |= {"__defaults": ["label"], "__internal": {}, "label": None}
    box["inputs"]["content"] |= {"__defaults": []}
    box["inputs"]["content"]["x"] |= {"z": None, "__defaults": []}
    box["outputs"] |= {"__meta": "{}", "__pulumi_raw_state_delta": {"o": 1}, "label": None}
    stage.state_file.write_text(json.dumps(state))
    before = stage.state_file.read_bytes()
    outcome = stage.engine().refresh()
    assert (outcome.ok, outcome.changed) == (True, False), outcome.steps
    assert stage.state_file.read_bytes() == before

    path = stage.path_of("a")
    path.write_text(path.read_text().replace('"y": 1', '"y": 2'))
    (change,) = step(stage.engine().refresh(), "a").diff
    assert change.path == "content.x.y"


def test_a_replaced_provider_takes_its_resources_along(stage: Stage) -> None:
    body = """
        other = shelf.Provider("other", folder=folder, region="{}")
        shelf.Box("a", opts=O(provider=other))
    """
    stage.good(body.format("north"))
    stage.forget_calls()
    outcome = stage.good(body.format("south"))
    assert "replace a" in changed(outcome)
    assert "replace other" in changed(outcome)
    assert stage.calls("create", "delete") == ["create a", "delete a"]


def test_a_provider_with_another_setting_is_updated_and_keeps_its_resources(stage: Stage) -> None:
    body = """
        other = shelf.Provider("other", folder=folder, delay="{}")
        shelf.Box("a", opts=O(provider=other))
    """
    stage.good(body.format("0"))
    assert changed(stage.good(body.format("0.01"))) == ["update other"]


def test_a_resource_without_a_provider_gets_the_default_one(stage: Stage) -> None:
    stage.config["shelf:folder"] = str(stage.shelf)
    stage.good('shelf.Box("a", opts=ResourceOptions(version="1.2.3"))')
    default = stage.resources()["default_1_2_3"]
    assert default["inputs"]["folder"] == str(stage.shelf)
    assert default["inputs"]["version"] == "1.2.3"
    assert stage.resources()["a"]["provider"] == f"{default['urn']}::{default['id']}"
    assert not stage.good().changed


def test_a_provider_whose_configuration_is_refused_names_the_property(stage: Stage) -> None:
    outcome = stage.up('shelf.Box("a", opts=O(provider=shelf.Provider("empty")))')
    assert "folder: a shelf needs a folder" in outcome.errors[0].message
    assert outcome.changes.get(Op.CREATE, 0) == 2  # the stack and the other provider


def test_a_package_that_nobody_provides_is_named(stage: Stage) -> None:
    outcome = stage.up('pulumi.CustomResource("rack:index:Rack", "r", {})')
    assert "'rack'" in outcome.errors[0].message
    assert "shelf" in outcome.errors[0].message


def test_an_input_that_the_provider_refuses_is_named_with_its_property(stage: Stage) -> None:
    outcome = stage.up('shelf.Box("a", size=13, opts=O())')
    assert outcome.errors[0].message == "shelf:index:Box 'a' is refused: size: 13 brings bad luck"
    assert stage.calls("create") == []


def test_what_does_not_depend_on_a_failure_is_finished(stage: Stage) -> None:
    outcome = stage.up("""
        bad = shelf.Box("bad", fail="create", opts=O())
        below = shelf.Box("below", label=bad.id, opts=O())
        further = shelf.Box("further", opts=O(depends_on=[below]))
        crate = Crate("crate", O(depends_on=[bad]))
        shelf.Box("inside", opts=O(parent=crate))
        free = shelf.Box("free", label="x", opts=O())
        shelf.Box("after", label=free.id, opts=O())
        pulumi.export("free", free.label)
        pulumi.export("bad", bad.id)
    """)
    assert not outcome.ok
    assert [error.message for error in outcome.errors] == ["the shelf refused to create"]
    assert set(stage.boxes()) == {"free", "after"}
    assert {"free", "after"} < set(stage.resources())
    assert "bad" not in stage.resources()
    skipped = {event.name for event in stage.events if event.kind == "skipped"}
    assert skipped == {"below", "further", "crate", "inside"}
    assert "pending_operations" not in stage.state()


def test_after_a_failure_nothing_is_deleted(stage: Stage) -> None:
    stage.good('shelf.Box("a", opts=O())\nshelf.Box("b", label="x", opts=O())')
    outcome = stage.up('shelf.Box("b", label="y", fail="update", opts=O())')
    assert not outcome.ok
    assert set(stage.boxes()) == {"a", "b"}
    assert stage.resources()["b"]["inputs"] == {"label": "x"}


def test_what_cannot_be_deleted_keeps_what_it_stands_on(stage: Stage) -> None:
    stage.good("""
        a = shelf.Box("a", opts=O())
        b = shelf.Box("b", label=a.id, fail="delete", opts=O())
        shelf.Box("c", opts=O())
    """)
    outcome = stage.up("")
    assert not outcome.ok
    assert set(stage.boxes()) == {"a", "b"}
    assert {"a", "b"} < set(stage.resources())
    assert "c" not in stage.resources()


def test_a_failed_creation_of_a_replacement_leaves_the_old_one(stage: Stage) -> None:
    stage.good('shelf.Box("a", place="left", opts=O())')
    assert not stage.up('shelf.Box("a", place="right", fail="create", opts=O())').ok
    assert stage.boxes()["a"]["place"] == "left"
    assert changed(stage.good('shelf.Box("a", place="right", opts=O())')) == [
        "replace a",
        "delete-replaced a",
    ]


def test_a_failed_creation_after_the_deletion_is_made_good_next_time(stage: Stage) -> None:
    stage.good('shelf.Box("a", port=1, opts=O())')
    assert not stage.up('shelf.Box("a", port=2, fail="create", opts=O())').ok
    assert stage.resources()["a"]["pendingReplacement"] is True
    outcome = stage.good('shelf.Box("a", port=2, opts=O())')
    assert changed(outcome) == ["replace a"]
    assert "pendingReplacement" not in stage.resources()["a"]


def test_the_same_name_twice_is_refused(stage: Stage) -> None:
    outcome = stage.up('shelf.Box("a", opts=O())\nshelf.Box("a", opts=O())')
    assert "registers" in outcome.errors[0].message
    assert "twice" in outcome.errors[0].message


def test_independent_resources_are_made_at_the_same_time_within_the_bound(stage: Stage) -> None:
    body = """
        slow = shelf.Provider("slow", folder=folder, delay="0.05")
        for n in range(8):
            shelf.Box(f"b{n}", opts=O(provider=slow))
    """
    stage.up(body, parallel=4)
    running = most = 0
    for call in stage.call_log():
        running += {"create": 1, "created": -1}.get(call["call"], 0)
        most = max(most, running)
    assert 2 <= most <= 4


def test_what_is_ignored_stays_as_it_was(stage: Stage) -> None:
    ignoring = 'shelf.Box("a", label="{}", opts=O(ignore_changes=["label"]))'
    assert stage.up(ignoring.format("first")).ok

    outcome = stage.up(ignoring.format("second"))

    assert (outcome.ok, outcome.changed) == (True, False), outcome.errors
    assert stage.up(ignoring.format("second").replace('["label"]', "[]")).changed


@pytest.mark.parametrize(
    ("body", "named"),
    [
        *(
            (f'shelf.Box("a", opts=O({option}))', option.partition("=")[0])
            for option in (
                'ignore_changes=["content.label"]',
                'import_="there"',
                "retain_on_delete=True",
                "deleted_with=provider",
                "replace_with=[provider]",
                'custom_timeouts=CustomTimeouts(create="5m")',
            )
        ),
        ('shelf.Box("a", opts=O(hooks=pulumi.ResourceHookBinding(after_create=[late])))', "hook"),
        ('pulumi.ComponentResource("shelf:index:Far", "far", {}, O(), remote=True)', "remote"),
        ('shelf.Box("a", content=pulumi.FileArchive("."), opts=O())', "FileArchive"),
        ('shelf.Box.get("found", "there-123456", O())', "`get`"),
    ],
)
def test_what_the_engine_leaves_out_is_refused_by_name_with_the_way_out(
    stage: Stage, body: str, named: str
) -> None:
    options = "pulumi.ResourceHookOptions(on_dry_run=True)"
    hook = f'late = pulumi.ResourceHook("late", print, {options})\n'
    (error,) = stage.up(hook + body).errors
    assert named in error.message
    assert error.message.endswith(LEFT_OUT)
    assert "\n" not in error.message
    assert stage.calls("create") == []
