"""What the programs on the host share: nothing is half-written, followed, or lost in silence."""

import os
import stat
import sys
from pathlib import Path

import pytest

from components.onhost import machine

DRAFT = "po_mail_backup.prom"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of metrics."""
    made = tmp_path / "textfile_collector"
    made.mkdir(mode=0o755)
    return made


def test_no_link_that_somebody_planted_is_followed(folder: Path, tmp_path: Path) -> None:
    """Neither where the file shall be nor where an earlier program kept its draft."""
    victim = tmp_path / "shadow"
    victim.write_text("root:*:1::::::\n")
    victim.chmod(0o600)
    for name in (DRAFT, f".{DRAFT}.new"):
        (folder / name).symlink_to(victim)
    machine.write(folder / DRAFT, "metrics 1\n")
    assert victim.read_text() == "root:*:1::::::\n"
    assert stat.S_IMODE(victim.stat().st_mode) == 0o600
    assert not (folder / DRAFT).is_symlink()
    assert (folder / DRAFT).read_text() == "metrics 1\n"


def test_a_draft_has_a_name_that_nobody_can_foresee(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafts = []
    rename = os.rename

    def watched(old: str, new: str, **places: int) -> None:
        drafts.append(old)
        rename(old, new, **places)

    monkeypatch.setattr(os, "rename", watched)
    for _ in range(2):
        machine.write(folder / DRAFT, "metrics 1\n")
    assert len(set(drafts)) == 2


def test_a_folder_that_is_the_link_of_another_user_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "link"
    link.symlink_to(folder)
    machine.write(link / "mine", "1\n")
    os.lchown(link, 65534, 65534)
    with pytest.raises(OSError, match="another user"):
        machine.write(link / "theirs", "1\n")
    assert [file.name for file in folder.iterdir()] == ["mine"]


def test_a_folder_that_everybody_may_write_to_is_refused(folder: Path) -> None:
    folder.chmod(0o777)
    with pytest.raises(OSError, match="everybody may write there"):
        machine.write(folder / DRAFT, "metrics 1\n")
    folder.chmod(0o1777)
    machine.write(folder / DRAFT, "metrics 1\n")


def test_a_write_that_fails_leaves_the_file_as_it_was_and_no_draft(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.write(folder / DRAFT, "metrics 1\n")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        machine.write(folder / DRAFT, "metrics 2\n")
    assert [file.name for file in folder.iterdir()] == [DRAFT]
    assert (folder / DRAFT).read_text() == "metrics 1\n"


def test_drafts_of_killed_programs_are_removed_and_young_ones_left(folder: Path) -> None:
    old, young, other = (folder / f".{name}.new" for name in (f"{DRAFT}.a", f"{DRAFT}.b", "c"))
    for draft in (old, young, other):
        draft.write_text("")
    os.utime(old, (1, 1))
    os.utime(other, (1, 1))
    machine.write(folder / DRAFT, "metrics 1\n")
    assert not old.exists()
    assert young.exists()
    assert other.exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"\0" * 512, b"[" * 10**5])
def test_a_memory_that_cannot_be_read_is_put_aside_and_told(
    folder: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    memory = folder / "certificate.json"
    assert machine.recall(memory) == {}
    memory.write_bytes(content)
    assert machine.recall(memory) is None
    assert "is not known; put aside as certificate.json.unreadable" in capsys.readouterr().err
    assert (folder / "certificate.json.unreadable").read_bytes() == content
    # It is no first run, either, until something is remembered anew.
    assert machine.recall(memory) is None
    machine.remember(memory, {"digest": "ab"})
    assert machine.recall(memory) == {"digest": "ab"}
    memory.unlink()
    assert machine.recall(memory) == {}


def test_what_is_remembered_is_for_its_owner_alone(folder: Path) -> None:
    machine.remember(folder / "memory.json", {"digest": "ab"})
    assert stat.S_IMODE((folder / "memory.json").stat().st_mode) == 0o600
    assert machine.recall(folder / "memory.json") == {"digest": "ab"}


def test_a_command_that_takes_too_long_is_a_failed_step() -> None:
    with pytest.raises(machine.StepError, match=r"the wait: no end within 0 s"):
        machine.run([sys.executable, "-c", "import time; time.sleep(60)"], "the wait", seconds=0.1)


def test_what_a_command_says_moves_no_cursor() -> None:
    words = [sys.executable, "-c", "import sys; sys.exit('no\x1b[2J\x07 \u202eecnis')"]
    with pytest.raises(machine.StepError) as refused:
        machine.run(words, "the step", seconds=60)
    assert str(refused.value) == "the step: exit status 1: no?[2J? ?ecnis"


def test_metrics_that_cannot_be_written_are_told_and_never_tell_of_an_earlier_success(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = machine.gauges("po_mail_backup", {"good": ("Whether.", 1), "size": ("Bytes.", None)})
    assert text == (
        "# HELP po_mail_backup_good Whether.\n# TYPE po_mail_backup_good gauge\n"
        "po_mail_backup_good 1\n"
    )
    assert machine.publish(folder / DRAFT, text)
    folder.chmod(0o777)
    assert not machine.publish(folder / DRAFT, text)
    assert not (folder / DRAFT).exists()
    assert f"{folder / DRAFT}: no metrics: everybody may write there" in capsys.readouterr().err
