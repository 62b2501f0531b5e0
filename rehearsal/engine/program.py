"""The program's process: started, fed, listened to, ended."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from rehearsal.engine.launch import Briefing

_OWN_ROOT = Path(__file__).resolve().parents[2]
_LONGEST_LINE = 1 << 20
_GRACE_SECONDS = 5.0


class Program:
    """One run of the program in a process of its own.

    It is started before the engine's own work, because importing takes both of them longest, and
    waits for its briefing.
    """

    def __init__(self, process: asyncio.subprocess.Process, hear: Callable[[str, str], None]):
        self._process = process
        self._listening = [
            asyncio.create_task(_listen(stream, name, hear))
            for stream, name in ((process.stdout, "stdout"), (process.stderr, "stderr"))
            if stream is not None
        ]

    @classmethod
    async def start(cls, hear: Callable[[str, str], None]) -> "Program":
        """Start the process.

        Args:
            hear: Takes the name of a stream and a line of it.
        """
        # The passphrase opens the state: the program has no business with it.
        environment = {
            key: value for key, value in os.environ.items() if not key.startswith("PULUMI_CONFIG")
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "rehearsal.engine.launch",
            cwd=_OWN_ROOT,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_LONGEST_LINE,
        )
        return cls(process, hear)

    async def brief(self, briefing: Briefing) -> None:
        """Tell the process what to run."""
        pipe = self._process.stdin
        if pipe is None:
            return
        try:
            pipe.write(briefing.written())
            await pipe.drain()
        except (BrokenPipeError, ConnectionResetError):
            pass  # It ended before it began; its exit code and its stderr say why.
        pipe.close()

    async def ended(self) -> int:
        """Wait for the end; returns the exit code."""
        code = await self._process.wait()
        await asyncio.gather(*self._listening)
        return code

    async def stop(self) -> None:
        """End the process if it still runs."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self._process.wait(), _GRACE_SECONDS)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        await asyncio.gather(*self._listening)


async def _listen(
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
