"""The HTTP client: what it believes, what it never repeats, where it connects."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from pulumi_mailcow.client import Client, Settings
from pulumi_mailcow.errors import (
    DeniedError,
    MailcowError,
    RefusedError,
    UnauthorizedError,
    UncertainError,
    UnreachableError,
    UnreadableError,
)
from pulumi_mailcow.testing import API_KEY, Fault, Kind, Mailcow
from rehearsal.world.authority import CertificateAuthority
from tests.providers.mailcow.stack import in_loop

LARGEST = 1024**2
RELAYHOST = {"hostname": "[h]:25", "username": "u", "password": "Planted-Client-1"}


@in_loop
async def test_a_refusal_in_a_200_is_an_error_with_its_code() -> None:
    async with Mailcow() as mailcow, Client(Settings(mailcow.url, API_KEY)) as client:
        with pytest.raises(RefusedError, match="domain_invalid") as refused:
            await client.write("edit/domain", {"items": ["no.example.org"], "attr": {"active": 1}})
        assert refused.value.codes == ("domain_invalid",)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(Kind.EMPTY),
        Fault(Kind.STATUS),
        Fault(Kind.STATUS, status=405),
        Fault(Kind.HTML),
        Fault(Kind.DROP),
        Fault(Kind.CUT),
        Fault(Kind.HUGE, size=2 * LARGEST),
        Fault(Kind.DANGER, words="SQLSTATE[40001]: Serialization failure: 1213 Deadlock found"),
    ],
    ids=lambda fault: f"{fault.kind}{fault.status or ''}",
)
@in_loop
async def test_a_write_without_a_usable_answer_is_uncertain_and_sent_once(
    fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pulumi_mailcow.client.LARGEST_ANSWER", LARGEST)
    async with Mailcow() as mailcow, Client(Settings(mailcow.url, API_KEY)) as client:
        mailcow.api.faults.set(replace(fault, times=1))
        with pytest.raises(UncertainError, match="not known"):
            await client.write("add/relayhost", RELAYHOST)
        assert len(mailcow.api.count.writes) == 1


@in_loop
async def test_a_question_is_asked_again_and_then_given_up() -> None:
    async with Mailcow() as mailcow, Client(Settings(mailcow.url, API_KEY)) as client:
        mailcow.api.faults.set(Fault(Kind.STATUS, "GET *", times=2))
        assert await client.get("domain/all") == {}
        mailcow.api.faults.set(Fault(Kind.EMPTY, "GET *", times=9))
        with pytest.raises(UnreadableError, match="empty answer"):
            await client.get("domain/all")


@in_loop
async def test_one_401_ends_all_requests_of_the_run() -> None:
    async with Mailcow() as mailcow, Client(Settings(mailcow.url, "WRONG-KEY-0000")) as client:
        with pytest.raises(UnauthorizedError, match="API_ALLOW_FROM"):
            await client.get("domain/all")
        for _ in range(3):
            with pytest.raises(UnauthorizedError):
                await client.write("add/relayhost", RELAYHOST)
        assert mailcow.api.count.rejected == 1


@in_loop
async def test_requests_that_wait_behind_a_401_are_not_sent() -> None:
    async with (
        Mailcow() as mailcow,
        Client(Settings(mailcow.url, "WRONG-KEY-0000", concurrency=1)) as client,
    ):
        answers = await asyncio.gather(
            *(client.get("domain/all") for _ in range(20)), return_exceptions=True
        )
        assert all(isinstance(answer, UnauthorizedError) for answer in answers)
        assert mailcow.api.count.rejected == 1


@in_loop
async def test_no_cookie_is_ever_sent_back() -> None:
    async with Mailcow() as mailcow, Client(Settings(mailcow.url, API_KEY)) as client:
        for _ in range(4):
            await client.get("domain/all")
            await client.write("add/relayhost", RELAYHOST)
        assert mailcow.api.count.cookies == 0


@in_loop
async def test_an_unknown_route_says_that_the_release_may_not_have_it() -> None:
    async with Mailcow() as mailcow, Client(Settings(mailcow.url, API_KEY)) as client:
        with pytest.raises(DeniedError, match="release without"):
            await client.get("nonsense/all")
        with pytest.raises(DeniedError, match="404"):
            await client.write("add/nonsense", {})


@in_loop
async def test_nobody_listening_means_that_nothing_was_sent() -> None:
    async with Client(Settings("http://127.0.0.1:9", API_KEY)) as client:
        with pytest.raises(UnreachableError, match="no connection"):
            await client.write("add/relayhost", RELAYHOST)


@in_loop
async def test_no_more_requests_at_a_time_than_it_was_told() -> None:
    async with (
        Mailcow() as mailcow,
        Client(Settings(mailcow.url, API_KEY, concurrency=3)) as client,
    ):
        mailcow.api.faults.set(Fault(Kind.SLOW, "*", times=None, seconds=0.005))
        await asyncio.gather(*(client.get("domain/all") for _ in range(20)))
        assert mailcow.api.count.most_at_a_time == 3


@in_loop
async def test_connect_to_keeps_name_sni_and_certificate_check(tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path / "ca")
    context = authority.server_context(["mail-admin.example.org"], tmp_path)
    trusted = authority.bundle.read_text()
    asked: list[str | None] = []
    context.sni_callback = lambda _, name, __: asked.append(name)
    mailcow = Mailcow()
    await mailcow.start(context)
    place = f"127.0.0.1:{mailcow.port}"
    good = Settings("https://mail-admin.example.org", API_KEY, place, trusted, timeout=5)
    async with Client(good) as client:
        assert await client.get("domain/all") == {}
    assert asked == ["mail-admin.example.org"]
    for settings in (
        Settings("https://other.example.org", API_KEY, place, trusted),
        Settings("https://mail-admin.example.org", API_KEY, place),
    ):
        async with Client(settings) as client:
            with pytest.raises(UnreachableError, match=r"(?i)certificate"):
                await client.get("domain/all")
    await mailcow.stop()


@pytest.mark.parametrize(
    "settings",
    [
        Settings("mail.example.org", API_KEY),
        Settings("https://mail.example.org", API_KEY, connect_to="127.0.0.1"),
        Settings("https://mail.example.org", API_KEY, ca_bundle="nonsense"),
    ],
    ids=["endpoint", "connect_to", "ca_bundle"],
)
def test_a_setting_that_means_nothing_is_one_clear_line(settings: Settings) -> None:
    with pytest.raises(MailcowError):
        Client(settings)
