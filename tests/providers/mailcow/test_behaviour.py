"""What a careful administrator would expect of single objects."""

import asyncio
from typing import Any

import pytest
from pulumi.provider.experimental.provider import DiffRequest

from pulumi_mailcow.errors import (
    InUseError,
    MailcowError,
    MissingError,
    PartlyDoneError,
    UnconfirmedError,
)
from pulumi_mailcow.provider import MailcowProvider
from pulumi_mailcow.testing import Fault, Kind, Mailcow
from pulumi_mailcow.testing.people import People
from tests.providers.mailcow.samples import BY_TOKEN, DOMAIN, MAILBOX, RELAYHOST, Need
from tests.providers.mailcow.stack import (
    DeclarationRefusedError,
    Stack,
    click,
    in_loop,
    kept,
    program_of,
    standing,
    wire,
)

BOX = BY_TOKEN["Mailbox"]
ROOM: Need = ("needed-room", "Resource", {"domain": "example.org", "description": "room"})
ALIAS = BY_TOKEN["Alias"]


def _opens(mailcow: Mailcow, username: str, password: str) -> bool:
    return People(mailcow.api.store).check_password(username, password)


@in_loop
async def test_an_unrelated_change_does_not_reset_a_persons_password() -> None:
    async with standing((DOMAIN,)) as (mailcow, stack):
        await stack.up(program_of((DOMAIN,), ("it", BOX, {})))
        await click(stack, "it", ("edit/mailbox", {"items": ["{key}"], "attr": {
            "password": "Of-the-person-1", "password2": "Of-the-person-1"}}))  # fmt: skip
        await stack.up(program_of((DOMAIN,), ("it", BOX, {"quota": 7})))
        assert _opens(mailcow, "anna@example.org", "Of-the-person-1")
        await stack.up(program_of((DOMAIN,), ("it", BOX, {"quota": 7, "password": "Declared-22"})))
        assert _opens(mailcow, "anna@example.org", "Declared-22")


@in_loop
async def test_a_password_that_mailcow_did_not_note_is_written_again_by_the_next_run() -> None:
    async with standing((DOMAIN,)) as (mailcow, stack):
        await stack.up(program_of((DOMAIN,), ("it", BOX, {})))
        wanted = program_of((DOMAIN,), ("it", BOX, {"password": "Declared-22"}))
        mailcow.api.faults.set(Fault(Kind.LOST, times=2))
        with pytest.raises(PartlyDoneError, match="password"):
            await stack.up(wanted)
        assert (await stack.up(wanted))["it"] == "update"
        assert _opens(mailcow, "anna@example.org", "Declared-22")


@in_loop
async def test_a_half_done_alias_names_the_target_and_is_finished_later() -> None:
    async with standing((DOMAIN,)) as (mailcow, stack):
        goto = ["a@example.net", "room@example.org"]
        wanted = program_of((DOMAIN, ROOM), ("it", ALIAS, {"goto": goto}))
        with pytest.raises(PartlyDoneError, match=r"goto.*'a@example.net', 'room@example.org'"):
            await stack.up(wanted)
        assert stack.value("it", "goto") == ["a@example.net"]
        goto = ["a@example.net", "b@example.net"]
        right = program_of((DOMAIN, ROOM), ("it", ALIAS, {"goto": goto}))
        assert (await stack.up(right))["it"] == "update"
        (alias,) = kept(mailcow, "alias WHERE address != goto")
        assert alias["goto"] == "a@example.net,b@example.net"


@in_loop
async def test_two_relayhosts_that_look_alike_get_their_own_numbers() -> None:
    async with standing() as (mailcow, stack):
        inputs = wire({"hostname": "[same]:25", "username": "u", "password": "same-password"})
        checked = await stack.check("Relayhost", "x", inputs)
        await asyncio.gather(*(stack._create("Relayhost", f"r{n}", checked) for n in range(6)))
        numbers = [str(row["id"]) for row in kept(mailcow, "relayhosts")]
        assert sorted(stack.states[f"r{n}"].id for n in range(6)) == sorted(numbers)
        assert len(numbers) == 6


@in_loop
async def test_a_relayhost_whose_number_was_lost_is_found_again_beside_a_look_alike() -> None:
    async with standing((RELAYHOST,)) as (mailcow, stack):
        twin = {"twin": ("Relayhost", dict(RELAYHOST[2]))}
        wanted = {**program_of((RELAYHOST,)), **twin}
        mailcow.api.faults.set(Fault(Kind.LAST))
        with pytest.raises(PartlyDoneError, match="number"):
            await stack.up(wanted)
        assert stack.states["twin"].id.startswith("unresolved:")
        await mailcow.api.lift()
        with pytest.raises(MailcowError, match="no further one is created"):
            await stack._create("Relayhost", "third", wire(RELAYHOST[2]))
        await stack.configure()
        await stack.refresh()
        assert stack.states["twin"].id == "2"
        assert len(kept(mailcow, "relayhosts")) == 2


