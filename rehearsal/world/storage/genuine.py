"""The genuine MinIO, where it is installed."""

import asyncio
import ctypes
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from minio import Minio
from minio.error import MinioException
from urllib3 import PoolManager
from urllib3.exceptions import HTTPError

from rehearsal import parts
from rehearsal.world.service import LOOPBACK

_PATIENCE = 30.0
"""Seconds that the server may take to answer for the first time."""


def find() -> Path | None:
    """Return the genuine `minio` of this machine, None if there is none."""
    return parts.find("minio")


_PR_SET_PDEATHSIG = 1


def _ends_with_its_parent() -> Callable[[], None] | None:
    """Return what a child runs first so that a killed world leaves no server behind (Linux)."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)

    def ask() -> None:
        library.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    return ask


def _reserve(port: int) -> socket.socket:
    """Return a socket that keeps a port of loopback from every other process.

    MinIO listens with SO_REUSEPORT and joins it there; without the reservation two of them could
    be given one port, and share its connections.
    """
    holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind((LOOPBACK, port))
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return holder


class GenuineStorage:
    """A MinIO server as a child process, its data in a folder of the world."""

    def __init__(self, program: Path, folder: Path) -> None:
        """Take the program and where its data shall lie."""
        self._program = program
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self._reservation: socket.socket | None = None
        self.port = 0

    async def start(self, access_key: str, secret_key: str, region: str, *, port: int) -> None:
        """Start the server on `port` of loopback and wait until it answers.

        Raises:
            RuntimeError: it does not start.
        """
        data = self._folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        self.port = port
        self._reservation = _reserve(port)
        environment = {
            "PATH": "/usr/bin:/bin", "HOME": str(self._folder), "MINIO_REGION": region,
            "MINIO_ROOT_USER": access_key, "MINIO_ROOT_PASSWORD": secret_key,
            "MINIO_BROWSER": "off", "MINIO_UPDATE": "off", "MINIO_CALLHOME_ENABLE": "off",
        }  # fmt: skip
        with (self._folder / "minio.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                str(self._program), "server", "--quiet", "--address", f"{LOOPBACK}:{self.port}",
                str(data), env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=log,
                stderr=log, preexec_fn=_ends_with_its_parent(),
            )  # fmt: skip
        try:
            await asyncio.wait_for(self._answers(access_key, secret_key, region), _PATIENCE)
        except TimeoutError:
            await self.stop()
            message = f"{self._program} does not start; see {self._folder / 'minio.log'}"
            raise RuntimeError(message) from None

    async def _answers(self, access_key: str, secret_key: str, region: str) -> None:
        # Its health addresses say 200 before it can serve; whoever comes too early is asked to
        # come back in a minute. So it is ready when it has answered a signed request.
        client = Minio(
            endpoint=f"{LOOPBACK}:{self.port}", access_key=access_key, secret_key=secret_key,
            region=region, secure=False, http_client=PoolManager(retries=False, timeout=5.0),
        )  # fmt: skip
        while True:
            if self._process is not None and self._process.returncode is not None:
                raise TimeoutError
            try:
                await asyncio.to_thread(client.list_buckets)
            except (HTTPError, MinioException):
                await asyncio.sleep(0.05)
            else:
                return

    async def stop(self) -> None:
        """End the server."""
        if self._process is None:
            return
        if self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), 10)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        self._process = None
        if self._reservation is not None:
            self._reservation.close()
            self._reservation = None
