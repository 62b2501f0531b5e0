"""The same circles against the rehearsal's Mailcow, written by others from the same facts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pulumi_mailcow.objects import mailbox
from pulumi_mailcow.testing import API_KEY
from rehearsal.world.mailcow_api import MailcowApi
from rehearsal.world.world import World
from tests.providers.mailcow.samples import SAMPLES, Need, Sample
from tests.providers.mailcow.stack import Stack, click, in_loop, program_of
from tests.world.declared import declared

CONFIG = declared(mailcow={"services": {"nginx-mailcow": "web"}})
EVERY = pytest.mark.parametrize("sample", SAMPLES, ids=str)


async def _started(folder: Path) -> tuple[World, Path]:
    """Start a world; again where another process took a port between its choice and its use."""
    for attempt in range(3):
        place = folder / str(attempt)
        settings = place / "root/opt/po-mail/mailcow/mailcow.conf"
        settings.parent.mkdir(parents=True)
        settings.write_text(f"API_KEY={API_KEY}\nAPI_ALLOW_FROM=127.0.0.1\n")
        world = World(place, CONFIG, stack="test", services=("dns", "mailcow"))
        try:
            await world.start()
        except OSError:
            await world.stop()
            continue
        return world, place
    pytest.fail("no world could be started")


@asynccontextmanager
async def world_standing(folder: Path, needs: tuple[Need, ...]) -> AsyncIterator[Stack]:
    """Yield a stack on a Mailcow of a world of its own, with what is needed deployed."""
    world, folder = await _started(folder)
    try:
        service = world.services["mailcow"]
        assert isinstance(service, MailcowApi)
        stack = Stack("https://mail.example.org")
        await stack.configure(
            connectTo=f"127.0.0.1:{service.port}",
            caBundle=(folder / "mailcow/snake-oil.pem").read_text(),
        )
        await stack.up(program_of(needs))
        yield stack
        await stack.provider.cancel()
    finally:
        await world.stop()


@pytest.fixture(autouse=True)
def _real_clock(monkeypatch: pytest.MonkeyPatch, _impatient: None) -> None:
    """Its note of the last change of a password counts real seconds."""
    monkeypatch.setattr(mailbox, "CLOCK_TICK", 1.1)


@EVERY
@in_loop
async def test_the_whole_circle_against_the_rehearsed_mailcow(
    sample: Sample, tmp_path: Path
) -> None:
    async with world_standing(tmp_path, sample.needs) as stack:
        await _settles_and_changes(stack, sample)
        await _is_replaced_imported_and_deleted(stack, sample)


async def _settles_and_changes(stack: Stack, sample: Sample) -> None:
    program = program_of(sample.needs, ("it", sample, {}))
    assert (await stack.up(program))["it"] == "create"
    await stack.configure()
    assert await stack.refresh() == {}
    assert set((await stack.up(program)).values()) == {"same"}
    if sample.drift:
        await click(stack, "it", sample.drift)
        await stack.configure()
        assert sample.drifted in (await stack.refresh())["it"]
        assert (await stack.up(program))["it"] == "update"
    if sample.changed:
        changed = program_of(sample.needs, ("it", sample, sample.changed))
        assert (await stack.up(changed))["it"] == "update"
        await stack.configure()
        assert await stack.refresh() == {}
        assert (await stack.up(changed))["it"] == "same"


async def _is_replaced_imported_and_deleted(stack: Stack, sample: Sample) -> None:
    replaced = program_of(sample.needs, ("it", sample, sample.replaced))
    await stack.up(program_of(sample.needs, ("it", sample, {})))
    if sample.replaced:
        assert (await stack.up(replaced))["it"] == "replace"
    known = stack.states.pop("it")
    await stack.configure()
    await stack.take_over("it", sample.token, known.id)
    assert await stack.refresh() == {}
    await stack.up(program_of(sample.needs))
    await stack.configure()
    await stack.up(replaced)
    await stack.up({})
