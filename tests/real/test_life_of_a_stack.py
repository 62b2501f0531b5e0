"""A whole life on the genuine engine: each test goes on where the one before ended."""

import json
import os
import re
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
from operations.site.editing import edit
from rehearsal.engine.importing import write_import_file
from rehearsal.genuine.cli import Outcome
from rehearsal.genuine.cli import Step as EngineStep
from tests.conftest import PROJECT
from tests.real.real_host import (
    INIT,
    LIST,
    LOGIN,
    PREVIEW,
    SETUP,
    UP,
    LoopbackSite,
    RealHost,
    real_host,
)

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealHost]:
    """Return a real host on loopback, set up and empty."""
    with real_host(tmp_path_factory.mktemp("life")) as host:
        yield host


def test_readme_has_a_person_type_what_is_typed_here() -> None:
    chapter = (PROJECT / "README.md").read_text().split("## A real host")[1].split("**A mail")[0]

    typed = re.findall(r"`((?:pulumi|make) [^`]+)`", chapter)

    assert [command for command in typed if command != "pulumi login"] == [
        LOGIN, SETUP, INIT, LIST, PREVIEW, UP,
    ]  # fmt: skip


def test_what_is_missing_is_listed_with_the_commands_that_set_it(host: RealHost) -> None:
    listed = host.type(LIST)

    assert listed.returncode != 0
    assert set(host.set_what_is_missing(listed.stdout)) >= {"hostKey", *host.world.secrets}


def test_the_first_preview_of_an_empty_stack_is_refused_by_no_rule(host: RealHost) -> None:
    plan = host.type(PREVIEW)

    assert plan.returncode == 0, plan.stdout
    assert "[mandatory]" not in plan.stdout
    assert "judged on up" in plan.stdout
    assert not json.loads(host.exported())["deployment"].get("resources")


def test_up_deploys_everything_and_every_rule_judges_it(host: RealHost) -> None:
    done = host.type(UP)

    assert done.returncode == 0, done.stdout
    # What waited in its preview was judged in its second half.
    assert "judged on up" not in done.stdout.rpartition("Updating")[2]


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
        (zone,) = [zone async for zone in site.cloudflare.zones.list(name=record["name"])]
        await site.cloudflare.dns.records.edit(
            record["id"], zone_id=zone.id, type="MX", name=record["name"], ttl=1,
            priority=77, content=record["content"],
        )  # fmt: skip

    host.on_site(change)
    found = host.deploy("refresh")
    repaired = host.deploy("up")

    assert [step.name for step in found.steps if step.properties] == ["apex-mx"]
    assert [step.name for step in repaired.steps if step.changes] == ["apex-mx"]
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


def test_a_new_api_key_foretells_no_change_of_people_and_is_used_at_once(host: RealHost) -> None:
    before = _declared(host)
    made = before.get("generations", {}).get("apiKey", 1)
    edit(host.file, {"generations.apiKey": made + 1})
    with host.declared({"aliases": [*before["aliases"], {"name": "together", "to": ["info"]}]}):
        plan = host.deploy("preview")
        done = host.deploy("up")

    assert (plan.errors, done.errors) == ((), ())
    assert _changed_in_mailcow(plan) == _changed_in_mailcow(done) == {"create alias-together"}
    assert host.deploy("up").changed == {"delete": 1}


def _changed_in_mailcow(outcome: Outcome) -> set[str]:
    return {
        f"{step.op} {step.name}"
        for step in outcome.steps
        if step.changes and step.type.startswith("mailcow:")
    }


def test_what_runs_is_imported_and_nothing_is_made_anew(host: RealHost, tmp_path: Path) -> None:
    assert host.type("pulumi state delete --stack qual --all --force --yes").returncode == 0

    taken = _taken_over(host, tmp_path / "import.json")
    plan = host.deploy("preview")
    done = host.deploy("up")

    assert (taken, plan.errors, done.errors) == ((), (), ())
    assert set(plan.changed) <= {"create", "update"}
    assert {step.type for step in plan.steps if step.op == "create"} <= {
        "command:remote:Command",
        "pulumi:providers:command",
    }
    assert host.deploy("preview").changed == {}


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


def test_a_record_that_the_state_does_not_know_is_taken_over(
    host: RealHost, tmp_path: Path
) -> None:
    lost = json.loads(host.exported())["deployment"]["resources"]
    (urn,) = [entry["urn"] for entry in lost if entry["urn"].endswith("DnsRecord::apex-mx")]
    assert host.type(f"pulumi state delete --stack qual --yes --force '{urn}'").returncode == 0

    refused = host.deploy("up")
    taken = _taken_over(host, tmp_path / "import.json")

    assert any("81058" in error for error in refused.errors)
    assert taken == ()
    assert host.deploy("up").errors == ()
    assert host.deploy("preview").changed == {}


def _taken_over(host: RealHost, file: Path) -> tuple[str, ...]:
    """Import what is there and the state does not know; return what went wrong."""

    async def act(site: LoopbackSite) -> None:
        adoption = await adopt(site)
        write_import_file(file, adoption.document)

    host.on_site(act)
    imported = host.deploy("import", "--generate-code=false", "--file", str(file))
    return (*imported.errors, *host.deploy("refresh").errors)


def test_destroy_refuses_before_it_takes_anything(host: RealHost) -> None:
    refused = host.type("pulumi destroy --stack qual --yes")

    assert refused.returncode != 0
    assert "protect" in refused.stdout + refused.stderr
    assert host.deploy("preview").changed == {}


def test_destroy_without_its_preview_takes_what_is_not_protected_first(host: RealHost) -> None:
    begun = host.deploy("destroy")

    assert not begun.ok
    assert {step.op for step in begun.steps} == {"delete"}


def test_destroy_leaves_nothing_once_the_mailboxes_may_go(host: RealHost) -> None:
    with host.declared({"protectMailboxes": False}):
        again = host.deploy("up")
        destroyed = host.deploy("destroy")

    assert (again.errors, destroyed.errors) == ((), ())
    assert not json.loads(host.exported())["deployment"].get("resources")
    assert host.world.ask("GET", "/cloudflare/records") == []
