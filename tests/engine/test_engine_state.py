"""The state: its layout, its secrets, how it is written, and what a cut-short run leaves."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rehearsal.engine import (
    CutShortError,
    LockedError,
    Op,
    Sealed,
    Sealer,
    StackLock,
    StateNotWrittenError,
    StateRefusedError,
    WrongPassphraseError,
)
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
    left = [path.name for path in (stage.folder / ".pulumi").rglob("*") if path.is_file()]
    assert sorted(left) == ["dev.json", "meta.yaml", "test.dev.lock"]


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


def test_a_planted_secret_shows_nowhere(stage: Stage) -> None:
    stage = stage.secret("code")
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


def test_the_sealed_form_is_pulumis() -> None:
    # Sealed by the genuine CLI (`pulumi config set --secret`), passphrase "pass".
    genuine = Sealer("pass", "v1:dXbKjS7yR9U=:v1:UQZI9Apx5O02nvfT:EuDsvdtQ1ZuIFQj54wKyHdj3F0lyGw==")
    sealed = "v1:LI0KX/BcGM5wNoz1:SCTfIP5Jko+6LbZ5IgXdkC3knjmN3PYCtyVVUJA="
    assert genuine.open(sealed) == "hunter2marker"


# --- one at a time ---------------------------------------------------------------------------


def held_elsewhere(path: Path) -> "subprocess.Popen[str]":
    """Return a process that holds a lock until its standard input is closed."""
    script = (
        "import sys; from pathlib import Path; from rehearsal.engine.lock import StackLock\n"
        "with StackLock(Path(sys.argv[1]), 'dev'): print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_of_two_runs_at_once_the_second_is_told_who_is_at_work_and_since_when(
    stage: Stage,
) -> None:
    stage.program("")
    lock = stage.folder / ".pulumi" / "test.dev.lock"
    with held_elsewhere(lock) as holder:
        said = rf"dev is in use: pid {holder.pid} \(python -c .*\), since \d{{4}}-.* \d\d:\d\d:\d\d"
        with pytest.raises(LockedError, match=said) as caught:
            stage.engine().up()
        assert "\n" not in str(caught.value)
        assert stage.preview().ok
        holder.kill()
    assert stage.engine().up().ok
    assert lock.exists()


def test_who_holds_the_lock_may_enter_it_again(tmp_path: Path) -> None:
    lock, other = (StackLock(tmp_path / "lock", "dev") for _ in range(2))
    with lock:
        with lock:
            pass
        with pytest.raises(LockedError, match=f"pid {os.getpid()} "), other:
            pass
    with other:
        pass


def test_a_lock_of_the_genuine_engine_is_respected(stage: Stage) -> None:
    folder = stage.folder / ".pulumi" / "locks" / "organization" / "test" / "dev"
    folder.mkdir(parents=True)
    (folder / "other.json").write_text('{"pid": 7}')
    stage.program("")
    with pytest.raises(LockedError, match="`pulumi cancel`"):
        stage.engine().up()
    assert [path.name for path in folder.iterdir()] == ["other.json"]


# --- cut short -------------------------------------------------------------------------------


RUNNER = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, ({largest}, {largest}))
sys.path[:0] = [{root!r}]
from pathlib import Path
from tests.engine.shelf.shelf.provider import ShelfProvider
from rehearsal.engine import Engine, StateNotWrittenError
engine = Engine(Path({project!r}), "dev", Path({folder!r}), {passphrase!r},
                {config!r}, frozenset({secrets!r}), {{"shelf": ShelfProvider}},
                parallel=4, encryption_salt={salt!r})
if __name__ == "__main__":
    try:
        sys.exit(0 if engine.{command}().ok else 1)
    except StateNotWrittenError as error:
        sys.exit(str(error))
"""


def start(stage: Stage, command: str = "up", largest: int = -1) -> "subprocess.Popen[str]":
    """Run the engine in a process of its own.

    Args:
        stage: The stage.
        command: Method of the engine.
        largest: Bytes of a file: a write beyond is cut short by the kernel, the next one refused.
    """
    script = stage.folder / "runner.py"
    script.write_text(
        RUNNER.format(
            root=str(Path(__file__).parents[2]),
            project=str(stage.project),
            folder=str(stage.folder),
            passphrase=PASSPHRASE,
            config=stage.config,
            secrets=sorted(stage.secret_keys),
            salt=salt(),
            command=command,
            largest=largest,
        )
    )
    return subprocess.Popen(
        [sys.executable, str(script)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SHELF)},
    )


def kill_at(stage: Stage, process: "subprocess.Popen[str]", call: str) -> None:
    """Kill the engine once its provider was called."""
    deadline = time.monotonic() + 60
    while call not in stage.calls():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)  # The shelf's log is all there is to watch from outside.
    process.send_signal(signal.SIGKILL)
    process.communicate()


SLOW = """
slow = shelf.Provider("slow", folder=folder, delay="{delay}")
a = shelf.Box("a", opts=O())
shelf.Box("hung", opts=O(provider=slow, depends_on=[a]))
"""


