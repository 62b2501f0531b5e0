"""The Docker engine, as the official client finds it."""

import json
import re
import stat
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import APIError, ImageNotFound, NotFound

from rehearsal.world.docker_engine import DockerEngine
from tests.world.host_neighbourhood import Neighbourhood, started

EXPORTER = "ghcr.io/mailcow/prometheus-exporter"


@pytest.fixture
def engine() -> DockerEngine:
    return DockerEngine()


@pytest.fixture
def neighbourhood(tmp_path: Path, engine: DockerEngine) -> Iterator[Neighbourhood]:
    with started(tmp_path, engine) as neighbourhood:
        yield neighbourhood


def client_of(engine: DockerEngine) -> Any:
    return docker.DockerClient(base_url=engine.overlay()["endpoints"]["docker"], version="auto")


@pytest.fixture
def client(neighbourhood: Neighbourhood, engine: DockerEngine) -> Iterator[Any]:
    client = client_of(engine)
    yield client
    client.close()


@pytest.fixture
def exporter_image(client: Any, engine: DockerEngine) -> str:
    reference = f"{EXPORTER}@{engine.overlay()['exporterDigest']}"
    client.images.pull(reference)
    return reference


def test_the_engine_answers_for_itself(client: Any) -> None:
    assert client.ping()
    assert client.info()["NCPU"] == 4


def test_the_exporter_is_pulled_by_its_digest(client: Any, engine: DockerEngine) -> None:
    digest = engine.overlay()["exporterDigest"]
    image = client.images.pull(f"{EXPORTER}@{digest}")
    assert f"{EXPORTER}@{digest}" in image.attrs["RepoDigests"]
    assert image.id != digest


def test_another_digest_is_refused(client: Any) -> None:
    with pytest.raises((NotFound, ImageNotFound), match="manifest unknown"):
        client.images.pull(f"{EXPORTER}@sha256:{'0' * 64}")


def test_an_image_that_no_registry_has_is_refused(client: Any) -> None:
    with pytest.raises((NotFound, ImageNotFound), match="pull access denied"):
        client.images.pull("ghcr.io/somebody/else", tag="1")


def test_what_was_written_reads_back(client: Any, exporter_image: str) -> None:
    made = client.containers.create(
        exporter_image, name="exporter", mem_limit=64 * 2**20, nano_cpus=250_000_000,
        environment={"MAILCOW_EXPORTER_HOST": "mail-admin.example.org"},
        labels={"org.example": "mail"}, ports={"9099/tcp": ("127.0.0.1", 9099)},
        restart_policy={"Name": "unless-stopped"},
    )  # fmt: skip
    attributes = client.containers.get(made.id).attrs
    host = attributes["HostConfig"]
    assert host["Memory"] == 64 * 2**20
    assert host["NanoCpus"] == 250_000_000
    assert host["PortBindings"] == {"9099/tcp": [{"HostIp": "127.0.0.1", "HostPort": "9099"}]}
    assert host["RestartPolicy"] == {"Name": "unless-stopped", "MaximumRetryCount": 0}
    assert attributes["Config"]["Env"] == ["MAILCOW_EXPORTER_HOST=mail-admin.example.org"]
    assert attributes["Config"]["Labels"] == {"org.example": "mail"}
    assert attributes["State"]["Status"] == "created"


def test_log_options_are_kept_with_the_default_driver(client: Any, exporter_image: str) -> None:
    container = client.api.create_container(
        exporter_image,
        host_config=client.api.create_host_config(
            log_config={"Type": "", "Config": {"max-size": "1m"}}
        ),
    )
    logs = client.api.inspect_container(container["Id"])["HostConfig"]["LogConfig"]
    assert logs == {"Type": "json-file", "Config": {"max-size": "1m"}}


def test_swap_is_twice_the_memory_where_it_was_left_out(client: Any, exporter_image: str) -> None:
    absent = client.containers.create(exporter_image, mem_limit=64 * 2**20)
    written = client.containers.create(
        exporter_image, mem_limit=64 * 2**20, memswap_limit=64 * 2**20
    )
    assert client.containers.get(absent.id).attrs["HostConfig"]["MemorySwap"] == 128 * 2**20
    assert client.containers.get(written.id).attrs["HostConfig"]["MemorySwap"] == 64 * 2**20


def test_a_container_lives_as_long_as_it_should(client: Any, exporter_image: str) -> None:
    container = client.containers.run(exporter_image, name="exporter", detach=True)
    container.reload()
    assert container.status == "running"
    with pytest.raises(APIError, match="container is running"):
        container.remove()
    container.stop()
    assert container.wait()["StatusCode"] == 0
    container.rename("former")
    container.remove()
    assert client.containers.list(all=True) == []


