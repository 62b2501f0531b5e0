"""The Docker engine: what the exporter's container asks of it, and how it refuses."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import docker
import pytest
from docker.errors import APIError, ImageNotFound, NotFound

from rehearsal.standins import PROVIDERS
from rehearsal.world.docker_engine import DockerEngine
from tests.real import docker_engines
from tests.real.both import BOTH
from tests.standins.conformity import Deployed, configured
from tests.world.host_neighbourhood import started

CONTAINER = "docker:index/container:Container"
EXPORTER = "ghcr.io/mailcow/prometheus-exporter"
MIB = 2**20
COMMAND = ["/bin/sleep", "600"]


@dataclass(frozen=True)
class Engine:
    """An engine that has the exporter's image.

    Attributes:
        address: As in DOCKER_HOST.
        client: The official client.
        image: Identity of the image.
    """

    address: str
    client: Any
    image: str


@pytest.fixture(scope="module", params=BOTH)
def every(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("engine")
    if request.param == "genuine":
        with docker_engines.genuine(folder) as address:
            client = docker.DockerClient(base_url=address, version="auto")
            client.api.import_image_from_data(
                docker_engines.tiny_image(), repository=EXPORTER, tag="2",
                changes=['CMD ["/bin/sleep", "600"]', "EXPOSE 9099"],
            )  # fmt: skip
            yield Engine(address, client, client.images.get(f"{EXPORTER}:2").id)
            client.close()
        return
    service = DockerEngine()
    with started(folder, service):
        address = service.overlay()["endpoints"]["docker"]
        client = docker.DockerClient(base_url=address, version="auto")
        client.images.pull(EXPORTER, tag="2")
        yield Engine(address, client, client.images.get(f"{EXPORTER}:2").id)
        client.close()


@pytest.fixture
def engine(every: Engine) -> Iterator[Engine]:
    """The engine without any container."""
    yield every
    for container in every.client.containers.list(all=True):
        container.remove(force=True)


def test_an_image_is_known_by_tag_and_by_identity(engine: Engine) -> None:
    assert engine.client.images.get(engine.image).tags == [f"{EXPORTER}:2"]
    with pytest.raises(ImageNotFound, match="No such image: nobody:1"):
        engine.client.images.get("nobody:1")


def test_what_was_written_reads_back(engine: Engine) -> None:
    made = engine.client.containers.create(
        engine.image, COMMAND, name="exporter", mem_limit=64 * MIB, nano_cpus=250_000_000,
        environment={"MAILCOW_EXPORTER_HOST": "mail-admin.example.org"},
        labels={"org.example": "mail"}, ports={"9099/tcp": ("127.0.0.1", 39099)},
        restart_policy={"Name": "unless-stopped"}, cap_drop=["ALL"], read_only=True,
        extra_hosts={"mail-admin.example.org": "192.0.2.10"},
    )  # fmt: skip
    attributes = engine.client.containers.get(made.id).attrs
    host, config = attributes["HostConfig"], attributes["Config"]
    assert attributes["Name"] == "/exporter"
    assert (host["Memory"], host["MemorySwap"]) == (64 * MIB, 128 * MIB)
    assert host["NanoCpus"] == 250_000_000
    assert host["PortBindings"] == {"9099/tcp": [{"HostIp": "127.0.0.1", "HostPort": "39099"}]}
    assert host["RestartPolicy"] == {"Name": "unless-stopped", "MaximumRetryCount": 0}
    assert (host["CapDrop"], host["ReadonlyRootfs"]) == (["ALL"], True)
    assert host["ExtraHosts"] == ["mail-admin.example.org:192.0.2.10"]
    assert host["NetworkMode"] in {"default", "bridge"}
    assert host["LogConfig"]["Type"] == "json-file"
    assert "MAILCOW_EXPORTER_HOST=mail-admin.example.org" in config["Env"]
    assert config["Labels"]["org.example"] == "mail"
    assert (config["Image"], attributes["Image"]) == (engine.image, engine.image)
    assert "9099/tcp" in config["ExposedPorts"]
    assert attributes["State"]["Status"] == "created"
    assert attributes["State"]["Running"] is False


def test_a_container_lives_as_long_as_it_should(engine: Engine) -> None:
    container = engine.client.containers.run(
        engine.image, COMMAND, name="exporter", detach=True, init=True,
        ports={"9099/tcp": ("127.0.0.1", 39099)},
    )  # fmt: skip
    container.reload()
    assert container.status == "running"
    assert container.attrs["NetworkSettings"]["Ports"] == {
        "9099/tcp": [{"HostIp": "127.0.0.1", "HostPort": "39099"}]
    }
    assert set(container.attrs["NetworkSettings"]["Networks"]) == {"bridge"}
    # The words changed between the engines of Debian and of Docker; the status did not.
    with pytest.raises(APIError, match="running") as refusal:
        container.remove()
    assert refusal.value.status_code == 409
    container.stop(timeout=1)
    container.reload()
    assert container.status == "exited"
    container.start()
    container.reload()
    assert container.status == "running"
    container.remove(force=True)
    with pytest.raises(NotFound, match="No such container"):
        engine.client.containers.get("exporter")


def test_a_name_is_given_once(engine: Engine) -> None:
    first = engine.client.containers.create(engine.image, COMMAND, name="exporter")
    with pytest.raises(APIError) as refusal:
        engine.client.containers.create(engine.image, COMMAND, name="exporter")
    assert refusal.value.status_code == 409
    assert f'The container name "/exporter" is already in use by container "{first.id}"' in (
        refusal.value.explanation
    )


def test_a_port_is_given_once(engine: Engine) -> None:
    ports = {"9099/tcp": ("127.0.0.1", 39099)}
    engine.client.containers.run(engine.image, COMMAND, ports=ports, detach=True)
    second = engine.client.containers.create(engine.image, COMMAND, ports=ports)
    with pytest.raises(APIError, match="port is already allocated") as refusal:
        second.start()
    assert refusal.value.status_code == 500
    second.reload()
    assert second.status == "created"


@pytest.mark.parametrize(
    ("ask", "status", "words"),
    [
        (lambda c: c.containers.get("nobody"), 404, "No such container: nobody"),
        (lambda c: c.containers.create("nobody:1", COMMAND), 404, "No such image: nobody:1"),
        (lambda c: c.networks.get("nowhere"), 404, "nowhere"),
        (lambda c: c.volumes.get("none"), 404, "none"),
        (lambda c: c.api.start("nobody"), 404, "No such container: nobody"),
        (lambda c: c.api.remove_container("nobody"), 404, "No such container: nobody"),
        (lambda c: c.containers.create(f"{EXPORTER}:2", COMMAND, name="a b"), 400,
         "Invalid container name (a b)"),
        (lambda c: c.containers.create(f"{EXPORTER}:2", COMMAND, mem_limit=MIB), 400,
         "Minimum memory limit allowed is 6MB"),
    ],
)  # fmt: skip
def test_a_refusal_has_the_engines_status_and_words(
    engine: Engine, ask: Callable[[Any], object], status: int, words: str
) -> None:
    with pytest.raises(APIError) as refusal:
        ask(engine.client)
    assert refusal.value.status_code == status
    assert words in refusal.value.explanation


def test_a_container_is_found_by_its_label(engine: Engine) -> None:
    labels = {"com.docker.compose.project": "po-mail"}
    made = engine.client.containers.run(engine.image, COMMAND, labels=labels, detach=True)
    engine.client.containers.run(engine.image, COMMAND, detach=True)
    found = engine.client.containers.list(filters={"label": "com.docker.compose.project=po-mail"})
    assert [entry.id for entry in found] == [made.id]


def test_a_limit_changes_in_place(engine: Engine) -> None:
    made = engine.client.containers.run(
        engine.image, COMMAND, mem_limit=64 * MIB, memswap_limit=64 * MIB, detach=True
    )
    made.update(mem_limit=96 * MIB, memswap_limit=96 * MIB, restart_policy={"Name": "always"})
    made.reload()
    host = made.attrs["HostConfig"]
    assert (host["Memory"], host["MemorySwap"]) == (96 * MIB, 96 * MIB)
    assert host["RestartPolicy"]["Name"] == "always"


def test_a_network_in_use_stays(engine: Engine) -> None:
    network = engine.client.networks.create("po-mail_default")
    made = engine.client.containers.run(
        engine.image, COMMAND, network="po-mail_default", detach=True
    )
    with pytest.raises(APIError, match="active endpoints") as refusal:
        network.remove()
    assert refusal.value.status_code == 403
    made.remove(force=True)
    network.remove()


def _with_provider(engine: Engine, tell: Callable[[Deployed], Awaitable[None]]) -> None:
    async def whole() -> None:
        provider = await configured(PROVIDERS["docker"](), {"host": engine.address})
        try:
            await tell(Deployed(provider, CONTAINER))
        finally:
            await provider.cancel()

    asyncio.run(asyncio.wait_for(whole(), 60))


def exporter(engine: Engine, **more: object) -> dict[str, object]:
    """Return the declared container, as components/monitoring.py has it."""
    return {
        "name": "exporter", "image": engine.image,
        "restart": "unless-stopped", "memory": 64, "memorySwap": 64, "networkMode": "bridge",
        "readOnly": True, "envs": ["MAILCOW_EXPORTER_HOST=mail-admin.example.pt"],
        "hosts": [{"host": "mail-admin.example.pt", "ip": "192.0.2.10"}],
        "ports": [{"internal": 9099, "external": 39099, "ip": "127.0.0.1"}],
        "logOpts": {"max-size": "1m"}, **more,
    }  # fmt: skip


def test_the_declared_container_settles_at_once_and_after_a_refresh(engine: Engine) -> None:
    async def tell(one: Deployed) -> None:
        wanted = exporter(engine)
        await one.create(wanted)
        assert (await one.diff(wanted)).diffs == []
        assert await one.refresh()
        assert (await one.diff(wanted)).diffs == []
        await one.update({**wanted, "restart": "always", "memory": 96, "memorySwap": 96})
        made = engine.client.containers.get("exporter").attrs["HostConfig"]
        assert (made["Memory"], made["RestartPolicy"]["Name"]) == (96 * MIB, "always")
        await one.delete()
        assert not await one.refresh()

    _with_provider(engine, tell)


def test_a_container_that_was_removed_behind_its_back_is_seen(engine: Engine) -> None:
    async def tell(one: Deployed) -> None:
        await one.create(exporter(engine))
        engine.client.containers.get("exporter").remove(force=True)
        assert not await one.refresh()

    _with_provider(engine, tell)
