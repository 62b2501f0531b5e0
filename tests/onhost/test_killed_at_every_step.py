"""Every program on the host, killed before each step that changes something, ends well next time.

A step is whatever the interpreter tells of that writes, renames, removes or starts a program. Of
a long run some steps are tried, spread over it; with `KILLS=all` in the environment every one. The
counts are printed (`-s`); benchmarks/README.md has those of every step.
"""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from components.onhost import (
    backup,
    certificate_delivery,
    queue_metrics,
    release,
    stack,
)
from rehearsal.world.authority import CertificateAuthority, Issued
from tests.onhost import test_certificate_delivery as certificates
from tests.onhost import test_queue_metrics as queues
from tests.onhost import test_settings_guard as guards
from tests.onhost.backup_host import BackupHost
from tests.onhost.fake_docker import Docker
from tests.onhost.test_release import COMPOSE, DIRECTORY, Upstream

pytestmark = pytest.mark.real

TRIED = 12
"""Steps of a long run that are tried at least, unless all are."""

_CHANGES = frozenset((
    "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.chmod", "os.link",
    "os.truncate", "shutil.rmtree", "shutil.copyfile", "subprocess.Popen",
))  # fmt: skip
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_DRAFT = re.compile(r"\.[0-9a-f]{16}\.new$")
"""What a killed program leaves for an hour (tests/onhost/test_machine.py)."""
_VOLATILE = re.compile(r"\.prom$|/(backup[\w-]*|certificate|drill[\w-]*)\.json$|/cache/|/calls$")
"""Files that tell of time: that they are there is compared, not what they hold."""


@dataclass(frozen=True)
class Scene:
    """A host on which a program is to run.

    Attributes:
        root: The host's root.
        run: Runs the program to its end, and returns its exit status.
        good: Tells whether what it shall bring about is there.
        after: What systemd runs when the program has ended, however it did.
    """

    root: Path
    run: Callable[[], int]
    good: Callable[[], bool]
    after: Callable[[], object] = int


def is_change(event: str, values: tuple[Any, ...]) -> bool:
    """Tell whether an event of the interpreter changes something."""
    if event == "open":
        return isinstance(values[2], int) and bool(values[2] & _WRITES)
    return event in _CHANGES


