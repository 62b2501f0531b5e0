"""The host that these tests deploy to."""

from pathlib import Path

import pytest

from tests.providers.host.sftp_host import SftpHost


@pytest.fixture
def host(tmp_path: Path) -> SftpHost:
    root = tmp_path / "root"
    root.mkdir()
    return SftpHost(root)
