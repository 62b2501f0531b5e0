"""The state: its layout, its secrets, its journal, its lock."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from rehearsal.engine import (
    LockedError,
    Op,
    Sealed,
    Sealer,
    StateRefusedError,
    WrongPassphraseError,
)
from rehearsal.engine.backend import fold
from tests.engine.stage import MARKER, PASSPHRASE, SHELF, Stage, changed, salt

SECRETIVE = """
code = config.require_secret("code")
box = shelf.Box("a", code=code, content={"deep": [{"er": code}], "open": "x"},
                opts=O(additional_secret_outputs=["token"]))
shelf.Box("b", label=box.code.apply(lambda c: c.upper()), opts=O())
pulumi.export("code", box.code)
pulumi.export("content", box.content)
pulumi.export("token", box.token)
"""


def test_the_layout_is_that_of_the_file_backend(stage: Stage) -> None:
    stage.good('shelf.Box("a", opts=O())')
    assert (stage.folder / ".pulumi" / "meta.yaml").read_text() == "version: 1\n"
    document = json.loads(stage.state_file.read_text())
    assert document["version"] == 3
    assert document["checkpoint"]["stack"] == "organization/test/dev"
    assert document["checkpoint"]["latest"]["secrets_providers"]["type"] == "passphrase"
    left = [p for p in (stage.folder / ".pulumi").rglob("*") if p.is_file()]
    assert sorted(path.name for path in left) == ["dev.json", "meta.yaml"]


def test_everything_in_the_state_comes_after_what_it_needs(stage: Stage) -> None:
    stage.good('z = shelf.Box("z", opts=O())\nshelf.Box("a", opts=O(depends_on=[z]))')
    stage.good('y = shelf.Box("y", opts=O())\nz = shelf.Box("z", opts=O(depends_on=[y]))')
    seen: set[str] = set()
    for entry in stage.state()["resources"]:
        assert set(entry.get("dependencies", ())) <= seen
        seen.add(entry["urn"])


def test_secrets_are_sealed_however_deep_and_come_out_sealed(stage: Stage) -> None:
    outcome = stage.secret("code").good(SECRETIVE)
    text = stage.state_file.read_text()
    assert MARKER not in text
    assert MARKER.upper() not in text
    assert "token of a" not in text
    assert '"open":"x"' in text
    assert isinstance(outcome.outputs["code"], Sealed)
    assert outcome.outputs["code"].open() == MARKER
    # The SDK makes a property secret as a whole when a part of it is.
    assert outcome.outputs["content"].open()["deep"][0]["er"] == MARKER
    assert MARKER not in repr(outcome)


def test_a_secret_that_stays_is_no_change_and_one_that_changes_shows_nothing(stage: Stage) -> None:
    stage.secret("code").good(SECRETIVE)
    assert not stage.good().changed
    outcome = stage.secret("code", f"{MARKER}-2").good()
    assert changed(outcome) == ["update a", "update b"]
    assert MARKER not in repr(outcome)
    assert MARKER not in repr(stage.events)


def test_a_planted_secret_shows_nowhere(real_stage: Stage) -> None:
    stage = real_stage.secret("code")
    stage.program(
        SECRETIVE
        + """
import sys, json, base64, os
code.apply(lambda c: print("out", c, json.dumps({"c": c}), base64.b64encode(c.encode()).decode()))
code.apply(lambda c: print("err", c, file=sys.stderr))
code.apply(lambda c: pulumi.info("told " + c))
seen = [open(f"/proc/{p}/{f}", "rb").read() for p in (os.getpid(), os.getppid())
        for f in ("cmdline", "environ")]
