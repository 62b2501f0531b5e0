"""The whole circle: mail flows, the receiver reports, reports are collected, the stage follows."""

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from typer.testing import CliRunner

from operations.dmarc.command_line import app
from operations.dmarc.work import Order, carry_out, gather, judge, load, save
from operations.site import Plan, Site, open_site
from rehearsal.mail_program import MailProgram
from rehearsal.report import Report
from rehearsal.stage import Stage
from tests.conftest import PROJECT
from tests.dmarc.simulated import after

Act = Callable[[Site], Awaitable[None]]
TODAY = datetime.now(UTC).date()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the folder of a rehearsal whose world is deployed."""
    folder = tmp_path_factory.mktemp("runs")
    stage = Stage(PROJECT, "qual", folder)
    world = stage.start_world(parent=os.getpid())
    outcome = stage.engine(world).up()
    assert outcome.ok, outcome.diagnostics
    yield folder
    stage.stop_world()


def on_site(runs: Path, act: Act) -> None:
    async def there() -> None:
        async with open_site("qual", live=False, runs=runs) as site:
            await act(site)

    asyncio.run(there())


def write_outside(site: Site) -> None:
    """Let one of the people write to somebody outside, and wait until that was judged."""
    assert site.world is not None
    declaration = site.declaration
    program = MailProgram(
        f"info@{declaration.domain}", site.passwords["info"],
        server=(declaration.names.mail_host, declaration.host.address), reach=site.world.reach,
        authority=site.world.folder / "authority" / "authority.pem",
    )  # fmt: skip
    message = EmailMessage()
    message["From"], message["To"] = program.address, "guest@outside.example"
    message["Subject"] = "a question"
    message.set_content("Is the boat at ten?")
    program.send(message)
    limit = time.monotonic() + 20
    while not site.world.ask("GET", "/receiver/messages"):
        assert time.monotonic() < limit, "the message did not arrive"
        time.sleep(0.1)  # the receiver has no event to wait for


def test_mail_that_flowed_is_reported_and_counted_once(runs: Path) -> None:
    async def act(site: Site) -> None:
        await asyncio.to_thread(write_outside, site)
        order = Order(TODAY + timedelta(days=1))
        evidence = await gather(site, Report(as_json=True), order)
        assert sum(day.messages.total() for day in evidence.days.values()) >= 1
        (row, *_) = [row for day in evidence.days.values() for row in day.messages]
        assert (row.key, row.aligned) == ("resend", True)

        metrics = await site.host.read(
            f"{site.declaration.monitoring.textfile_directory}/po_mail_dmarc.prom"
        )
        assert b'po_mail_dmarc_messages{source="Resend",aligned="yes"} 1' in metrics

        before = (site.evidence / "dmarc.json").read_text()
        await gather(site, Report(as_json=True), order)
        assert (site.evidence / "dmarc.json").read_text() == before
        assert judge(site, Report(as_json=True), order, evidence)[1] in (0, 4)

    on_site(runs, act)


def test_an_advised_stage_is_declared_and_only_the_record_changes(runs: Path) -> None:
    async def act(site: Site) -> None:
        first = TODAY - timedelta(days=60)
        site.declare(
            {
                "dmarc.stage": "none",
                "dmarc.since": first.isoformat(),
                "dmarc.reportsSince": first.isoformat(),
            }
        )
        evidence, _ = after(60, start=first)
        save(site, evidence)
        report = Report(as_json=True)
        dry = Order(TODAY, dry=True)

        assert await carry_out(site, report, dry, evidence) == 3
        assert site.declaration.dmarc.stage == "none"
        assert await carry_out(site, report, Order(TODAY), evidence) == 3, "nobody agreed"
        assert site.declaration.dmarc.stage == "none"

        agreed = replace(dry, dry=False, agree=lambda _: True)
        tracked = (PROJECT / "Pulumi.qual.yaml").read_bytes()
        assert await carry_out(site, report, agreed, evidence) == 3, "a rehearsal declares nothing"
        assert site.declaration.dmarc.stage == "none"
        assert load(site).steps == ()
        assert "dmarc" in [step["name"] for step in report.document["plan"]["steps"]]
        assert (PROJECT / "Pulumi.qual.yaml").read_bytes() == tracked

        site.__dict__["live"] = True
        assert await carry_out(site, report, agreed, evidence) == 0
        assert site.declaration.dmarc.stage == "quarantine"
        kept = load(site)
        assert [(step.stage, step.on) for step in kept.steps] == [("quarantine", TODAY)]

    on_site(runs, act)


def test_a_plan_that_fails_leaves_declaration_and_evidence_as_they_were(runs: Path) -> None:
    class Failing:
        def preview(self) -> Plan:
            return Plan((), 0, ("the zone does not answer",))

    async def act(site: Site) -> None:
        first = TODAY - timedelta(days=60)
        site.declare(
            {
                "dmarc.stage": "none",
                "dmarc.since": first.isoformat(),
                "dmarc.reportsSince": first.isoformat(),
            }
        )
        site.__dict__["deployer"] = Failing()
        evidence, _ = after(60, start=first)
        order = Order(TODAY, agree=lambda _: True)

        assert await carry_out(site, Report(as_json=True), order, evidence) == 1
        assert (site.declaration.dmarc.stage, site.declaration.dmarc.since) == ("none", first)
        assert load(site).steps == ()

    on_site(runs, act)


def test_the_command_line_says_that_it_cannot_judge(runs: Path, tmp_path: Path) -> None:
    words = ["review", "--reports", str(tmp_path), "--json", "--dry-run", "--today", "2030-01-01"]
    done = CliRunner().invoke(app, [*words, "--runs", str(runs)])

    assert done.exit_code == 4, done.output
    document = json.loads(done.stdout)
    assert document["advice"]["verdict"] == "cannot judge"
    assert document["collected"]["counted"] == 0


def test_help_tells_the_exit_status() -> None:
    assert "Exit status" in CliRunner().invoke(app, ["--help"]).output
