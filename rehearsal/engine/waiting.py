"""Waiting for many tasks without looking at all of them each time one ends.

The SDK waits for a program's outputs with `asyncio.wait(..., FIRST_COMPLETED)` over everything
that is left, again and again: a thousand resources make millions of callbacks. Here the wait ends
once a fair part of the tasks has ended, or one of them has failed, which the SDK has to see at
once. Everything is still waited for, in far fewer rounds.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

import pulumi.runtime.stack as sdk_stack

_PART = 4


class _Patient:
    """Stands where `asyncio` is named in the SDK's `stack` module."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    @staticmethod
    async def wait(
        tasks: Iterable["asyncio.Task[Any]"], **options: Any
    ) -> tuple[set["asyncio.Task[Any]"], set["asyncio.Task[Any]"]]:
        waited = list(tasks)
        if options.get("return_when") != asyncio.FIRST_COMPLETED or len(waited) <= _PART:
            return await asyncio.wait(waited, **options)
        await _wait_for_part(waited, max(len(waited) // _PART, 1))
        done = {task for task in waited if task.done()}
        return done, set(waited) - done


async def _wait_for_part(tasks: list["asyncio.Task[Any]"], part: int) -> None:
    enough = asyncio.get_running_loop().create_future()
    left = part

    def ended(task: "asyncio.Task[Any]") -> None:
        nonlocal left
        left -= 1
        failed = task.cancelled() or task.exception() is not None
        if (left <= 0 or failed) and not enough.done():
            enough.set_result(None)

    for task in tasks:
        task.add_done_callback(ended)
    try:
        await enough
    finally:
        for task in tasks:
            task.remove_done_callback(ended)


def install() -> None:
    """Let the SDK of this process wait patiently."""
    vars(sdk_stack)["asyncio"] = _Patient()
