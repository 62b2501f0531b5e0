"""The program's process: started, listened to, ended.

Each run has a process of its own. It is forked from one that has loaded the SDKs already, for
loading them is most of a run, and a rehearsal runs its program twice. That one is Python's own
fork server, which ends with the engine's process.
"""

import asyncio
import multiprocessing
import multiprocessing.util
import os
import tempfile
from collections.abc import Callable, Iterable
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess

from rehearsal.engine.launch import Briefing, carry_out
from rehearsal.world.socket_folder import short_folder

_LONGEST_LINE = 1 << 20
_GRACE_SECONDS = 5.0


def warm(packages: Iterable[str]) -> None:
    """Begin to load the SDKs of some packages, beside whatever else is to be done.

    Args:
        packages: Names of Pulumi packages, such as `cloudflare`. One that is not installed is left
            to the program to miss.
    """
    # The server's socket lies in Python's folder for temporary files, whose path may be too long.
    usual, tempfile.tempdir = tempfile.tempdir, str(short_folder())
    try:
        multiprocessing.util.get_temp_dir()
    finally:
        tempfile.tempdir = usual
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pulumi", *(f"pulumi_{package}" for package in packages)])
    forkserver.ensure_running()


class Program:
    """One run of the program in a process of its own."""

    def __init__(self, process: ForkServerProcess, streams: Iterable["asyncio.Task[None]"]) -> None:
        self._process = process
        self._listening = list(streams)
        self._end = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(process.sentinel, self._ended)

    @classmethod
    async def start(cls, briefing: Briefing, hear: Callable[[str, str], None]) -> "Program":
        """Start the program.

        Args:
            briefing: What it is told; nothing of it shows in an argument or in the environment.
            hear: Takes the name of a stream and a line of it.
        """
        context = multiprocessing.get_context("forkserver")
        pipes = {name: context.Pipe(duplex=False) for name in ("stdout", "stderr")}
        writers = [writer for _, writer in pipes.values()]
        process = context.Process(target=carry_out, args=(briefing, *writers))
        # It answers when it has loaded what it was told to.
        await asyncio.to_thread(process.start)
        for writer in writers:
            writer.close()
        return cls(
            process,
            [
                asyncio.create_task(_listen(reader, name, hear))
                for name, (reader, _) in pipes.items()
            ],
        )

    def _ended(self) -> None:
        asyncio.get_running_loop().remove_reader(self._process.sentinel)
        self._process.join()
        self._end.set_result(self._process.exitcode)

    async def ended(self) -> int:
        """Wait for the end; returns the exit code."""
        code: int = await asyncio.shield(self._end)
        await asyncio.gather(*self._listening)
        return code

    async def stop(self) -> None:
        """End the process if it still runs."""
        if not self._end.done():
            self._process.terminate()
            try:
                await asyncio.wait_for(asyncio.shield(self._end), _GRACE_SECONDS)
            except TimeoutError:
                self._process.kill()
                await self._end
        await asyncio.gather(*self._listening)


async def _listen(pipe: Connection, name: str, hear: Callable[[str, str], None]) -> None:
    loop = asyncio.get_running_loop()
    stream = asyncio.StreamReader(limit=_LONGEST_LINE)
    with os.fdopen(os.dup(pipe.fileno()), "rb") as file:
        pipe.close()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), file)
        await _hear_lines(stream, name, hear)


async def _hear_lines(
    stream: asyncio.StreamReader, name: str, hear: Callable[[str, str], None]
) -> None:
    while True:
        try:
            line = await stream.readline()
        except ValueError:
            # A line longer than the limit: what was read of it is gone, the rest goes on.
            hear(name, "[a line too long to keep]")
            continue
        if not line:
            return
        hear(name, line.decode(errors="replace").rstrip("\n"))
