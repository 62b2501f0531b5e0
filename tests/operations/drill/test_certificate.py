"""What a drill tells is read, and certified without naming anybody."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from declaration.evidence import read
from declaration.model import Declaration
from operations.backup.nightly import BackupFailedError, backup_of
from operations.drill.certificate import certificate, write
from operations.drill.holding import DrillFailedError, drill_of, objects_of

TOLD = {
    "ok": True, "snapshot": "abcd", "taken": "2026-11-30T03:00:00Z", "release": "2026-07a",
    "seconds": 60,
    "checks": [{"id": "imap", "ok": True, "text": "info@example.pt opens", "number": 3}],
}  # fmt: skip


def test_a_certificate_names_nobody_and_is_read_where_policies_look(
    qual: Declaration, tmp_path: Path
) -> None:
    now = datetime(2026, 12, 1, 9, tzinfo=UTC)
    document = certificate(drill_of(TOLD), qual, place="here", rehearsed=False, now=now)
    write(tmp_path / "qual", document)
    assert read("qual", "drill", tmp_path) == document
    assert document["good"] is True
    assert document["held"] == "2026-12-01T09:00:00+00:00"
    assert "@" not in json.dumps(document)


def test_a_drill_without_checks_is_none() -> None:
    with pytest.raises(DrillFailedError, match="room: 100 MiB"):
        drill_of({"ok": False, "error": "room: 100 MiB of memory are free"})
    assert not drill_of(TOLD | {"checks": []}).ok


def test_objects_of_the_api_have_the_time_of_their_making() -> None:
    listed = [{"username": "info@example.pt", "created": "2026-11-01 10:00:00"}, {"username": ""}]
    assert objects_of("mailbox", listed) == {"info@example.pt": "2026-11-01 10:00:00"}
    assert objects_of("mailbox", {}) == {}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"ok": true}'])
def test_a_backup_that_left_no_note_is_a_failed_one(text: str) -> None:
    with pytest.raises(BackupFailedError, match="left no note"):
        backup_of(text)


def test_a_failed_backup_is_told_in_its_own_words() -> None:
    with pytest.raises(BackupFailedError, match="snapshot: exit status 3"):
        backup_of('{"ok": false, "error": "snapshot: exit status 3"}')
