"""Files and secrets on the host: the provider finds the same at OpenSSH and at its stand-in."""

import asyncio
import contextlib
import os
import pwd
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from pulumi.provider.experimental.provider import ConfigureRequest

from pulumi_host.errors import HostError
from pulumi_host.provider import HostProvider
from rehearsal.parts import need
from rehearsal.world.service import LOOPBACK
from rehearsal.world.ssh_host import SshHost
from tests.providers.host.sftp_host import FILE, SECRET, Driver
from tests.real.both import BOTH
from tests.real.server_process import answers, free_port, running
from tests.standins.conformity import properties
from tests.world.host_neighbourhood import started

MARKER = "planted-in-this-test-90c2"
CANNOT_AGREE = r"no host key of the declared kind|connection failed|Connection reset by peer"


@dataclass(frozen=True)
class Door:
    """A host that the provider can sign in to.

    Attributes:
        root: Folder on this machine that is the host's `base`.
        base: The same folder, as the host calls it.
    """

    port: int
    user: str
    private_key: str
    host_key: str
    root: Path
    base: str

    def path(self, name: str) -> str:
        """Return the host's own path of a file below the base."""
        return f"{self.base}/{name}"

    @asynccontextmanager
    async def provider(self) -> AsyncIterator[Driver]:
        """Give the configured provider, and close its connection."""
        provider = HostProvider()
        args = properties(
            {"address": LOOPBACK, "port": self.port, "user": self.user,
             "privateKey": self.private_key, "hostKey": self.host_key}
        )  # fmt: skip
        await provider.configure(
            ConfigureRequest({}, args, accept_secrets=True, accept_resources=False)
        )
        try:
            yield Driver(provider)
        finally:
            await provider.cancel()


def story(door: Door, tell: Callable[[Driver], Awaitable[None]]) -> None:
    """Tell a story with a provider of its own."""

    async def whole() -> None:
        async with door.provider() as driver:
            await tell(driver)

    asyncio.run(asyncio.wait_for(whole(), 60))


def _public(key: asyncssh.SSHKey) -> str:
    return " ".join(key.export_public_key().decode().split()[:2])


def _sshd(folder: Path, key: asyncssh.SSHKey) -> tuple[Path, asyncssh.SSHKey, int]:
    """Lay out an sshd for whoever runs the tests; return its configuration, key and port."""
    host_key, port = asyncssh.generate_private_key("ssh-ed25519"), free_port()
    private, accepted = folder / "host_key", folder / "authorized_keys"
    private.touch(mode=0o600)
    private.write_bytes(host_key.export_private_key())
    accepted.write_bytes(key.export_public_key())
    settings = folder / "sshd_config"
    settings.write_text(
        f"ListenAddress {LOOPBACK}:{port}\nHostKey {private}\nPidFile none\n"
        f"AuthorizedKeysFile {accepted}\nStrictModes no\nUsePAM no\nLogLevel VERBOSE\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        "PermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\n"
    )
    return settings, host_key, port


@contextlib.contextmanager
def _genuine(folder: Path) -> Iterator[Door]:
    sshd = need("sshd")
    # Where root keeps an sshd from being tricked; it insists, whether it is used or not.
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    key = asyncssh.generate_private_key("ssh-ed25519")
    settings, host_key, port = _sshd(folder, key)
    root = folder / "root"
    root.mkdir()
    with running([sshd, "-D", "-e", "-f", settings], folder=folder / "sshd", ready=answers(port)):
        yield Door(
            port, pwd.getpwuid(os.geteuid()).pw_name, key.export_private_key().decode(),
            _public(host_key), root, str(root),
        )  # fmt: skip


@contextlib.contextmanager
def _stand_in(folder: Path) -> Iterator[Door]:
    key: str = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    host = SshHost()
    with started(folder, host, secrets={"sshPrivateKey": key}) as house:
        root = house.world.root / "srv/test"
        root.mkdir(parents=True)
        yield Door(host.port, host.user, key, host.overlay()["hostKey"], root, "/srv/test")


@pytest.fixture(scope="module", params=BOTH)
def every(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Door]:
    make = _genuine if request.param == "genuine" else _stand_in
    with make(tmp_path_factory.mktemp("host")) as door:
        yield door


@pytest.fixture
def door(every: Door, request: pytest.FixtureRequest) -> Door:
    """The host, with a folder of its own for each test."""
    name = re.sub(r"\W+", "-", request.node.name)
    root = every.root / name
    root.mkdir()
    return replace(every, root=root, base=f"{every.base}/{name}")


