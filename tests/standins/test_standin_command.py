"""The Command stand-in against an SSH server that runs commands in a scratch folder."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import pytest
from pulumi.provider.experimental.provider import Provider

from pulumi_kit.failures import ProviderError
from pulumi_kit.values import UNKNOWN, plain_map
from rehearsal.standins import PROVIDERS
from rehearsal.world.service import Surroundings
from rehearsal.world.ssh_host import SshHost
from tests.standins.conformity import Deployed, configured, secret

pytestmark = pytest.mark.anyio

COMMAND = "command:remote:Command"


async def _run(process: asyncssh.SSHServerProcess[bytes]) -> None:
    folder = process.get_extra_info("folder")
    child = await asyncio.create_subprocess_shell(
        process.command or "true",
        cwd=folder,
        env={"PATH": os.environ["PATH"], **process.env},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await child.communicate(await process.stdin.read())
    process.stdout.write(out)
    process.stderr.write(err)
    process.exit(child.returncode or 0)


@dataclass
class Host:
    """A host over SSH, as a test knows it."""

    folder: Path
    port: int
    host_key: str
    private_key: str
    connections: list[object]

    def connection(self, **more: object) -> dict[str, object]:
        return {
            "host": "127.0.0.1", "port": self.port, "user": "root", "hostKey": self.host_key,
            "privateKey": secret(self.private_key), "dialErrorLimit": 1, **more,
        }  # fmt: skip

    def command(self, **more: object) -> dict[str, object]:
        return {"connection": self.connection(), **more}


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    own, user = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    folder = tmp_path / "host"
    folder.mkdir()
    connections: list[object] = []

    class Server(asyncssh.SSHServer):
        def connection_made(self, connection: asyncssh.SSHServerConnection) -> None:
            connections.append(connection)
            connection.set_extra_info(folder=folder)

    (tmp_path / "authorized").write_bytes(user.export_public_key())
    server = await asyncssh.create_server(
        Server, "127.0.0.1", 0, server_host_keys=[own], process_factory=_run, encoding=None,
        authorized_client_keys=str(tmp_path / "authorized"),
    )  # fmt: skip
    yield Host(
        folder=folder,
        port=server.get_port(),
        host_key=own.export_public_key().decode(),
        private_key=user.export_private_key().decode(),
        connections=connections,
    )
    server.close()
    await server.wait_closed()


@pytest.fixture
async def provider() -> Provider:
    return await configured(PROVIDERS["command"](), {})


async def test_create_runs_and_its_output_is_the_state(provider: Provider, host: Host) -> None:
    one = await Deployed(provider, COMMAND).create(
        host.command(create="echo made > made; echo told; echo warned >&2")
    )
    assert (host.folder / "made").read_text() == "made\n"
    assert (one.plain["stdout"], one.plain["stderr"]) == ("told", "warned")
    assert one.identity
    assert not (await one.diff(plain_map(one.inputs))).changes


async def test_the_connection_is_completed_and_secret_as_the_plugin_has_it(
    provider: Provider, host: Host
) -> None:
    bare = {"host": "127.0.0.1", "port": host.port, "privateKey": secret(host.private_key)}
    one = await Deployed(provider, COMMAND).create({"connection": bare, "create": "true"})
    assert one.state["connection"].is_secret
    connection = one.plain["connection"]
    assert (connection["user"], connection["dialErrorLimit"]) == ("root", 10)
    assert connection["perDialTimeout"] == 15


async def test_a_changed_input_runs_update_or_else_create(provider: Provider, host: Host) -> None:
    one = await Deployed(provider, COMMAND).create(host.command(create="echo c >> log"))
    changed = host.command(create="echo c2 >> log")
    difference = await one.diff(changed)
    assert (difference.diffs, difference.replaces) == (["create"], [])
    await one.update(changed)
    await one.update(host.command(create="echo c2 >> log", update="echo u >> log"))
    assert (host.folder / "log").read_text().split() == ["c", "c2", "u"]


async def test_triggers_replace_even_where_there_is_an_update(
    provider: Provider, host: Host
) -> None:
    wanted = host.command(create="true", update="true", triggers=["a"])
    one = await Deployed(provider, COMMAND).create(wanted)
    difference = await one.diff(host.command(create="true", update="true", triggers=["b"]))
    assert difference.replaces == ["triggers"]
    assert list(difference.detailed_diff) == ["triggers[0]"]
    assert difference.detailed_diff["triggers[0]"].kind.name == "UPDATE_REPLACE"


async def test_delete_runs_delete_and_a_command_without_one_needs_no_host(
    provider: Provider, host: Host
) -> None:
    one = await Deployed(provider, COMMAND).create(
        host.command(create="echo 7", delete='echo "$PULUMI_COMMAND_STDOUT" > undone')
    )
    await one.delete()
    assert (host.folder / "undone").read_text() == "7\n"
    before = len(host.connections)
    silent = await Deployed(provider, COMMAND).create(host.command(update="true"))
    await silent.delete()
    assert len(host.connections) == before


async def test_standard_input_reaches_the_command_and_stays_secret(
    provider: Provider, host: Host
) -> None:
    one = await Deployed(provider, COMMAND).create(
        host.command(create="cat > got", stdin=secret("marker-of-stdin"))
    )
    assert (host.folder / "got").read_text() == "marker-of-stdin"
    assert one.state["stdin"].is_secret


async def test_environment_and_previous_output_are_handed_over(
    provider: Provider, host: Host
) -> None:
    one = await Deployed(provider, COMMAND).create(
        host.command(create='echo "$STAGE"', environment={"STAGE": "none"})
    )
    assert one.plain["stdout"] == "none"
    told = 'echo "was ${PULUMI_COMMAND_STDOUT:-nothing}"'
    await one.update(host.command(create=told))
    assert one.plain["stdout"] == "was none"
    await one.update(host.command(create=told, addPreviousOutputInEnv=False))
    assert one.plain["stdout"] == "was nothing"


async def test_a_failure_is_one_line_with_exit_code_and_last_words(
    provider: Provider, host: Host
) -> None:
    words = "echo first >&2; echo second >&2; exit 3"
    with pytest.raises(ProviderError) as failure:
        await Deployed(provider, COMMAND).create(host.command(create=words))
    assert str(failure.value) == "the command ended with exit code 3: first; second"
    with pytest.raises(ProviderError) as failure:
        await Deployed(provider, COMMAND).create(host.command(create=words, logging="none"))
    assert str(failure.value) == "the command ended with exit code 3"


async def test_a_failure_tells_no_secret(provider: Provider, host: Host) -> None:
    with pytest.raises(ProviderError) as failure:
        await Deployed(provider, COMMAND).create(
            host.command(create="cat >&2; exit 1", stdin=secret("marker\nof two lines"))
        )
    assert "marker" not in repr(failure.value)
    assert "of two" not in repr(failure.value)


async def test_another_host_key_is_refused_at_once(provider: Provider, host: Host) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    connection = host.connection(hostKey=other, dialErrorLimit=-1)
    with pytest.raises(ProviderError, match="not the declared hostKey"):
        await Deployed(provider, COMMAND).create({"connection": connection, "create": "true"})


async def test_a_key_the_host_does_not_know_is_refused(provider: Provider, host: Host) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    connection = host.connection(privateKey=secret(other))
    with pytest.raises(ProviderError, match="refuses this user or key"):
        await Deployed(provider, COMMAND).create({"connection": connection, "create": "true"})


async def test_dialling_ends_after_the_declared_number_of_attempts(provider: Provider) -> None:
    connection = {"host": "127.0.0.1", "port": 1, "dialErrorLimit": 1}
    with pytest.raises(ProviderError, match="after 2 attempts"):
        await Deployed(provider, COMMAND).create({"connection": connection, "create": "true"})


async def test_a_preview_dials_nobody(provider: Provider, host: Host) -> None:
    one = Deployed(provider, COMMAND)
    await one.create(host.command(create=UNKNOWN), preview=True)
    assert one.plain["stdout"] is UNKNOWN
    assert host.connections == []


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"connection": None}, "connection"),
        ({"connection": {}}, "connection.host"),
        ({"connection": {"host": "h", "hostname": "h"}}, "connection.hostname"),
        ({"stdout": "x"}, "stdout"),
        ({"logging": "all"}, "logging"),
    ],
)
async def test_what_the_plugin_refuses_is_refused(
    provider: Provider, host: Host, wrong: dict[str, object], path: str
) -> None:
    assert path in await Deployed(provider, COMMAND).failures(host.command(create="true") | wrong)


@pytest.fixture
async def rehearsed(surroundings: Surroundings) -> AsyncIterator[SshHost]:
    """The world's own host."""
    key = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    surroundings.secrets["sshPrivateKey"] = key
    host = SshHost()
    await host.start(surroundings)
    yield host
    await host.stop()


