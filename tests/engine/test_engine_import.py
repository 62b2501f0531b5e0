"""Taking over what is there already, from an import file into the state; nothing else changes."""

import copy
from pathlib import Path
from typing import Any

import pytest

from rehearsal.engine import UNKNOWN, ImportRefusedError, Outcome, Sealed
from rehearsal.engine.import_skeleton import sealed_properties
from rehearsal.engine.importing import load
from tests.engine.stage import MARKER, Stage, changed, step

PROGRAM = """
crate = Crate("crate", O())
inner = shelf.Box("inner", label="in", opts=ResourceOptions(parent=crate, provider=provider))
first = shelf.Box("first", label="one", size=3, opts=O())
"""


def lost(stage: Stage, program: str = PROGRAM) -> tuple[dict[str, Any], dict[str, str]]:
    """Deploy, lose the state, and return the skeleton of a preview and the ids by name."""
    stage.good(program)
    ids = {name: entry.get("id", "") for name, entry in stage.resources().items()}
    stage.state_file.unlink()
    stage.forget_calls()
    engine = stage.engine()
    outcome = engine.preview()
    assert outcome.ok, outcome.diagnostics
    return engine.skeleton(outcome), ids


def filled(document: dict[str, Any], ids: dict[str, str]) -> dict[str, Any]:
    """Return a skeleton with its ids."""
    return {
        **document,
        "resources": [
            {**resource, "id": ids[resource.get("logicalName", resource["name"])]}
            if "id" in resource
            else resource
            for resource in document["resources"]
        ],
    }


def imported(stage: Stage, document: dict[str, Any], **more: Any) -> Outcome:
    """Import, which must succeed."""
    outcome = stage.engine().import_resources(document, **more)
    assert outcome.ok, outcome.diagnostics
    return outcome


def test_a_preview_leaves_a_skeleton_with_parents_providers_and_no_ids(stage: Stage) -> None:
    document, _ = lost(stage)
    entries = {resource["name"]: resource for resource in document["resources"]}
    assert entries["local"]["type"] == "pulumi:providers:shelf"
    assert "id" not in entries["local"]
    assert entries["crate"] == {"type": "test:index:Crate", "name": "crate", "component": True}
    assert entries["inner"] == {
        "type": "shelf:index:Box",
        "name": "inner",
        "id": "<PLACEHOLDER>",
        "parent": "crate",
        "provider": "local",
    }


def test_names_that_occur_twice_are_told_apart_by_their_types(stage: Stage) -> None:
    document, _ = lost(stage, 'Crate("same", O())\nshelf.Box("same", label="x", opts=O())')
    names = {resource["name"]: resource.get("logicalName") for resource in document["resources"]}
    assert names == {"local": None, "same": None, "sameBox": "same"}


def test_what_was_imported_is_not_made_again(stage: Stage) -> None:
    document, ids = lost(stage)
    outcome = imported(stage, filled(document, ids))
    assert sorted(changed(outcome)) == [
        "create local",
        "import crate",
        "import first",
        "import inner",
    ]
    assert stage.calls("create", "update", "delete") == []
    assert changed(stage.good()) == []
    assert stage.calls("create", "update", "delete") == []
    assert {name: one.get("id", "") for name, one in stage.resources().items()}["first"] == (
        ids["first"]
    )


def test_what_was_changed_by_hand_is_shown_after_the_import(stage: Stage) -> None:
    document, ids = lost(stage)
    box = stage.path_of("first")
    box.write_text(box.read_text().replace("one", "two"))
    imported(stage, filled(document, ids))
    outcome = stage.preview()
    assert changed(outcome) == ["update first"]
    assert step(outcome, "first").diff[0].old == "two"


def test_an_import_is_repeated_without_harm(stage: Stage) -> None:
    document, ids = lost(stage)
    imported(stage, filled(document, ids))
    before = stage.resources()
    outcome = imported(stage, filled(document, ids))
    assert changed(outcome) == []
    assert stage.resources() == before


def test_what_is_imported_is_protected_until_the_program_says_otherwise(stage: Stage) -> None:
    document, ids = lost(stage)
    imported(stage, filled(document, ids))
    assert stage.resources()["first"]["protect"]
    refused = stage.up(PROGRAM.replace('label="one"', 'label="one", place="elsewhere"'))
    assert not refused.ok
    assert "protected" in refused.errors[0].message
    stage.good(PROGRAM)
    assert not stage.resources()["first"].get("protect")


def test_a_dry_run_reads_everything_and_writes_nothing(stage: Stage) -> None:
    document, ids = lost(stage)
    outcome = imported(stage, filled(document, ids), preview=True)
    assert "import first" in changed(outcome)
    assert not stage.state_file.exists()