def test_a_file_is_written_whole_with_its_directories_and_mode(door: Door) -> None:
    async def tell(driver: Driver) -> None:
        path = door.path("etc/po-mail/extra.cf")
        await driver.create(FILE, path=path, content="relayhost =\n# ü\n", mode="0640")

    story(door, tell)
    there = door.root / "etc/po-mail/extra.cf"
    assert there.read_text() == "relayhost =\n# ü\n"
    assert there.stat().st_mode & 0o7777 == 0o640
    assert there.parent.stat().st_mode & 0o7777 == 0o755
    assert [path.name for path in there.parent.iterdir()] == ["extra.cf"]


@pytest.mark.parametrize("mode", ["0600", "0644", "0755", "1777", "4750"])
def test_every_mode_reads_back_as_it_was_asked_for(door: Door, mode: str) -> None:
    async def tell(driver: Driver) -> None:
        state = await driver.create(FILE, path=door.path("x"), content="x", mode=mode)
        found = await driver.refresh(FILE, state)
        assert found is not None
        assert found[0]["mode"].value == mode

    story(door, tell)
    assert (door.root / "x").stat().st_mode & 0o7777 == int(mode, 8)


def test_a_file_is_given_to_a_group_and_given_back_when_it_is_taken_away(door: Door) -> None:
    async def tell(driver: Driver) -> None:
        declared: dict[str, Any] = {"path": door.path("x"), "content": "x", "mode": "0640"}
        plain = await driver.create(FILE, **declared)
        assert "group" not in plain
        # A state from before there were groups: nothing to do, and nothing seen.
        assert not (await driver.diff(FILE, plain, **declared)).changes
        assert "group" not in ((await driver.refresh(FILE, plain)) or ({},))[0]
        declared["group"] = "65534"
        change = await driver.diff(FILE, plain, **declared)
        assert change.changes
        assert not change.replaces
        state = await driver.update(FILE, plain, **declared)
        found = await driver.refresh(FILE, state)
        assert found is not None
        assert (found[0]["group"].value, found[0]["mode"].value) == ("65534", "0640")
        assert not (await driver.diff(FILE, found[0], **declared)).changes
        # Somebody replaces the file, which is theirs then.
        (door.root / "y").write_text("x")
        (door.root / "y").chmod(0o640)
        (door.root / "y").rename(door.root / "x")
        found = await driver.refresh(FILE, state)
        assert found is not None
        assert found[0]["group"].value == str(os.getegid())

    story(door, tell)


