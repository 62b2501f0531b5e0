"""What was seen to go wrong on Mailcow's own API, each with the fault that showed it."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from pulumi_mailcow.client import Client, Settings
from pulumi_mailcow.errors import MailcowError, PartlyDoneError, RefusedError, RemnantError
from pulumi_mailcow.objects import dkim
from pulumi_mailcow.testing import API_KEY, Fault, Kind, Mailcow
from pulumi_mailcow.testing.people import People
from tests.providers.mailcow.samples import BY_TOKEN, DOMAIN, KEYS, MAILBOX
from tests.providers.mailcow.stack import (
    DeclarationRefusedError,
    Stack,
    in_loop,
    kept,
    program_of,
    standing,
)

BOX = BY_TOKEN["Mailbox"]
HALF_DELETED = "anna@example.org is there by halves"
WITH_BOX = program_of((DOMAIN,), ("it", BOX, {}))
WITHOUT = program_of((DOMAIN,))


def _half(times: int = 1) -> Fault:
    """Return what a deadlock leaves of a deletion: no quota, but a person who can log in."""
    return Fault(Kind.BROKEN, "POST delete/mailbox", at="mailbox", times=times)


def _opens(mailcow: Mailcow, password: str) -> bool:
    return People(mailcow.api.store).check_password("anna@example.org", password)


@in_loop
async def test_a_mailbox_deleted_by_halves_is_deleted_again_and_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with standing((DOMAIN,)) as (mailcow, stack):
        await stack.up(WITH_BOX)
        mailcow.api.faults.set(_half())
        await stack.up(WITHOUT)
        assert not kept(mailcow, "mailbox")
        assert not _opens(mailcow, "Planted-Mailbox-1")
        assert "anna@example.org was deleted by halves" in caplog.text


@in_loop
async def test_a_mailbox_that_stays_by_halves_is_not_called_deleted() -> None:
    async with standing((DOMAIN,)) as (mailcow, stack):
        await stack.up(WITH_BOX)
        mailcow.api.faults.set(_half(times=9))
        with pytest.raises(RemnantError, match=HALF_DELETED):
            await stack.up(WITHOUT)
        assert "it" in stack.states
        assert _opens(mailcow, "Planted-Mailbox-1")
        await mailcow.api.lift()
        await stack.configure()
        await stack.up(WITHOUT)
        assert not kept(mailcow, "mailbox")


@in_loop
async def test_a_refresh_tells_of_half_a_mailbox_and_the_next_run_makes_it_whole() -> None:
    async with standing((DOMAIN,)) as (mailcow, stack):
        await stack.up(WITH_BOX)
        mailcow.api.store.delete("quota2", username="anna@example.org")
        await stack.configure()
        await stack.refresh()
        assert "by halves" in stack.states["it"].init_errors[0]
        assert (await stack.up(WITH_BOX))["it"] == "update"
        await stack.configure()
        assert await stack.refresh() == {}
        assert kept(mailcow, "quota2")


@pytest.mark.parametrize("at", ["quota2", "alias", "user_acl", "RL_VALUE"])
@pytest.mark.parametrize("status", [0, 405])
@in_loop
async def test_a_mailbox_made_by_halves_is_made_whole(at: str, status: int) -> None:
    async with standing((DOMAIN,)) as (mailcow, stack):
        mailcow.api.faults.set(Fault(Kind.BROKEN, "POST add/mailbox", at=at, status=status))
        await stack.up(WITH_BOX)
        for table in ("mailbox", "quota2", "user_acl", "alias WHERE address = goto"):
            assert len(kept(mailcow, table)) == 1, table


@in_loop
async def test_half_a_mailbox_of_somebody_else_does_not_stand_in_the_way() -> None:
    async with standing((DOMAIN,)) as (mailcow, stack):
        await stack.up(WITH_BOX)
        stack.states.pop("it")
        mailcow.api.store.delete("quota2", username="anna@example.org")
        await stack.configure()
        await stack.up(WITH_BOX)
        assert kept(mailcow, "quota2")


@in_loop
async def test_a_mailbox_whose_making_was_never_confirmed_gets_its_own_address() -> None:
    async with standing((DOMAIN,)) as (mailcow, stack):
        stack.session.client.limit(0.1)
        mailcow.api.faults.set(Fault(Kind.HANG, after=True))
        with pytest.raises(PartlyDoneError, match="not known"):
            await stack.up(WITH_BOX)
        await mailcow.api.lift()
        mailcow.api.store.delete("alias", address="anna@example.org")
        await stack.configure()
        await stack.up(WITH_BOX)
        assert len(kept(mailcow, "alias WHERE address = goto")) == 1
        assert _opens(mailcow, "Planted-Mailbox-1")


@in_loop
async def test_a_mailbox_that_holds_mail_is_never_made_anew() -> None:
    async with standing((DOMAIN,)) as (mailcow, stack):
        mailcow.api.faults.set(Fault(Kind.EMPTY, "POST add/mailbox", after=True))

        # Mail arrives before the answer is missed.
        ticking: Callable[[], datetime] = mailcow.api.store.clock

        def arriving() -> datetime:
            mailcow.api.store.run("UPDATE quota2 SET messages = 1")
            return ticking()

        mailcow.api.store.clock = arriving
        with pytest.raises(PartlyDoneError, match="seen to by the next run"):
            await stack.up(WITH_BOX)
        await stack.configure()
        assert (await stack.up(WITH_BOX))["it"] == "update"
        assert [path for path in mailcow.api.count.writes if path == "delete/mailbox"] == []


@pytest.mark.parametrize("token", ["Relayhost", "AppPassword"])
@in_loop
async def test_405_leads_to_no_second_of_what_only_a_number_tells_apart(token: str) -> None:
    sample = BY_TOKEN[token]
    for after in (False, True):
        async with standing(sample.needs) as (mailcow, stack):
            mailcow.api.faults.set(Fault(Kind.STATUS, status=405, after=after))
            await stack.up(program_of(sample.needs, ("it", sample, {})))
            assert len(kept(mailcow, sample.table)) == 1
            assert stack.states["it"].id.endswith("1")


@in_loop
async def test_php_away_for_the_whole_run_is_settled_by_the_next() -> None:
    sample = BY_TOKEN["Relayhost"]
    async with standing() as (mailcow, stack):
        mailcow.api.faults.php_away()
        with pytest.raises(MailcowError):
            await stack.up(program_of((), ("it", sample, {})))
        await mailcow.api.lift()
        await stack.configure()
        await stack.up(program_of((), ("it", sample, {})))
        assert len(kept(mailcow, "relayhosts")) == 1


@pytest.mark.parametrize("local", ["a+b", "a&b", "a%b", "a%2fb", "o'neil", "a=b", "a?b", "a#b"])
@in_loop
async def test_an_address_is_asked_for_as_nginx_and_php_decode_it(local: str) -> None:
    async with standing((DOMAIN,)) as (mailcow, stack):
        program = program_of(
            (DOMAIN,),
            ("it", BOX, {"localPart": local}),
            ("score", BY_TOKEN["SpamScore"], {"username": f"{local}@example.org"}),
            ("limit", BY_TOKEN["RateLimit"], {"object": f"{local}@example.org"}),
            ("app", BY_TOKEN["AppPassword"], {"username": f"{local}@example.org"}),
        )
        await stack.up(program)
        await stack.configure()
        assert await stack.refresh() == {}
        tags = program_of((DOMAIN,), ("it", BOX, {"localPart": local, "tags": []}))
        await stack.up(tags)
        await stack.up(WITHOUT)
        assert not kept(mailcow, "mailbox")


@in_loop
async def test_deletions_and_edits_run_four_at_a_time() -> None:
    async with standing((DOMAIN,)) as (mailcow, stack):
        for number in range(12):
            box = {**BOX.inputs, "localPart": f"m{number}"}
            await stack._create("Mailbox", f"m{number}", await stack.check("Mailbox", "it", box))
        mailcow.api.faults.set(Fault(Kind.SLOW, "*", times=None, seconds=0.3))
        await asyncio.gather(*(stack._delete(f"m{n}", stack.states[f"m{n}"]) for n in range(12)))
        assert not kept(mailcow, "mailbox")
        assert mailcow.api.count.most_writing == 4


@in_loop
async def test_a_deadlock_is_tried_again_where_that_is_safe() -> None:
    deadlock = "SQLSTATE[40001]: Serialization failure: 1213 Deadlock found"
    async with standing((DOMAIN,)) as (mailcow, stack):
        for program, route in (
            (WITH_BOX, "POST add/mailbox"),
            (program_of((DOMAIN,), ("it", BOX, {"quota": 7})), "POST edit/mailbox"),
            (WITHOUT, "POST delete/mailbox"),
        ):
            mailcow.api.faults.set(Fault(Kind.DANGER, route, words=deadlock))
            await stack.up(program)
            assert mailcow.api.faults.waiting[0].times == 0
        assert not kept(mailcow, "mailbox")


def _key(mailcow: Mailcow) -> str:
    return mailcow.api.store.hash_all("DKIM_PUB_KEYS")["example.org"]


@in_loop
async def test_an_import_that_meets_an_old_error_is_tried_again() -> None:
    sample = BY_TOKEN["DkimKey"]
    async with standing((DOMAIN,)) as (mailcow, stack):
        mailcow.api.store.key_errors = 4
        await stack.up(program_of((DOMAIN,), ("it", sample, {})))
        assert _key(mailcow) == dkim.public_key(KEYS[0])


@in_loop
async def test_another_key_takes_the_place_of_the_old_one_which_stays_until_then() -> None:
    sample = BY_TOKEN["DkimKey"]
    async with standing((DOMAIN,)) as (mailcow, stack):
        await stack.up(program_of((DOMAIN,), ("it", sample, {})))
        other = program_of((DOMAIN,), ("it", sample, {"privateKey": KEYS[1]}))
        mailcow.api.store.key_errors = 99
        with pytest.raises(MailcowError, match="Cannot open file"):
            await stack.up(other)
        assert _key(mailcow) == dkim.public_key(KEYS[0])
        mailcow.api.store.key_errors = 0
        mailcow.api.count.writes = []
        assert (await stack.up(other))["it"] == "update"
        assert _key(mailcow) == dkim.public_key(KEYS[1])
        assert mailcow.api.count.writes == ["add/dkim_import"]


@pytest.mark.parametrize("sink", ["gotoNull", "gotoSpam", "gotoHam"])
@in_loop
async def test_an_alias_that_leads_nowhere_can_be_changed(sink: str) -> None:
    inputs = {"address": "void@example.org", sink: True}
    async with standing((DOMAIN,)) as (mailcow, stack):
        await stack.up({**WITHOUT, "it": ("Alias", inputs)})
        await stack.up({**WITHOUT, "it": ("Alias", {**inputs, "active": False})})
        await stack.configure()
        assert await stack.refresh() == {}
        (alias,) = kept(mailcow, "alias")
        assert (alias["active"], alias["goto"]) == (0, f"{sink[4:].lower()}@localhost")


@in_loop
async def test_a_copy_goes_to_an_internationalised_domain() -> None:
    sample = BY_TOKEN["BccMap"]
    async with standing((DOMAIN,)) as (mailcow, stack):
        for name in ("bücher.example", "straße.example"):
            program = program_of((DOMAIN,), ("it", sample, {"bccDest": f"archive@{name}"}))
            await stack.up(program)
            await stack.configure()
            assert await stack.refresh() == {}
            assert (await stack.up(program))["it"] == "same"
        assert kept(mailcow, "bcc_maps")[0]["bcc_dest"] == "archive@xn--strae-oqa.example"


@pytest.mark.parametrize("low", [4.123456789, 0.00001, -3.5, 1e-7, 5.0])
@in_loop
async def test_a_spam_score_keeps_every_digit(low: float) -> None:
    sample = BY_TOKEN["SpamScore"]
    async with standing(sample.needs) as (_, stack):
        program = program_of(sample.needs, ("it", sample, {"lowspamlevel": low}))
        await stack.up(program)
        await stack.configure()
        assert await stack.refresh() == {}
        assert (await stack.up(program))["it"] == "same"


@in_loop
async def test_restart_sogo_is_no_difference_after_the_domain_is_there() -> None:
    sample = BY_TOKEN["Domain"]
    async with standing() as (_, stack):
        await stack.up(program_of((), ("it", sample, {"restartSogo": True})))
        program = program_of((), ("it", sample, {"restartSogo": False}))
        assert (await stack.up(program))["it"] == "same"
        await stack.configure()
        assert await stack.refresh() == {}


@in_loop
async def test_a_warning_beside_a_success_is_told(caplog: pytest.LogCaptureFixture) -> None:
    words = "Could not move maildir to garbage collector: no such container"
    async with standing((DOMAIN,)) as (mailcow, stack):
        await stack.up(WITH_BOX)
        mailcow.api.faults.set(Fault(Kind.WARNING, words=words))
        await stack.up(WITHOUT)
        assert f"delete/mailbox: done, but Mailcow warns: {words}" in caplog.text


@in_loop
async def test_a_refusal_says_what_was_asked_of_what_and_what_it_means() -> None:
    body = {"address": "a@none.example", "goto": "b@example.net", "active": 1}
    async with Mailcow() as mailcow, Client(Settings(mailcow.url, API_KEY)) as client:
        with pytest.raises(RefusedError) as refused:
            await client.write("add/alias", body)
        assert str(refused.value) == (
            "add/alias of a@none.example: Mailcow refuses: domain_not_found none.example "
            "(its domain is not one of this Mailcow)"
        )
        items = {"items": ["x.example"], "attr": {"active": 1}}
        with pytest.raises(RefusedError, match=r"edit/domain of x\.example: .*domain_invalid \("):
            await client.write("edit/domain", items)


def test_where_an_imported_key_can_be_read_is_said_where_it_is_set() -> None:
    item = dkim.DkimKey()
    assert "get/logs/api" in item.named("private_key").doc
    assert "private_key" not in item.example


LONG = "x" * 256


@pytest.mark.parametrize(
    ("token", "inputs", "reason"),
    [
        ("Mailbox", {"localPart": "a/b"}, "localPart must not hold a /"),
        ("Mailbox", {"localPart": "a b"}, "localPart .*before an @"),
        ("Mailbox", {"localPart": "x" * 65}, "localPart .*before an @"),
        ("Mailbox", {"name": LONG}, "name is longer than 255"),
        ("Mailbox", {"name": "Anna <anna@example.com>"}, "name must not begin with <"),
        ("Mailbox", {"tags": [LONG]}, "tags is longer than 255"),
        ("Mailbox", {"pwRecoveryEmail": "a@localhost"}, "pwRecoveryEmail .*no dot"),
        ("Domain", {"domain": "😀.example"}, "domain .*IDNA"),
        ("Domain", {"domain": "a_b.example"}, "domain .*is not a domain"),
        ("Domain", {"domain": f"{'x' * 64}.example"}, "domain .*is not a domain"),
        ("Domain", {"description": LONG}, "description is longer than 255"),
        ("Alias", {"address": "a/b@example.org"}, "address must not hold a /"),
        ("Alias", {"goto": ["x@localhost"]}, "goto .*no dot"),
        ("Alias", {"goto": ["x@😀.example"]}, "goto .*IDNA"),
        ("Relayhost", {"hostname": LONG}, "hostname is longer than 255"),
        ("Relayhost", {"password": ":" * 90}, "password is longer than 255"),
        ("Transport", {"nexthop": LONG}, "nexthop is longer than 255"),
        ("TlsPolicyMap", {"parameters": f"match={LONG}"}, "parameters is longer than 255"),
        ("AppPassword", {"appName": LONG}, "appName is longer than 255"),
        ("AppPassword", {"username": "a/b@example.org"}, "username must not hold a /"),
        ("Resource", {"description": LONG}, "description is longer than 255"),
        ("BccMap", {"bccDest": "archive"}, "bccDest .*is not an address"),
        ("RecipientMap", {"recipientMapNew": "a b"}, "recipientMapNew .*is not a domain"),
        ("RateLimit", {"object": "a/b@example.org"}, "object must not hold a /"),
        ("SpamScore", {"username": "a/b@example.org"}, "username must not hold a /"),
        ("DomainPolicy", {"objectFrom": "x" * 101}, "objectFrom is longer than 100"),
        ("MailboxPolicy", {"username": "a/b@example.org"}, "username must not hold a /"),
        ("DomainAdmin", {"domains": ["😀.example"]}, "domains .*IDNA"),
        ("DkimKey", {"domain": "a/b"}, "domain .*is not a domain"),
        ("MtaSts", {"mx": ["*.😀.example"]}, "mx .*IDNA"),
        ("MtaSts", {"mx": [f"{n}.{'x' * 50}.example" for n in range(5)]}, "mx are longer"),
        ("SyncJob", {"exclude": "x" * 501}, "exclude is longer than 500"),
        ("SyncJob", {"customParams": "--debug --foo bar"}, "customParams takes a value with ="),
        ("SyncJob", {"customParams": "--pipemess=x"}, "customParams has 'pipemess'"),
        ("SyncJob", {"customParams": "--maxsize=1 --nodash-es"}, "customParams has 'nodash'"),
    ],
)  # fmt: skip
def test_what_mailcow_would_cut_drop_or_never_find_is_refused_in_check(
    token: str, inputs: dict[str, Any], reason: str
) -> None:
    stack = Stack("http://127.0.0.1:9")
    declared = {**BY_TOKEN[token].inputs, **inputs}
    with pytest.raises(DeclarationRefusedError, match=reason):
        asyncio.run(stack.check(token, "it", declared))


@pytest.mark.parametrize("params", ["", "--debug", "--maxsize=1000", "--dry --Debug --sep1=/"])
@in_loop
async def test_options_that_mailcow_takes_are_let_through(params: str) -> None:
    sample = BY_TOKEN["SyncJob"]
    async with standing(sample.needs) as (_, stack):
        await stack.up(program_of(sample.needs, ("it", sample, {"customParams": params})))
        assert await stack.refresh() == {}


def test_the_needed_mailbox_is_the_one_that_others_name() -> None:
    assert MAILBOX[2]["localPart"] == "info"
