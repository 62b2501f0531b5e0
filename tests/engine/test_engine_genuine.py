"""The genuine CLI takes over what this engine deployed, and the other way round."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rehearsal.engine import Sealed
from rehearsal.engine.import_skeleton import sealed_properties
from rehearsal.genuine.programs import lay
from tests.conftest import PROJECT
from tests.engine.stage import MARKER, PASSPHRASE, SHELF, Stage, changed

pytestmark = pytest.mark.real

PROGRAM = """
code = config.require_secret("code")
crate = Crate("crate", O(aliases=[Alias(name="chest")]), size=1)
inner = shelf.Box("inner", label="in", opts=ResourceOptions(parent=crate))
crate.register_outputs({"label": inner.label})
first = shelf.Box("first", label="one", size=3, code=code,
                  content={"a": [1, 2.5, {"b": None}], "s": code, "t": True}, opts=O())
second = shelf.Box("second", label=first.id, opts=O(
    depends_on=[crate], additional_secret_outputs=["token"],
    protect=True, replace_on_changes=["q"], aliases=[Alias(name="older")]))
other = shelf.Provider("other", folder=folder, token=code, opts=ResourceOptions(version="1.0.0"))
shelf.Box("third", label="3", opts=O(provider=other))
shelf.Box("fourth", label="4", opts=ResourceOptions(version="1.0.0"))
pulumi.export("label", second.label)
pulumi.export("code", first.code)
"""
_OWN = {"created", "modified", "id", "sourcePosition", "stackTrace", "ciphertext"}


class Genuine:
    """The CLI on a stage's backend."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        (stage.project / "Pulumi.yaml").write_text(
            "name: test\n"
            f"runtime: {{name: python, options: {{virtualenv: {sys.prefix}}}}}\n"
            f"plugins: {{providers: [{{name: shelf, path: {SHELF}}}]}}\n"
        )
        stage.config["shelf:folder"] = str(stage.shelf)
        programs = lay(stage.folder / "genuine", PROJECT, print)
        self._cli = str(programs.pulumi)
        self._environment = {
            **programs.environment(),
            "PULUMI_BACKEND_URL": f"file://{stage.folder}",
            "PULUMI_HOME": str(stage.folder / "home"),
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "1",
            "PYTHONPATH": str(SHELF),
        }

    def configure(self) -> None:
        """Write the stack's file as the caller of the engine does: with the engine's salt."""
        from rehearsal.engine import Sealer  # noqa: PLC0415 (skipped without the CLI)

        salt = self._stage.engine().encryption_salt
        sealer = Sealer(PASSPHRASE, salt)
        values: dict[str, Any] = {
            key: {"secure": sealer.seal(value)} if key in self._stage.secret_keys else value
            for key, value in self._stage.config.items()
        }
        content = json.dumps({"encryptionsalt": salt, "config": values})
        (self._stage.project / "Pulumi.dev.yaml").write_text(content)

    def __call__(self, *arguments: str, fails: bool = False) -> str:
        """Run the CLI, which must succeed, or must fail."""
        done = subprocess.run(
            [self._cli, *arguments, "--non-interactive"],
            cwd=self._stage.project,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode != 0) is fails, done.stdout + done.stderr
        return done.stdout + done.stderr if fails else done.stdout


@pytest.fixture
def genuine(stage: Stage) -> Genuine:
    """The genuine CLI on the stage."""
    stage.secret("code").program(PROGRAM)
    return Genuine(stage)


def test_the_genuine_engine_finds_nothing_to_change_in_our_state(
    stage: Stage, genuine: Genuine
) -> None:
    stage.good()
    genuine.configure()
    genuine("stack", "select", "dev")
    genuine("preview", "--expect-no-changes")
    genuine("refresh", "--preview-only", "--expect-no-changes")
    genuine("up", "--yes", "--skip-preview", "--expect-no-changes")
    assert not stage.good().changed
    assert not stage.engine().refresh().changed


def test_we_find_nothing_to_change_in_the_genuine_engines_state(
    stage: Stage, genuine: Genuine
) -> None:
    genuine.configure()
    genuine("stack", "init", "dev")
    genuine("up", "--yes", "--skip-preview")
    theirs = stage.state()
    assert not stage.preview().changed
    assert not stage.good().changed
    assert not stage.engine().refresh().changed
    shutil.rmtree(stage.folder / ".pulumi")
    stage.good()
    ours, wanted = _comparable(stage.state()), _comparable(theirs)
    assert ours.keys() == wanted.keys()
    for urn, entry in wanted.items():
        assert ours[urn] == entry
    genuine("preview", "--expect-no-changes")


