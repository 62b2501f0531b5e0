"""A world: its secrets, its overlay, its control address, its process."""

import asyncio
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from cryptography.hazmat.primitives.serialization import load_ssh_private_key

from declaration.reading import Reading, load_values
from declaration.resolved import resolve
from rehearsal.world import process
from rehearsal.world.client import WorldClient, WorldUnreachableError
from rehearsal.world.service import Service, Surroundings
from rehearsal.world.world import HOUSE, World, WorldError
from tests.conftest import PROJECT
from tests.world.declared import declared

CONFIG = declared(
    mailboxes=[{"name": name, "fullName": name, "quotaMib": 100} for name in ("info", "postmaster")]
)

NAMES = ("dns", "cloudflare")


@pytest.fixture(autouse=True)
def nothing_stays(tmp_path: Path) -> Iterator[None]:
    """End what a failed test may have left running."""
    yield
    for folder in (tmp_path, tmp_path / "world"):
        process.sweep(folder)


def make(folder: Path, *, services: tuple[str, ...] = NAMES) -> World:
    return World(folder, CONFIG, stack="test", services=services)


def test_the_same_world_keeps_its_secrets_and_another_has_others(tmp_path: Path) -> None:
    first, again = make(tmp_path / "a"), make(tmp_path / "a")
    assert first.secrets == again.secrets
    assert make(tmp_path / "b").secrets != first.secrets
    assert {"password.info", "password.postmaster", "backupPassphrase"} <= first.secrets.keys()
    load_ssh_private_key(first.secrets["sshPrivateKey"].encode(), None)


def test_a_mailbox_declared_later_gets_a_password_and_the_others_keep_theirs(
    tmp_path: Path,
) -> None:
    before = make(tmp_path).secrets
    more = {**CONFIG, "mailboxes": [*CONFIG["mailboxes"], {"name": "new"}]}
    after = World(tmp_path, more, stack="test", services=NAMES).secrets
    assert after.pop("password.new")
    assert after == before


def test_secrets_can_be_read_by_their_owner_alone(tmp_path: Path) -> None:
    world = make(tmp_path)

    async def scenario() -> None:
        await world.start()
        try:
            for name in ("secrets.json", "world.json", "authority/authority.key"):
                assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600, name
        finally:
            await world.stop()

    asyncio.run(scenario())


def test_an_unknown_service_is_named_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="no service is called smtp"):
        make(tmp_path / "world", services=("dns", "smtp"))
    assert not (tmp_path / "world").exists()


def test_a_service_whose_file_is_missing_is_named_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = {"dns": ("rehearsal.world.dns", "Dns"), "moon": ("rehearsal.world.moon", "Moon")}
    monkeypatch.setattr("rehearsal.world.world.HOUSE", house)
    with pytest.raises(WorldError, match=r"`moon` cannot be loaded from rehearsal\.world\.moon"):
        make(tmp_path / "world", services=("dns", "moon"))


class Broken(Service):
    """Does not start."""

    name = "broken"
    stands_for = "nothing"

    async def start(self, world: Surroundings) -> None:
        del world
        message = "no room"
        raise OSError(message)

    async def stop(self) -> None:
        pass


def test_when_one_service_does_not_start_the_others_are_stopped(tmp_path: Path) -> None:
    world = make(tmp_path)
    world._waiting.append(Broken())

    async def scenario() -> None:
        with pytest.raises(WorldError, match=r"`broken` did not start: .*no room"):
            await world.start()

    asyncio.run(scenario())
    assert not world.services
    assert not (tmp_path / "world.json").exists()