def test_what_is_there_as_declared_is_left_alone(door: Door) -> None:
    there = door.root / "motd"
    there.write_text("hello")
    there.chmod(0o644)
    before = there.stat()

    async def tell(driver: Driver) -> None:
        await driver.create(FILE, path=door.path("motd"), content="hello")

    story(door, tell)
    assert (there.stat().st_ino, there.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_file_is_replaced_in_one_step(door: Door) -> None:
    async def tell(driver: Driver) -> None:
        state = await driver.create(FILE, path=door.path("x"), content="old")
        there = door.root / "x"
        with there.open() as reader:
            await driver.update(FILE, state, path=door.path("x"), content="new and longer")
            # Whoever had it open reads the old content to its end.
            assert reader.read() == "old"
        assert there.read_text() == "new and longer"

    story(door, tell)


def test_what_an_interrupted_write_left_is_in_nobodys_way(door: Door) -> None:
    (door.root / ".x.incoming").write_text("half")

    async def tell(driver: Driver) -> None:
        await driver.create(FILE, path=door.path("x"), content="whole")

    story(door, tell)
    assert {path.name: path.read_text() for path in door.root.iterdir()} == {"x": "whole"}


def test_a_link_is_replaced_and_what_it_leads_to_is_not(door: Door) -> None:
    (door.root / "target").write_text("keep")
    (door.root / "x").symlink_to("target")

    async def tell(driver: Driver) -> None:
        await driver.create(FILE, path=door.path("x"), content="new")

    story(door, tell)
    assert not (door.root / "x").is_symlink()
    assert (door.root / "target").read_text() == "keep"


@pytest.mark.parametrize("what", ["content", "mode", "gone"])
def test_a_change_behind_its_back_is_seen(door: Door, what: str) -> None:
    async def tell(driver: Driver) -> None:
        inputs: dict[str, Any] = {"path": door.path("x"), "content": "declared", "mode": "0644"}
        state = await driver.create(FILE, **inputs)
        there = door.root / "x"
        if what == "gone":
            there.unlink()
            assert await driver.refresh(FILE, state) is None
            return
        if what == "content":
            there.write_text("changed")
        else:
            there.chmod(0o600)
        found = await driver.refresh(FILE, state)
        assert found is not None
        assert (await driver.diff(FILE, found[0], **inputs)).diffs == [what]
        await driver.update(FILE, found[0], **inputs)
        assert (there.read_text(), there.stat().st_mode & 0o777) == ("declared", 0o644)

    story(door, tell)


def test_a_deleted_file_may_be_gone_already(door: Door) -> None:
    async def tell(driver: Driver) -> None:
        state = await driver.create(FILE, path=door.path("x"), content="x")
        await driver.delete(FILE, state)
        assert not (door.root / "x").exists()
        await driver.delete(FILE, state)

    story(door, tell)


def test_a_directory_is_no_file(door: Door) -> None:
    (door.root / "x").mkdir()

    async def tell(driver: Driver) -> None:
        with pytest.raises(HostError, match="/x: ") as refusal:
            await driver.create(FILE, path=door.path("x"), content=MARKER)
        assert MARKER not in str(refusal.value)

    story(door, tell)
    assert [path.name for path in door.root.iterdir()] == ["x"]


def test_a_path_below_a_file_is_refused_in_one_line(door: Door) -> None:
    (door.root / "x").write_text("a file")

    async def tell(driver: Driver) -> None:
        with pytest.raises(HostError) as refusal:
            await driver.create(FILE, path=door.path("x/y"), content=MARKER)
        assert "\n" not in str(refusal.value)
        assert MARKER not in str(refusal.value)

    story(door, tell)
    assert (door.root / "x").read_text() == "a file"


def test_a_large_file_arrives(door: Door) -> None:
    content = "0123456789abcdef" * 2**16

    async def tell(driver: Driver) -> None:
        await driver.create(FILE, path=door.path("x"), content=content)

    story(door, tell)
    assert (door.root / "x").read_text() == content


def test_a_secret_is_made_once_and_taken_over_afterwards(door: Door) -> None:
    async def tell(driver: Driver) -> None:
        inputs: dict[str, Any] = {"path": door.path("secrets/key"), "length": 40}
        made = await driver.create(SECRET, **inputs)
        again = await driver.create(SECRET, **inputs)
        value = made["value"]
        assert value.is_secret
        assert again["value"].value == value.value
        there = door.root / "secrets/key"
        assert (there.read_text().strip(), there.stat().st_mode & 0o777) == (value.value, 0o600)
        await driver.delete(SECRET, made)
        assert there.exists()

    story(door, tell)


def test_many_files_at_once_all_arrive(door: Door) -> None:
    async def tell(driver: Driver) -> None:
        names = [f"deep/{number}/file" for number in range(24)]
        await asyncio.gather(
            *(driver.create(FILE, path=door.path(name), content=name) for name in names)
        )
        assert {name: (door.root / name).read_text() for name in names} == {n: n for n in names}

    story(door, tell)


def test_another_host_key_than_the_declared_one_is_refused(door: Door) -> None:
    other = replace(door, host_key=_public(asyncssh.generate_private_key("ssh-ed25519")))

    async def tell(driver: Driver) -> None:
        with pytest.raises(HostError, match="does not show the declared host key"):
            await driver.create(FILE, path=door.path("x"), content=MARKER)

    story(other, tell)
    assert list(door.root.iterdir()) == []


def test_a_host_key_of_another_kind_is_refused(door: Door) -> None:
    # OpenSSH may hang up before the client has found out that they cannot agree.
    other = replace(door, host_key=_public(asyncssh.generate_private_key("ecdsa-sha2-nistp256")))

    async def tell(driver: Driver) -> None:
        with pytest.raises(HostError, match=CANNOT_AGREE):
            await driver.create(FILE, path=door.path("x"), content=MARKER)

    story(other, tell)
    assert list(door.root.iterdir()) == []


def test_another_private_key_does_not_come_in(door: Door) -> None:
    stranger = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()

    async def tell(driver: Driver) -> None:
        with pytest.raises(HostError, match="refuses the private key for this user"):
            await driver.create(FILE, path=door.path("x"), content=MARKER)

    story(replace(door, private_key=stranger), tell)


def test_a_command_gets_its_input_and_gives_its_output_and_status(door: Door) -> None:
    async def go() -> Any:
        known = f"[{LOOPBACK}]:{door.port} {door.host_key}\n"
        async with asyncssh.connect(
            LOOPBACK, door.port, username=door.user, config=None, agent_path=None,
            client_keys=[asyncssh.import_private_key(door.private_key)],
            known_hosts=asyncssh.import_known_hosts(known),
        ) as connection:  # fmt: skip
            return await connection.run(
                "cat; echo to-stderr >&2; umask; exit 7", input=MARKER, timeout=30
            )

    done = asyncio.run(go())
    assert done.stdout == f"{MARKER}0022\n"
    assert (done.stderr, done.exit_status) == ("to-stderr\n", 7)