def test_both_engines_hand_a_changed_setting_to_its_provider_at_once(
    stage: Stage, genuine: Genuine
) -> None:
    body = """
        other = shelf.Provider("other", folder=folder + {0!r})
        shelf.Box({1!r}, opts=O(provider=other))
    """
    genuine.configure()
    genuine("stack", "init", "dev")
    for place in ("/north", "/south"):
        stage.program(body.format(place, place[1:]))
        genuine("up", "--yes", "--skip-preview")
        assert list((stage.shelf / place[1:]).glob("*.json"))
    stage.good(body.format("/east", "east"))
    assert list((stage.shelf / "east").glob("*.json"))


def test_what_is_protected_is_forgotten_by_force_alone_and_stays_out_there(
    stage: Stage, genuine: Genuine
) -> None:
    stage.good()
    boxes = sorted(stage.shelf.glob("*.json"))
    genuine.configure()
    genuine("stack", "select", "dev")
    assert "protected" in genuine("state", "delete", "--all", "--yes", fails=True)
    genuine("state", "delete", "--all", "--force", "--yes")
    assert not stage.state().get("resources")
    assert sorted(stage.shelf.glob("*.json")) == boxes != []


def test_either_engine_goes_on_where_the_other_stopped(stage: Stage, genuine: Genuine) -> None:
    stage.good()
    genuine.configure()
    genuine("stack", "select", "dev")
    stage.program(PROGRAM.replace('label="3"', 'label="drei"') + 'shelf.Box("fifth", opts=O())')
    genuine("up", "--yes", "--skip-preview")
    assert not stage.preview().changed
    outcome = stage.good(PROGRAM.replace('label="3"', 'place="tre"'))
    assert sorted(changed(outcome)) == ["delete fifth", "delete-replaced third", "replace third"]
    genuine("preview", "--expect-no-changes")
    genuine("state", "unprotect", "--all", "--yes")
    assert stage.engine().destroy().ok
    assert MARKER not in stage.state_file.read_text()
    assert "unchanged" not in genuine("preview")


def _comparable(state: dict[str, Any]) -> dict[str, Any]:
    """Return the resources by URN without what differs from run to run."""
    text = json.dumps(state["resources"])
    for entry in state["resources"]:
        if entry.get("id"):
            text = text.replace(entry["id"], f"<id of {entry['urn']}>")
    return {entry["urn"]: _without_own(entry) for entry in json.loads(text)}


def _without_own(thing: Any) -> Any:
    if isinstance(thing, dict):
        kept = {k: _without_own(v) for k, v in thing.items() if k not in _OWN | {"serial"}}
        # The SDK hands them over as a set: their order differs from run to run.
        return {k: sorted(v) if k == "dependencies" else v for k, v in kept.items()}
    if isinstance(thing, list):
        return [_without_own(item) for item in thing]
    return thing


HALF = """
box = shelf.Box("half", label="one", undone="create", opts=O())
shelf.Box("above", label=box.label, opts=O())
"""


@pytest.mark.parametrize("body", ["", 'half = shelf.Box("half", label="zero", opts=O())'])
def test_both_engines_note_alike_what_is_half_done(
    stage: Stage, genuine: Genuine, body: str
) -> None:
    half = HALF.replace("create", "update") if body else HALF
    genuine.configure()
    genuine("stack", "init", "dev")
    stage.program(body)
    genuine("up", "--yes", "--skip-preview")
    stage.program(half)
    assert "the lid is open" in genuine("up", "--yes", "--skip-preview", fails=True)
    theirs = stage.resources()["half"]
    assert len(theirs["initErrors"]) == 2
    shutil.rmtree(stage.folder / ".pulumi")
    if body:
        stage.good(body)
    assert not stage.up(half).ok
    _same_but_for_its_own(stage.resources()["half"], theirs)


def test_either_engine_finishes_what_the_other_left_half_done(
    stage: Stage, genuine: Genuine
) -> None:
    genuine.configure()
    genuine("stack", "init", "dev")
    stage.program(HALF)
    genuine("up", "--yes", "--skip-preview", fails=True)
    assert changed(stage.good()) == ["update half", "create above"]
    genuine("preview", "--expect-no-changes")
    assert not stage.up(HALF.replace("half", "other").replace("above", "upon")).ok
    genuine("up", "--yes", "--skip-preview")
    assert "initErrors" not in stage.resources()["other"]
    assert not stage.good().changed


