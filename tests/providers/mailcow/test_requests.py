"""How many requests things cost."""

import asyncio

from pulumi_mailcow.testing import Fault, Kind
from tests.providers.mailcow.samples import DOMAIN
from tests.providers.mailcow.stack import Declared, in_loop, kept, program_of, standing

MANY = 120


def _mailboxes(count: int) -> dict[str, Declared]:
    program: dict[str, Declared] = program_of((DOMAIN,))
    for number in range(count):
        program[f"m{number}"] = (
            "Mailbox",
            {"localPart": f"m{number}", "domain": "example.org", "password": "Password-12345"},
        )
    return program


@in_loop
async def test_a_refresh_of_many_reads_a_list_and_not_each() -> None:
    async with standing((DOMAIN,)) as (mailcow, stack):
        await stack.up(_mailboxes(MANY))
        await stack.configure()
        mailcow.api.count.reads = 0
        assert await stack.refresh() == {}
        assert mailcow.api.count.reads < 10


@in_loop
async def test_creating_costs_one_write_and_one_look() -> None:
    async with standing((DOMAIN,)) as (mailcow, stack):
        mailcow.api.count.reads, mailcow.api.count.writes = 0, []
        await stack.up(_mailboxes(MANY))
        assert len(mailcow.api.count.writes) == MANY
        assert mailcow.api.count.reads < MANY + 10


@in_loop
async def test_a_list_is_not_believed_about_what_was_written_since() -> None:
    async with standing((DOMAIN,)) as (_, stack):
        program = _mailboxes(10)
        await stack.up(program)
        await stack.configure()
        await stack.refresh()
        changed = {
            name: (token, {**inputs, "quota": 5} if token == "Mailbox" else inputs)
            for name, (token, inputs) in program.items()
        }
        await stack.up(changed)
        assert stack.value("m7", "quota") == 5
        assert await stack.refresh() == {}


@in_loop
async def test_readers_of_one_group_wait_for_one_list() -> None:
    async with standing((DOMAIN,)) as (mailcow, stack):
        await stack.up(_mailboxes(30))
        await stack.configure()
        mailcow.api.count.reads = 0
        mailcow.api.faults.set(Fault(Kind.SLOW, "*", times=None, seconds=0.01))
        await asyncio.gather(*(stack._read(f"m{number}") for number in range(30)))
        assert mailcow.api.count.reads <= 4


@in_loop
async def test_objects_that_only_lists_show_may_be_written_at_the_same_time() -> None:
    async with standing((DOMAIN,)) as (mailcow, stack):
        mailcow.api.faults.set(Fault(Kind.SLOW, "*", times=None, seconds=0.001))
        inputs = [
            await stack.check(
                "RecipientMap",
                "it",
                {"recipientMapOld": f"o{n}@example.org", "recipientMapNew": "n@example.org"},
            )
            for n in range(20)
        ]
        await asyncio.gather(
            *(stack._create("RecipientMap", f"r{n}", one) for n, one in enumerate(inputs))
        )
        assert len(kept(mailcow, "recipient_maps")) == 20
        await asyncio.gather(*(stack._delete(f"r{n}", stack.states[f"r{n}"]) for n in range(20)))
        assert not kept(mailcow, "recipient_maps")
