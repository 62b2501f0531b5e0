"""The Mailcow stand-in: the manners that a client must be ready for."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, ClassVar

import aiohttp
import bcrypt
import pytest

from rehearsal.world.mailcow_api import MailcowApi, access
from rehearsal.world.mailcow_api.call import ROUTES
from rehearsal.world.service import Service, Surroundings
from rehearsal.world.world import World

KEY = "0123456789-abcdef"
MIB = 1048576
CONFIG: dict[str, Any] = {
    "domain": "example.com",
    "host": {"address": "192.0.2.7"},
    "mailcow": {
        "project": "po-mail",
        "release": {"tag": "2026-07a"},
        "services": {"nginx-mailcow": "web", "mysql-mailcow": "database"},
    },
}


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
    return [one["type"] for one in answer]


def code(answer: Any) -> Any:
    message = answer[-1]["msg"]
    return message if isinstance(message, str) else message[0]


def test_quotas_are_written_in_mib_and_read_in_bytes(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        await client.add(
            "domain", domain="Example.com", defquota=1024, maxquota=2048, quota=8192, key_size=0
        )
        domain = await client.get("domain/example.com")
        assert domain["domain_name"] == "example.com"
        assert domain["def_quota_for_mbox"] == 1024 * MIB
        assert domain["max_quota_for_mbox"] == 2048 * MIB
        assert domain["max_quota_for_domain"] == 8192 * MIB
        assert domain["relayhost"] == "0"
        await client.mailbox("Info", quota=512, name="Info Desk")
        mailbox = await client.get("mailbox/info@example.com")
        assert (mailbox["quota"], mailbox["local_part"]) == (512 * MIB, "info")
        assert mailbox["attributes"]["sogo_access"] == "1"
        assert "Secret-word-1" not in str(mailbox)

    with_client(tmp_path, scenario)


def test_a_domain_makes_a_key_unless_told_not_to_and_the_key_outlives_it(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        answer = await client.add("domain", domain="example.com", key_size=1024)
        assert [code([one]) for one in answer] == ["dkim_added", "domain_added"]
        key = await client.get("dkim/example.com")
        assert key["privkey"] == ""
        assert key["length"] == "1024"
        assert types(await client.delete("domain", "example.com")) == ["success"]
        assert await client.get("dkim/example.com") == key
        assert types(await client.delete("dkim", "example.com")) == ["success"]
        await client.add("domain", domain="example.com", key_size=0)
        assert await client.get("dkim/example.com") == {}

    with_client(tmp_path, scenario)


def test_what_a_domain_cannot_do_is_refused(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        assert code(await client.add("domain", domain="mx.example.com")) == (
            "domain_cannot_match_hostname"
        )
        await client.with_mailbox()
        again = await client.add("domain", domain="example.com")
        assert again[0]["msg"] == ["domain_exists", "example.com"]
        assert code(await client.delete("domain", "example.com")) == "domain_not_empty"
        assert code(await client.edit("domain", "example.com", quota=1)) == (
            "mailbox_quota_exceeds_domain_quota"
        )
        assert code(await client.edit("domain", "other.com", quota=1)) == "domain_invalid"

    with_client(tmp_path, scenario)


def test_a_domains_description_and_aliases_cannot_be_cleared(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        await client.add("domain", domain="example.com", description="Mail", key_size=0)
        await client.edit("domain", "example.com", description="", aliases=0, mailboxes=0)
        domain = await client.get("domain/example.com")
        assert domain["description"] == "Mail"
        assert domain["max_num_aliases_for_domain"] == 400
        assert domain["max_num_mboxes_for_domain"] == 0

    with_client(tmp_path, scenario)


def test_an_edit_without_items_does_nothing_and_calls_it_success(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        answer = await client.ask("POST", "edit/domain", {"attr": {"active": 0}})
        assert answer == {"type": "success", "msg": "Task completed"}

    with_client(tmp_path, scenario)


def test_repeating_a_domain_tag_answers_nothing_and_keeps_the_other_changes(
    tmp_path: Path,
) -> None:
    async def scenario(client: Client) -> None:
        await client.add("domain", domain="example.com", tags=["a"], key_size=0)
        body = {"items": ["example.com"], "attr": {"description": "New", "tags": ["a", "b"]}}
        assert await client.raw("POST", "edit/domain", body) == (200, "")
        domain = await client.get("domain/example.com")
        assert (domain["description"], domain["tags"]) == ("New", ["a"])
        assert types(await client.delete("domain/tag/example.com", "a")) == ["success"]
        assert "tags" not in await client.get("domain/example.com")

    with_client(tmp_path, scenario)


def test_repeating_a_mailbox_tag_does_no_harm(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        await client.with_mailbox(tags=["a"])
        await client.edit("mailbox", "info@example.com", tags=["a", "b"])
        mailbox = await client.get("mailbox/info@example.com")
        assert mailbox["tags"] == ["a", "b"]
        assert [one["username"] for one in await client.get("mailbox/all?tags=b")] == [
            "info@example.com"
        ]

    with_client(tmp_path, scenario)


def test_a_missing_object_is_an_empty_object_and_an_empty_quarantine_a_list(
    tmp_path: Path,
) -> None:
    async def scenario(client: Client) -> None:
        for path in ("domain/none.com", "domain/all", "mailbox/a@none.com", "mailbox/all",
                     "alias/7", "alias/all", "relayhost/7", "transport/all", "dkim/none.com",
                     "app-passwd/all/a@none.com", "resource/all", "bcc/all", "rl-domain/none.com",
                     "tls-policy-map/7", "fwdhost/all", "syncjobs/all/no_log"):  # fmt: skip
            assert await client.get(path) == {}, path
        assert await client.get("quarantine/all") == []
        assert await client.get("mailbox/none.com") == []

    with_client(tmp_path, scenario)


def test_an_edit_ignores_what_has_an_address_of_its_own(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        await client.with_mailbox()
        name = "info@example.com"
        await client.edit(
            "mailbox", name, tls_enforce_out=1, quarantine_notification="never", name=""
        )
        attributes = (await client.get(f"mailbox/{name}"))["attributes"]
        assert attributes["tls_enforce_out"] == "0"
        assert attributes["quarantine_notification"] == "hourly"
        await client.edit("tls_policy", name, tls_enforce_out=1)
        await client.edit("quarantine_notification", name, quarantine_notification="never")
        attributes = (await client.get(f"mailbox/{name}"))["attributes"]
        assert attributes["tls_enforce_out"] == "1"
        assert attributes["quarantine_notification"] == "never"

    with_client(tmp_path, scenario)


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
        assert await client.get(f"app-passwd/{shown['id']}") == {}
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


def test_an_alias_with_one_bad_target_is_still_created(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        await client.with_mailbox()
        answer = await client.add(
            "alias", address="Hello@Example.com", goto="info@example.com,nonsense", active=1
        )
        assert types(answer) == ["danger", "success"]
        key = answer[1]["msg"][2]
        alias = await client.get(f"alias/{key}")
        assert alias["address"] == "Hello@example.com"
        assert alias["goto"] == "info@example.com"
        assert (alias["sogo_visible"], alias["sender_allowed"]) == (0, 0)
        assert (await client.get("alias/hello@EXAMPLE.com"))["id"] == int(key)

    with_client(tmp_path, scenario)


def test_what_an_alias_omits_is_off_and_its_sink_is_forgotten_by_an_edit(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        await client.with_mailbox()
        await client.add("alias", address="void@example.com", goto_null=1)
        alias = await client.get("alias/void@example.com")
        assert (alias["goto"], alias["active"]) == ("null@localhost", 0)
        answer = await client.edit("alias", "void@example.com", active=1)
        assert types(answer) == ["success"]
        assert (await client.get("alias/void@example.com"))["active"] == 1

    with_client(tmp_path, scenario)


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


def test_transports_of_one_nexthop_share_their_login(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        nexthop = {"nexthop": "[smtp.resend.com]:587", "username": "resend", "active": 1}
        await client.add("transport", destination="a.com", password="old", **nexthop)
        await client.add("transport", destination="b.com", password="new", **nexthop)
        assert [one["password"] for one in await client.get("transport/all")] == ["new", "new"]
        again = await client.add("transport", destination="a.com", password="new", **nexthop)
        assert again[0]["msg"] == ["transport_dest_exists", "a.com"]
        other = {**nexthop, "username": "other"}
        refused = await client.add("transport", destination="c.com", password="x", **other)
        assert code(refused) == "invalid_nexthop_authenticated"

    with_client(tmp_path, scenario)


def test_a_policy_that_the_database_does_not_know_answers_nothing(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        destination = "[smtp.resend.com]:587"
        body = {"dest": destination, "policy": "strict", "active": 1}
        assert await client.raw("POST", "add/tls-policy-map", body) == (200, "")
        await client.add("tls-policy-map", dest=destination, policy="secure", active=1)
        again = await client.add("tls-policy-map", dest=destination, policy="may", active=1)
        assert code(again) == "tls_policy_map_entry_exists"
        (shown,) = await client.get("tls-policy-map/all")
        assert (shown["dest"], shown["policy"]) == (destination, "secure")

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


def test_the_smaller_objects_come_and_go(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        name = "info@example.com"
        await client.with_mailbox()
        await client.edit("rl-domain", "example.com", rl_value=10, rl_frame="h")
        assert await client.get("rl-domain/example.com") == {"value": "10", "frame": "h"}
        await client.add("bcc", local_dest="example.com", bcc_dest="a@b.org", type="rcpt", active=1)
        (bcc,) = await client.get("bcc/all")
        assert bcc["local_dest"] == "@example.com"
        await client.add("recipient_map", recipient_map_old=name, recipient_map_new="x@b.org")
        (rewritten,) = await client.get("recipient_map/all")
        assert rewritten["recipient_map_old"] == name
        await client.add("domain-policy", domain="example.com", object_list="wl",
                         object_from="*@b.org")  # fmt: skip
        (allowed,) = await client.get("policy_wl_domain/example.com")
        assert types(await client.delete("domain-policy", allowed["prefid"])) == ["success"]
        await client.edit("spam-score", name, spam_score="4,9")
        assert await client.get(f"spam-score/{name}") == {"score": "4,9"}
        assert await client.get("spam-score/default") == {"score": "8,15"}
        room = {"description": "Room 1", "domain": "example.com", "kind": "location", "active": 1}
        await client.add("resource", **room)
        assert (await client.get("resource/all"))[0]["name"] == "Room1@example.com"
        await client.add("fwdhost", hostname="smtp.resend.com")
        (host,) = await client.get("fwdhost/all")
        assert (host["host"], host["source"]) == ("198.51.100.25", "smtp.resend.com")
        job = {"username": name, "host1": "imap.b.org", "port1": 993, "user1": "u", "enc1": "SSL",
               "password1": "p", "mins_interval": 20, "active": 1,
               "exclude": "(?i)spam|(?i)junk"}  # fmt: skip
        await client.add("syncjob", **job)
        (shown,) = await client.get(f"syncjobs/{name}")
        assert "password1" not in shown
        (shown,) = await client.get(f"syncjobs/{name}/with_password")
        assert shown["password1"] == "p"
        both = {"password": "Secret-word-1", "password2": "Secret-word-1"}
        await client.add("domain-admin", username="Admin1", domains=["example.com"], **both)
        admin = await client.get("domain-admin/admin1")
        assert admin["selected_domains"] == ["example.com"]
        assert types(await client.delete("domain-admin", "admin1")) == ["success"]
        assert (await client.get("status/containers"))["nginx-mailcow"]["state"] == "running"

    with_client(tmp_path, scenario)


def test_a_mailbox_is_renamed_with_all_that_names_it(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        await client.with_mailbox(tags=["a"])
        await client.add("alias", address="hello@example.com", goto="info@example.com", active=1)
        answer = await client.edit(
            "rename-mbox", "info@example.com", domain="example.com", old_local_part="info",
            new_local_part="desk", create_alias=1,
        )  # fmt: skip
        assert code(answer) == "mailbox_renamed"
        assert (await client.get("mailbox/desk@example.com"))["tags"] == ["a"]
        assert client.service.resolve_recipients("info@example.com") == ["desk@example.com"]
        assert client.service.resolve_recipients("hello@example.com") == ["desk@example.com"]

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
        client.service._gate.banned.clear()
        assert (await client.raw("GET", "get/domain/all"))[0] == 200

    with_client(tmp_path, scenario)


def test_bad_json_unknown_routes_and_wrong_methods_are_told_apart(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        url = f"https://127.0.0.1:{client.service.port}/api/v1/add/domain"
        headers = {"X-API-Key": KEY, "Content-Type": "application/json"}
        async with client._session.post(url, data="{", headers=headers, ssl=False) as answer:
            assert answer.status == 400
        assert (await client.raw("POST", "add/nonsense", {}))[0] == 404
        assert (await client.raw("GET", "get/nonsense"))[0] == 404
        assert (await client.raw("POST", "nonsense", {}))[0] == 404
        assert (await client.raw("POST", "get/domain/all", {}))[0] == 405

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


def test_every_object_that_is_written_registers_its_routes() -> None:
    routes = ROUTES
    for category in ("domain", "mailbox", "alias", "relayhost", "transport", "tls-policy-map",
                     "app-passwd", "resource", "bcc", "recipient_map", "domain-admin", "fwdhost",
                     "syncjob", "alias-domain"):  # fmt: skip
        assert {action for action, name in routes if name == category} >= {
            "add", "edit", "delete",
        }, category  # fmt: skip