def test_a_refresh_by_either_engine_settles_or_notes_it(stage: Stage, genuine: Genuine) -> None:
    assert not stage.up(HALF).ok
    genuine.configure()
    genuine("stack", "select", "dev")
    genuine("refresh", "--yes", "--skip-preview")
    assert "initErrors" not in stage.resources()["half"]
    stage.good('shelf.Box("half", undone="read", opts=O())')
    genuine("refresh", "--yes", "--skip-preview")
    theirs = stage.resources()["half"]
    stage.engine().refresh()
    assert stage.resources()["half"]["initErrors"] == theirs["initErrors"]
    assert len(theirs["initErrors"]) == 2


HOOKED = """
def refuse(args):
    if args.new_inputs["label"] != args.old_inputs["label"]:
        raise ValueError("label was " + args.old_inputs["label"] + ", that stays")
hooks = pulumi.ResourceHookBinding(before_update=[
    pulumi.ResourceHook("fixed", refuse, pulumi.ResourceHookOptions(on_dry_run=True))])
shelf.Box("a", label="one", opts=O(hooks=hooks))
"""


def test_both_engines_call_the_same_hooks(stage: Stage, genuine: Genuine) -> None:
    stage.good(HOOKED)
    ours = json.loads(stage.state_file.read_text())
    genuine.configure()
    genuine("stack", "select", "dev")
    genuine("preview", "--expect-no-changes")
    stage.program(HOOKED.replace('label="one"', 'label="two"'))
    refused = 'before hook "fixed" failed: label was one, that stays'
    assert refused in genuine("preview", fails=True)
    assert [error.message for error in stage.preview().errors] == [refused]
    stage.program(HOOKED + 'shelf.Box("b", opts=O())')
    genuine("up", "--yes", "--skip-preview")
    theirs = json.loads(stage.state_file.read_text())
    assert [ours["version"], ours["features"]] == [theirs["version"], theirs["features"]]
    assert stage.resources()["a"]["resourceHooks"] == {"BeforeUpdate": ["fixed"]}
    assert not stage.good().changed


def test_both_engines_import_alike(stage: Stage, genuine: Genuine, tmp_path: Path) -> None:
    body = """
crate = Crate("crate", O())
inner = shelf.Box("crate", label="in", opts=ResourceOptions(parent=crate, provider=provider))
box = shelf.Box("box", label="one", code=config.require_secret("code"), opts=O())
"""
    genuine.configure()
    genuine("stack", "init", "dev")
    stage.program(body)
    file = tmp_path / "import.json"
    genuine("preview", "--import-file", str(file))
    theirs = json.loads(file.read_text())
    stage.good(body)
    ids = {urn: entry.get("id", "") for urn, entry in _by_urn(stage).items()}
    shutil.rmtree(stage.folder / ".pulumi")
    salt = json.loads((stage.project / "Pulumi.dev.yaml").read_text())["encryptionsalt"]
    engine = stage.engine(encryption_salt=salt)
    skeleton = engine.skeleton(engine.preview())
    assert _names(skeleton) == _names(theirs)
    for resource in skeleton["resources"]:
        if "id" in resource:
            name = f"::{resource.get('logicalName', resource['name'])}"
            resource["id"] = next(found for urn, found in ids.items() if urn.endswith(f"Box{name}"))
        if resource["name"] == "box":
            sealed = {"label": "one", "code": Sealed(MARKER)}
            resource["inputs"] = sealed_properties(sealed, engine.seal)
            resource["outputs"] = sealed_properties({**sealed, "serial": 2}, engine.seal)
    file.write_text(json.dumps(skeleton))
    genuine("stack", "init", "dev")
    genuine("import", "--file", str(file), "--yes", "--generate-code=false", "--skip-preview")
    wanted = _comparable(stage.state())
    genuine("preview", "--expect-no-changes")
    shutil.rmtree(stage.folder / ".pulumi")
    assert stage.engine(encryption_salt=salt).import_resources(skeleton).ok
    assert _comparable(stage.state()) == wanted
    assert not stage.preview().changed


def _by_urn(stage: Stage) -> dict[str, Any]:
    return {entry["urn"]: entry for entry in stage.state()["resources"]}


def _names(document: dict[str, Any]) -> set[tuple[str, ...]]:
    keys = ("type", "name", "logicalName", "parent", "provider", "id", "component")
    return {tuple(str(resource.get(key)) for key in keys) for resource in document["resources"]}


def _same_but_for_its_own(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    provider = {"provider": "the shelf"}
    cut = [
        _without_own(json.loads(json.dumps(entry | provider).replace(entry["id"], "ID")))
        for entry in (ours, theirs)
    ]
    assert cut[0] == cut[1]
