"""Changing a declaration keeps everything else as it was."""

from pathlib import Path

import pytest

from operations.site import SiteError
from operations.site.editing import REMOVED, edit, edited
from tests.conftest import PROJECT

QUAL = (PROJECT / "Pulumi.qual.yaml").read_text("utf-8")


def changed_lines(after: str) -> list[str]:
    return [line.strip() for line in after.splitlines() if line not in QUAL.splitlines()]


def test_without_changes_nothing_changes() -> None:
    assert edited(QUAL, {}) == QUAL


def test_only_the_line_of_the_value_changes() -> None:
    after = edited(QUAL, {"dmarc.stage": "quarantine", "dmarc.since": "2026-12-01"})
    assert changed_lines(after) == [
        "stage: quarantine",
        'since: "2026-12-01" # in quotes, or pulumi rewrites it as a moment',
    ]


def test_a_key_that_is_not_there_yet_is_added() -> None:
    assert changed_lines(edited(QUAL, {"dmarc.np": "reject"})) == ["np: reject"]


def test_a_key_goes_away() -> None:
    after = edited(QUAL, {"mailcow.skipClamd": REMOVED, "certificate": REMOVED})
    assert "skipClamd" not in after
    assert "mail:certificate" not in after


def test_a_path_through_a_plain_value_is_refused() -> None:
    with pytest.raises(SiteError, match=r"mail:domain\.name: .* is no mapping"):
        edited(QUAL, {"domain.name": "x"})


def test_a_file_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.qual.yaml"
    file.write_text(QUAL)
    file.chmod(0o640)
    edit(file, {"company": "Another"})
    assert "mail:company: Another" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
