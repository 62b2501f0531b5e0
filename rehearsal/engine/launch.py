"""Runs the unmodified program as the genuine language host does, in a process of its own."""

import asyncio
import ctypes
import gc
import logging
import os
import runpy
import signal
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import grpc
import pulumi
import pulumi.runtime
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

from rehearsal.engine import guard, waiting

MESSAGE_SHOWN = 32
"""Exit code that tells the engine that the operator has been told already (Pulumi's own)."""


@dataclass(frozen=True, repr=False)
class Briefing:
    """What the program's process is told.

    Attributes:
        monitor: Loopback address of both of the engine's services.
        project: Name of the project.
        stack: Name of the stack.
        folder: Where `Pulumi.yaml` lies.
        program: Path to run, a folder with a `__main__.py` or a file.
        preview: Whether nothing is to be changed.
        parallel: How many registrations may be under way at once.
        config: Configuration by full key.
        secret_keys: Which keys of it are secret.
    """

    monitor: str
    project: str
    stack: str
    folder: str
    program: str
    preview: bool
    parallel: int
    config: dict[str, str]
    secret_keys: list[str]


class _EngineClient:
    """The engine service without debug messages: the SDK sends several for every resource."""

    def __init__(self, address: str) -> None:
        channel = grpc.insecure_channel(address, options=_GRPC_CHANNEL_OPTIONS)
        self._stub = engine_pb2_grpc.EngineStub(channel)

    def Log(self, request: engine_pb2.LogRequest) -> Any:  # noqa: N802 (the protocol's name)
        if request.severity == engine_pb2.DEBUG:
            return None
        return self._stub.Log(request)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stub, name)


def carry_out(briefing: Briefing, out: Connection, error: Connection) -> None:
    """Run the program in this process, which is nothing else's, and leave with its exit code.

    Args:
        briefing: What the program is told.
        out: Where its standard output goes.
        error: Where its standard error goes.
    """
    _die_with_parent()
    guard.install()
    # Importing the SDKs makes a million objects that stay: looking through them for garbage again
    # and again, and once more at the end, takes as long as the rest.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(out.fileno(), 1)
    os.dup2(error.fileno(), 2)
    # The passphrase opens the state: the program has no business with it.
    for key in [key for key in os.environ if key.startswith("PULUMI_CONFIG")]:
        del os.environ[key]
    _forget_own_path()
    os.chdir(briefing.folder)
    sys.argv = [briefing.program]
    try:
        sys.exit(run(briefing))
    finally:
        gc.freeze()
        gc.disable()


def run(briefing: Briefing) -> int:
    """Run the program in this thread; returns the exit code."""
    pulumi.runtime.set_all_config(briefing.config, briefing.secret_keys)
    pulumi.runtime.configure(
        pulumi.runtime.Settings(
            project=briefing.project,
            stack=briefing.stack,
            monitor=briefing.monitor,
            engine=_EngineClient(briefing.monitor),
            parallel=briefing.parallel,
            dry_run=briefing.preview,
            organization="organization",
            root_directory=briefing.folder,
        )
    )
    waiting.install()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    executor = ThreadPoolExecutor(max_workers=max(briefing.parallel, 1) * 4)
    loop.set_default_executor(executor)
    # A program that fails leaves futures behind; the one message that counts comes from below.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(lambda: _run_file(briefing.program)))
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return 1
    except Exception:  # noqa: BLE001 (whatever the program raises is the operator's to read)
        told = "Program failed with an unhandled exception:\n" + _own_trace(briefing.program)
        pulumi.log.error(told)
        return MESSAGE_SHOWN
    finally:
        executor.shutdown(wait=True)
        loop.close()
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def _run_file(program: str) -> None:
    """Run the program; its globals are dropped, for only a coroutine would be waited for.

    A folder's `__main__.py` is run as a file: given the folder, Python would import it, and take
    stale bytecode for a program that was changed within the second.
    """
    path = Path(program)
    if path.is_dir():
        sys.path.insert(0, program)
        path /= "__main__.py"
    runpy.run_path(str(path), run_name="__main__")


def _own_trace(program: str) -> str:
    """Return the traceback from the program's first frame on."""
    path = Path(program).resolve()
    main_file = str(path if path.suffix else path / "__main__.py")
    frames = traceback.extract_tb(sys.exc_info()[2])
    for place, frame in enumerate(frames):
        if str(Path(frame.filename).resolve()) == main_file:
            return traceback.format_exc(limit=-(len(frames) - place))
    return traceback.format_exc()


def _forget_own_path() -> None:
    """Let the program import what it would find under the genuine host, not this project."""
    own = str(Path(__file__).resolve().parents[2])
    sys.path[:] = [entry for entry in sys.path if entry not in {"", own}]


def _die_with_parent() -> None:
    """Ask the kernel to end this process when the engine's is killed."""
    if sys.platform == "linux":
        set_death_signal = 1
        ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL)
