"""What happens to resources when the program changes: one semantic, one test."""

import json

import pytest

from rehearsal.engine import UNKNOWN, Kind, Op, PropertyChange
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


DEPENDENTS = """
a = shelf.Box("a", port={port}, opts=O())
b = shelf.Box("b", place=a.id, opts=O())
c = shelf.Box("c", label=b.id, opts=O())
d = shelf.Box("d", label="x", opts=O(depends_on=[a]))
"""


def test_dependents_that_cannot_stand_without_it_are_replaced_along(stage: Stage) -> None:
    stage.good(DEPENDENTS.format(port=1))
    stage.forget_calls()
    outcome = stage.good(DEPENDENTS.format(port=2))
    # b needs a's id in a property that replaces; c only in one that updates; d in none.
    assert stage.calls("create", "update", "delete") == [
        "delete b",
        "delete a",
        "create a",
        "create b",
        "update c",
    ]
    assert changed(outcome)[:2] == ["delete-replaced b", "delete-replaced a"]


def test_a_protected_dependent_keeps_what_it_stands_on(stage: Stage) -> None:
    program = 'a = shelf.Box("a", port={}, opts=O())\n'
    program += 'shelf.Box("b", place=a.id, opts=O(protect=True))'
    stage.good(program.format(1))
    stage.forget_calls()
    outcome = stage.up(program.format(2))
    assert "b is protected" in outcome.errors[0].message
    assert stage.calls("delete") == []


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


def test_what_is_retained_leaves_the_state_but_not_the_shelf(stage: Stage) -> None:
    stage.good('shelf.Box("a", opts=O(retain_on_delete=True))')
    outcome = stage.good("")
    assert changed(outcome) == ["retain a"]
    assert set(stage.boxes()) == {"a"}
    assert "a" not in stage.resources()


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("label", False),
        ("content.tags.owner", False),
        ('content["tags"]["owner"]', False),
        ("content.ports[0].number", False),
        ("content.ports[*].number", False),
        ("content.ports[1].number", True),
        ("*", False),
        ("other", True),
    ],
)
def test_ignored_changes_stay_as_they_were(stage: Stage, path: str, changes: bool) -> None:  # noqa: FBT001 (a table's column)
    body = """
        shelf.Box("a", label={label!r}, content={content!r}, opts=O(ignore_changes=[{path!r}]))
    """
    old = {"tags": {"owner": "x"}, "ports": [{"number": 1}, {"number": 2}]}
    stage.good(body.format(label="one", content=old, path=path))
    new = json.loads(json.dumps(old))
    label = "one"
    if "tags" in path:
        new["tags"]["owner"] = "y"
    elif "ports" in path:
        new["ports"][0]["number"] = 9
    else:
        label = "two"
    outcome = stage.good(body.format(label=label, content=new, path=path))
    assert outcome.changed is changes


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


def test_what_is_deleted_with_something_is_not_deleted_twice(stage: Stage) -> None:
    stage.good("""
        a = shelf.Box("a", opts=O())
        shelf.Box("b", opts=O(deleted_with=a))
    """)
    stage.forget_calls()
    outcome = stage.good("")
    assert stage.calls("delete") == ["delete a"]
    assert outcome.changes[Op.DELETE] == 2


def test_timeouts_of_the_program_reach_the_provider(stage: Stage) -> None:
    body = 'shelf.Box("a", label="{}", opts=O(custom_timeouts=CustomTimeouts({})))'
    times = 'create="1m30s", update="2h", delete="45s"'
    stage.good(body.format("one", times))
    stage.good(body.format("two", times))
    stage.good("")
    timeouts = {c["call"]: c["timeout"] for c in stage.call_log() if "timeout" in c}
    assert timeouts == {"create": 90.0, "update": 7200.0, "delete": 45.0}


def test_what_stands_already_is_adopted_by_import(stage: Stage) -> None:
    (stage.shelf / "there-123456.json").write_text(json.dumps({"label": "x", "serial": 7}))
    body = 'shelf.Box("a", label="{}", opts=O(import_="there-123456"))'
    outcome = stage.good(body.format("x"))
    assert "import a" in changed(outcome)
    assert stage.calls("create", "update") == []
    assert stage.resources()["a"]["id"] == "there-123456"
    assert stage.resources()["a"]["importID"] == "there-123456"
    assert not stage.good().changed
    assert changed(stage.good(body.format("y"))) == ["update a"]


def test_an_import_that_differs_is_brought_to_what_the_program_says(stage: Stage) -> None:
    (stage.shelf / "there-123456.json").write_text(json.dumps({"label": "x"}))
    outcome = stage.good('shelf.Box("a", label="y", opts=O(import_="there-123456"))')
    assert changed(outcome)[-2:] == ["import a", "update a"]
    assert stage.path_of("there").name == "there-123456.json"


def test_an_import_of_nothing_fails(stage: Stage) -> None:
    outcome = stage.up('shelf.Box("a", opts=O(import_="nowhere"))')
    assert "no shelf:index:Box with the id 'nowhere'" in outcome.errors[0].message


def test_what_is_only_looked_up_is_not_managed(stage: Stage) -> None:
    (stage.shelf / "there-123456.json").write_text(json.dumps({"label": "x", "serial": 7}))
    outcome = stage.good("""
        found = shelf.Box.get("found", "there-123456", O())
        pulumi.export("label", found.label)
    """)
    assert outcome.outputs == {"label": "x"}
    assert stage.resources()["found"]["external"] is True
    assert not stage.good().changed
    stage.good("")
    assert set(stage.boxes()) == {"there"}
    assert "found" not in stage.resources()


def test_looking_up_what_is_not_there_fails(stage: Stage) -> None:
    outcome = stage.up('shelf.Box.get("found", "nowhere", O())')
    assert "no shelf:index:Box with the id 'nowhere'" in outcome.errors[0].message


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
    assert any("not allowed" in one.message for one in outcome.errors)


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
    (b,) = [one for one in outcome.resources if one.name == "b"]
    assert b.inputs["label"] is UNKNOWN
    assert b.inputs["content"] == {"n": UNKNOWN}


def test_a_preview_of_changes_says_what_up_then_does(stage: Stage) -> None:
    stage.good(DEPENDENTS.format(port=1) + 'shelf.Box("gone", opts=O())')
    before = stage.state_file.read_bytes()
    planned = stage.preview(DEPENDENTS.format(port=2))
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
    seen = stage.engine().refresh_preview()
    assert changed(seen) == ["refresh a"]
    assert stage.resources()["a"]["outputs"]["label"] == "one"
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
    assert [one.message for one in outcome.errors] == ["the shelf refused to create"]
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


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ('shelf.Box("a", opts=O(hooks=pulumi.ResourceHookBinding(after_create=["x"])))', "hook"),
        ('pulumi.ComponentResource("shelf:index:Far", "far", {}, O(), remote=True)', "remote"),
        ('shelf.Box("a", content=pulumi.FileArchive("."), opts=O())', "archives"),
    ],
)
def test_what_the_engine_does_not_carry_out_is_refused_by_name(
    stage: Stage, body: str, named: str
) -> None:
    outcome = stage.up(body)
    assert not outcome.ok
    assert any(named in one.message for one in outcome.errors), outcome.errors
