"""Fixtures of the programs that run on the host."""

from pathlib import Path

import pytest

from tests.onhost.fake_docker import Docker


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a scratch root that the programs take for the host's."""
    folder = tmp_path / "root"
    folder.mkdir()
    monkeypatch.setenv("DESTDIR", str(folder))
    return folder


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    """Return a fake docker, first on PATH."""
    fake = Docker(tmp_path / "bin")
    monkeypatch.setenv("PATH", fake.path)
    return fake
