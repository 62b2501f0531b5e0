"""The rehearsed host, as an SSH client finds it."""

import asyncio
import gc
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from rehearsal.world.docker_engine import DockerEngine
from rehearsal.world.git_address import GitAddress
from rehearsal.world.release_tree import SERVICES
from rehearsal.world.ssh_host import SshHost
from tests.world.host_neighbourhood import HOST, Neighbourhood, started

MARKER = "marker-that-no-log-may-show"


@pytest.fixture(scope="module")
def key() -> str:
    text: str = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    return text


@pytest.fixture
def host() -> SshHost:
    return SshHost()


@pytest.fixture
def neighbourhood(tmp_path: Path, host: SshHost, key: str) -> Iterator[Neighbourhood]:
    with started(tmp_path, host, secrets={"sshPrivateKey": key}) as neighbourhood:
        yield neighbourhood


def connect(host: SshHost, key: str, user: str = "root") -> Any:
    place = host.overlay()
    address, port = place["endpoints"]["ssh"]["address"], place["endpoints"]["ssh"]["port"]
    known = f"[{address}]:{port} {place['hostKey']}\n"
    return asyncssh.connect(
        address, port, username=user, client_keys=[asyncssh.import_private_key(key)],
        known_hosts=asyncssh.import_known_hosts(known), config=None, agent_path=None,
        send_env=None,
    )  # fmt: skip


def run(host: SshHost, key: str, command: str, **options: Any) -> Any:
    async def go() -> Any:
        async with connect(host, key) as connection:
            return await connection.run(command, **options)

    return asyncio.run(go())


def test_a_command_runs_below_the_scratch_root(
    neighbourhood: Neighbourhood, host: SshHost, key: str
) -> None:
    done = run(host, key, 'pwd; echo "$DESTDIR"; echo "$HOME"; cat; echo oops >&2; exit 7',
               input="from stdin\n")  # fmt: skip
    root = neighbourhood.world.root
    assert done.stdout.splitlines() == [f"{root}/root", str(root), f"{root}/root", "from stdin"]
    assert done.stderr == "oops\n"
    assert done.exit_status == 7


