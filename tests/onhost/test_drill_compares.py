"""A drill finds what a restore lacks or has too much, and names it."""

import json
from pathlib import Path
from typing import Any

import pytest

from components.onhost import archives, backup, drill, inventory

TAKEN = "2026-11-23T03:00:00.123456789Z"
OLD, YOUNG = "2026-01-01 10:00:00", "2026-11-23 09:00:00"
API = {
    "alias": {"hello@example.pt": OLD},
    "dkim": {"example.pt": OLD},
    "domain": {"example.pt": OLD},
    "mailbox": {"Info@example.pt": OLD},
    "relayhost": {"[smarthost.example]:587": ""},
}
"""What the API shows, by kind."""
NAMES = {kind: next(iter(shown)).lower() for kind, shown in API.items()}
RESTORED = {kind: [name] for kind, name in NAMES.items()}


def nothing(_kind: str) -> set[str]:
    return set()


def test_objects_that_both_have_are_counted() -> None:
    check = drill.compare_objects(API, RESTORED, TAKEN, nothing)
    assert (check.ok, check.number) == (True, len(API))


@pytest.mark.parametrize("kind", sorted(API))
def test_an_object_that_was_not_restored_is_named(kind: str) -> None:
    check = drill.compare_objects(API, RESTORED | {kind: []}, TAKEN, nothing)
    assert not check.ok
    assert check.text == f"not restored though the API shows them: {kind} {NAMES[kind]}"


@pytest.mark.parametrize("kind", sorted(API))
def test_a_restored_object_that_runs_but_the_api_hides_is_named(kind: str) -> None:
    check = drill.compare_objects(API | {kind: {}}, RESTORED, TAKEN, lambda asked: {NAMES[asked]})
    assert not check.ok
    assert (
        check.text
        == f"restored and there, but the API does not show them: {kind} {NAMES[kind]}"
    )  # fmt: skip


def test_what_was_made_since_the_snapshot_need_not_be_in_it() -> None:
    made = API | {"mailbox": API["mailbox"] | {"new@example.pt": YOUNG}}
    assert drill.compare_objects(made, RESTORED, TAKEN, nothing).ok


@pytest.mark.parametrize("kind", sorted(API))
def test_what_was_deleted_since_the_snapshot_is_said_and_no_failure(kind: str) -> None:
    check = drill.compare_objects(API | {kind: {}}, RESTORED, TAKEN, nothing)
    assert check.ok
    assert check.text.endswith(f"deleted since: {kind} {NAMES[kind]}")


def test_a_long_list_is_told_by_its_beginning_and_its_length() -> None:
    many = {"mailbox": {f"{number}@example.pt": OLD for number in range(5)}}
    said = drill.compare_objects(many, {"mailbox": []}, TAKEN, nothing).text
    assert said.endswith(
        "mailbox 0@example.pt, mailbox 1@example.pt, mailbox 2@example.pt and 2 more"
    )


def test_a_key_is_known_by_its_domain() -> None:
    asked: list[str] = []

    def ask(script: str) -> str:
        asked.append(script)
        return "dkim.example.pt\ns2.mail.example.org\n"

    assert drill.keyed_domains(ask) == ["example.pt", "mail.example.org"]
    assert asked == ["redis-cli hkeys DKIM_PRIV_KEYS"]


# Messages


class Listing(archives.Restic):
    """restic, whose snapshot holds these files."""

    def __init__(self, paths: list[str]) -> None:
        super().__init__({})
        self.paths = paths

    def lines(self, _what: str, *_words: str) -> Any:
        """Yield the files as `restic ls --json` does."""
        yield from (json.dumps({"path": path}) + "\n" for path in self.paths)


class Restore:
    """A restored volume of mail with two messages, and what is known of it."""

    folder = "example.pt/info/Maildir/cur"

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.live, scratch = root / "live", root / "drill"
        self.mail = scratch / "restored/vmail"
        for top in (self.live, self.mail):
            (top / self.folder).mkdir(parents=True)
            for name in ("1.M1.mx", "2.M2.mx"):
                (top / self.folder / f"{name}:2,").write_text(f"letter {name}\n")
        promised = {
            key: tuple(one) for key, one in inventory.messages(self.mail, {}).items()
        }  # fmt: skip
        self.stored = Listing([f"/vmail/{self.folder}/{n}:2," for n in ("1.M1.mx", "2.M2.mx")])
        self.restored = drill.Restored("abcd", TAKEN, "r", {"vmail": self.mail},
                                       {"messages": promised})  # fmt: skip
        installation = backup.Settings(
            "po-mail", root, "mx", "r", {"vmail": "vmail-vol-1"}, {}, {}, root, root, root,
            "mailcow", {}, 5.0, 0.0,
        )  # fmt: skip
        self.settings = drill.Settings(installation, scratch, "po-mail-drill", root, {})
        monkeypatch.setattr(backup, "volume_path", lambda _name: self.live)

    def file(self, top: Path, name: str) -> Path:
        return top / self.folder / f"{name}:2,"

    def check(self) -> drill.Check:
        return drill.check_messages(self.restored, self.settings, self.stored)


@pytest.fixture
def restore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Restore:
    return Restore(tmp_path, monkeypatch)


def test_every_message_that_is_there_passes(restore: Restore) -> None:
    assert restore.check() == ("messages", True, "2 messages, every digest compared", 2)


def test_a_message_lost_from_the_restore_is_found_and_named(restore: Restore) -> None:
    restore.file(restore.mail, "2.M2.mx").unlink()
    check = restore.check()
    assert not check.ok
    assert check.text == (
        "1 messages lost, 0 altered, of 2: example.pt/info/Maildir/2.M2.mx"
    )  # fmt: skip


def test_a_message_lost_from_the_archive_is_found_while_its_owner_has_it(restore: Restore) -> None:
    restore.file(restore.mail, "2.M2.mx").unlink()
    restore.stored.paths.pop()
    assert not restore.check().ok
    # Gone there as well: its owner deleted it while the snapshot was made.
    restore.file(restore.live, "2.M2.mx").unlink()
    assert restore.check().ok


def test_an_altered_message_is_found_and_named(restore: Restore) -> None:
    restore.file(restore.mail, "1.M1.mx").write_text("other\n")
    check = restore.check()
    assert not check.ok
    assert check.text == (
        "0 messages lost, 1 altered, of 2: example.pt/info/Maildir/1.M1.mx"
    )  # fmt: skip
