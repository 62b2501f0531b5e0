"""Upgrades of a rehearsed world: one that passes, and every way in which one fails."""

import json
from collections.abc import AsyncIterator, Iterator
from unittest import mock

import pytest

from operations.backup import nightly
from operations.site import Site
from operations.update import action, conditions, standing, steps
from operations.update.action import Action
from operations.update.conditions import Condition
from operations.update.journal import State
from operations.update.releases import UpdateError
from operations.update.standing import Patience
from operations.update.upgrade import Upgrade
from rehearsal.report import Report
from tests.operations.update.upgraded import LARGE, NEW, NEW_POSTFIX, OLD, Deployed


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Return a deployed world; every test leaves the old release in place."""
    made = Deployed(tmp_path_factory.mktemp("upgrade"))
    yield made
    made.close()


@pytest.fixture
def unharmed(deployed: Deployed) -> Iterator[Deployed]:
    """Return the world, and see afterwards that the old release runs with its own database."""
    yield deployed
    assert deployed.tag_in_place() == OLD
    assert deployed.schema == "19022026_1220"
    images = deployed.images()
    assert len(images) == 18
    assert images["postfix-mailcow"] == "ghcr.io/mailcow/postfix:3.10.12-1"


class Killed(BaseException):
    """Stands for a signal that nothing can handle."""


def mail_flows(deployed: Deployed) -> bool:
    """Return whether the whole proof passes."""

    async def look(site: Site) -> bool:
        proof = await site.prove()
        return proof.exit_code == 0

    return deployed.act(look)


def test_a_check_shows_what_changes_and_changes_nothing(unharmed: Deployed) -> None:
    code, said = unharmed.order(Action.CHECK)
    assert code == 3
    assert said["beyond"] == [NEW, LARGE]
    plan = said["plan"]
    assert {service["name"] for service in plan["services"]} == {
        "nginx-mailcow", "php-fpm-mailcow", "postfix-mailcow", "rspamd-mailcow",
    }  # fmt: skip
    assert plan["schema"] == ["19022026_1220", "14082026_0900"]
    assert not list(unharmed.on_host("/opt/po-mail/state").glob("update*"))


def test_a_new_service_needs_a_tier_before_anything_is_touched(unharmed: Deployed) -> None:
    code, said = unharmed.order(to=LARGE)
    assert code == 1
    assert said["plan"]["tierless"] == ["archive-mailcow"]
    assert said["plan"]["dropped"] == ["olefy-mailcow"]
    assert "BREAKING CHANGE: settings in extra.conf have other names." in [
        note["text"] for note in said["plan"]["notes"]
    ]
    assert "steps" not in said


def test_a_dry_run_judges_every_condition_and_begins_nothing(unharmed: Deployed) -> None:
    code, said = unharmed.order(dry_run=True, whole=True)
    assert code == 3, said
    assert [condition["title"] for condition in said["conditions"]] == [
        "in place", "containers", "disk", "memory", "queue", "deployment", "proof",
    ]  # fmt: skip
    assert all(condition["holds"] for condition in said["conditions"])


def test_a_container_that_is_not_well_is_mended_first(unharmed: Deployed) -> None:
    name = "po-mail-memcached-mailcow-1"
    unharmed.world.ask("POST", f"/docker/containers/{name}/exit")
    code, said = unharmed.order()
    assert code == 1
    assert said["conditions"][-4]["seen"] == "memcached-mailcow is exited"
    unharmed.act(lambda site: site.host.run(f"docker start {name}"))


def test_a_backup_that_fails_changes_nothing(unharmed: Deployed) -> None:
    before = unharmed.images()
    # A night waits ten minutes for a database that does not answer; this test does not.
    settings = unharmed.world.folder / "root/opt/po-mail/backup.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"patienceSeconds": 0}))
    with unharmed.faults("ssh", tool_fails={"mariadb-dump": 2}):
        code, said = unharmed.order()
    assert code == 1
    assert unharmed.journal().state is State.GIVEN_UP
    assert "the backup failed" in unharmed.journal().failure
    assert [step["step"] for step in said["steps"]] == ["backup"]
    assert unharmed.images() == before


def test_a_postfix_that_does_not_start_is_taken_back_and_mail_flows(unharmed: Deployed) -> None:
    with unharmed.faults("docker", container_exits={NEW_POSTFIX: 1}):
        code, said = unharmed.order()
    assert code == 1
    assert [(step["step"], step["status"]) for step in said["steps"]] == [
        ("backup", "ok"), ("declare", "ok"), ("deploy", "failed"),
        ("back declare", "ok"), ("back database", "ok"), ("back deploy", "ok"),
        ("back health", "ok"), ("back prove", "ok"),
    ]  # fmt: skip
    assert unharmed.journal().state is State.RETURNED
    assert any("return --stack qual" in line for line in said["way_back"])
    assert mail_flows(unharmed)


def test_a_proof_that_fails_afterwards_brings_release_and_database_back(
    unharmed: Deployed,
) -> None:
    genuine = steps.prove

    async def prove(site: Site, failing_before: tuple[str, ...]) -> int:
        if unharmed.tag_in_place() == NEW:
            assert unharmed.schema == "14082026_0900"
            raise UpdateError("the proof fails: mail-out")
        return await genuine(site, failing_before)

    with mock.patch.object(steps, "prove", prove):
        code, said = unharmed.order()
    assert code == 1
    words = {step["step"]: step["text"] for step in said["steps"]}
    assert words["back database"].startswith("schema 19022026_1220 restored from snapshot")
    assert unharmed.journal().state is State.RETURNED
    assert unharmed.journal().failure == "the proof fails: mail-out"


def test_whoever_stays_is_told_the_way_and_can_return_later_without_the_repository(
    unharmed: Deployed,
) -> None:
    with mock.patch.object(standing, "patience", return_value=Patience(0.01, 0)):
        broken = mock.patch.object(standing, "containers", _none)
        with broken, mock.patch.object(conditions, "on_host", _nothing_to_judge):
            code, said = unharmed.order(return_on_failure=False)
    assert code == 1
    assert unharmed.journal().state is State.FAILED
    assert unharmed.tag_in_place() == NEW
    assert any("database.sql of snapshot" in line for line in said["way_back"])
    with pytest.raises(UpdateError, match="failed at the step health"):
        unharmed.order()
    # Later backups of the same day do not take the place of what can be returned to.
    unharmed.act(lambda site: nightly.run_now(site, lambda _: None))
    assert kept(unharmed) == [unharmed.journal().snapshot]
    with unharmed.faults("git", unavailable=True):
        code, _ = unharmed.order(Action.RETURN)
    assert code == 0
    assert kept(unharmed) == []


def kept(deployed: Deployed) -> list[str]:
    """Return the snapshots that are kept for an upgrade."""
    rows = deployed.act(lambda site: nightly.ask(site, "--list"))["snapshots"]
    return [row["id"] for row in rows if row["keptFor"] == ["update"]]


async def _nothing_to_judge(*_: object) -> AsyncIterator[Condition]:
    none: tuple[Condition, ...] = ()
    for condition in none:
        yield condition


async def _none(_: Site) -> list[standing.Container]:
    return []


@pytest.mark.parametrize("step", ["_declare", "_wait"])
def test_a_run_that_was_killed_before_a_step_is_returned(unharmed: Deployed, step: str) -> None:
    with mock.patch.object(Upgrade, step, side_effect=Killed), pytest.raises(Killed):
        unharmed.order()
    found = unharmed.journal()
    assert found.state is State.UNDER_WAY
    assert found.begun not in found.done
    assert unharmed.order(Action.STATUS)[0] == 3
    code, said = unharmed.order(Action.RETURN)
    assert code == 0, said
    assert unharmed.journal().state is State.RETURNED


def test_a_way_back_that_was_killed_is_taken_up_again(unharmed: Deployed) -> None:
    with mock.patch.object(Upgrade, "_prove", side_effect=Killed), pytest.raises(Killed):
        unharmed.order()
    with mock.patch.object(Upgrade, "_wait", side_effect=Killed), pytest.raises(Killed):
        unharmed.order(Action.RETURN)
    assert unharmed.journal().state is State.RETURNING
    with pytest.raises(UpdateError, match="only be taken back wholly"):
        unharmed.order(Action.RESUME)
    assert unharmed.order(Action.RETURN)[0] == 0


def test_a_run_that_was_killed_is_resumed_to_its_end_and_no_secret_is_told(
    deployed: Deployed,
) -> None:
    with mock.patch.object(Upgrade, "_deploy", side_effect=Killed), pytest.raises(Killed):
        deployed.order(to=LARGE, tiers={"archive-mailcow": "helper"})
    code, said = deployed.order(Action.RESUME)
    assert code == 0, said
    assert [step["step"] for step in said["steps"]] == ["declare", "deploy", "health", "prove"]
    assert deployed.tag_in_place() == LARGE
    images = deployed.images()
    assert images["archive-mailcow"] == "ghcr.io/mailcow/archive:1.0"
    assert "olefy-mailcow" not in images
    found = deployed.journal()
    assert found.state is State.DONE
    assert "sha256:" in found.images_after["postfix-mailcow"]
    shown = f"{said}{found}{deployed.on_host('/opt/po-mail/state/update.json').read_text()}"
    assert not [key for key, value in deployed.world.secrets.items() if value in shown]
    # Even then there is a way back.
    assert deployed.order(Action.RETURN)[0] == 0
    assert deployed.tag_in_place() == OLD
    assert deployed.images()["olefy-mailcow"] == "ghcr.io/mailcow/olefy:1.15"


def test_nothing_is_upgraded_while_something_else_waits_to_be_deployed(
    unharmed: Deployed,
) -> None:
    async def change_and_apply(site: Site) -> int:
        site.declare({"zone.ttl": 600})
        return await action.carry_out(site, Report(as_json=True), action.Order())

    assert unharmed.act(change_and_apply) == 1