def test_waiting_ends_when_the_container_does(client: Any, exporter_image: str) -> None:
    container = client.containers.run(exporter_image, detach=True)
    codes: list[int] = []
    waiting = threading.Thread(target=lambda: codes.append(container.wait()["StatusCode"]))
    waiting.start()
    container.kill()
    waiting.join(10)
    assert codes == [137]


def test_a_name_and_a_port_are_given_once(client: Any, exporter_image: str) -> None:
    ports = {"9099/tcp": ("127.0.0.1", 9099)}
    client.containers.run(exporter_image, name="exporter", ports=ports, detach=True)
    with pytest.raises(APIError, match="already in use"):
        client.containers.create(exporter_image, name="exporter")
    with pytest.raises(APIError, match="port is already allocated"):
        client.containers.run(exporter_image, ports=ports, detach=True)


def test_a_running_exporter_answers_with_metrics(
    client: Any, exporter_image: str, neighbourhood: Neighbourhood
) -> None:
    environment = {
        "MAILCOW_EXPORTER_HOST": "mail-admin.example.org",
        "MAILCOW_EXPORTER_SECURITY_TOKEN": "token-of-the-exporter",
    }
    container = client.containers.run(
        exporter_image, ports={"9099/tcp": ("127.0.0.1", 9099)}, environment=environment,
        detach=True,
    )  # fmt: skip
    address, port = neighbourhood.world.addresses.reach("127.0.0.1", 9099)
    url = f"http://{address}:{port}/metrics"
    with urllib.request.urlopen(f"{url}?token=token-of-the-exporter") as answer:
        assert re.search(rb'mailcow_exporter_success\{host="mail-admin', answer.read())
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(url)
    container.stop()
    with pytest.raises(ConnectionRefusedError):
        neighbourhood.world.addresses.reach("127.0.0.1", 9099)


def test_the_world_may_ask_what_runs(
    client: Any, exporter_image: str, engine: DockerEngine
) -> None:
    labels = {
        "com.docker.compose.project": "po-mail",
        "com.docker.compose.service": "postfix-mailcow",
    }
    container = client.containers.run(exporter_image, labels=labels, detach=True)
    assert engine.running("po-mail", "postfix-mailcow")
    assert not engine.running("po-mail", "dovecot-mailcow")
    listed = client.containers.list(filters={"label": "com.docker.compose.project=po-mail"})
    assert [one.id for one in listed] == [container.id]
    container.kill()
    assert not engine.running("po-mail", "postfix-mailcow")


def test_a_volume_is_a_folder_of_the_host(client: Any, neighbourhood: Neighbourhood) -> None:
    volume = client.volumes.create("po-mail_vmail-vol-1")
    folder = neighbourhood.world.root / volume.attrs["Mountpoint"].removeprefix("/")
    assert folder.is_dir()
    volume.remove()
    assert not folder.exists()


def test_a_network_in_use_stays(client: Any, exporter_image: str) -> None:
    network = client.networks.create("po-mail_default")
    container = client.containers.run(exporter_image, network="po-mail_default", detach=True)
    with pytest.raises(APIError, match="active endpoints"):
        network.remove()
    container.remove(force=True)
    network.remove()


def test_the_store_outlives_the_engine_and_is_kept_from_others(tmp_path: Path) -> None:
    engine = DockerEngine()
    with started(tmp_path, engine):
        client = client_of(engine)
        client.images.pull(f"{EXPORTER}:2")
        client.containers.run(f"{EXPORTER}:2", name="exporter", environment=["KEY=marker"],
                              detach=True)  # fmt: skip
        client.close()
    again = DockerEngine()
    with started(tmp_path, again):
        client = client_of(again)
        assert client.containers.get("exporter").status == "running"
        client.close()
    state = tmp_path / "docker/state.json"
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    assert "exporter" in json.dumps(json.loads(state.read_text()))


def test_the_engine_can_be_told_to_fail(
    client: Any, exporter_image: str, engine: DockerEngine
) -> None:
    engine.faults = {"pull_refused": True}
    with pytest.raises(APIError, match="503"):
        client.images.pull("mariadb", tag="10.11")
    engine.faults = {"container_exits": {"brief": 3}}
    container = client.containers.run(exporter_image, name="brief", detach=True)
    assert container.wait()["StatusCode"] == 3
    engine.faults = {"fail": True}
    with pytest.raises(APIError, match="500"):
        client.containers.create(exporter_image)


def test_no_port_stays_open(tmp_path: Path) -> None:
    engine = DockerEngine()
    with started(tmp_path, engine):
        port = engine.port
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/_ping")