def test_after_a_kill_the_last_state_stands_and_nobody_goes_on_from_it(stage: Stage) -> None:
    stage.good('shelf.Box("first", opts=O())')
    before = stage.state_file.read_bytes()
    stage.program(SLOW.format(delay=30))
    kill_at(stage, start(stage), "create hung")
    assert stage.state_file.read_bytes() == before
    for command in ("up", "preview", "refresh", "destroy"):
        with pytest.raises(CutShortError, match=r"`up` of .* \(pid \d+\) was cut short"):
            getattr(stage.engine(), command)()
    assert stage.calls("delete") == []


def test_a_destroy_that_was_killed_is_no_state_where_nothing_changes(stage: Stage) -> None:
    stage.good(SLOW.format(delay=0) + 'shelf.Box("last", opts=O(depends_on=[a]))')
    stage.good(SLOW.format(delay=30) + 'shelf.Box("last", opts=O(depends_on=[a]))')
    kill_at(stage, start(stage, "destroy"), "delete last")
    with pytest.raises(CutShortError, match="`destroy` of"):
        stage.engine().up()


def test_the_programs_process_ends_with_a_killed_engine(stage: Stage) -> None:
    stage.program("""
        import os, threading
        (pid := open(folder + "/program.pid", "w")).write(str(os.getpid()))
        pid.close()
        threading.Event().wait(60)
    """)
    process = start(stage)
    pid = stage.shelf / "program.pid"
    while not (pid.exists() and pid.read_text()):
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 5
    status = Path(f"/proc/{pid.read_text()}/stat")
    while status.exists() and status.read_text().split()[2] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_was_begun_is_finished_and_noted_though_the_program_ends_before(
    stage: Stage,
) -> None:
    outcome = stage.up("""
        import os, threading, time
        slow = shelf.Provider("slow", folder=folder, delay="0.5")
        box = shelf.Box("a", opts=O(provider=slow))
        def end_early():
            log = folder + "/calls.log"
            while not os.path.exists(log) or "create" not in open(log).read():
                time.sleep(0.01)
            os._exit(3)
        threading.Thread(target=end_early, daemon=True).start()
    """)
    assert not outcome.ok
    assert stage.resources()["a"]["id"] == stage.path_of("a").stem
    assert not stage.preview('shelf.Box("a", opts=O())').changes.get(Op.CREATE)


# --- a full disk -----------------------------------------------------------------------------

MUCH = """
for number in range(10):
    shelf.Box(f"much-{number}", label="x" * 6_000, opts=O())
"""


def test_on_a_full_disk_one_line_says_so_and_the_last_state_stands(stage: Stage) -> None:
    stage.good('shelf.Box("a", opts=O())')
    before = stage.state_file.read_bytes()
    stage.program(MUCH)
    process = start(stage, largest=40_000)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert told.count("\n") == 1, told
    assert "dev.json cannot be written" in told
    assert "The last state is still there" in told
    assert stage.state_file.read_bytes() == before
    assert not list(stage.state_file.parent.glob("*.new"))
    with pytest.raises(CutShortError):
        stage.engine().up()


def test_without_room_for_the_mark_nothing_is_changed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    stage.program('shelf.Box("a", opts=O())')
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StateNotWrittenError, match=r"nothing was changed: .*No space left"):
        stage.engine().up()
    assert stage.calls("create") == []


# --- another engine's states -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: re.sub(r'"version": 3', '"version": 5', text, count=1), "version 5"),
        (lambda text: text[: len(text) // 2], "is not one of Pulumi's"),
        (lambda text: text.replace('"custom":true,', '"custom":true,"external":true,'), "external"),
        (
            lambda text: text.replace(
                '"metadata"',
                '"pending_operations":[{"type":"creating","resource":{"urn":"x"}}],"metadata"',
            ),
            "cut short while creating x; go on with it",
        ),
    ],
)
def test_a_state_that_cannot_be_obeyed_is_refused(
    stage: Stage, change: Callable[[str], str], reason: str
) -> None:
    stage.good("")
    changed_text = change(stage.state_file.read_text())
    stage.state_file.write_text(changed_text)
    with pytest.raises(StateRefusedError, match=reason):
        stage.engine().up()
    assert stage.state_file.read_text() == changed_text


def test_fields_that_the_engine_has_no_use_for_are_kept(stage: Stage) -> None:
    stage.good('shelf.Box("a", opts=O())')
    document = json.loads(stage.state_file.read_text())
    document["checkpoint"]["latest"]["resources"][-1]["hideDiff"] = [["label"]]
    stage.state_file.write_text(json.dumps(document))
    stage.good('shelf.Box("a", opts=O())\nshelf.Box("b", opts=O())')
    assert stage.resources()["a"]["hideDiff"] == [["label"]]


def test_a_program_that_ends_early_keeps_what_was_done(stage: Stage) -> None:
    assert not stage.up('shelf.Box("a", opts=O())\nraise pulumi.RunError("enough")').ok
    assert stage.good('shelf.Box("a", opts=O())').changes.get(Op.DELETE) is None
    assert set(stage.boxes()) == {"a"}
