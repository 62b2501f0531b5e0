"""A whole life on the genuine engine: each test goes on where the one before ended."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from operations.adopt.adoption import adopt
from operations.rotate.catalogue import ROTATIONS
from operations.rotate.memory import Memory, Progress
from operations.rotate.model import Options, Step, Work
from operations.rotate.running import Ending, carry_out
from rehearsal.engine.import_file import write_import_file
from rehearsal.genuine.cli import Step as EngineStep
from tests.real.real_host import LoopbackSite, RealHost, real_host

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealHost]:
    """Return a real host on loopback, set up and empty."""
    with real_host(tmp_path_factory.mktemp("life")) as host:
        yield host


def test_the_first_preview_of_an_empty_stack_is_refused_by_no_rule(host: RealHost) -> None:
    plan = host.deploy("preview")

    assert plan.errors == ()
    assert plan.changes["create"] > 100
    assert any("judged on up" in advice for advice in plan.advice)
    assert not json.loads(host.exported())["deployment"].get("resources")


def test_up_deploys_everything_and_every_rule_judges_it(host: RealHost) -> None:
    done = host.deploy("up")

    assert done.errors == ()
    assert done.advice == ()
    assert set(done.changed) == {"create"}


def test_a_second_up_changes_nothing(host: RealHost) -> None:
    assert host.deploy("up").changed == {}


def test_an_exported_state_shows_no_secret_in_clear(host: RealHost) -> None:
    exported = host.exported()
    made = host.world.folder / "root/opt/po-mail/secrets"
    secrets = [*host.world.secrets.values(), *(file.read_text().strip() for file in made.iterdir())]

    # JSON breaks lines in its own way: a key of several lines is looked for by its longest one.
    words = [max(secret.splitlines(), key=len) for secret in secrets if secret]
    assert [word for word in words if len(word) >= 8 and word in exported] == []


def test_a_refresh_finds_no_drift(host: RealHost) -> None:
    assert host.deploy("refresh", "--expect-no-changes").errors == ()


def test_our_own_engine_goes_on_from_the_state_of_the_genuine_one(host: RealHost) -> None:
    outcome = host.own_engine().up()

    assert [error.message for error in outcome.errors] == []
    assert not outcome.changed
    assert host.deploy("preview").changed == {}


def test_a_change_behind_its_back_is_found_and_repaired(host: RealHost) -> None:
    record = _mx(host)

    async def change(site: LoopbackSite) -> None:
        await site.cloudflare.dns.records.edit(
            record["id"], zone_id=record["zone_id"], type="MX", name=record["name"], ttl=1,
            priority=77, content=record["content"],
        )  # fmt: skip

    host.on_site(change)
    found = host.deploy("refresh")
    repaired = host.deploy("up")

    assert [step.name for step in found.steps if step.properties] == ["mx"]
    assert [step.name for step in repaired.steps if step.changes] == ["mx"]
    assert _mx(host)["priority"] == record["priority"]


def _mx(host: RealHost) -> dict[str, Any]:
    domain = _declared(host)["domain"]
    (record,) = [
        record
        for record in host.world.ask("GET", "/cloudflare/records")
        if (record["type"], record["name"]) == ("MX", domain)
    ]
    return dict(record)


def _declared(host: RealHost) -> dict[str, Any]:
    config = yaml.safe_load(host.file.read_text())["config"]
    return {key.removeprefix("mail:"): value for key, value in config.items()}


@pytest.mark.parametrize("what", ROTATIONS)
def test_a_credential_is_rotated_live(host: RealHost, what: str) -> None:
    told: dict[str, str] = {}

    def say(step: Step, words: str, _status: str) -> None:
        told[step.name] = words

    async def act(site: LoopbackSite) -> Ending:
        options = Options(mailbox="info" if what == "mailbox" else "")
        name = ROTATIONS[what].name(options)
        memory = Memory(site.host, name)
        day = datetime.now(UTC).date()
        progress = await memory.recall() or Progress(name, day.isoformat())
        work = Work(site, memory, progress, options, lambda _: "", day)
        return await carry_out(ROTATIONS[what], work, say)

    # A selector takes days: its first part ends in waiting.
    assert host.on_site(act) in (Ending.DONE, Ending.WAITING), told
    assert host.deploy("preview").changed == {}


def test_what_runs_is_imported_and_nothing_is_made_anew(host: RealHost, tmp_path: Path) -> None:
    before = host.exported()
    assert host.cli.run("state", "delete", "--all", "--stack", "qual", "--yes").returncode == 0
    file = tmp_path / "import.json"

    async def act(site: LoopbackSite) -> None:
        adoption = await adopt(site)
        write_import_file(file, adoption.document)

    host.on_site(act)
    imported = host.deploy("import", "--generate-code=false", "--file", str(file))
    refreshed = host.deploy("refresh")
    plan = host.deploy("preview")
    done = host.deploy("up")

    assert (imported.errors, refreshed.errors, plan.errors, done.errors) == ((), (), (), ())
    assert set(plan.changed) <= {"create", "update"}
    assert {step.type for step in plan.steps if step.op == "create"} <= {
        "command:remote:Command",
        "pulumi:providers:command",
    }
    assert host.deploy("preview").changed == {}
    assert len(before) > 0


def test_a_killed_run_leaves_a_lock_and_the_way_on_is_as_the_runbook_says(host: RealHost) -> None:
    steps: list[EngineStep] = []
    running: list[subprocess.Popen[bytes]] = []

    def kill(step: EngineStep) -> None:
        steps.append(step)
        if len(steps) == 3:
            os.kill(running[0].pid, signal.SIGKILL)

    added = [{"name": f"added{index}", "to": ["info"]} for index in range(12)]
    with host.declared({"aliases": _declared(host)["aliases"] + added}):
        killed = host.deploy("up", on_step=kill, on_start=running.append)
        locked = host.deploy("up")
        cancelled = host.type("pulumi cancel --stack qual --yes")
        resumed = host.deploy("up")
        cleared = host.deploy("refresh", "--clear-pending-creates")
        settled = host.deploy("preview")

    assert not killed.ok
    assert any("lock" in error for error in locked.errors)
    assert cancelled.returncode == 0, cancelled.stderr
    assert resumed.errors == ()
    assert cleared.errors == ()
    assert settled.changed == {}
    assert host.deploy("up").errors == ()


def test_destroy_takes_what_is_not_protected_first_and_leaves_nothing_in_the_end(
    host: RealHost,
) -> None:
    refused = host.type("pulumi destroy --stack qual --yes")
    kept = host.deploy("preview")
    unprotected = host.type("pulumi state unprotect --all --stack qual --yes")
    destroyed = host.deploy("destroy")

    assert refused.returncode != 0
    assert "protect" in refused.stdout + refused.stderr
    assert kept.changed == {}
    assert unprotected.returncode == 0, unprotected.stderr
    assert destroyed.errors == ()
    assert not json.loads(host.exported())["deployment"].get("resources")
    assert host.world.ask("GET", "/cloudflare/records") == []