def test_what_is_not_there_fails_and_the_rest_is_imported(stage: Stage) -> None:
    document, ids = lost(stage)
    outcome = stage.engine().import_resources(filled(document, ids | {"first": "nowhere"}))
    assert not outcome.ok
    assert [error.message for error in outcome.errors] == [
        "there is no shelf:index:Box with the id 'nowhere'"
    ]
    assert "inner" in stage.resources()
    assert "first" not in stage.resources()


def test_what_a_provider_cannot_read_is_supplied_and_sealed(stage: Stage) -> None:
    program = 'shelf.Box("a", label="one", code=config.require_secret("code"), opts=O())'
    document, ids = lost(stage.secret("code"), program)
    document = filled(document, ids)
    entry = next(resource for resource in document["resources"] if resource["name"] == "a")
    inputs = {"label": "one", "code": Sealed(MARKER)}
    entry["inputs"] = sealed_properties(inputs, stage.engine().seal)
    entry["outputs"] = sealed_properties({**inputs, "serial": 1, "token": "t"}, stage.engine().seal)
    assert MARKER not in str(document)
    stage.path_of("a").unlink()  # believed, not read
    imported(stage, document)
    assert MARKER not in stage.state_file.read_text()
    assert changed(stage.preview(program)) == []


def test_supplied_inputs_fill_the_gaps_of_what_was_read_and_keep_their_seal(stage: Stage) -> None:
    document, ids = lost(stage)
    document = filled(document, ids)
    entry = next(resource for resource in document["resources"] if resource["name"] == "first")
    given = {"label": Sealed("ignored"), "note": "from the file"}
    entry["inputs"] = sealed_properties(given, stage.engine().seal)
    imported(stage, document)
    first = stage.resources()["first"]
    assert first["inputs"]["note"] == "from the file"
    assert "ciphertext" in first["inputs"]["label"]
    assert "one" not in str(first["inputs"]["label"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": ""}, "it has no id"),
        ({"id": "<PLACEHOLDER>"}, "it has no id"),
        ({"provider": "nobody"}, "its provider is neither in the file nor there"),
        ({"provider": "crate"}, "its provider is neither in the file nor there"),
        ({"inputs": {"label": UNKNOWN}}, "its inputs hold values that are not known"),
    ],
)
def test_an_entry_that_cannot_be_meant_fails_by_itself(
    stage: Stage, change: dict[str, Any], message: str
) -> None:
    document, ids = lost(stage)
    document = copy.deepcopy(filled(document, ids))
    entry = next(resource for resource in document["resources"] if resource["name"] == "first")
    entry |= change
    outcome = stage.engine().import_resources(document)
    (error,) = outcome.errors
    assert error.urn.endswith("::first")
    assert message in error.message
    assert "inner" in stage.resources()


@pytest.mark.parametrize("change", [{"type": ""}, {"parent": "nobody"}])
def test_a_file_without_an_order_is_refused_whole(stage: Stage, change: dict[str, Any]) -> None:
    document, ids = lost(stage)
    document = copy.deepcopy(filled(document, ids))
    next(resource for resource in document["resources"] if resource["name"] == "first").update(
        change
    )
    with pytest.raises(ImportRefusedError, match="nothing was imported"):
        stage.engine().import_resources(document)
    assert not stage.state_file.exists()


def test_what_the_state_holds_under_another_id_stays_as_it_is(stage: Stage) -> None:
    document, ids = lost(stage)
    imported(stage, filled(document, ids))
    outcome = stage.engine().import_resources(filled(document, ids | {"first": "another"}))
    assert "is in the state already" in outcome.errors[0].message
    assert stage.resources()["first"]["id"] == ids["first"]


def test_a_provider_of_the_program_may_stand_in_the_state_already(stage: Stage) -> None:
    document, ids = lost(stage)
    document = filled(document, ids)
    first = [resource for resource in document["resources"] if resource["name"] != "first"]
    imported(stage, {**document, "resources": first})
    engine = stage.engine()
    rest = filled(engine.skeleton(engine.preview()), ids)
    assert [resource["name"] for resource in rest["resources"]] == ["first"]
    assert list(rest["nameTable"]) == ["local"]
    assert changed(imported(stage, rest)) == ["import first"]


def test_a_file_that_is_no_json_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(ImportRefusedError, match="is not there"):
        load(tmp_path / "import.json")
    (tmp_path / "import.json").write_text("{")
    with pytest.raises(ImportRefusedError, match=r"import\.json is no JSON"):
        load(tmp_path / "import.json")