@in_loop
async def test_a_number_that_cannot_be_told_is_not_guessed() -> None:
    async with standing() as (mailcow, stack):
        wanted = program_of((RELAYHOST,))
        mailcow.api.faults.set(Fault(Kind.LAST))
        with pytest.raises(PartlyDoneError):
            await stack.up(wanted)
        await mailcow.api.lift()
        await stack.configure()
        await stack.session.send("add/relayhost", dict(RELAYHOST[2]))
        with pytest.raises(UnconfirmedError, match="1, 2 are all like"):
            await stack.up(wanted)
        assert len(kept(mailcow, "relayhosts")) == 2


@in_loop
async def test_a_relayhost_in_use_is_not_deleted() -> None:
    async with standing((DOMAIN, RELAYHOST)) as (mailcow, stack):
        await stack.up(program_of((DOMAIN, RELAYHOST), ("it", BOX, {"relayhost": "1"})))
        state = stack.states["needed-relayhost"]
        with pytest.raises(InUseError, match=r"anna@example\.org still uses it"):
            await stack._delete("needed-relayhost", state)
        assert kept(mailcow, "relayhosts")


@in_loop
async def test_a_relayhost_that_does_not_exist_is_not_bound() -> None:
    async with standing((DOMAIN,)) as (mailcow, stack):
        with pytest.raises(MissingError, match=r"relayhost 77 does not exist"):
            await stack.up(program_of((DOMAIN,), ("it", BOX, {"relayhost": "77"})))
        assert not kept(mailcow, "mailbox")


@in_loop
async def test_a_domain_gets_no_key_and_its_relayhost_although_adding_ignores_it() -> None:
    async with standing((RELAYHOST,)) as (mailcow, stack):
        program = program_of((RELAYHOST,), ("it", BY_TOKEN["Domain"], {"relayhost": "1"}))
        await stack.up(program)
        assert mailcow.api.store.hash_all("DKIM_PUB_KEYS") == {}
        (domain,) = kept(mailcow, "domain")
        assert domain["relayhost"] == "1"


@in_loop
async def test_a_key_made_anew_by_hand_is_shown_and_replaced_by_the_declared_one() -> None:
    async with standing((DOMAIN,)) as (mailcow, stack):
        program = program_of((DOMAIN,), ("it", BY_TOKEN["DkimKey"], {}))
        await stack.up(program)
        declared = mailcow.api.store.hash_all("DKIM_PRIV_KEYS")
        await click(stack, "it", ("delete/dkim", ["{key}"]))
        await click(stack, "it", ("add/dkim", {"domains": "example.org", "dkim_selector": "s1",
                                               "key_size": 1024}))  # fmt: skip
        await stack.configure()
        assert "privateKey" in (await stack.refresh())["it"]
        assert (await stack.up(program))["it"] == "update"
        assert mailcow.api.store.hash_all("DKIM_PRIV_KEYS") == declared


@in_loop
async def test_an_alias_that_begins_with_digits_is_not_taken_for_a_number() -> None:
    async with standing((DOMAIN,)) as (mailcow, stack):
        for name, address in (("first", "seven@example.org"), ("it", "1@example.org")):
            inputs = {**ALIAS.inputs, "address": address}
            checked = await stack.check("Alias", name, inputs)
            await stack._create("Alias", name, checked)
        assert stack.states["it"].id == "1@example.org"
        await stack._delete("it", stack.states["it"])
        (alias,) = kept(mailcow, "alias")
        assert alias["address"] == "seven@example.org"


@in_loop
async def test_mta_sts_that_is_not_served_is_remembered() -> None:
    async with standing((DOMAIN,)) as (mailcow, stack):
        mailcow.serves_policies = False
        sample = BY_TOKEN["MtaSts"]
        program = program_of((DOMAIN,), ("it", sample, {}))
        await stack.up(program)
        await stack.configure()
        assert await stack.refresh() == {}
        assert (await stack.up(program))["it"] == "same"
        assert (await stack.up(program_of((DOMAIN,), ("it", sample, {"mode": "enforce"}))))[
            "it"
        ] == "update"
        assert kept(mailcow, "mta_sts")[0]["mode"] == "enforce"


