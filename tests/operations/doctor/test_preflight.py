"""The whole preflight, before anything is deployed: in a world, and on a real stack on loopback."""

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml
from typer.testing import CliRunner

from operations.doctor.command_line import app
from operations.doctor.preflight import LOOKS, exit_code, preflight, tell
from operations.prove.model import Proof, Status
from operations.site.rehearsed import RehearsedSite
from rehearsal.report import Report
from rehearsal.stage import Stage
from rehearsal.world.client import WorldClient
from tests.conftest import PROJECT
from tests.operations.doctor.preflighted import standing
from tests.real.real_host import LoopbackSite

PASS, WARN, FAIL, UNKNOWN = Status.PASS, Status.WARN, Status.FAIL, Status.UNKNOWN


class World:
    """The stack `qual` before its first deployment."""

    def __init__(self, runs: Path) -> None:
        self.runs = runs
        self.stage = Stage(PROJECT, "qual", runs)
        self.client: WorldClient = self.stage.start_world(parent=os.getpid())

    def flown(self, without: str = "") -> Proof:
        async def fly() -> Proof:
            site = RehearsedSite(self.stage, self.client)
            if without:
                left = {key: one for key, one in self.client.secrets.items() if key != without}
                site.reload(site.declaration, left)
            try:
                return await preflight(site)
            finally:
                await site.close()

        return asyncio.run(fly())

    def leaks(self, text: str) -> list[str]:
        return [
            key for key, value in self.client.secrets.items()
            if value in text or json.dumps(value)[1:-1] in text
        ]  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("runs"))
    yield world
    world.stage.stop_world()


