"""The Cloudflare stand-in against the world's Cloudflare API."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pulumi.provider.experimental.provider import PropertyDiffKind, Provider

from pulumi_kit.failures import ProviderError
from pulumi_kit.values import UNKNOWN, plain_map
from rehearsal.standins import PROVIDERS
from rehearsal.world.cloudflare import Cloudflare
from rehearsal.world.dns import Dns
from rehearsal.world.service import Surroundings
from tests.standins.conformity import Deployed, configured, invoke, secret

pytestmark = pytest.mark.anyio

TOKEN = "cloudflare:index/dnsRecord:DnsRecord"


@pytest.fixture
async def api(surroundings: Surroundings) -> AsyncIterator[Cloudflare]:
    dns, cloudflare = Dns(), Cloudflare()
    surroundings.services |= {"dns": dns, "cloudflare": cloudflare}
    await dns.start(surroundings)
    await cloudflare.start(surroundings)
    yield cloudflare
    await cloudflare.stop()
    await dns.stop()


def settings(api: Cloudflare, token: str) -> dict[str, Any]:
    return {
        "apiToken": secret(token),
        "baseUrl": api.overlay()["endpoints"]["cloudflareApi"],
    }


@pytest.fixture
async def provider(api: Cloudflare, surroundings: Surroundings) -> AsyncIterator[Provider]:
    token = surroundings.secrets["cloudflareApiToken"]
    provider = await configured(PROVIDERS["cloudflare"](), settings(api, token))
    yield provider
    await provider.cancel()


@pytest.fixture
def zone(api: Cloudflare) -> str:
    return next(iter(api.store.zones))


def record(zone: str, **more: object) -> dict[str, object]:
    return {
        "zoneId": zone, "name": "mx.example.pt", "type": "A", "ttl": 300,
        "content": "192.0.2.10", "proxied": False, **more,
    }  # fmt: skip


KINDS: list[dict[str, object]] = [
    {},
    {"name": "example.pt", "type": "MX", "content": "mx.example.pt", "priority": 10},
    {"name": "example.pt", "type": "TXT", "content": '"v=spf1 a -all" " and more"'},
    {
        "name": "_imaps._tcp.example.pt", "type": "SRV", "content": None, "priority": 0,
        "data": {"priority": 0, "weight": 1, "port": 993, "target": "mx.example.pt"},
    },
    {
        "name": "example.pt", "type": "CAA", "content": None,
        "data": {"flags": 0, "tag": "issue", "value": "letsencrypt.org"},
    },
    {
        "name": "_25._tcp.mx.example.pt", "type": "TLSA", "content": None,
        "data": {"usage": 3, "selector": 1, "matchingType": 1, "certificate": "ab" * 32},
    },
]  # fmt: skip


@pytest.mark.parametrize("more", KINDS, ids=lambda more: str(more.get("type", "A")))
async def test_a_record_of_each_type_settles_at_once_and_after_a_refresh(
    provider: Provider, zone: str, more: dict[str, object]
) -> None:
    wanted = record(zone, **more)
    one = await Deployed(provider, TOKEN).create(wanted)
    assert not (await one.diff(wanted)).changes
    assert await one.refresh()
    assert not (await one.diff(wanted)).changes


async def test_a_service_record_without_a_priority_beside_its_data_drifts_for_ever(
    provider: Provider, zone: str
) -> None:
    declared = record(zone, **next(kind for kind in KINDS if kind.get("type") == "SRV"))
    wanted = {**declared, "priority": None}
    one = await Deployed(provider, TOKEN).create(wanted)
    for _ in range(2):
        assert not (await one.diff(wanted)).changes
        assert await one.refresh()
        assert (await one.diff(wanted)).diffs == ["priority"]
        await one.update(wanted)
    mended = await one.diff(declared)
    assert (mended.diffs, mended.replaces) == (["priority"], [])
    await one.update(declared)
    assert await one.refresh()
    assert not (await one.diff(declared)).changes


async def test_the_state_holds_the_whole_answer_in_camel_case(
    provider: Provider, zone: str
) -> None:
    one = await Deployed(provider, TOKEN).create(record(zone))
    assert one.plain["id"] == one.identity
    assert {"createdOn", "modifiedOn", "proxiable", "settings", "tags", "meta"} <= one.plain.keys()
    assert isinstance(one.plain["meta"], str)


async def test_a_record_changed_behind_ones_back_shows_and_is_repaired(
    provider: Provider, api: Cloudflare, zone: str
) -> None:
    one = await Deployed(provider, TOKEN).create(record(zone))
    held = api.store.record(zone, one.identity)
    api.store.change(zone, one.identity, {"content": "192.0.2.66"})
    assert await one.refresh()
    assert plain_map(one.inputs)["content"] == "192.0.2.66"
    difference = await one.diff(record(zone))
    assert difference.diffs == ["content"]
    assert difference.detailed_diff["content"].kind is PropertyDiffKind.UPDATE
    await one.update(record(zone))
    assert held.id == one.identity
    assert api.store.record(zone, one.identity).content == "192.0.2.10"
    assert not (await one.diff(record(zone))).changes


async def test_another_type_or_zone_replaces_and_another_name_does_not(
    provider: Provider, zone: str
) -> None:
    one = await Deployed(provider, TOKEN).create(record(zone))
    assert (await one.diff(record(zone, type="AAAA", content="2001:db8::1"))).replaces == ["type"]
    assert (await one.diff(record("f" * 32))).replaces == ["zoneId"]
    renamed = await one.diff(record(zone, name="mail.example.pt"))
    assert (renamed.diffs, renamed.replaces) == (["name"], [])


async def test_a_comment_left_out_again_is_a_change_but_proxied_is_the_providers_to_decide(
    provider: Provider, zone: str
) -> None:
    one = await Deployed(provider, TOKEN).create(record(zone, comment="mail"))
    without = record(zone)
    del without["proxied"]
    assert (await one.diff(without)).diffs == ["comment"]


async def test_a_relative_name_is_the_same_name(provider: Provider, zone: str) -> None:
    one = await Deployed(provider, TOKEN).create(record(zone, name="mx"))
    assert one.plain["name"] == "mx"
    assert await one.refresh()
    assert not (await one.diff(record(zone, name="mx"))).changes
    assert not (await one.diff(record(zone))).changes


async def test_a_deleted_record_is_gone_and_deleting_it_again_is_no_error(
    provider: Provider, zone: str
) -> None:
    one = await Deployed(provider, TOKEN).create(record(zone))
    await one.delete()
    await one.delete()
    assert not await one.refresh()


async def test_a_record_is_imported_by_zone_and_record(provider: Provider, zone: str) -> None:
    one = await Deployed(provider, TOKEN).create(record(zone))
    taken = await Deployed(provider, TOKEN).adopt(f"{zone}/{one.identity}")
    assert taken.identity == one.identity
    assert plain_map(taken.inputs)["content"] == "192.0.2.10"
    assert not (await taken.diff(record(zone))).changes
    with pytest.raises(ProviderError, match="zone id"):
        await Deployed(provider, TOKEN).adopt(one.identity)


async def test_a_preview_says_what_is_not_known_and_asks_nobody(api: Cloudflare, zone: str) -> None:
    provider = await configured(PROVIDERS["cloudflare"](), {"apiToken": UNKNOWN})
    one = await Deployed(provider, TOKEN).create(record(zone, content=UNKNOWN), preview=True)
    assert one.plain["content"] is UNKNOWN
    assert one.plain["createdOn"] is UNKNOWN
    assert one.identity == ""
    assert api.requests == 0


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"colour": "red"}, "colour"),
        ({"createdOn": "2026-01-01"}, "createdOn"),
        ({"name": None}, "name"),
        ({"data": {"target": "mx"}}, "content"),
        ({"settings": {"flattenCname": True}}, "settings"),
        ({"proxied": True}, "ttl"),
        ({"ttl": 5}, "ttl"),
    ],
)
async def test_what_the_plugin_refuses_is_refused(
    provider: Provider, zone: str, wrong: dict[str, object], path: str
) -> None:
    assert path in await Deployed(provider, TOKEN).failures(record(zone, **wrong))


async def test_a_refusal_is_one_line_in_cloudflares_words(provider: Provider, zone: str) -> None:
    with pytest.raises(ProviderError) as failure:
        await Deployed(provider, TOKEN).create(record(zone, content="not an address"))
    assert "9005" in str(failure.value)
    assert "\n" not in str(failure.value)


async def test_a_wrong_token_is_told_without_the_token(api: Cloudflare, zone: str) -> None:
    marker = "marker-token-that-must-not-be-told"
    provider = await configured(PROVIDERS["cloudflare"](), settings(api, marker))
    with pytest.raises(ProviderError, match="9109") as failure:
        await Deployed(provider, TOKEN).create(record(zone))
    assert marker not in repr(failure.value)
    await provider.cancel()


async def test_nothing_of_the_environment_is_used(
    api: Cloudflare, zone: str, surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("CLOUDFLARE_API_KEY", "the-operators-own")
    monkeypatch.setenv("CLOUDFLARE_EMAIL", "operator@example.pt")
    token = surroundings.secrets["cloudflareApiToken"]
    provider = await configured(PROVIDERS["cloudflare"](), settings(api, token))
    await Deployed(provider, TOKEN).create(record(zone))
    await provider.cancel()
    astray = await configured(PROVIDERS["cloudflare"](), {"apiToken": secret(token)})
    with pytest.raises(ProviderError, match="baseUrl"):
        await Deployed(astray, TOKEN).create(record(zone))


async def test_zones_are_found_by_name(provider: Provider, zone: str) -> None:
    found = await invoke(
        provider, "cloudflare:index/getZone:getZone", {"filter": {"name": "example.pt"}}
    )
    assert (found["zoneId"], found["name"]) == (zone, "example.pt")
    assert "nameServers" in found


async def test_a_zone_that_is_not_there_is_an_error(provider: Provider) -> None:
    with pytest.raises(ProviderError, match="matches 0 zones"):
        await invoke(provider, "cloudflare:index/getZone:getZone", {"filter": {"name": "no.pt"}})
