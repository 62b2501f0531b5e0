"""The Mailcow stand-in: the manners that a client must be ready for."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, ClassVar

import aiohttp
import bcrypt
import pytest

from pulumi_mailcow.testing import access
from rehearsal.world.mailcow_api import MailcowApi
from rehearsal.world.service import Service, Surroundings
from rehearsal.world.world import World
from tests.world.declared import declared

KEY = "0123456789-abcdef"
MIB = 1048576
CONFIG = declared(mailcow={"services": {"nginx-mailcow": "web", "mysql-mailcow": "database"}})


class Containers(Service):
    """Says which containers run, in place of the Docker engine."""

    name: ClassVar[str] = "docker"
    stands_for: ClassVar[str] = "Docker"

    def __init__(self) -> None:
        super().__init__()
        self.stopped: set[str] = set()

    async def start(self, world: Surroundings) -> None:
        world.services["docker"] = self

    async def stop(self) -> None:
        pass

    def running(self, project: str, service: str) -> bool:
        return project == "po-mail" and service not in self.stopped


class Client:
    """Asks the API directly, past Traefik."""

    def __init__(self, world: World, session: aiohttp.ClientSession) -> None:
        self.world = world
        service = world.services["mailcow"]
        assert isinstance(service, MailcowApi)
        self.service = service
        containers = world.services["docker"]
        assert isinstance(containers, Containers)
        self.containers = containers
        self._session = session

    async def raw(
        self, method: str, path: str, body: Any = None, key: str | None = KEY
    ) -> tuple[int, str]:
        url = f"https://127.0.0.1:{self.service.port}/api/v1/{path}"
        headers = {"X-API-Key": key} if key else {}
        async with self._session.request(
            method, url, json=body, headers=headers, ssl=False
        ) as answer:
            return answer.status, await answer.text()

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        url = f"https://127.0.0.1:{self.service.port}/api/v1/{path}"
        async with self._session.request(
            method, url, json=body, headers={"X-API-Key": KEY}, ssl=False
        ) as answer:
            assert answer.status == 200
            return await answer.json()

    async def get(self, path: str) -> Any:
        return await self.ask("GET", f"get/{path}")

    async def add(self, category: str, **attributes: Any) -> Any:
        return await self.ask("POST", f"add/{category}", attributes)

    async def edit(self, category: str, item: Any, **attributes: Any) -> Any:
        body = {"items": [item], "attr": attributes}
        return await self.ask("POST", f"edit/{category}", body)

    async def delete(self, category: str, *items: Any) -> Any:
        return await self.ask("POST", f"delete/{category}", list(items))

    async def with_mailbox(self, local: str = "info", **attributes: Any) -> Any:
        await self.add("domain", domain="example.com", key_size=0)
        return await self.mailbox(local, **attributes)

    async def mailbox(self, local: str, **attributes: Any) -> Any:
        password = {"password": "Secret-word-1", "password2": "Secret-word-1"}
        return await self.add(
            "mailbox", local_part=local, domain="example.com", **{**password, **attributes}
        )


def configure(folder: Path, **settings: str) -> None:
    file = folder / "root/opt/po-mail/mailcow/mailcow.conf"
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = {"API_KEY": KEY, "API_ALLOW_FROM": "127.0.0.1", **settings}
    file.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))


def with_client(folder: Path, scenario: Callable[[Client], Awaitable[None]]) -> None:
    async def whole() -> None:
        world = World(folder, CONFIG, stack="test", services=("dns", "mailcow"))
        world._waiting.insert(0, Containers())
        await world.start()
        try:
            jar = aiohttp.DummyCookieJar()
            async with aiohttp.ClientSession(cookie_jar=jar) as session:
                await scenario(Client(world, session))
        finally:
            await world.stop()

    if not (folder / "root").exists():
        configure(folder, MAILCOW_HOSTNAME="mx.example.com")
    asyncio.run(whole())


def types(answer: Any) -> list[str]:
    return [item["type"] for item in answer]


def code(answer: Any) -> Any:
    message = answer[-1]["msg"]
    return message if isinstance(message, str) else message[0]


def test_a_password_changes_only_when_given_twice_and_hashes_are_taken(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        name = "info@example.com"
        check = client.service.check_password
        await client.with_mailbox()
        assert check(name, "Secret-word-1")
        assert not check(name, "secret-word-1")
        assert code(await client.edit("mailbox", name, password="Other-word-2")) == (
            "password_complexity"
        )
        assert check(name, "Secret-word-1")
        hashed = "{BLF-CRYPT}" + bcrypt.hashpw(b"Third-word-3", bcrypt.gensalt(4)).decode()
        await client.edit("mailbox", name, password=hashed, password2=hashed)
        assert check(name, "Third-word-3")
        assert not check(name, hashed)
        await client.edit("mailbox", name, active=2)
        assert not check(name, "Third-word-3")

    with_client(tmp_path, scenario)


def test_an_app_password_opens_its_mailbox(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        name = "info@example.com"
        await client.with_mailbox()
        both = {"app_passwd": "App-word-1", "app_passwd2": "App-word-1"}
        await client.add(
            "app-passwd", username=name, app_name="Phone", active=1,
            protocols=["imap_access"], **both,
        )  # fmt: skip
        (shown,) = await client.get(f"app-passwd/all/{name}")
        assert (shown["name"], shown["imap_access"], shown["smtp_access"]) == ("Phone", 1, 0)
        assert client.service.check_password(name, "App-word-1")
        # An edit that forgets whose password it is means the API's own: the table refuses.
        body = {"items": [shown["id"]], "attr": {"active": 0}}
        assert await client.raw("POST", "edit/app-passwd", body) == (200, "")

    with_client(tmp_path, scenario)


def test_no_password_lies_on_disk_in_clear(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        await client.with_mailbox(password="Planted-marker-7", password2="Planted-marker-7")

    with_client(tmp_path, scenario)
    kept = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert any(file.suffix == ".sqlite" for file in kept)
    assert not [file for file in kept if b"Planted-marker-7" in file.read_bytes()]


def test_people_outlive_the_world(tmp_path: Path) -> None:
    async def first(client: Client) -> None:
        await client.with_mailbox()

    async def second(client: Client) -> None:
        assert client.service.check_password("info@example.com", "Secret-word-1")

    with_client(tmp_path, first)
    with_client(tmp_path, second)


def test_deleting_a_mailbox_takes_it_out_of_every_alias(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        await client.with_mailbox()
        await client.mailbox("ana")
        both = "info@example.com,ana@example.com"
        await client.add("alias", address="both@example.com", goto=both, active=1)
        await client.add("alias", address="one@example.com", goto="info@example.com", active=1)
        assert types(await client.delete("mailbox", "info@example.com")) == ["success"]
        assert (await client.get("alias/both@example.com"))["goto"] == "ana@example.com"
        assert await client.get("alias/one@example.com") == {}
        assert types(await client.delete("mailbox", "info@example.com")) == ["danger"]

    with_client(tmp_path, scenario)


def test_mail_finds_its_recipients(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        await client.with_mailbox()
        await client.mailbox("ana")
        await client.add("alias-domain", alias_domain="alias.com", target_domain="example.com",
                         active=1)  # fmt: skip
        add = client.add
        await add("alias", address="all@example.com", active=1,
                  goto="hello@example.com,friend@elsewhere.org")  # fmt: skip
        await add("alias", address="hello@example.com", goto="info@example.com", active=1)
        find = client.service.resolve_recipients
        assert find("INFO@example.com") == ["info@example.com"]
        assert find("info+tag@example.com") == ["info@example.com"]
        assert find("info@alias.com") == ["info@example.com"]
        assert find("all@example.com") == ["info@example.com", "friend@elsewhere.org"]
        assert find("nobody@example.com") == []
        await add("alias", address="@example.com", goto="ana@example.com", active=1)
        assert find("nobody@example.com") == ["ana@example.com"]
        assert find("info@example.com") == ["info@example.com"]
        await client.edit("mailbox", "info@example.com", active=0)
        assert find("hello@example.com") == ["ana@example.com"]
        assert sorted(client.service.domains()) == ["alias.com", "example.com"]

    with_client(tmp_path, scenario)


def test_aliases_that_lead_to_each_other_lead_nowhere(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        await client.add("domain", domain="example.com", key_size=0)
        await client.add("alias", address="a@example.com", goto="b@example.com", active=1)
        await client.add("alias", address="b@example.com", goto="a@example.com", active=1)
        assert client.service.resolve_recipients("a@example.com") == []

    with_client(tmp_path, scenario)


def test_a_relayhost_has_no_id_in_the_answer_and_echoes_its_password(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        login = {"username": "resend", "password": "re_marker"}
        for _ in range(2):
            answer = await client.add("relayhost", hostname="[smtp.resend.com]:587", **login)
            assert answer[0]["msg"] == ["relayhost_added", ""]
            assert "re_marker" in str(answer[0]["log"])
        first, second = await client.get("relayhost/all")
        assert first["id"] != second["id"]
        assert first["password"] == "re_marker"
        await client.with_mailbox()
        await client.edit("domain", "example.com", relayhost=first["id"])
        await client.edit("mailbox", "info@example.com", relayhost=second["id"])
        shown = await client.get(f"relayhost/{second['id']}")
        assert shown["used_by_mailboxes"] == "info@example.com"
        relay = client.service.relayhost_of("info@example.com")
        assert relay is not None
        assert relay.password == "re_marker"
        assert "re_marker" not in repr(relay)
        for key in (first["id"], second["id"], 99):
            assert types(await client.delete("relayhost", key)) == ["success"]
        assert (await client.get("domain/example.com"))["relayhost"] == "0"
        mailbox = await client.get("mailbox/info@example.com")
        assert mailbox["attributes"]["relayhost"] == str(second["id"])

    with_client(tmp_path, scenario)


def test_an_mta_sts_policy_is_served_and_not_read_back(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        await client.add("domain", domain="example.com", key_size=0)
        policy = {"mode": "testing", "mx": "mx.example.com", "max_age": 604800, "active": 1}
        answer = await client.add("mta-sts", domain="example.com", version="STSv1", **policy)
        assert answer == {"type": "success", "msg": "Task completed"}
        assert (await client.raw("GET", "get/mta-sts/example.com"))[0] == 404
        refused = await client.edit("mta-sts", "example.com", mode="enforce")
        assert code(refused) == "version_invalid"
        await client.edit("mta-sts", "example.com", mode="enforce", version="stsv1")
        url = f"https://127.0.0.1:{client.service.port}/.well-known/mta-sts.txt"
        async with client._session.get(
            url, headers={"Host": "mta-sts.example.com"}, ssl=False
        ) as answer:
            assert "mode: enforce" in await answer.text()

    with_client(tmp_path, scenario)


def test_keys_are_checked_and_no_key_says_nothing(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        status, body = await client.raw("GET", "get/domain/all", key="wrong")
        assert (status, "authentication failed" in body) == (401, True)
        assert await client.raw("GET", "get/domain/all", key=None) == (200, "")
        status, body = await client.raw("POST", "add/domain", {"domain": "a.com"}, key=None)
        assert (status, "access_denied" in body) == (200, True)
        status, body = await client.raw("POST", "delete/domain", ["a.com"], key=None)
        assert (status, "access denied" in body) == (403, True)

    with_client(tmp_path, scenario)


def test_a_read_only_key_reads_and_another_address_does_not(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        status, body = await client.raw("GET", "get/domain/all", key="read-only-key")
        assert (status, body) == (200, "{}")
        status, body = await client.raw("POST", "add/domain", {}, key="read-only-key")
        assert (status, "API read/write access denied" in body) == (403, True)
        configure(tmp_path, API_ALLOW_FROM="192.0.2.99")
        client.service._applied = None
        status, body = await client.raw("GET", "get/domain/all")
        assert (status, "api access denied for ip 127.0.0.1" in body) == (401, True)

    configure(tmp_path, API_KEY_READ_ONLY="read-only-key")
    with_client(tmp_path, scenario)


def test_a_key_without_a_valid_address_is_never_applied_and_a_removed_one_stays(
    tmp_path: Path,
) -> None:
    async def scenario(client: Client) -> None:
        status, body = await client.raw("GET", "get/domain/all")
        assert (status, "authentication failed" in body) == (401, True)
        configure(tmp_path)
        client.service._applied = None
        assert (await client.raw("GET", "get/domain/all"))[0] == 200
        configure(tmp_path, API_KEY="")
        client.service._applied = None
        assert (await client.raw("GET", "get/domain/all"))[0] == 200

    configure(tmp_path, API_ALLOW_FROM="everyone")
    with_client(tmp_path, scenario)


def test_ten_wrong_keys_ban_the_address(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        for _ in range(access.ATTEMPTS):
            assert (await client.raw("GET", "get/domain/all", key="wrong"))[0] == 401
        with pytest.raises(aiohttp.ClientError):
            await client.raw("GET", "get/domain/all")
        client.service.api.gate.banned.clear()
        assert (await client.raw("GET", "get/domain/all"))[0] == 200

    with_client(tmp_path, scenario)


def test_a_cookie_keeps_its_bearer_signed_in_and_replays_what_was_not_said(
    tmp_path: Path,
) -> None:
    async def scenario(client: Client) -> None:
        jar = aiohttp.CookieJar(unsafe=True)
        base = f"https://127.0.0.1:{client.service.port}/api/v1/"
        await client.add("domain", domain="a.com", key_size=0)
        await client.add("domain", domain="b.com", key_size=0, tags=["old"])
        async with aiohttp.ClientSession(cookie_jar=jar) as session:

            async def ask(path: str, body: Any, **headers: str) -> str:
                url = base + path
                async with session.post(url, json=body, headers=headers, ssl=False) as answer:
                    return await answer.text()

            body = {"items": ["a.com", "b.com"], "attr": {"tags": ["old"]}}
            assert await ask("edit/domain", body, **{"X-API-Key": KEY}) == ""
            later = await ask("delete/domain", ["b.com"])
            assert later.index("domain_modified") < later.index("domain_removed")

    with_client(tmp_path, scenario)


def test_it_answers_only_while_the_containers_behind_it_run(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        stopped = client.containers.stopped
        for service, status in (("php-fpm-mailcow", 502), ("mysql-mailcow", 500),
                                ("redis-mailcow", 500), ("dockerapi-mailcow", 500)):  # fmt: skip
            stopped.add(service)
            got, body = await client.raw("GET", "get/domain/all")
            assert (got, body.startswith("<html>")) == (status, True), service
            stopped.clear()
        stopped.add("nginx-mailcow")
        with pytest.raises(aiohttp.ClientError):
            await client.raw("GET", "get/domain/all")

    with_client(tmp_path, scenario)


def test_plain_http_is_sent_to_https(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        host, port = client.world.surroundings.addresses.reach("172.20.0.1", 9080)
        url = f"http://{host}:{port}/"
        async with client._session.get(url, allow_redirects=False) as answer:
            assert answer.status == 301
            assert answer.headers["Location"].startswith("https://")

    with_client(tmp_path, scenario)


@pytest.mark.parametrize(
    ("fault", "details", "domains"),
    [
        ("danger", {}, []),
        ("error", {}, []),
        ("drop", {}, []),
        ("empty", {}, ["example.com"]),
        ("error_after", {}, ["example.com"]),
        ("drop_after", {}, ["example.com"]),
        ("slow_after", {"seconds": 0.01}, ["example.com"]),
    ],
)
def test_a_fault_strikes_before_or_after_the_deed(
    tmp_path: Path, fault: str, details: dict[str, Any], domains: list[str]
) -> None:
    async def scenario(client: Client) -> None:
        route = "POST /api/v1/add/domain"
        client.service.faults[fault] = {"route": route, "times": 1, **details}
        body = {"domain": "example.com", "key_size": 0}
        if fault.startswith("drop"):
            with pytest.raises(aiohttp.ClientError):
                await client.raw("POST", "add/domain", body)
        else:
            await client.raw("POST", "add/domain", body)
        assert client.service.domains() == domains
        assert not client.service.faults

    with_client(tmp_path, scenario)
