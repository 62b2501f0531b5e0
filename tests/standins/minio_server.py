"""A genuine MinIO server on loopback."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import urllib3

from rehearsal.parts import need

USER, PASSWORD = "administrator", "password-planted-in-this-test"


@dataclass
class Address:
    """Where a MinIO server listens, and whose it is."""

    server: str
    user: str = USER
    password: str = PASSWORD


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_ready(server: str) -> None:
    """Ask again, with growing pauses, until the server answers that it is ready."""
    patience = urllib3.Retry(total=12, backoff_factor=0.05, backoff_max=3, status_forcelist=[503])
    urllib3.request("GET", f"http://{server}/minio/health/ready", retries=patience, timeout=5.0)


@asynccontextmanager
async def genuine(folder: Path) -> AsyncIterator[Address]:
    """Run the server on a free port until the block ends."""
    program = need("minio")
    server = f"127.0.0.1:{_free_port()}"
    environment = {
        "MINIO_ROOT_USER": USER, "MINIO_ROOT_PASSWORD": PASSWORD, "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off", "HOME": str(folder), "PATH": os.environ["PATH"],
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        program, "server", str(folder / "data"), "--address", server, "--quiet",
        env=environment, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await asyncio.to_thread(_wait_until_ready, server)
        yield Address(server)
    finally:
        process.terminate()
        await process.wait()