pulumi.export("seen", sum(b"planted-7f3a9c" in one for one in seen))
shelf.Box("bad", fail="create", code=code, opts=O())
"""
    )
    outcome = stage.engine().up()
    assert not outcome.ok
    assert outcome.outputs["seen"] == 0
    told = [d.message for d in outcome.diagnostics if d.message.startswith("told")]
    assert told == ["told [secret]"]
    for path in stage.folder.rglob("*"):
        if path.is_file() and path.parent != stage.shelf:
            assert MARKER not in path.read_text(), path
    assert "out [secret]" in (stage.folder / "logs" / "program.stdout.log").read_text()
    assert "err [secret]" in (stage.folder / "logs" / "program.stderr.log").read_text()


def test_another_passphrase_does_not_open_the_state(stage: Stage) -> None:
    stage.good("")
    engine = stage.engine()
    engine._passphrase = "wrong"
    with pytest.raises(WrongPassphraseError, match="does not open this state"):
        engine.up()


def test_the_salt_is_exposed_and_kept(stage: Stage) -> None:
    assert stage.engine().encryption_salt == salt()
    stage.good("")
    assert stage.engine(encryption_salt=None).encryption_salt == salt()
    assert Sealer(PASSPHRASE, salt()).open(Sealer(PASSPHRASE, salt()).seal("x")) == "x"


def test_the_sealed_form_is_pulumis() -> None:
    # Sealed by the genuine CLI (`pulumi config set --secret`), passphrase "pass".
    genuine = Sealer("pass", "v1:dXbKjS7yR9U=:v1:UQZI9Apx5O02nvfT:EuDsvdtQ1ZuIFQj54wKyHdj3F0lyGw==")
    sealed = "v1:LI0KX/BcGM5wNoz1:SCTfIP5Jko+6LbZ5IgXdkC3knjmN3PYCtyVVUJA="
    assert genuine.open(sealed) == "hunter2marker"


def test_two_runs_at_once_are_refused_with_the_holder(stage: Stage) -> None:
    stage.program("")
    first = stage.engine()
    with first._backend.lock(), pytest.raises(LockedError, match=f"pid {os.getpid()}"):
        stage.engine().up()
    assert stage.engine().up().ok


def test_a_lock_of_the_genuine_engine_is_respected(stage: Stage) -> None:
    folder = stage.folder / ".pulumi" / "locks" / "organization" / "test" / "dev"
    folder.mkdir(parents=True)
    content = {"pid": 7, "username": "ann", "hostname": "h", "timestamp": "2026-01-01T00:00:00Z"}
    (folder / "other.json").write_text(json.dumps(content))
    stage.program("")
    with pytest.raises(LockedError, match="pid 7 of ann@h"):
        stage.engine().up()
    assert [path.name for path in folder.iterdir()] == ["other.json"]


def test_a_preview_needs_no_lock(stage: Stage) -> None:
    stage.program("")
    with stage.engine()._backend.lock():
        assert stage.engine().preview().ok


RUNNER = """
import sys
sys.path[:0] = [{root!r}]
from pathlib import Path
from tests.engine.shelf.shelf.provider import ShelfProvider
from rehearsal.engine import Engine
engine = Engine(Path({project!r}), "dev", Path({folder!r}), {passphrase!r},
                {config!r}, frozenset({secrets!r}), {{"shelf": ShelfProvider}},
                parallel=4, encryption_salt={salt!r})
print("go", flush=True)
outcome = engine.up()
sys.exit(0 if outcome.ok else 1)
"""

MANY = """
slow = shelf.Provider("slow", folder=folder, delay="0.01")
def S(**more):
    return ResourceOptions(provider=slow, **more)
code = config.require_secret("code")
last = None
for n in range(14):
    last = shelf.Box(f"n{{n:02}}", code=code, place="{place}",
                     port={port} if n % 5 == 0 else None,
                     label=last.id if last and n % 3 else "x", opts=S())
for n in range({extra}):
    shelf.Box(f"extra{{n}}", opts=S())
