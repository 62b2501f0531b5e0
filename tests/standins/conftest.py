"""Surroundings in which single services of the world run for the stand-ins' tests."""

from pathlib import Path

import pytest

from rehearsal.world.authority import CertificateAuthority
from rehearsal.world.service import AddressBook, Surroundings
from tests.world.declared import declared

TOKEN = "token-planted-in-this-test-4711"


@pytest.fixture
def anyio_backend() -> str:
    """Everything here runs on asyncio, as the engine does."""
    return "asyncio"


@pytest.fixture
def surroundings(tmp_path: Path) -> Surroundings:
    """A world without services."""
    root = tmp_path / "root"
    root.mkdir()
    return Surroundings(
        folder=tmp_path,
        root=root,
        authority=CertificateAuthority(tmp_path / "authority"),
        addresses=AddressBook(),
        config=declared(domain="example.pt", host={"address": "192.0.2.10"}),
        secrets={"cloudflareApiToken": TOKEN},
    )