@pytest.mark.parametrize(
    ("settings", "differing"),
    [
        ({}, []),
        ({"apiKey": "another-key"}, ["apiKey"]),
        ({"connectTo": "203.0.113.9:443"}, ["connectTo"]),
        ({"timeout": 61}, ["timeout"]),
        ({"timeout": "60", "concurrency": 8}, []),
        # Not known yet: until it is, Mailcow is reached as before.
        ({"apiKey": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"}, []),
    ],
)
@in_loop
async def test_another_setting_reaches_the_provider_and_an_unknown_one_only_when_it_is_known(
    settings: dict[str, Any], differing: list[str]
) -> None:
    before = {"endpoint": "https://mail.example.org", "apiKey": "a-key"}
    request = DiffRequest("urn", "id", wire(before), wire(before | settings), [])

    answer = await MailcowProvider().diff_config(request)

    assert (answer.changes, list(answer.diffs), list(answer.replaces)) == (
        bool(differing), differing, [],
    )  # fmt: skip


@in_loop
async def test_a_preview_with_an_unknown_configuration_does_not_connect() -> None:
    unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
    stack = Stack("http://127.0.0.1:9")
    await stack.configure(endpoint=unknown)
    assert stack.provider.session is None
    foreseen = await stack.preview("Mailbox", {**BOX.inputs, "relayhost": unknown})
    assert foreseen["username"].value == "anna@example.org"
    assert foreseen["relayhost"].value == unknown
    with pytest.raises(MailcowError, match="endpoint is not known yet"):
        await stack.up({"it": ("Mailbox", BOX.inputs)})


@pytest.mark.parametrize(
    ("token", "inputs", "reason"),
    [
        ("Mailbox", {"domain": "example.org"}, "localPart is required"),
        ("Mailbox", {**BOX.inputs, "quota": "3"}, "quota must be a whole number"),
        ("Mailbox", {**BOX.inputs, "qouta": 3}, "qouta is not a property"),
        ("Mailbox", {**BOX.inputs, "active": 3}, "active must be one of 0, 1, 2"),
        ("Mailbox", {**BOX.inputs, "name": ""}, "name cannot be cleared"),
        ("Mailbox", {**BOX.inputs, "tags": ["a", "A"]}, "tags a tag is named twice"),
        ("Domain", {"domain": "x.org", "aliases": 0}, "aliases must not be less than 1"),
        ("Domain", {"domain": "x.org", "defquota": 9, "maxquota": 8}, "defquota must not be"),
        ("Domain", {"domain": "x.org", "relayAllRecipients": True}, "needs `backupmx`"),
        ("Alias", {"address": "a@x.org"}, "goto declare targets, or exactly one"),
        ("Alias", {"address": "a@x.org", "goto": ["a@x.org"]}, "lead to itself"),
        ("Alias", {"address": "a@x.org", "goto": ["null@localhost"]}, "say `goto_null`"),
        ("Alias", {"address": "a@x.org b@x.org", "goto": ["c@x.org"]}, "can stand before an @"),
        ("Relayhost", {"hostname": "h", "password": " p"}, "password must not begin"),
        ("Transport", {"destination": "*", "nexthop": "h", "password": "p"}, "needs a username"),
        ("DkimKey", {"domain": "x.org", "privateKey": "nonsense"}, "is not an RSA private key"),
        ("SpamScore", {"username": "a@x.org", "lowspamlevel": 5, "highspamlevel": 5}, "lower"),
        ("DomainAdmin", {"username": "a b", "domains": ["x.org"]}, "username must be letters"),
        ("AppPassword", {"username": "a@x.org", "appName": "a & b"}, "appName must not hold"),
        ("MtaSts", {"domain": "x.org", "mx": []}, "mx must name at least one"),
    ],
)  # fmt: skip
def test_a_mistake_is_refused_before_mailcow_is_asked(
    token: str, inputs: dict[str, object], reason: str
) -> None:
    stack = Stack("http://127.0.0.1:9")
    with pytest.raises(DeclarationRefusedError, match=reason):
        asyncio.run(stack.check(token, "it", inputs))


def test_a_secret_of_the_wrong_kind_is_not_repeated() -> None:
    stack = Stack("http://127.0.0.1:9")
    with pytest.raises(DeclarationRefusedError) as refused:
        asyncio.run(stack.check("Mailbox", "it", {**BOX.inputs, "password": 12345678}))
    assert "12345678" not in str(refused.value)


def test_needed_samples_are_those_of_the_package() -> None:
    assert MAILBOX[1] == "Mailbox"