class Robbed(Service):
    """Loses its port, the first time, between its choice and its use."""

    name = "robbed"
    stands_for = "a race"
    thieves: ClassVar[list[socket.socket]] = []
    stopped: ClassVar[list[int]] = []
    robberies: ClassVar[int] = 1

    def __init__(self) -> None:
        super().__init__()
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self, world: Surroundings) -> None:
        self.port = world.port("robbed")
        if len(self.thieves) < self.robberies:
            self.thieves.append(socket.create_server(("127.0.0.1", self.port)))
        self._server = await asyncio.start_server(lambda *_: None, "127.0.0.1", self.port)

    async def stop(self) -> None:
        self.stopped.append(self.port)
        if self._server is not None:
            self._server.close()


@pytest.fixture
def robbed(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Robbed]]:
    monkeypatch.setattr(Robbed, "thieves", [])
    monkeypatch.setattr(Robbed, "stopped", [])
    yield Robbed
    for thief in Robbed.thieves:
        thief.close()


def test_a_port_that_is_taken_before_its_use_is_replaced_by_another(
    tmp_path: Path, robbed: type[Robbed]
) -> None:
    world = make(tmp_path)
    world._waiting.append(robbed())

    async def scenario() -> int:
        await world.start()
        service = world.services["robbed"]
        assert isinstance(service, Robbed)
        await world.stop()
        return service.port

    port = asyncio.run(scenario())
    taken = robbed.thieves[0].getsockname()[1]
    assert port != taken
    assert robbed.stopped == [taken, port]
    assert json.loads((tmp_path / "ports.json").read_text())["robbed"] == port


