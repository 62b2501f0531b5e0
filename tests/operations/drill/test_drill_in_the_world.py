"""A backup is made in the rehearsed world, restored beside it, and compared; harm is found."""

import fcntl
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import pytest
from typer import Typer
from typer.testing import CliRunner, Result

from operations.backup import nightly
from operations.backup.command_line import app as backup_app
from operations.drill import holding
from operations.drill.command_line import app as drill_app
from operations.drill.command_line import hold
from operations.site import Site
from pulumi_mailcow.client import Client
from rehearsal.report import Report
from tests.operations.drill.deployed import Deployed, deployed

CHECKS = [
    "parts", "messages", "configuration", "database", "redis", "objects", "crypt", "imap",
]  # fmt: skip


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Return a deployed world of which a backup was made."""
    with deployed(tmp_path_factory.mktemp("runs")) as found:
        steps: list[str] = []
        done = found.on_site(lambda site: nightly.run_now(site, steps.append))
        assert done.messages == 3
        assert {"database", "vmail", "crypt", "inventory", "secrets"} <= set(done.parts)
        yield found


def test_the_backup_of_the_unit_is_noted_and_listed(here: Deployed) -> None:
    metrics = here.metrics("backup")
    assert metrics["po_mail_backup_last_run_success"] == 1
    assert metrics["po_mail_backup_running"] == 0
    assert metrics["po_mail_backup_messages"] == 3
    answer = here.on_site(lambda site: nightly.ask(site, "--list"))
    assert answer["snapshots"][-1]["id"].startswith(here.state("backup.json")["snapshot"])


def test_a_good_drill_compares_everything_and_certifies_it(
    here: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    async def act(site: Site) -> int:
        return await hold(site, Report(as_json=True), "")

    assert here.on_site(act) == 0
    written = json.loads((here.stage.folder / "evidence/qual/drill.json").read_text())
    assert written["good"] is True
    assert written["rehearsed"] is True
    assert list(written["checks"]) == sorted(CHECKS)
    assert written["checks"]["messages"] == {"good": True, "number": 3}
    assert written["checks"]["imap"]["number"] == 3
    assert (datetime.now(UTC) - datetime.fromisoformat(written["held"])).total_seconds() < 600
    assert "@" not in json.dumps(written), "no person is named"
    assert here.metrics("drill")["po_mail_drill_last_success_timestamp_seconds"] > 0
    assert not (here.root / "opt/po-mail/drill").exists()
    listed = here.world.ask("GET", "/docker/containers")
    projects = {snapshot["Labels"].get("com.docker.compose.project") for snapshot in listed}
    assert "po-mail-drill" not in projects
    capsys.readouterr()


def failed(here: Deployed, snapshot: str = "") -> dict[str, str]:
    """Hold a drill and return what failed, with the reason."""
    drill = here.on_site(lambda site: holding.hold(site, snapshot, lambda _: None))
    return {check.id: check.text for check in drill.checks if not check.ok}


def test_a_dry_run_restores_nothing(here: Deployed) -> None:
    before = here.metrics("drill") if (here.root / "opt/po-mail/state/drill.json").exists() else {}
    answer = here.on_site(lambda site: holding.ask(site, "--dry-run"))
    assert any("no network" in line for line in answer["plan"])
    assert not (here.root / "opt/po-mail/drill").exists()
    if before:
        assert here.metrics("drill") == before


def test_harm_to_the_archive_is_found(here: Deployed) -> None:
    # The inventory is what a backup promised. Where it and the restore differ, one is wrong; here
    # the promise is changed, because a genuine repository lets no snapshot be changed.
    program = here.root / "opt/po-mail/bin/inventory.py"
    before = program.read_text()
    lies = """

def read(path, _read=read):
    found = _read(path)
    if "messages" in found and "tables" in found:
        keys = sorted(found["messages"])
        found["messages"][keys[0]][0] = "0" * 64
        found["files"]["configuration"]["postfix/extra.cf"] = "0" * 64
        for moment in ("before", "after"):
            found["tables"][moment]["mailbox"][0] = "0" * 24
        found["hashes"]["DKIM_PRIV_KEYS"] = "0" * 24
    return found