def told(proof: Proof, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    report = Report(as_json=True)
    code = tell(proof, report)
    report.finish()
    return code, capsys.readouterr().out


def test_before_the_first_deployment_nothing_is_wrong_and_not_all_is_seen(world: World) -> None:
    proof = world.flown()
    found = standing(proof)
    assert not [name for name, one in found.items() if one is FAIL]
    assert found["cloudflare-zone"] is found["smarthost-login"] is found["host-docker"] is PASS
    assert found["storage-region"] is PASS
    assert found["reverse-name"] is WARN
    assert exit_code(proof) == 4


ONLY_REAL = {
    "cloudflare-write", "cloudflare-rights", "smarthost-domain", "smarthost-key", "smarthost-port",
    "port-25-out", "storage-place", "storage-country",
    "host-kernel", "host-clock", "host-swap", "host-disk", "host-input-policy",
}  # fmt: skip


def test_what_only_a_real_account_or_host_shows_does_not_pass(world: World) -> None:
    found = standing(world.flown())
    assert {name for name, one in found.items() if one is UNKNOWN} == ONLY_REAL


def test_nothing_is_changed(world: World) -> None:
    before = world.client.ask("GET", "/cloudflare/records")
    root = sorted(map(str, (world.client.folder / "root").rglob("*")))
    world.flown()
    assert world.client.ask("GET", "/cloudflare/records") == before
    assert sorted(map(str, (world.client.folder / "root").rglob("*"))) == root
    assert world.client.ask("GET", "/receiver/messages") == []


@pytest.mark.parametrize(
    ("service", "faults", "wrong"),
    [
        ("cloudflare", {"error": {"status": 502}}, {}),
        ("smarthost", {"login": "535 5.7.8 Invalid"}, {"smarthost-login": FAIL}),
        ("smarthost", {"login": "454 4.7.0 Later"}, {"smarthost-login": UNKNOWN}),
        ("ssh", {"refuse_connection": True}, {"host-docker": UNKNOWN, "host-compose": UNKNOWN}),
        ("ssh", {"wrong_host_key": True}, {"host-docker": UNKNOWN}),
        ("ssh", {"refuse_login": True}, {"host-docker": UNKNOWN}),
    ],
)
def test_trouble_is_told_as_what_it_is_and_no_secret_with_it(
    world: World, service: str, faults: dict[str, Any], wrong: dict[str, Status],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    world.client.set_faults(service, **faults)
    try:
        proof = world.flown()
    finally:
        world.client.clear_faults(service)
    found = standing(proof)
    assert {name: found[name] for name in wrong} == wrong
    if service == "cloudflare":
        assert {found[name] for name in found if name.startswith("cloudflare")} == {UNKNOWN}
    code, text = told(proof, capsys)
    assert code == (1 if FAIL in wrong.values() else 4)
    assert not world.leaks(text)


def test_a_revoked_token_is_wrong(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    token = {"token": world.client.secrets["cloudflareApiToken"]}
    world.client.ask("DELETE", "/cloudflare/tokens", token)
    try:
        proof = world.flown()
    finally:
        world.client.ask("POST", "/cloudflare/tokens", token)
    assert standing(proof)["cloudflare-zone"] is FAIL
    assert standing(proof)["cloudflare-others"] is UNKNOWN
    code, text = told(proof, capsys)
    assert code == 1
    assert "make a new one: Zone.DNS Edit and Zone.Zone Read" in text
    assert not world.leaks(text)


@pytest.mark.parametrize("key", sorted({key for look in LOOKS for key in look.needs}))
def test_a_secret_that_is_not_set_is_wrong_and_has_its_command(
    world: World, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    proof = world.flown(without=key)
    needing = {look.name for look in LOOKS if key in look.needs}
    assert {standing(proof)[name] for name in needing} == {FAIL}
    _, text = told(proof, capsys)
    assert f"pulumi config set --secret mail:{key}" in text


def test_each_look_is_one_line_with_place_and_way_out(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    proof = world.flown(without="smarthostPassword")
    tell(proof, Report())
    lines = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert len(lines) == len(proof.results)
    assert all("mail:" in line for line in lines)
    (login,) = [line for line in lines if "smarthost-login" in line]
    assert "is not set; pulumi config set --secret mail:smarthostPassword" in login
    assert login.endswith("failed")


def test_the_command_line_looks_at_a_world_that_runs(world: World) -> None:
    done = CliRunner().invoke(app, ["--world", "--json", "--runs", str(world.runs)])
    document = json.loads(done.stdout)
    assert done.exit_code == 4
    assert {check["name"] for check in document["checks"]} >= {look.name for look in LOOKS}
    assert not world.leaks(done.stdout)


def test_accounts_of_a_declaration_with_open_values_are_not_looked_at() -> None:
    done = CliRunner().invoke(app, ["--live"])
    assert done.exit_code == 2
    assert "pulumi config set mail:hostKey" in done.stderr


def test_commands_and_accounts_are_not_mixed() -> None:
    assert CliRunner().invoke(app, ["--live", "rehearse"]).exit_code == 2
    assert CliRunner().invoke(app, ["nonsense"]).exit_code == 2


def test_a_real_stack_is_looked_at_through_the_cli(world: World, tmp_path: Path) -> None:
    """What `--live` opens, with loopback in place of the internet."""
    config = yaml.safe_load((PROJECT / "Pulumi.qual.yaml").read_text())["config"]
    config |= {f"mail:{key}": value for key, value in world.client.overlay.items()}
    (tmp_path / "Pulumi.qual.yaml").write_text(yaml.safe_dump({"config": config}))
    sealed = {
        f"mail:{key}": {"value": value, "secret": True}
        for key, value in world.client.secrets.items()
    }
    (tmp_path / "said.json").write_text(json.dumps(sealed))
    program = tmp_path / "pulumi"
    program.write_text(f"#!/bin/sh\ncat {tmp_path}/said.json\n")
    program.chmod(0o755)

    async def fly() -> Proof:
        site = LoopbackSite("qual", tmp_path, world.client)
        try:
            return await preflight(site)
        finally:
            await site.close()

    with mock.patch.dict(os.environ, {"PATH": f"{tmp_path}:/usr/bin:/bin"}):
        found = standing(asyncio.run(fly()))
    assert found["cloudflare-zone"] is found["smarthost-login"] is found["host-docker"] is PASS
    assert not [name for name, one in found.items() if one is FAIL]
