"""How much a thousand mailboxes cost, with what each request costs the genuine API.

    python -m benchmarks.mailcow_provider [COUNT] [--parallel N] [--scale S]

The stand-in runs in a process of its own and takes the time of the genuine one (S times it). Beside
each figure stands how much that is of the peer's: OpenTofu with l-with/mailcow on the genuine API,
with 1,000 mailboxes.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from pulumi_mailcow.testing import API_KEY
from tests.providers.mailcow.stack import Declared, Stack

PEER = {
    # Requests, seconds of wall clock, of the client's processor, of the server's, and how many
    # were really done, all for 1,000 mailboxes.
    "create": (1001, 149.0, 16.0, 76.0, 1000),
    "all quotas": (2978, 112.0, 34.0, 58.0, 1000),
    "delete all": (2001, 162.0, 25.0, 73.0, 761),
}
DOMAIN: Declared = (
    "Domain",
    {"domain": "example.org", "mailboxes": 20000, "quota": 100000000, "aliases": 20000},
)
Work = Callable[[int], Awaitable[Any]]


def _mailbox(number: int, **more: Any) -> Declared:
    name = {"localPart": f"person{number}", "domain": "example.org", "name": f"Person {number}"}
    return "Mailbox", {**name, "password": f"Example-password-{number}", **more}


@asynccontextmanager
async def served(scale: float) -> AsyncIterator[str]:
    """Yield the address of a stand-in in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pulumi_mailcow.testing", "serve", "--pace", str(scale),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield (await process.stdout.readline()).decode().partition("/api/")[0]
    finally:
        process.terminate()
        await process.wait()


class Measure:
    """Runs work on many mailboxes at a time and says what it cost."""

    def __init__(self, stack: Stack, count: int, parallel: int, scale: float) -> None:
        """Measure `parallel` operations at a time, against a server `scale` times as slow."""
        self.stack, self.count, self.scale = stack, count, scale
        self._gate = asyncio.Semaphore(parallel)

    async def _totals(self) -> tuple[int, float]:
        async with httpx.AsyncClient() as client:
            said = (await client.get(f"{self.stack.endpoint}/testing/count")).json()
        return said["reads"] + said["writes"], said["spent"]

    async def run(self, label: str, work: Work) -> None:
        """Do `work` for every mailbox and print what it cost for each, beside the peer."""
        await self.stack.configure()
        requests, spent = await self._totals()
        began, client = time.perf_counter(), time.process_time()

        async def bounded(number: int) -> None:
            async with self._gate:
                await work(number)

        await asyncio.gather(*(bounded(number) for number in range(self.count)))
        wall, client = time.perf_counter() - began, time.process_time() - client
        requests_now, spent_now = await self._totals()
        figures = (requests_now - requests, wall / self.scale, client, spent_now - spent)
        cells = [f"{figure / self.count:.3f}" for figure in figures]
        if label in PEER:
            *peer, done = PEER[label]
            cells = [
                f"{ours} ({figure / self.count / (theirs / done):.2f})"
                for ours, figure, theirs in zip(cells, figures, peer, strict=True)
            ]
        print(f"{label:<18}" + "".join(f"{cell:>16}" for cell in cells), flush=True)


async def measure(count: int, parallel: int, scale: float) -> None:
    """Create, read, change and delete `count` mailboxes."""
    async with served(scale) as endpoint:
        stack = Stack(endpoint, settings={"apiKey": API_KEY})
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

        print(f"{count} mailboxes, {parallel} operations at a time; for each, (of the peer's)")
        titles = ("requests", "wall s", "client s", "server s")
        print(" " * 18 + "".join(f"{title:>16}" for title in titles))
        whole = Measure(stack, count, parallel, scale)
        await whole.run("create", create)
        await whole.run("no change, read", read)
        await whole.run("all quotas", change)
        await whole.run("delete all", delete)
        assert await stack.session.client.get("mailbox/all") == {}
        await stack.provider.cancel()


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("count", type=int, nargs="?", default=1000)
    parser.add_argument("--parallel", type=int, default=16, help="operations at a time")
    parser.add_argument("--scale", type=float, default=1.0, help="what a second there takes here")
    options = parser.parse_args()
    asyncio.run(measure(options.count, options.parallel, options.scale))


if __name__ == "__main__":
    main()