def in_a_child(act: Callable[[], int], kill_before: int = 0) -> tuple[int, int]:
    """Run something in a process of its own; kill it before one of its steps.

    Returns:
        Its exit status, negative for a signal, and how many steps it began.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            steps = len(pipe.read())
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), steps
    begun = 0

    def count(event: str, values: tuple[Any, ...]) -> None:
        nonlocal begun
        if is_change(event, values):
            begun += 1
            os.write(writing, b".")
            if begun == kill_before:
                os.kill(os.getpid(), signal.SIGKILL)

    status = 99
    try:
        os.set_inheritable(writing, False)  # noqa: FBT003 - the standard library's signature
        sys.stdout = sys.stderr = io.StringIO()
        sys.addaudithook(count)
        status = act()
    finally:
        os._exit(status)


def files(root: Path) -> dict[str, bytes | None]:
    """Return what lies below a root, without what differs from run to run."""
    found: dict[str, bytes | None] = {}
    for path in sorted(root.rglob("*")):
        name = f"/{path.relative_to(root)}"
        if "/.git/" in name or _DRAFT.search(name) or not path.is_file():
            continue
        found[name] = None if _VOLATILE.search(name) else path.read_bytes()
    return found


Make = Callable[[Path, pytest.MonkeyPatch], Scene]


def backup_scene(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    host = BackupHost(folder / "root")
    for name, value in host.environment().items():
        monkeypatch.setenv(name, value)
    words = ["--settings", "/opt/po-mail/backup.json"]
    return Scene(
        host.root,
        lambda: backup.main(words),
        lambda: (
            host.metrics()["po_mail_backup_last_run_success"] == 1
            and host.metrics()["po_mail_backup_running"] == 0
            and not list(host.root.rglob("database.sql"))
        ),
        lambda: subprocess.run(
            host.command("--ended"), env=host.environment(), check=True, timeout=60
        ),
    )


def _release(folder: Path, monkeypatch: pytest.MonkeyPatch, *, upgrade: bool) -> Scene:
    monkeypatch.setenv("PATH", Docker(folder / "bin").path)
    root, upstream = folder / "root", Upstream(folder / "upstream")
    place = {"docker-compose.yml": COMPOSE, "data/web/index.php": "one\n"}
    commit = upstream.publish("2026-07", place)

    def run(tag: str) -> int:
        words = ["--directory", DIRECTORY, "--state", "/opt/po-mail/state", "--tag", tag]
        words += ["--repository", str(upstream.folder), "--commit", commit, "--back-from", ""]
        words += ["--service", "postfix-mailcow", "--service", "nginx-mailcow"]
        return release.main(words)

    tag, tree = "2026-07", root / DIRECTORY.lstrip("/")
    if upgrade:
        assert run(tag) == 0
        (tree / "data/web/index.php").write_text("changed\n")
        tag = "2026-08"
        commit = upstream.publish(tag, place | {"data/web/index.php": "two\n"})

    def again() -> int:
        # Git's own lock of a killed run goes after a minute.
        for lock in tree.glob(".git/*.lock"):
            os.utime(lock, (1, 1))
        return run(tag)

    return Scene(root, again, lambda: release.Tree(tree).head() == commit)


def first_release(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return _release(folder, monkeypatch, upgrade=False)


def later_release(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return _release(folder, monkeypatch, upgrade=True)


def stack_scene(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    docker = Docker(folder / "bin")
    monkeypatch.setenv("PATH", docker.path)
    docker.know(starts={"postfix-mailcow": "first"})
    place = folder / "root/m"
    place.mkdir()
    (place / "mailcow.conf").write_text("ENABLE_IPV6=false\n")
    (place / "extra.cf").write_text("first\n")
    words = ["--project", "po-mail", "--directory", "/m", "--memory", "/state/stack.json"]
    watch = ["--watch", "postfix-mailcow=extra.cf=1"]
    assert stack.main(["up", *words, *watch]) == 0
    (place / "extra.cf").write_text("second\n")
    memory = folder / "root/state/stack.json"
    return Scene(
        folder / "root",
        lambda: stack.main(["up", *words, *watch]),
        lambda: bool(docker.told("restart")) and memory.exists(),
    )


@cache
def issued(folder: Path) -> tuple[CertificateAuthority, Issued, Issued]:
    """Return an authority, a certificate and the one that renews it: every host has the same."""
    authority = CertificateAuthority(folder)
    return authority, authority.issue([certificates.HOST]), authority.issue([certificates.HOST])


def certificate_scene(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    docker = Docker(folder / "bin")
    monkeypatch.setenv("PATH", docker.path)
    docker.know(running=certificates.RUNNING)
    authority, first, renewed = issued(folder.with_name("authority"))
    host = certificates.Host(folder / "root", authority)
    host.keep(certificates.entry(first))
    assert certificate_delivery.main(certificates.WORDS) == 0
    host.keep(certificates.entry(renewed))
    told = len(docker.told("restart"))
    return Scene(
        host.root,
        lambda: certificate_delivery.main(certificates.WORDS),
        lambda: (
            host.pair() == (renewed.chain, renewed.key)
            and host.metrics["delivery_success"] == "1"
            and len(docker.told("restart")) > told
            and len(list((host.ssl / ".pairs").iterdir())) == 1
        ),
    )


def guard_scene(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    note = folder / "root/state/first-start.json"
    return Scene(
        folder / "root",
        lambda: guards.run(monkeypatch, "--note"),
        lambda: "planted" not in note.read_text() and bool(json.loads(note.read_text())),
    )


def queue_scene(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    script = (
        'case "$*" in *postqueue*) echo \'{"queue_name": "deferred", "arrival_time": 1}\';;\n'
        f"*logs*) echo '{queues.at(1, queues.logged(queues.REFUSED))}';; esac"
    )
    monkeypatch.setenv("PATH", queues.tool(folder / "tools", script))
    memory = folder / "root/state/relay.json"
    memory.parent.mkdir()
    zero = dict.fromkeys(queue_metrics.REASONS, 0)
    memory.write_text(json.dumps({"counts": zero, "cursor": "2026-11-23T18:00:00Z"}))
    metrics = folder / "root/metrics/po_mail_queue.prom"
    return Scene(
        folder / "root",
        lambda: queue_metrics.main(queues.OPTIONS),
        # Neither lost nor counted twice.
        lambda: 'po_mail_relay_refused_total{reason="rejected"} 1\n' in metrics.read_text(),
    )


SCENES: dict[str, Make] = {
    "backup.py": backup_scene,
    "release.py, at first": first_release,
    "release.py, an upgrade": later_release,
    "stack.py": stack_scene,
    "certificate_delivery.py": certificate_scene,
    "settings_guard.py": guard_scene,
    "queue_metrics.py": queue_scene,
}


@pytest.fixture
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Scene]]:
    """Return what makes a fresh host for a program, as often as wanted."""
    folder = tmp_path / "host"
    with pytest.MonkeyPatch.context() as patch:

        def scene() -> Scene:
            shutil.rmtree(folder, ignore_errors=True)
            (folder / "root").mkdir(parents=True)
            patch.undo()
            patch.setenv("DESTDIR", str(folder / "root"))
            return SCENES[request.param](folder, patch)

        yield scene


@pytest.mark.parametrize("make", SCENES, indirect=True)
def test_a_program_that_is_killed_before_any_step_ends_well_the_next_time(
    make: Callable[[], Scene], request: pytest.FixtureRequest
) -> None:
    undisturbed = make()
    status, steps = in_a_child(undisturbed.run)
    assert (status, undisturbed.good()) == (0, True)
    wanted = files(undisturbed.root)
    stride = 1 if os.environ.get("KILLS") == "all" else max(1, steps // TRIED)
    tried = range(1, steps + 1, stride)
    for number in tried:
        scene = make()
        status, _ = in_a_child(scene.run, kill_before=number)
        assert status == -signal.SIGKILL, number
        scene.after()
        assert in_a_child(scene.run)[0] == 0, number
        assert scene.good(), number
        assert files(scene.root).keys() == wanted.keys(), number
    assert steps > 2
    sys.stdout.write(
        f"\n{request.node.callspec.id}: {steps} steps, {len(tried)} kills, all converged\n"
    )