"""
    good = here.metrics("drill")["po_mail_drill_last_success_timestamp_seconds"]
    program.write_text(before + lies)
    try:
        found = failed(here)
    finally:
        program.write_text(before)
    assert set(found) == {"messages", "configuration", "database", "redis"}
    assert found["messages"].startswith("0 messages lost, 1 altered, of 3: portugalodyssey.pt/")
    assert found["configuration"] == "1 files differ: configuration/postfix/extra.cf"
    assert found["database"].endswith(": mailbox")
    assert found["redis"] == "differ: DKIM_PRIV_KEYS"
    metrics = here.metrics("drill")
    assert metrics["po_mail_drill_last_run_success"] == 0
    assert metrics["po_mail_drill_last_success_timestamp_seconds"] == good


def test_a_snapshot_that_is_not_there_is_refused(here: Deployed) -> None:
    with pytest.raises(holding.DrillFailedError, match="there is no snapshot 0123abcd"):
        failed(here, "0123abcd")
    assert not (here.root / "opt/po-mail/drill").exists()


def ordered(here: Deployed, app: Typer, *words: str) -> Result:
    """Give an order as a person does."""
    return CliRunner().invoke(app, [*words, "--runs", str(here.runs)])


def answered(here: Deployed, app: Typer, *words: str) -> tuple[int, dict[str, Any]]:
    """Give an order and return its exit status and its JSON document."""
    said = ordered(here, app, *words, "--json")
    document: dict[str, Any] = json.loads(said.stdout)
    return said.exit_code, document


def test_the_command_lines_do_what_their_help_says(here: Deployed) -> None:
    status, said = answered(here, backup_app, "--dry-run")
    assert status == 3
    assert "database: dump of all databases" in said["plan"]
    status, said = answered(here, backup_app)
    assert status == 0
    snapshot = said["backup"]["snapshot"]
    assert said["kept"][-1]["id"].startswith(snapshot)
    shown = ordered(here, backup_app, "list")
    assert shown.exit_code == 0
    assert snapshot[:8] in shown.stdout
    status, said = answered(here, drill_app, "--dry-run")
    assert status == 3
    assert f"restore {snapshot[:8]}" in said["plan"][0]
    shown = ordered(here, drill_app)
    assert shown.exit_code == 0, shown.output
    assert "3 messages, every digest compared" in shown.stdout
    assert "drill.json" in shown.stdout
    assert ordered(here, drill_app, "--clean").exit_code == 0
    assert ordered(here, drill_app, "--clean", "--dry-run").exit_code == 2
    status, said = answered(here, drill_app, "--snapshot", "0123abcd")
    assert (status, said["error"]) == (1, "the drill failed: there is no snapshot 0123abcd")


def test_what_a_drill_that_runs_needs_is_not_removed(here: Deployed) -> None:
    with (here.root / "opt/po-mail/state/drill.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        status, said = answered(here, drill_app, "--clean")
        assert (status, said["error"]) == (1, "nothing was removed: another drill has not ended")
        status, said = answered(here, drill_app)
    assert (status, said["error"]) == (1, "the drill failed: another drill has not ended")


def test_an_object_that_only_the_dump_or_only_the_api_has_is_named(here: Deployed) -> None:
    plain = holding.objects

    async def harmed(client: Client) -> dict[str, dict[str, str]]:
        found = await plain(client)
        found["mailbox"].pop("info@portugalodyssey.pt")
        found["dkim"]["never-backed-up.pt"] = ""
        return found

    with mock.patch.object(holding, "objects", harmed):
        found = failed(here)
    assert found == {
        "objects": "not restored though the API shows them: dkim never-backed-up.pt; restored and "
        "there, but the API does not show them: mailbox info@portugalodyssey.pt"
    }


def test_a_drill_that_is_killed_leaves_nothing_behind(here: Deployed) -> None:
    scratch = here.root / "opt/po-mail/drill"

    async def act(site: Site) -> int:
        command = (
            'timeout -s KILL 3 python3 "$DESTDIR"/opt/po-mail/bin/drill.py'
            " --settings /opt/po-mail/drill.json --json"
        )
        return (await site.host.run(command, check=False)).status

    assert here.on_site(act) != 0
    end = time.monotonic() + 60
    # Nobody tells when the watcher is done: it belongs to nobody any more.
    while scratch.exists() or here.metrics("drill")["po_mail_drill_running"]:
        assert time.monotonic() < end, "the watcher did not clean up"
        time.sleep(0.2)
    assert here.metrics("drill")["po_mail_drill_last_run_success"] == 0
    listed = here.world.ask("GET", "/docker/containers")
    projects = {snapshot["Labels"].get("com.docker.compose.project") for snapshot in listed}
    assert "po-mail-drill" not in projects