"""


def _start(stage: Stage) -> subprocess.Popen[str]:
    script = stage.folder / "runner.py"
    script.write_text(
        RUNNER.format(
            shelf=str(SHELF),
            root=str(Path(__file__).parents[2]),
            project=str(stage.project),
            folder=str(stage.folder),
            passphrase=PASSPHRASE,
            config=stage.config,
            secrets=sorted(stage.secret_keys),
            salt=salt(),
        )
    )
    return subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SHELF)},
    )


def _kill_after(stage: Stage, calls: int) -> bool:
    """Run `up` in a process and kill it once the provider was called so often; False if done."""
    before = len(stage.call_log())
    process = _start(stage)
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        if len(stage.call_log()) - before >= calls:
            os.kill(process.pid, signal.SIGKILL)
            break
        time.sleep(0.001)  # The shelf's log is all there is to watch from outside.
    process.wait(timeout=30)
    return process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_run_killed_at_any_step_loses_nothing(stage: Stage, seed: int) -> None:
    chance = random.Random(seed)
    stage.secret("code")
    for place, port, extra in (("left", 1, 4), ("right", 2, 0)):
        stage.program(MANY.format(place=place, port=port, extra=extra))
        killed = _kill_after(stage, chance.randrange(3, 40))
        journals = list((stage.folder / ".pulumi").rglob("*.journal"))
        assert killed is bool(journals)
        assert all(MARKER not in path.read_text() for path in journals)
        seen = stage.engine().preview()
        known = {one.id for one in seen.resources}
        outcome = stage.good()
        _shelf_holds_what_the_state_says(stage, killed=killed)
        assert known or not killed
        assert outcome.ok
        assert not stage.good().changed
        assert "pending_operations" not in stage.state()
        for path in stage.shelf.glob("*.json"):
            if path.stem not in {r["id"] for r in stage.state()["resources"] if r.get("id")}:
                path.unlink()  # The orphan of a creation that was cut short.


def _shelf_holds_what_the_state_says(stage: Stage, *, killed: bool) -> None:
    ids = {r["id"] for r in stage.state()["resources"] if r["type"] == "shelf:index:Box"}
    boxes = {path.stem for path in stage.shelf.glob("*.json")}
    assert ids <= boxes
    # At most what was being made in the four slots at the moment of the kill is left over.
    assert len(boxes - ids) <= (4 if killed else 0)


def test_a_creation_cut_short_is_noted_and_the_next_run_warns_and_goes_on(stage: Stage) -> None:
    stage.program("""
        slow = shelf.Provider("slow", folder=folder, delay="30")
        shelf.Box("a", opts=O())
        shelf.Box("hung", opts=O(provider=slow, depends_on=[slow]))
    """)
    process = _start(stage)
    while "create hung" not in stage.calls():
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.wait()
    content, folded = stage.engine()._backend.load(Sealer(PASSPHRASE, salt()))
    assert folded
    assert [(p.kind, p.resource.urn.rsplit("::")[-1]) for p in content.pending] == [
        ("creating", "hung")
    ]
    outcome = stage.up('shelf.Box("a", opts=O())\nshelf.Box("hung", opts=O())')
    assert outcome.ok
    assert any("cut short while creating" in one.message for one in outcome.diagnostics)
    assert {"a", "hung"} < set(stage.resources())
    assert "pending_operations" not in stage.state()


def test_a_pending_operation_stands_in_the_state_as_pulumi_writes_it(stage: Stage) -> None:
    stage.program("""
        shelf.Box("hung", opts=O(provider=shelf.Provider("slow", folder=folder, delay="30")))
    """)
    process = _start(stage)
    while "create hung" not in stage.calls():
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert not stage.up('raise pulumi.RunError("stop")').ok
    (pending,) = stage.state()["pending_operations"]
    assert pending["type"] == "creating"
    assert pending["resource"]["urn"].endswith("::hung")
    outcome = stage.engine().refresh()
    assert outcome.ok
    assert "pending_operations" not in stage.state()


def test_the_programs_process_ends_with_a_killed_engine(stage: Stage) -> None:
    stage.program("""
        import os, threading
        (pid := open(folder + "/program.pid", "w")).write(str(os.getpid()))
        pid.close()
        threading.Event().wait(60)
    """)
    process = _start(stage)
    pid = stage.shelf / "program.pid"
    while not (pid.exists() and pid.read_text()):
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 5
    status = Path(f"/proc/{pid.read_text()}/stat")
    while status.exists() and status.read_text().split()[2] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_journal_that_is_already_folded_is_not_folded_twice(stage: Stage) -> None:
    stage.good('shelf.Box("a", opts=O())')
    backend = stage.engine()._backend
    sealer = Sealer(PASSPHRASE, salt())
    content, _ = backend.load(sealer)
    journal = stage.folder / ".pulumi" / "journals" / "test" / "dev.journal"
    journal.parent.mkdir(parents=True, exist_ok=True)
    from rehearsal.engine.backend import _digest  # noqa: PLC0415 (the one private thing tried)

    digest = _digest(stage.state_file.read_bytes())
    lines = [[{"kind": "open", "base": "other"}], [{"kind": "drop", "serial": 2}]]
    lines.append([{"kind": "folded", "result": digest}])
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    again, folded = backend.load(sealer)
    assert not folded
    assert len(again.resources) == len(content.resources)


def test_a_journal_that_no_longer_fits_is_not_applied(stage: Stage) -> None:
    stage.good('shelf.Box("a", opts=O())')
    journal = stage.folder / ".pulumi" / "journals" / "test" / "dev.journal"
    journal.parent.mkdir(parents=True, exist_ok=True)
    journal.write_text('[{"kind":"open","base":"other"}]\n[{"kind":"drop","serial":0}]\n')
    with pytest.raises(StateRefusedError, match="changed by another engine"):
        stage.engine().up()
    assert journal.exists()


def test_a_line_cut_short_never_happened(stage: Stage) -> None:
    stage.good('shelf.Box("a", opts=O())')
    from rehearsal.engine.backend import _digest  # noqa: PLC0415 (as above)

    digest = _digest(stage.state_file.read_bytes())
    journal = stage.folder / ".pulumi" / "journals" / "test" / "dev.journal"
    journal.parent.mkdir(parents=True, exist_ok=True)
    journal.write_text(f'[{{"kind":"open","base":"{digest}"}}]\n[{{"kind":"drop","seri')
    assert not stage.good().changed


def test_a_state_of_an_unknown_kind_is_refused(stage: Stage) -> None:
    stage.good("")
    text = stage.state_file.read_text()
    stage.state_file.write_text(re.sub(r'"version": 3', '"version": 5', text, count=1))
    with pytest.raises(StateRefusedError, match="version 5"):
        stage.engine().up()


def test_fields_that_the_engine_has_no_use_for_are_kept(stage: Stage) -> None:
    stage.good('shelf.Box("a", opts=O())')
    document = json.loads(stage.state_file.read_text())
    document["checkpoint"]["latest"]["resources"][-1]["hideDiff"] = [["label"]]
    stage.state_file.write_text(json.dumps(document))
    stage.good('shelf.Box("a", opts=O())\nshelf.Box("b", opts=O())')
    assert stage.resources()["a"]["hideDiff"] == [["label"]]


def test_an_interrupted_run_keeps_what_was_done(stage: Stage) -> None:
    assert not stage.up('shelf.Box("a", opts=O())\nraise pulumi.RunError("enough")').ok
    assert stage.good('shelf.Box("a", opts=O())').changes.get(Op.DELETE) is None
    assert set(stage.boxes()) == {"a"}


def test_a_journal_is_folded_record_by_record(stage: Stage) -> None:
    stage.good('shelf.Box("a", opts=O())\nshelf.Box("b", opts=O())')
    backend, sealer = stage.engine()._backend, Sealer(PASSPHRASE, salt())
    content, _ = backend.load(sealer)
    serial = {state.urn.rsplit("::", 1)[-1]: state.serial for state in content.resources}
    new = stage.resources()["a"] | {"id": "a-new"}
    hung = stage.resources()["b"] | {"urn": stage.resources()["b"]["urn"][:-1] + "hung"}
    records: list[dict[str, Any]] = [
        {"kind": "open", "base": "-"},
        {"kind": "begin", "token": 90, "op": "updating", "resource": new},
        {"kind": "put", "serial": serial["a"], "resource": new},
        {"kind": "end", "token": 90},
        {"kind": "begin", "token": 91, "op": "creating", "resource": hung},
        {"kind": "drop", "serial": serial["b"]},
    ]
    folded = fold(content, records, sealer)
    left = {state.urn.rsplit("::", 1)[-1]: state.id for state in folded.resources}
    assert left["a"] == "a-new"
    assert "b" not in left
    assert [(one.kind, one.resource.urn) for one in folded.pending] == [("creating", hung["urn"])]
