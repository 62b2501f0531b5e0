"""The Docker engine, as the official client finds it."""

import json
import re
import shutil
import socket
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
from docker.types import Mount

from rehearsal.world.docker_engine import DockerEngine
from rehearsal.world.socket_folder import leave, socket_folder
from tests.strangers import as_nobody
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
    container.remove()
    assert client.containers.list(all=True) == []


def test_waiting_ends_when_the_container_does(client: Any, exporter_image: str) -> None:
    container = client.containers.run(exporter_image, detach=True)
    codes: list[int] = []
    waiting = threading.Thread(target=lambda: codes.append(container.wait()["StatusCode"]))
    waiting.start()
    container.stop()
    waiting.join(10)
    assert codes == [0]


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
    assert [container.id for container in listed] == [container.id]
    container.stop()
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


def socket_of(engine: DockerEngine) -> Path:
    return Path(engine.overlay()["endpoints"]["docker"].removeprefix("unix://"))


def knock(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(path))


def test_no_socket_stays_behind(tmp_path: Path) -> None:
    engine = DockerEngine()
    with started(tmp_path, engine):
        knock(socket_of(engine))
    assert not socket_of(engine).exists()


@pytest.mark.parametrize("name", ["world", "a" * 120, "mit Leerraum und \xdf"])
def test_another_user_of_the_machine_does_not_reach_the_engine(tmp_path: Path, name: str) -> None:
    engine = DockerEngine()
    with started(tmp_path / name, engine):
        place = socket_of(engine)
        assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(place.stat().st_mode) == 0o600
        assert as_nobody(lambda: knock(place)) == "PermissionError"
    addresses = []
    for _ in range(2):
        again = DockerEngine()
        with started(tmp_path / name, again):
            addresses.append(socket_of(again))
    assert addresses == [place, place]
    assert not list(place.parent.glob("*.sock"))


def test_a_socket_folder_that_somebody_else_made_meanwhile_is_not_used(tmp_path: Path) -> None:
    world = tmp_path / ("a" * 120)
    world.mkdir()
    place = socket_folder(world)
    leave(place, world)
    place.symlink_to(tmp_path)
    try:
        other = socket_folder(world)
        assert other != place
        leave(other, world)
    finally:
        place.unlink()


@pytest.mark.parametrize("name", ["..", "../..", "../../precious", "a/../../b", ".hidden", "a\n"])
def test_a_volumes_name_is_no_path(
    client: Any, neighbourhood: Neighbourhood, engine: DockerEngine, name: str
) -> None:
    precious = neighbourhood.world.root / "var/lib/precious"
    precious.mkdir(parents=True)
    refused = pytest.raises(APIError, match="invalid characters for a local volume name")
    with refused:
        client.volumes.create(name)
    with refused:
        client.containers.create(pulled(client), volumes=[f"{name}:/mnt"])
    for target in ("..%2F..%2Fprecious", "..", "%2e%2e", "..%2F.."):
        assert status_of(engine, "DELETE", f"/v1.47/volumes/{target}") == 404
    assert precious.is_dir()


def test_nothing_that_a_container_names_lies_outside_the_host(
    client: Any, neighbourhood: Neighbourhood
) -> None:
    world = neighbourhood.world
    outside = world.folder / "outside"
    outside.mkdir()
    (outside / "dovecot.conf").write_text("port = 1\n")
    (world.root / "srv").mkdir()
    (world.root / "srv/link").symlink_to(outside)
    image = pulled(client)
    for source in ("/../outside", "/srv/link", "/srv/../../outside", f"{world.root}/../outside"):
        with pytest.raises(APIError, match="leads out of the rehearsed host"):
            client.containers.create(image, volumes=[f"{source}:/mnt"])
        with pytest.raises(APIError, match="leads out of the rehearsed host"):
            client.containers.create(image, mounts=[Mount("/mnt", source, type="bind")])
    # A link that is laid after the container was made, and files that are on no mount.
    (world.root / "srv/later").mkdir()
    later = client.containers.create(image, ["dovecot", "-c", "/mnt/dovecot.conf"],
                                     volumes=["/srv/later:/mnt"])  # fmt: skip
    (world.root / "srv/later").rmdir()
    (world.root / "srv/later").symlink_to(outside)
    with pytest.raises(APIError, match="leads out of the rehearsed host"):
        later.start()
    for configuration in (f"{outside}/dovecot.conf", "/mnt/../../outside/dovecot.conf"):
        own = client.containers.create(image, ["dovecot", "-c", configuration],
                                       volumes=["/srv:/mnt"])  # fmt: skip
        with pytest.raises(APIError, match=r"is on no mount|leads out of the rehearsed host"):
            own.start()
    # The folder of volumes itself may be a link by now.
    client.volumes.create("kept")
    shutil.rmtree(world.root / "var/lib/docker/volumes")
    (world.root / "var/lib/docker/volumes").symlink_to(outside)
    (outside / "kept").mkdir()
    with pytest.raises(APIError, match="leads out of the rehearsed host"):
        client.volumes.get("kept").remove()
    assert (outside / "kept").is_dir()


def pulled(client: Any) -> str:
    client.images.pull("redis", tag="7.4.6-alpine")
    return "redis:7.4.6-alpine"


def status_of(engine: DockerEngine, method: str, target: str) -> int:
    """Send a request whose target no client library has tidied up; return the status."""
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(socket_of(engine)))
        caller.sendall(f"{method} {target} HTTP/1.0\r\nHost: docker\r\n\r\n".encode())
        return int(caller.makefile("rb").readline().split()[1])