def test_the_environment_is_clean_but_for_what_the_client_sends(
    neighbourhood: Neighbourhood, host: SshHost, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAK", "from the machine")
    done = run(host, key, 'echo "[$LEAK] [$SENT]"; command -v docker', env={"SENT": "by client"})
    assert done.stdout.splitlines() == [
        "[] [by client]", str(neighbourhood.world.folder / "tools/docker"),
    ]  # fmt: skip


def test_only_the_worlds_key_and_the_declared_user_come_in(
    neighbourhood: Neighbourhood, host: SshHost, key: str
) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    for wrong_key, user in ((other, "root"), (key, "somebody")):

        async def go(wrong_key: str = wrong_key, user: str = user) -> None:
            async with connect(host, wrong_key, user):
                pass

        with pytest.raises(asyncssh.PermissionDenied):
            asyncio.run(go())


def test_files_land_below_the_scratch_root(
    neighbourhood: Neighbourhood, host: SshHost, key: str
) -> None:
    async def go() -> str:
        async with connect(host, key) as connection, connection.start_sftp_client() as sftp:
            await sftp.makedirs("/opt/po-mail/bin")
            async with sftp.open("/opt/po-mail/bin/.new", "wb") as file:
                await file.write(b"content")
                await file.fsync()
            await sftp.chmod("/opt/po-mail/bin/.new", 0o640)
            await sftp.posix_rename("/opt/po-mail/bin/.new", "/opt/po-mail/bin/tool")
            with pytest.raises(asyncssh.SFTPNoSuchFile):
                await sftp.stat(str(Path(__file__)))
            return str(await sftp.realpath("/opt/../opt/po-mail"))

    assert asyncio.run(go()) == "/opt/po-mail"
    written = neighbourhood.world.root / "opt/po-mail/bin/tool"
    assert written.read_bytes() == b"content"
    assert written.stat().st_mode & 0o777 == 0o640


def test_commands_are_logged_without_their_input(
    neighbourhood: Neighbourhood, host: SshHost, key: str
) -> None:
    run(host, key, "cat >/dev/null", input=MARKER, env={"SECRET": MARKER})
    assert [(command["command"], command["exit"]) for command in host.commands()] == [
        ("cat >/dev/null", 0)
    ]
    for path in neighbourhood.world.folder.rglob("*"):
        if path.is_file():
            assert MARKER.encode() not in path.read_bytes()


def test_a_command_ends_with_its_channel(
    neighbourhood: Neighbourhood, host: SshHost, key: str
) -> None:
    async def go() -> int:
        async with connect(host, key) as connection:
            process = await connection.create_process("echo $$; sleep 60 & sleep 60")
            return int(await process.stdout.readline())

    wait_for_end(asyncio.run(go()))


def wait_for_end(group: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
    pytest.fail(f"process group {group} still runs")


def test_a_command_ends_with_the_service(tmp_path: Path, host: SshHost, key: str) -> None:
    async def begin() -> tuple[Any, int]:
        connection = await connect(host, key)
        process = await connection.create_process("echo $$; exec sleep 60")
        return connection, int(await process.stdout.readline())

    loop = asyncio.new_event_loop()
    with started(tmp_path, host, secrets={"sshPrivateKey": key}):
        connection, group = loop.run_until_complete(begin())
        port = host.port
    wait_for_end(group)
    connection.abort()
    loop.run_until_complete(connection.wait_closed())
    loop.close()
    with pytest.raises(OSError, match=r"[Cc]onnect"):
        run(host, key, "true")
    assert port


@pytest.mark.parametrize("pause", [0.0, 0.01, 0.03])
def test_a_service_that_ends_while_commands_begin_leaves_none(
    tmp_path: Path, host: SshHost, key: str, pause: float
) -> None:
    async def begin_many() -> None:
        async with connect(host, key) as connection:
            commands = [connection.run("sleep 60") for _ in range(8)]
            running = [asyncio.create_task(command) for command in commands]
            await asyncio.sleep(pause)
            await asyncio.to_thread(around.run, host.stop())
            await asyncio.gather(*running, return_exceptions=True)
            connection.abort()

    with started(tmp_path, host, secrets={"sshPrivateKey": key}) as around:
        asyncio.run(begin_many())
    gc.collect()  # a process that nobody waited for complains here
    assert not processes_of(tmp_path)


def processes_of(world: Path) -> list[str]:
    mark = f"DESTDIR={world}/root".encode()
    return [
        environment.parent.name
        for environment in Path("/proc").glob("[0-9]*/environ")
        if mark in _content(environment).split(b"\0")
    ]


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""  # it has ended, or is another user's


def test_the_host_key_stays_and_the_address_is_published(tmp_path: Path, key: str) -> None:
    keys = []
    for _ in range(2):
        host = SshHost()
        with started(tmp_path, host, secrets={"sshPrivateKey": key}) as neighbourhood:
            keys.append(host.overlay()["hostKey"])
            assert neighbourhood.world.addresses.reach(HOST, 22) == ("127.0.0.1", host.port)
    assert keys[0] == keys[1]
    assert keys[0].startswith("ssh-ed25519 AAAA")


def test_large_output_and_input_arrive_whole(
    neighbourhood: Neighbourhood, host: SshHost, key: str
) -> None:
    blob = b"x" * 3_000_000
    done = run(host, key, "cat", input=blob, encoding=None)
    assert done.stdout == blob


def test_a_wrong_host_key_is_shown_when_told(
    neighbourhood: Neighbourhood, host: SshHost, key: str
) -> None:
    host.faults = {"wrong_host_key": True}
    with pytest.raises(asyncssh.HostKeyNotVerifiable):
        run(host, key, "true")
    host.faults = {}
    assert run(host, key, "true").exit_status == 0


def test_the_host_can_be_told_to_fail(
    neighbourhood: Neighbourhood, host: SshHost, key: str
) -> None:
    host.faults = {"refuse_login": True}
    with pytest.raises(asyncssh.PermissionDenied):
        run(host, key, "true")
    host.faults = {"fail_command": {"match": "compose", "exit": 17, "stderr": "no\n"}}
    done = run(host, key, "docker compose up")
    assert (done.exit_status, done.stderr) == (17, "no\n")
    host.faults = {"drop_after": 1000}
    assert run(host, key, "head -c 100000 /dev/zero; exit 0").exit_status is None


def test_a_full_disk_refuses_files(neighbourhood: Neighbourhood, host: SshHost, key: str) -> None:
    async def go() -> None:
        async with (
            connect(host, key) as connection,
            connection.start_sftp_client() as sftp,
            sftp.open("/opt/file", "wb") as file,
        ):
            await file.write(b"content")

    host.faults = {"disk_full": True}
    with pytest.raises(asyncssh.SFTPFailure):
        asyncio.run(go())


def test_a_release_is_cloned_and_started_over_ssh(tmp_path: Path, key: str) -> None:
    host, engine, address = SshHost(), DockerEngine(), GitAddress()
    conf = "COMPOSE_PROJECT_NAME=po-mail\nDBROOT=secret-of-root\n"
    with started(tmp_path, engine, address, host, secrets={"sshPrivateKey": key}):
        directory = '"$DESTDIR/opt/po-mail/mailcow"'
        steps = (
            f"git clone -q --branch {address.tag} --depth 1 {address.url} {directory}",
            f"cat > {directory}/mailcow.conf",
            f"docker compose -p po-mail --project-directory {directory} up -d --wait",
            f"git -C {directory} status --porcelain >&2",
        )
        for step in steps:
            done = run(host, key, step, input=conf if "cat >" in step else "")
            assert done.exit_status == 0, done.stderr
        assert done.stderr == ""
        assert all(engine.running("po-mail", service) for service in SERVICES)
