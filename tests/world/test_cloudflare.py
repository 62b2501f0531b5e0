"""The Cloudflare stand-in: its manners, asked with the official client and without."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import cloudflare as official
import pytest

from rehearsal.world import cloudflare as stand_in
from rehearsal.world.cloudflare import Cloudflare
from rehearsal.world.world import World
from tests.world.declared import declared

CONFIG = declared()


class Account:
    """Asks the API as its owner."""

    def __init__(self, world: World, session: aiohttp.ClientSession) -> None:
        self.world = world
        service = world.services["cloudflare"]
        assert isinstance(service, Cloudflare)
        self.service = service
        self.zone = service.store.open_zone("example.com").id
        self.token = world.secrets["cloudflareApiToken"]
        self._session = session

    @property
    def base(self) -> str:
        return str(self.service.overlay()["endpoints"]["cloudflareApi"])

    async def ask(
        self, method: str, path: str, body: Any = None, token: str | None = None
    ) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {token or self.token}"}
        async with self._session.request(
            method, self.base + path, json=body, headers=headers
        ) as answer:
            return answer.status, await answer.json()

    async def records(self, method: str, body: Any = None, one: str = "") -> Any:
        path = f"/zones/{self.zone}/dns_records" + (f"/{one}" if one else "")
        return await self.ask(method, path, body)

    async def add(self, **record: Any) -> Any:
        status, body = await self.records("POST", record)
        assert status == 200, body
        return body["result"]

    async def refused(self, **record: Any) -> int:
        status, body = await self.records("POST", record)
        assert status == 400
        assert body["success"] is False
        assert body["result"] is None
        code: int = body["errors"][0]["code"]
        return code


def with_account(folder: Path, scenario: Callable[[Account], Awaitable[None]]) -> None:
    async def whole() -> None:
        world = World(folder, CONFIG, stack="test", services=("dns", "cloudflare"))
        await world.start()
        try:
            async with aiohttp.ClientSession() as session:
                await scenario(Account(world, session))
        finally:
            await world.stop()

    asyncio.run(whole())


def test_a_record_is_answered_with_all_that_the_genuine_api_says(tmp_path: Path) -> None:
    async def scenario(account: Account) -> None:
        record = await account.add(type="A", name="MX.Example.com", content="192.0.2.7", ttl=300)
        assert record["name"] == "mx.example.com"
        assert record["proxied"] is False
        assert record["proxiable"] is True
        assert {"id", "meta", "settings", "tags", "comment", "created_on", "modified_on"} <= set(
            record
        )
        status, body = await account.records("GET", one=record["id"])
        assert status == 200
        assert body == {"result": record, "success": True, "errors": [], "messages": []}

    with_account(tmp_path, scenario)


def test_names_are_completed_lowered_and_lose_their_dot(tmp_path: Path) -> None:
    async def scenario(account: Account) -> None:
        apex = await account.add(type="MX", name="@", content="MX.Example.com.", priority=10)
        assert (apex["name"], apex["content"]) == ("example.com", "mx.example.com")
        short = await account.add(type="A", name="web", content="192.0.2.7")
        assert short["name"] == "web.example.com"
        assert short["ttl"] == 1

    with_account(tmp_path, scenario)


def test_long_text_is_split_and_text_in_quotes_is_kept(tmp_path: Path) -> None:
    async def scenario(account: Account) -> None:
        kept = '"v=spf1 mx -all"'
        assert (await account.add(type="TXT", name="@", content=kept))["content"] == kept
        long = (await account.add(type="TXT", name="k", content="A" * 300))["content"]
        assert long == f'"{"A" * 255}" "{"A" * 45}"'
        _, body = await account.records(
            "POST", {"type": "TXT", "name": "plain", "content": "hello"}
        )
        assert body["result"]["content"] == "hello"
        assert "quotation marks" in body["messages"][0]["message"]

    with_account(tmp_path, scenario)


def test_structured_records_take_data_and_answer_content_too(tmp_path: Path) -> None:
    async def scenario(account: Account) -> None:
        data = {"priority": 0, "weight": 1, "port": 443, "target": "mx.example.com"}
        srv = await account.add(type="SRV", name="_autodiscover._tcp", data=data)
        assert srv["data"] == data
        assert srv["priority"] == 0
        caa = {"flags": 0, "tag": "issue", "value": "letsencrypt.org"}
        assert (await account.add(type="CAA", name="@", data=caa))["data"] == caa

    with_account(tmp_path, scenario)


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ({"type": "A", "name": "mx", "content": "mx.example.com"}, 1004),
        ({"type": "AAAA", "name": "mx", "content": "192.0.2.7"}, 1004),
        ({"type": "MX", "name": "@", "content": "192.0.2.7", "priority": 1}, 1004),
        ({"type": "MX", "name": "@", "content": "mx.example.com"}, 1004),
        ({"type": "A", "name": "mx", "content": "192.0.2.7", "ttl": 30}, 1004),
        ({"type": "A", "name": "a b", "content": "192.0.2.7"}, 1004),
        ({"type": "SRV", "name": "_x._tcp", "data": {"priority": 0}}, 1004),
        ({"type": "NONSENSE", "name": "mx", "content": "x"}, 1004),
        ({"type": "TXT", "name": "t", "content": "x", "proxied": True}, 9004),
    ],
)
def test_a_wrong_record_is_refused_with_its_code(
    tmp_path: Path, record: dict[str, Any], code: int
) -> None:
    async def scenario(account: Account) -> None:
        assert await account.refused(**record) == code

    with_account(tmp_path, scenario)


def test_the_same_record_twice_and_an_alias_beside_an_address_are_refused(tmp_path: Path) -> None:
    async def scenario(account: Account) -> None:
        await account.add(type="A", name="mx", content="192.0.2.7")
        assert await account.refused(type="A", name="mx", content="192.0.2.7") == 81058
        await account.add(type="A", name="mx", content="192.0.2.8")
        assert await account.refused(type="CNAME", name="mx", content="x.example.com") == 81053
        await account.add(type="CNAME", name="c", content="mx.example.com")
        assert await account.refused(type="A", name="c", content="192.0.2.7") == 81054

    with_account(tmp_path, scenario)


def test_put_writes_anew_and_patch_changes_what_is_given(tmp_path: Path) -> None:
    async def scenario(account: Account) -> None:
        record = await account.add(
            type="A", name="mx", content="192.0.2.7", ttl=300, comment="mail host"
        )
        _, body = await account.records("PATCH", {"content": "192.0.2.8"}, record["id"])
        assert (body["result"]["content"], body["result"]["ttl"]) == ("192.0.2.8", 300)
        assert body["result"]["comment"] == "mail host"
        assert body["result"]["created_on"] == record["created_on"]
        anew = {"type": "A", "name": "mx", "content": "192.0.2.9"}
        _, body = await account.records("PUT", anew, record["id"])
        assert (body["result"]["ttl"], body["result"]["comment"]) == (1, None)

    with_account(tmp_path, scenario)


def test_what_is_gone_is_not_found(tmp_path: Path) -> None:
    async def scenario(account: Account) -> None:
        record = await account.add(type="A", name="mx", content="192.0.2.7")
        status, body = await account.records("DELETE", one=record["id"])
        assert (status, body["result"]) == (200, {"id": record["id"]})
        for method in ("GET", "DELETE"):
            status, body = await account.records(method, one=record["id"])
            assert (status, body["errors"][0]["code"]) == (404, 81044)
        status, body = await account.ask("GET", f"/zones/{'f' * 32}")
        assert (status, body["errors"][0]["code"]) == (404, 7003)

    with_account(tmp_path, scenario)


def test_a_wrong_token_is_refused_and_none_too(tmp_path: Path) -> None:
    async def scenario(account: Account) -> None:
        status, body = await account.ask("GET", "/zones", token="guess")
        assert (status, body["errors"][0]["code"]) == (403, 9109)
        async with aiohttp.request("GET", account.base + "/zones") as answer:
            assert answer.status == 400
        status, _ = await account.ask("GET", "/user/tokens/verify")
        assert status == 200

    with_account(tmp_path, scenario)


def test_the_free_plans_quota_holds(tmp_path: Path) -> None:
    async def scenario(account: Account) -> None:
        for number in range(200):
            record = {"type": "A", "name": f"n{number}", "content": "192.0.2.7"}
            account.service.store.add(account.zone, record)
        assert await account.refused(type="A", name="more", content="192.0.2.7") == 81045

    with_account(tmp_path, scenario)


def test_too_many_requests_are_throttled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stand_in, "REQUESTS", 2)

    async def scenario(account: Account) -> None:
        codes = [(await account.ask("GET", "/zones"))[0] for _ in range(3)]
        assert codes == [200, 200, 429]

    with_account(tmp_path, scenario)


def test_lists_are_filtered_and_paged(tmp_path: Path) -> None:
    async def scenario(account: Account) -> None:
        for number in range(5):
            await account.add(type="A", name=f"n{number}", content="192.0.2.7")
        await account.add(type="TXT", name="n0", content='"x"')
        base = f"/zones/{account.zone}/dns_records"
        _, body = await account.ask("GET", base + "?per_page=4&page=2")
        assert body["result_info"] == {
            "page": 2, "per_page": 4, "count": 2, "total_count": 6, "total_pages": 2,
        }  # fmt: skip
        _, body = await account.ask("GET", base + "?name=n0.example.com&type=TXT")
        assert [record["content"] for record in body["result"]] == ['"x"']
        _, body = await account.ask("GET", "/zones?name=other.com")
        assert body["result"] == []

    with_account(tmp_path, scenario)


def test_the_official_client_is_content(tmp_path: Path) -> None:
    def with_official(account: Account) -> None:
        with official.Cloudflare(api_token=account.token, base_url=account.base) as client:
            (zone,) = client.zones.list(name="example.com")
            record = client.dns.records.create(
                zone_id=zone.id, type="MX", name="example.com", ttl=300,
                content="mx.example.com", priority=10,
            )  # fmt: skip
            assert record is not None
            (listed,) = client.dns.records.list(zone_id=zone.id)
            assert listed.id == record.id
            with pytest.raises(official.BadRequestError) as refusal:
                client.dns.records.create(
                    zone_id=zone.id, type="MX", name="example.com", ttl=300,
                    content="mx.example.com", priority=10,
                )  # fmt: skip
            assert "81058" in str(refusal.value)

    async def scenario(account: Account) -> None:
        await asyncio.to_thread(with_official, account)

    with_account(tmp_path, scenario)


def test_faults_strike_before_and_after_the_deed(tmp_path: Path) -> None:
    async def scenario(account: Account) -> None:
        record = {"type": "A", "name": "mx", "content": "192.0.2.7"}
        faults = account.service.faults
        faults["drop"] = 1
        with pytest.raises(aiohttp.ClientError):
            await account.records("POST", record)
        zone = account.service.store.zone(account.zone)
        assert not zone.records
        faults["drop_after"] = {"route": "POST */dns_records", "times": 1}
        with pytest.raises(aiohttp.ClientError):
            await account.records("POST", record)
        assert len(zone.records) == 1
        faults["rate_limit"] = 1
        assert (await account.ask("GET", "/zones"))[0] == 429
        faults["error"] = {"status": 503, "times": 1}
        with pytest.raises(aiohttp.ContentTypeError):
            await account.ask("GET", "/zones")
        assert (await account.ask("GET", "/zones"))[0] == 200

    with_account(tmp_path, scenario)


def test_the_zone_survives_the_world(tmp_path: Path) -> None:
    async def writes(account: Account) -> None:
        data = {"flags": 0, "tag": "issue", "value": "x.org"}
        await account.add(type="CAA", name="@", data=data)

    async def reads(account: Account) -> None:
        _, body = await account.records("GET")
        assert [record["type"] for record in body["result"]] == ["CAA"]

    with_account(tmp_path, writes)
    with_account(tmp_path, reads)
