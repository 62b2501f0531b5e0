"""Deployments that stop half-way, by refusal or by a kill, each on a world of its own."""

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rehearsal.flow import Flow
from tests.rehearsal.rehearsed import (
    Rehearsed,
    changes,
    clean_environment,
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


def started_engine(fresh: Rehearsed) -> subprocess.Popen[bytes]:
    """Start `up` on the command line, as a person would."""
    return subprocess.Popen(
        [sys.executable, "-m", "rehearsal", "up", "--runs", str(fresh.runs)],
        cwd=fresh.project,
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def await_steps(fresh: Rehearsed, engine: subprocess.Popen[bytes], count: int) -> None:
    """Wait until the engine has noted `count` more creations."""
    journal = fresh.stage.backend / ".pulumi" / "journals" / "mail" / "qual.journal"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert engine.poll() is None, "the engine ended before it could be killed"
        if journal.exists() and journal.read_bytes().count(b'"put"') >= count:
            return
        time.sleep(0.005)
    pytest.fail("the engine did not get so far")


def test_an_engine_killed_twice_on_its_way_is_finished_without_duplicates(
    fresh: Rehearsed,
) -> None:
    for steps in (15, 40):
        engine = started_engine(fresh)
        try:
            await_steps(fresh, engine, steps)
        finally:
            engine.send_signal(signal.SIGKILL)
            engine.wait()

    finished = fresh.up()

    assert finished.ok, errors(finished)
    names = Counter(
        (one["type"], one["name"]) for one in fresh.world.ask("GET", "/cloudflare/records")
    )
    assert len(names) == len(fresh.resources("dnsRecord"))
    assert set(names.values()) == {1}
    people = fresh.world.ask("GET", "/mailcow/people")["mailboxes"]
    assert len(people) == len(fresh.stage.values()["mailboxes"])
    assert set(Counter(fresh.services()).values()) == {1}
    urns = Counter(one.urn for one in finished.resources)
    assert set(urns.values()) == {1}
    again = fresh.up()
    assert (again.ok, changes(again)) == (True, {}), errors(again)
    assert Flow(fresh.stage.declaration(fresh.world), fresh.world).into().ok
