"""The Docker stand-in against the world's Docker engine."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pulumi.provider.experimental.provider import PropertyDiffKind, Provider

from pulumi_kit.failures import ProviderError
from pulumi_kit.values import UNKNOWN, plain_map
from rehearsal.standins import PROVIDERS
from rehearsal.standins.docker_engine import reference
from rehearsal.world.docker_engine import DockerEngine
from rehearsal.world.service import Surroundings
from tests.standins.conformity import Deployed, configured, secret

pytestmark = pytest.mark.anyio

CONTAINER = "docker:index/container:Container"
IMAGE = "docker:index/remoteImage:RemoteImage"
EXPORTER = "ghcr.io/mailcow/prometheus-exporter"


@pytest.fixture
async def engine(surroundings: Surroundings) -> AsyncIterator[DockerEngine]:
    engine = DockerEngine()
    surroundings.services["docker"] = engine
    await engine.start(surroundings)
    yield engine
    await engine.stop()


@pytest.fixture
async def provider(engine: DockerEngine) -> AsyncIterator[Provider]:
    host = engine.overlay()["endpoints"]["docker"]
    provider = await configured(PROVIDERS["docker"](), {"host": host})
    yield provider
    await provider.cancel()


@pytest.fixture
def image(engine: DockerEngine) -> str:
    return f"{EXPORTER}@{engine.overlay()['exporterDigest']}"


def exporter(image: str, **more: object) -> dict[str, object]:
    return {
        "name": "exporter", "image": image, "restart": "unless-stopped", "memory": 64,
        "memorySwap": 64, "networkMode": "bridge", "readOnly": True,
        "envs": ["MAILCOW_EXPORTER_HOST=mail-admin.example.pt", "MAILCOW_EXPORTER_SCHEME=https"],
        "hosts": [{"host": "mail-admin.example.pt", "ip": "192.0.2.10"}],
        "ports": [{"internal": 9099, "external": 39099, "ip": "127.0.0.1"}],
        "logOpts": {"max-size": "1m"}, **more,
    }  # fmt: skip


async def settles(one: Deployed, wanted: dict[str, object]) -> None:
    """No change right after the deployment, nor after a refresh."""
    assert (await one.diff(wanted)).diffs == []
    assert await one.refresh()
    assert (await one.diff(wanted)).diffs == []


def inspected(engine: DockerEngine, name: str) -> Any:
    return engine.store.container(name)


async def test_an_image_goes_its_circle(provider: Provider, image: str) -> None:
    wanted: dict[str, object] = {"name": image}
    one = await Deployed(provider, IMAGE).create(wanted)
    assert one.plain["repoDigest"] == image
    assert one.identity == one.plain["imageId"] + image
    await settles(one, wanted)
    other = await one.diff({"name": image.replace("exporter", "other")})
    assert other.replaces == ["name"]
    assert (await one.diff({**wanted, "keepLocally": True})).diffs == ["keepLocally"]
    await one.update({**wanted, "keepLocally": True})
    await one.delete()
    assert await one.refresh()
    await one.update(wanted)
    await one.delete()
    assert not await one.refresh()
    await one.delete()


async def test_an_image_the_registry_refuses_is_one_line(
    provider: Provider, engine: DockerEngine, image: str
) -> None:
    engine.faults["pull_refused"] = True
    with pytest.raises(ProviderError, match="exporter") as failure:
        await Deployed(provider, IMAGE).create({"name": image})
    assert "\n" not in str(failure.value)


async def test_a_container_settles_at_once_and_after_a_refresh(
    provider: Provider, engine: DockerEngine, image: str
) -> None:
    wanted = exporter(image)
    one = await Deployed(provider, CONTAINER).create(wanted)
    assert engine.store.container("exporter")["State"]["Running"]
    assert one.plain["networkDatas"][0]["networkName"] == "bridge"
    assert one.plain["mustRun"] is True
    await settles(one, wanted)


async def test_memory_without_swap_shows_a_change_for_ever(provider: Provider, image: str) -> None:
    wanted = exporter(image)
    del wanted["memorySwap"]
    one = await Deployed(provider, CONTAINER).create(wanted)
    assert one.plain["memorySwap"] == 128
    assert (await one.diff(wanted)).diffs == ["memorySwap"]


async def test_limits_and_restart_policy_change_in_place(
    provider: Provider, engine: DockerEngine, image: str
) -> None:
    one = await Deployed(provider, CONTAINER).create(exporter(image))
    wanted = exporter(image, restart="always", memory=96, memorySwap=96)
    difference = await one.diff(wanted)
    assert difference.diffs == ["memory", "memorySwap", "restart"]
    assert difference.replaces == []
    await one.update(wanted)
    host = inspected(engine, "exporter")["HostConfig"]
    assert (host["Memory"], host["RestartPolicy"]["Name"]) == (96 * 2**20, "always")
    await settles(one, wanted)


async def test_another_image_or_port_replaces_and_deletes_first_where_the_name_is_given(
    provider: Provider, image: str
) -> None:
    one = await Deployed(provider, CONTAINER).create(exporter(image))
    other = await one.diff(exporter(image, ports=[{"internal": 9099, "external": 39098}]))
    assert other.replaces == ["ports"]
    assert other.delete_before_replace
    assert other.detailed_diff["ports[0].external"].kind is PropertyDiffKind.UPDATE_REPLACE
    assert (await one.diff(exporter("mariadb:11"))).replaces == ["image"]
    assert (await one.diff(exporter(image, envs=["A=b"]))).replaces == ["envs"]


async def test_a_stopped_container_shows_and_is_started_again(
    provider: Provider, engine: DockerEngine, image: str
) -> None:
    wanted = exporter(image)
    one = await Deployed(provider, CONTAINER).create(wanted)
    engine.store.stopped(engine.store.container("exporter"), 137)
    assert await one.refresh()
    assert one.plain["exitCode"] == 137
    assert (await one.diff(wanted)).diffs == ["mustRun"]
    await one.update(wanted)
    assert inspected(engine, "exporter")["State"]["Running"]
    await settles(one, wanted)


async def test_a_container_that_ends_at_once_fails_and_is_not_left_behind(
    provider: Provider, engine: DockerEngine, image: str
) -> None:
    engine.faults["container_exits"] = {"exporter": 3}
    with pytest.raises(ProviderError, match="exited immediately with code 3"):
        await Deployed(provider, CONTAINER).create(exporter(image))
    assert not engine.store.containers


async def test_a_deleted_container_is_gone_and_deleting_it_again_is_no_error(
    provider: Provider, engine: DockerEngine, image: str
) -> None:
    one = await Deployed(provider, CONTAINER).create(exporter(image))
    await one.delete()
    assert not engine.store.containers
    assert not await one.refresh()
    await one.delete()


async def test_a_container_is_imported_by_id(provider: Provider, image: str) -> None:
    one = await Deployed(provider, CONTAINER).create(exporter(image))
    taken = await Deployed(provider, CONTAINER).adopt(one.identity)
    assert plain_map(taken.inputs)["image"] == image
    assert plain_map(taken.inputs)["memory"] == 64


async def test_secret_environment_stays_secret(provider: Provider, image: str) -> None:
    marker = "marker-of-the-exporter"
    wanted = exporter(image, envs=[secret(f"TOKEN={marker}")])
    one = await Deployed(provider, CONTAINER).create(wanted)
    assert await one.refresh()
    assert any(item.is_secret for item in one.state["envs"].value)  # type: ignore[union-attr]  # a list
    with pytest.raises(ProviderError) as failure:
        await Deployed(provider, CONTAINER).create(wanted)
    assert marker not in repr(failure.value)


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"image": None}, "image"),
        ({"colour": "red"}, "colour"),
        ({"bridge": "docker0"}, "bridge"),
        ({"gpus": "all"}, "gpus"),
        ({"ports": [{"external": 1}]}, "ports[0].internal"),
        ({"wait": True}, "wait"),
        ({"name": None}, "name"),
    ],
)
async def test_what_the_plugin_refuses_is_refused(
    image: str, wrong: dict[str, object], path: str
) -> None:
    provider = PROVIDERS["docker"]()
    assert path in await Deployed(provider, CONTAINER).failures(exporter(image) | wrong)


async def test_an_engine_behind_ssh_or_not_there_is_one_line(image: str) -> None:
    for host, words in (("ssh://root@192.0.2.1", "no stand-in"), ("tcp://127.0.0.1:1", "image")):
        provider = await configured(PROVIDERS["docker"](), {"host": host})
        with pytest.raises(ProviderError, match=words) as failure:
            await Deployed(provider, IMAGE).create({"name": image})
        assert "\n" not in str(failure.value)
        await provider.cancel()


async def test_a_proxy_of_the_environment_is_not_used(
    engine: DockerEngine, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    host = engine.overlay()["endpoints"]["docker"]
    provider = await configured(PROVIDERS["docker"](), {"host": host})
    assert (await Deployed(provider, IMAGE).create({"name": image})).identity
    await provider.cancel()


async def test_a_preview_with_an_unknown_host_connects_to_nobody() -> None:
    provider = await configured(PROVIDERS["docker"](), {"host": UNKNOWN})
    one = await Deployed(provider, IMAGE).create({"name": UNKNOWN}, preview=True)
    assert one.plain["imageId"] is UNKNOWN


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("redis", ("redis", "latest")),
        ("redis:7", ("redis", "7")),
        ("localhost:5000/a/b", ("localhost:5000/a/b", "latest")),
        ("ghcr.io/a/b:2@sha256:ab", ("ghcr.io/a/b", "sha256:ab")),
    ],
)
def test_an_image_name_is_split_as_docker_splits_it(name: str, parts: tuple[str, str]) -> None:
    assert reference(name) == parts