def on_host(host: SshHost, surroundings: Surroundings, **more: object) -> dict[str, object]:
    overlay = host.overlay()
    connection = {
        "host": overlay["endpoints"]["ssh"]["address"],
        "port": overlay["endpoints"]["ssh"]["port"],
        "hostKey": overlay["hostKey"],
        "privateKey": secret(surroundings.secrets["sshPrivateKey"]),
        "dialErrorLimit": 0,
    }
    return {"connection": connection, **more}


async def test_the_rehearsed_host_runs_commands(
    provider: Provider, rehearsed: SshHost, surroundings: Surroundings
) -> None:
    words = 'cat > "$DESTDIR/opt/got"; echo done'
    wanted = on_host(rehearsed, surroundings, create=words, stdin="given")
    one = await Deployed(provider, COMMAND).create(wanted)
    assert one.plain["stdout"] == "done"
    assert (surroundings.root / "opt/got").read_text() == "given"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"refuse_connection": True}, "after 1 attempts"),
        ({"refuse_login": True}, "refuses this user or key"),
        ({"wrong_host_key": True}, "not the declared hostKey"),
        ({"drop_after": 10}, "the connection broke"),
        ({"fail_command": {"match": "head", "exit": 7}}, "exit code 7: rehearsed failure"),
    ],
)
async def test_each_failure_of_the_host_is_told_for_what_it_is(
    provider: Provider,
    rehearsed: SshHost,
    surroundings: Surroundings,
    fault: dict[str, object],
    words: str,
) -> None:
    rehearsed.faults |= fault
    wanted = on_host(rehearsed, surroundings, create="head -c 5000 /dev/zero; sleep 5")
    with pytest.raises(ProviderError, match=words) as failure:
        await Deployed(provider, COMMAND).create(wanted)
    assert "\n" not in str(failure.value)
