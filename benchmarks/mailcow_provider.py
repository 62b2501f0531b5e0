"""How much a thousand mailboxes cost: requests and seconds, against a fake Mailcow on loopback.

Run `python -m benchmarks.mailcow_provider [COUNT]`.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from tests.providers.mailcow.fake import FakeMailcow
from tests.providers.mailcow.stack import Declared, Stack

AT_A_TIME = 16
"""Operations that an engine runs at once."""
DOMAIN: Declared = (
    "Domain",
    {"domain": "example.org", "mailboxes": 20000, "quota": 100000000, "aliases": 20000},
)


def _mailbox(number: int, **more: Any) -> Declared:
    name = {"localPart": f"person{number}", "domain": "example.org", "name": f"Person {number}"}
    return "Mailbox", {**name, "password": f"Example-password-{number}", **more}


async def _each(count: int, work: Callable[[int], Awaitable[Any]]) -> None:
    gate = asyncio.Semaphore(AT_A_TIME)

    async def one(number: int) -> None:
        async with gate:
            await work(number)

    await asyncio.gather(*(one(number) for number in range(count)))


async def _measured(
    label: str, count: int, fake: FakeMailcow, stack: Stack, work: Callable[[int], Awaitable[Any]]
) -> None:
    await stack.configure()
    fake.reads, fake.writes = 0, []
    began = time.perf_counter()
    await _each(count, work)
    seconds = time.perf_counter() - began
    requests = fake.reads + len(fake.writes)
    print(
        f"{label:<22}{requests:>8} requests {requests / count:>7.2f} each"
        f"{seconds:>9.2f} s {1000 * seconds / count:>7.2f} ms each"
    )


async def measure(count: int) -> None:
    """Create, refresh, change, refresh and delete `count` mailboxes."""
    fake = FakeMailcow()
    stack = Stack(await fake.start())
    await stack.configure()
    await stack.up({"domain": DOMAIN})

    async def create(number: int) -> None:
        token, inputs = _mailbox(number)
        checked = await stack.check(token, f"m{number}", inputs)
        await stack._create(token, f"m{number}", checked)  # noqa: SLF001 - one step of `up`

    async def read(number: int) -> None:
        found = await stack._read(f"m{number}")  # noqa: SLF001 - one step of `refresh`
        assert found is not None

    async def change(number: int) -> None:
        token, inputs = _mailbox(number, quota=1024)
        checked = await stack.check(token, f"m{number}", inputs)
        assert (await stack.diff(f"m{number}", checked)).changes
        await stack._update(f"m{number}", checked)  # noqa: SLF001 - one step of `up`

    async def delete(number: int) -> None:
        await stack._delete(f"m{number}", stack.states[f"m{number}"])  # noqa: SLF001 - likewise

    print(f"{count} mailboxes, {AT_A_TIME} operations and 8 requests at a time")
    await _measured("create", count, fake, stack, create)
    await _measured("refresh, no change", count, fake, stack, read)
    await _measured("change the quota", count, fake, stack, change)
    await _measured("refresh, no change", count, fake, stack, read)
    await _measured("delete", count, fake, stack, delete)
    assert not fake.mailboxes
    await stack.provider.cancel()
    await fake.stop()


if __name__ == "__main__":
    asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))
