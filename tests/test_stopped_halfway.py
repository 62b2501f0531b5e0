"""Deployments that stop half-way, by refusal or by a kill, each on a world of its own."""

import json
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from rehearsal.flow import Flow
from tests.rehearsal.rehearsed import (
    Rehearsed,
    clean_environment,
    command_line,
    errors,
    nothing_stays,
)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Rehearsed]:
    """Start a world with nothing deployed."""
    with nothing_stays(tmp_path), closing(Rehearsed(tmp_path)) as rehearsed:
        yield rehearsed


def test_a_release_with_a_service_without_a_tier_stops_before_any_container_starts(
    fresh: Rehearsed,
) -> None:
    tag = fresh.stage.values()["mailcow"]["release"]["tag"]
    services = {"postmark-mailcow": "ghcr.io/mailcow/postmark:1.0"}
    moved = fresh.world.ask("POST", "/git/releases", {"tag": tag, "services": services})

    other = fresh.up()
    assert not other.ok
    assert moved["commit"] in errors(other)

    # Now the declared commit is that of the release with one service more.
    fresh.world.overlay["endpoints"]["repository"]["commit"] = moved["commit"]
    stopped = fresh.up()
    assert not stopped.ok
    assert "postmark-mailcow" in errors(stopped)
    assert "Traceback" not in errors(stopped)
    assert fresh.world.ask("GET", "/docker/containers") == []

    with fresh.declared(
        lambda one: one["mailcow"]["services"].update({"postmark-mailcow": "helper"})
    ):
        corrected = fresh.up()
    assert corrected.ok, errors(corrected)
    assert "postmark-mailcow" in fresh.services()


def started(fresh: Rehearsed, *words: str) -> subprocess.Popen[bytes]:
    """Start a command, as a person would."""
    return subprocess.Popen(
        [sys.executable, "-m", "rehearsal", *words, "--runs", str(fresh.runs)],
        cwd=fresh.project,
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill_after(fresh: Rehearsed, engine: subprocess.Popen[bytes], steps: int) -> None:
    """Kill a run once it has noted so many steps."""
    log = fresh.stage.logs / "events.jsonl"
    mark = fresh.stage.backend / ".pulumi" / "mail.qual.open"
    deadline = time.monotonic() + 300
    try:
        # The log of the preview is over once there is a mark.
        while not (mark.exists() and log.read_bytes().count(b'"kind": "end"') >= steps):
            assert engine.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < deadline, "the run did not get so far"
            time.sleep(0.01)
    finally:
        engine.send_signal(signal.SIGKILL)
        engine.wait()


def told(fresh: Rehearsed, *words: str) -> dict[str, Any]:
    """Return what a command that must succeed hands to a machine."""
    done = command_line(fresh.project, *words, "--runs", str(fresh.runs), "--json", seconds=300)
    assert done.returncode == 0, done.stdout + done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_after_a_kill_the_world_is_made_anew_and_all_is_deployed_to_it(fresh: Rehearsed) -> None:
    kill_after(fresh, started(fresh, "up"), 12)
    before = fresh.world.pid
    refused = command_line(fresh.project, "preview", "--runs", str(fresh.runs))
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1), refused
    assert "`up` of" in refused.stderr
    assert "was cut short" in refused.stderr

    document = told(fresh, "up")

    assert document["cut_short"].startswith("`up` of")
    assert set(document["deploy"]["changes"]) == {"create"}
    fresh.world = fresh.stage.world()
    assert fresh.world.pid != before
    names = Counter(
        (record["type"], record["name"]) for record in fresh.world.ask("GET", "/cloudflare/records")
    )
    assert set(names.values()) == {1}
    assert not fresh.preview().changed
    assert Flow(fresh.stage.declaration(fresh.world), fresh.world).into().ok

    with fresh.declared(lambda values: values.update(protectMailboxes=False)):
        assert fresh.up().ok
    kill_after(fresh, started(fresh, "destroy"), 5)
    shown = command_line(fresh.project, "up", "--runs", str(fresh.runs), seconds=300)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "`destroy` of" in shown.stdout
    assert "its world and state are made anew" in shown.stdout
    assert re.search(r"deploy +\d+ changed", shown.stdout)
    assert not fresh.stage.cut_short()