def test_a_port_that_is_always_taken_is_an_error(
    tmp_path: Path, robbed: type[Robbed], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(robbed, "robberies", 100)
    world = make(tmp_path)
    world._waiting.append(robbed())

    async def scenario() -> None:
        with pytest.raises(WorldError, match=r"`robbed` did not start: .*in use"):
            await world.start()

    asyncio.run(scenario())
    assert len(robbed.thieves) == 4


def test_no_two_services_are_given_the_same_port(tmp_path: Path) -> None:
    surroundings = make(tmp_path).surroundings
    first = surroundings.port("first")
    (tmp_path / "ports.json").write_text(json.dumps({"first": first, "second": first}))
    assert surroundings.port("second") != first
    assert surroundings.port("first") == first


def test_the_overlay_says_where_services_are_and_holds_no_secret(tmp_path: Path) -> None:
    world = make(tmp_path)

    async def scenario() -> dict[str, Any]:
        await world.start()
        try:
            return world.overlay()
        finally:
            await world.stop()

    overlay = asyncio.run(scenario())
    assert overlay["endpoints"]["cloudflareApi"].startswith("http://127.0.0.1:")
    assert "BEGIN CERTIFICATE" in overlay["endpoints"]["caBundle"]
    assert overlay["operatorAddresses"] == ["127.0.0.1"]
    assert not [value for value in world.secrets.values() if value in json.dumps(overlay)]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("world")
    order = process.Order(CONFIG, stack="test", services=NAMES, parent=os.getpid())
    client = process.start(folder, order)
    yield client
    process.stop(folder)
    assert process.members(folder) == set()


def test_a_running_world_tells_what_it_is(running: WorldClient) -> None:
    status = running.status()
    assert [service["name"] for service in status["services"]] == list(NAMES)
    assert status["pid"] == running.pid != os.getpid()
    assert WorldClient.find(running.folder).answers()
    assert running.resolve("mx.outside.example", "A") == ["203.0.113.25"]


def test_faults_are_set_read_and_cleared(running: WorldClient) -> None:
    running.set_faults("dns", spamhaus="127.255.255.254")
    assert running.faults("dns") == {"spamhaus": "127.255.255.254"}
    running.clear_faults("dns")
    assert running.faults("dns") == {}
    with pytest.raises(WorldUnreachableError, match="no service `moon`"):
        running.set_faults("moon", drop=True)


def test_the_control_address_answers_nobody_without_the_token(running: WorldClient) -> None:
    described = json.loads((running.folder / "world.json").read_text())
    stranger = WorldClient(running.folder, {**described, "token": "guess"})
    with pytest.raises(WorldUnreachableError, match="401"):
        stranger.status()
    assert described["token"] not in repr(running)


def test_no_secret_stands_in_a_worlds_arguments_environment_or_log(running: WorldClient) -> None:
    seen = (running.folder / "world.log").read_bytes()
    seen += Path(f"/proc/{running.pid}/cmdline").read_bytes()
    seen += Path(f"/proc/{running.pid}/environ").read_bytes()
    assert not [name for name, value in running.secrets.items() if value.encode() in seen]


def test_a_second_world_in_the_same_folder_is_refused(running: WorldClient) -> None:
    with pytest.raises(WorldError, match="already runs"):
        process.start(running.folder, process.Order(CONFIG, stack="test", services=NAMES))
    assert running.answers()


def test_worlds_stand_side_by_side_and_each_stops_alone(
    running: WorldClient, tmp_path: Path
) -> None:
    order = process.Order(CONFIG, stack="test", services=NAMES)
    other = process.start(tmp_path, order)
    assert other.answers()
    assert running.answers()
    assert process.stop(tmp_path)
    assert process.members(tmp_path) == set()
    assert not other.answers()
    assert running.answers()
    assert not process.stop(tmp_path)


def test_what_a_killed_world_left_does_not_hinder_the_next(tmp_path: Path) -> None:
    order = process.Order(CONFIG, stack="test", services=("dns",))
    first = process.start(tmp_path, order)
    os.kill(first.pid, 9)
    second = process.start(tmp_path, order)
    assert second.pid != first.pid
    assert second.secrets == first.secrets
    process.stop(tmp_path)


def test_a_child_that_a_world_forgot_is_ended_with_it(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"],
        env={**os.environ, process.MARK: str(tmp_path)},
    )
    process.start(tmp_path, process.Order(CONFIG, stack="test", services=("dns",)))
    assert child.wait(timeout=5) != 0
    assert process.stop(tmp_path)


def _until(condition: Any, seconds: float = 5) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(condition())


def test_a_world_ends_when_its_folder_vanishes(tmp_path: Path) -> None:
    folder = tmp_path / "world"
    process.start(folder, process.Order(CONFIG, stack="test", services=("dns",)))
    shutil.rmtree(folder)
    assert _until(lambda: not process.members(folder))


def test_a_world_ends_with_its_parent(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    order = process.Order(CONFIG, stack="test", services=("dns",), parent=parent.pid)
    process.start(tmp_path, order)
    parent.kill()
    parent.wait()
    assert _until(lambda: not process.members(tmp_path))


def test_a_world_that_cannot_start_says_why(tmp_path: Path) -> None:
    order = process.Order(CONFIG | {"names": None}, stack="test", services=("dns",))
    with pytest.raises(WorldError, match="`dns` did not start"):
        process.start(tmp_path, order)
    assert process.members(tmp_path) == set()


def test_the_whole_house_stands_for_the_real_declaration(tmp_path: Path) -> None:
    values: dict[str, Any] = load_values(PROJECT / "Pulumi.qual.yaml")
    # A mail host of another name: the world takes every name from the declaration.
    values["zone"] = {**values["zone"], "mxLabel": "post"}
    plain = resolve(Reading(values))
    first = process.start(tmp_path, process.Order(plain, stack="qual"))
    assert [service.name for service in first.services] == list(HOUSE)
    assert {"hostKey", "dkimPublicKey", "exporterDigest", "operatorAddresses"} <= set(first.overlay)
    endpoints = first.overlay["endpoints"]
    assert {"cloudflareApi", "ssh", "web", "docker", "storage", "repository"} <= set(endpoints)
    shown = json.dumps(first.overlay)
    assert not [name for name, value in first.secrets.items() if value in shown]
    assert process.stop(tmp_path)
    again = process.start(tmp_path, process.Order(plain, stack="qual"))
    assert again.overlay == first.overlay
    assert process.stop(tmp_path)
    assert process.members(tmp_path) == set()
