"""The whole circle: a system that runs is matched, imported, and changed only as intended."""

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from operations.adopt import command_line as command
from operations.adopt.adoption import COMMAND, Adoption, adopt
from operations.site import PROJECT, Site, SiteError, open_site
from rehearsal.engine import Op, Outcome
from rehearsal.stage import Stage

T = TypeVar("T")
INTENDED = {
    "mailbox-info": {"quota"},
    "webmail-a": {"ttl"},
}


@dataclass
class Running:
    """A world whose mail system runs, and whose state nobody has."""

    stage: Stage
    runs: Path

    def on(self, act: Callable[[Site], Awaitable[T]]) -> T:
        """Return what a coroutine returns on the site."""

        async def go() -> T:
            async with open_site("qual", live=False, runs=self.runs) as site:
                return await act(site)

        return asyncio.run(go())

    def engine(self, kind: str, *arguments: object) -> Outcome:
        """Run the engine."""
        outcome: Outcome = getattr(self.stage.engine(self.stage.world()), kind)(*arguments)
        assert outcome.ok, outcome.diagnostics
        return outcome

    def commanded(self, *words: str) -> int:
        """Run the command line and return its exit code."""
        from typer.testing import CliRunner  # noqa: PLC0415

        done = CliRunner().invoke(command.app, ["--runs", str(self.runs), *words])
        self.said = done.output
        return done.exit_code


async def change_by_hand(site: Site) -> None:
    """Change what the program would not know of."""
    domain = site.declaration.domain
    zones = [zone.id async for zone in site.cloudflare.zones.list(name=domain)]
    records = site.cloudflare.dns.records
    await records.create(
        zone_id=zones[0], type="TXT", name=domain, content='"site-verification=abc"', ttl=300
    )
    (webmail,) = [
        zone
        async for zone in records.list(zone_id=zones[0])
        if str(zone.name).startswith("webmail.")
    ]
    await records.edit(
        webmail.id, zone_id=zones[0], type="A", name=str(webmail.name),
        content=str(webmail.content), ttl=3600,
    )  # fmt: skip
    mailcow = await site.mailcow()
    sales = {"address": f"sales@{domain}", "goto": f"info@{domain}", "active": 1}
    await mailcow.write("add/alias", sales)
    await mailcow.write("edit/mailbox", {"items": [f"info@{domain}"], "attr": {"quota": 1024}})


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Deploy, throw the state away, and change a few things by hand."""
    runs = tmp_path_factory.mktemp("runs")
    stage = Stage(PROJECT, "qual", runs)
    stage.start_world()
    there = Running(stage, runs)
    there.engine("up")
    shutil.rmtree(stage.backend)
    there.on(change_by_hand)
    yield there
    stage.stop_world()


@pytest.fixture(scope="module")
def found(running: Running) -> Adoption:
    """What the adoption finds."""
    return running.on(adopt)


def test_what_runs_is_known_again_and_the_differences_are_those_made_by_hand(
    found: Adoption,
) -> None:
    assert {
        pair.wanted.name: {difference.path for difference in pair.differences}
        for pair in found.differing
    } == INTENDED
    assert not found.replaced
    assert not found.missing
    assert found.judged
    strangers = {stranger.what for area in found.areas for stranger in area.strangers}
    assert strangers == {
        "TXT portugalodyssey.pt site-verification=abc",
        "sales@portugalodyssey.pt to info@portugalodyssey.pt",
    }
    assert not [warning for area in found.areas for warning in area.warnings]


def test_no_secret_is_shown_or_stands_in_the_file(running: Running, found: Adoption) -> None:
    file = running.runs / "import.json"
    assert running.commanded("--out", str(file)) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert json.loads(file.read_text())["resources"]
    shown = running.said + file.read_text() + repr(found)
    assert running.commanded("--json", "--dry-run") == 3
    shown += running.said
    root = running.stage.folder / "world" / "root" / "opt/po-mail/secrets"
    secrets = [path.read_text().strip() for path in root.iterdir() if path.suffix != ".env"]
    secrets += running.stage.world().secrets.values()
    assert len(secrets) > 15
    assert not [secret for secret in secrets if secret in shown]


def test_an_answer_to_no_question_is_refused(running: Running) -> None:
    with pytest.raises(SiteError, match="nothing of that name is in question"):
        running.on(lambda site: adopt(site, taken={"apex-mx": "x"}))


def test_the_circle_closes(running: Running, found: Adoption) -> None:
    before = running.on(_untouched)
    imported = running.engine("import_resources", found.document)
    assert imported.changes[Op.IMPORT] >= found.imported

    plan = running.engine("preview")
    changed = [step for step in plan.steps if step.op.changes]
    updates = {
        resource.name: {d.path for d in resource.diff}
        for resource in changed
        if resource.op is Op.UPDATE
    }
    assert updates == INTENDED
    made = [resource for resource in changed if resource.op is not Op.UPDATE]
    assert {resource.op for resource in made} == {Op.CREATE}
    assert {resource.type for resource in made} == {COMMAND, "pulumi:providers:command"}
    assert {resource.name for resource in made if resource.type == COMMAND} == set(found.commands)

    running.engine("up")
    assert running.on(_untouched) == before
    assert not running.engine("preview").changed
    assert not running.engine("up").changed
    left = running.on(adopt)
    assert (left.imported, left.missing, left.commands) == (0, [], [])
    proof = running.on(lambda site: site.prove())
    assert proof.exit_code == 0


async def _untouched(site: Site) -> tuple[str, str]:
    """Return what no adoption may touch: password hashes, and the stack's containers."""
    domain = site.declaration.domain
    boxes = await (await site.mailcow()).get(f"mailbox/all/{domain}")
    written = {box["username"]: box["attributes"]["passwd_update"] for box in boxes}
    containers = await site.host.run("docker ps --no-trunc --format '{{.ID}} {{.Names}}'")
    return json.dumps(written, sort_keys=True), "\n".join(sorted(containers.stdout.splitlines()))


def test_without_mailcows_key_people_are_not_judged_and_the_way_there_is_said(
    running: Running,
) -> None:
    secrets = running.stage.folder / "world" / "root" / "opt/po-mail/secrets"
    key = secrets / "api-key"
    held, state = key.read_bytes(), running.stage.backend
    aside = state.with_name("aside")
    state.rename(aside)
    key.unlink()
    try:
        blind = running.on(adopt)
    finally:
        key.write_bytes(held)
        key.chmod(0o600)
        shutil.rmtree(state, ignore_errors=True)
        aside.rename(state)
    assert not blind.judged
    (reason,) = [text for area in blind.areas for text in area.unread]
    assert "Mailcow cannot be asked" in reason
    (warning,) = [warning for area in blind.areas for warning in area.warnings]
    assert "API_KEY is set in" in warning
    assert held.decode() not in warning
    types = {resource["type"] for resource in blind.document["resources"]}
    assert not [kind for kind in types if kind.startswith(("mailcow:", "pulumi:providers:mailcow"))]
