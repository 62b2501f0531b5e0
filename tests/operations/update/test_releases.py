"""Releases are ordered as they appeared; notes are told for what lies in between."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest

from operations.update.action import is_old, read_tiers
from operations.update.journal import Journal, Pin, State, read
from operations.update.notes import TABLE, between, said
from operations.update.releases import UpdateError, beyond, choose, listed, parse
from operations.update.relied import touched
from operations.update.standing import ailing, read_containers
from operations.update.upgrade import way_back, where_it_stands

TAGS = dict.fromkeys(["2026-03b", "2026-07", "2026-07a", "2026-07b", "2026-08", "2026-10"], "c")


def test_releases_come_in_the_order_in_which_they_appeared() -> None:
    assert beyond("2026-07", TAGS) == ["2026-07a", "2026-07b", "2026-08", "2026-10"]
    assert beyond("2026-10", TAGS) == []


@pytest.mark.parametrize("tag", ["master", "2026-13", "2026-7", "2026-07aa", "v2026-07", ""])
def test_what_is_no_release_is_passed_over(tag: str) -> None:
    assert parse(tag) is None


def test_a_tag_with_a_message_stands_for_its_commit() -> None:
    text = "aaa\trefs/tags/2026-07\nbbb\trefs/tags/2026-07^{}\nccc\trefs/tags/nightly\n"
    assert listed(text) == {"2026-07": "bbb"}


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [("", "2026-07b"), ("newest", "2026-10"), ("2026-08", "2026-08"), ("2026-07a", None)],
)
def test_a_release_is_chosen(wanted: str, chosen: str | None) -> None:
    assert choose(wanted, "2026-07a", TAGS) == chosen


@pytest.mark.parametrize(
    ("wanted", "words"),
    [("2026-07", "cannot be taken back"), ("2026-09", "no release 2026-09"),
     ("master", "is no release")],
)  # fmt: skip
def test_an_older_or_unknown_release_is_refused(wanted: str, words: str) -> None:
    with pytest.raises(UpdateError, match=words):
        choose(wanted, "2026-07a", TAGS)


def test_notes_are_those_of_the_releases_in_between() -> None:
    assert [text.tag for text in between("2025-02", "2025-09")] == ["2025-07", "2025-09"]
    assert between("2026-07", "2026-07a") == []


def test_notes_are_sorted_and_have_a_source() -> None:
    releases = [release for note in TABLE if (release := parse(note.tag))]
    assert len(releases) == len(TABLE)
    assert all(one <= other for one, other in pairwise(releases))
    assert all(note.source.startswith("https://") for note in TABLE)


def test_a_commit_that_says_so_is_a_note() -> None:
    history = [("a" * 40, "[Web] Speed up\n"), ("b" * 40, "feat(x)!: drop y\n\nText"),
               ("c" * 40, "Update\n\nBREAKING CHANGE: names\n")]  # fmt: skip
    assert [note.text for note in said(history)] == ["feat(x)!: drop y", "BREAKING CHANGE: names"]


def test_only_files_that_ours_lean_on_are_told() -> None:
    paths = ["data/web/index.php", "data/conf/nginx/templates/a.j2", "generate_config.sh"]
    assert [item.path for item in touched(paths)] == paths[1:]


def test_a_tier_has_a_name_that_is_known() -> None:
    assert read_tiers(["new-mailcow=helper"]) == {"new-mailcow": "helper"}
    with pytest.raises(UpdateError, match="a tier is search, database"):
        read_tiers(["new-mailcow=huge"])


def test_containers_are_judged_by_state_and_health() -> None:
    line = 'x-mailcow|x:1|sha256:1|0|{{"Status": "{}", "Health": {{"Status": "{}"}}}}'
    text = "\n".join([line.format("running", "healthy"),
                      line.format("running", "unhealthy").replace("x-", "y-"),
                      line.format("restarting", "").replace("x-", "z-")])  # fmt: skip
    assert ailing(read_containers(text), {"x-mailcow", "w-mailcow"}) == [
        "w-mailcow has no container", "y-mailcow is unhealthy", "z-mailcow is restarting",
    ]  # fmt: skip


JOURNAL = Journal(
    stack="qual",
    started="2026-11-01T03:00:00+00:00",
    before=Pin(tag="2026-07a", commit="a" * 40),
    after=Pin(tag="2026-07b", commit="b" * 40),
    tiers_after={"new-mailcow": "helper"},
    tiers_before={"new-mailcow": None},
    done=("backup", "declare"),
    begun="deploy",
    snapshot="5" * 64,
    schema_after="2",
)


def test_a_journal_is_read_as_it_was_written() -> None:
    assert read(JOURNAL.model_dump_json()) == JOURNAL
    with pytest.raises(UpdateError, match="no journal"):
        read('{"version": 2}')


def test_the_way_back_names_the_command_and_every_step_by_hand() -> None:
    text = "\n".join(way_back(JOURNAL, live=True))
    assert "python -m operations update return --stack qual --live" in text
    assert "a" * 40 in text
    assert "mailcow.services.new-mailcow: removed" in text
    assert f"database.sql of snapshot {'5' * 64}" in text


def test_before_the_backup_there_is_nothing_to_return_from() -> None:
    early = JOURNAL.note(done=())
    assert way_back(early, live=False) == ["nothing was changed; there is nothing to return from"]


@pytest.mark.parametrize("state", State)
def test_every_state_has_its_words(state: State) -> None:
    assert "2026-07a" in where_it_stands(JOURNAL.note(state=state))


def test_returning_after_a_day_of_use_needs_a_word_of_its_own() -> None:
    done = JOURNAL.note(state=State.DONE, ended="2026-11-01T04:00:00+00:00")
    assert not is_old(done, datetime(2026, 11, 1, 20, tzinfo=UTC))
    assert is_old(done, datetime(2026, 11, 2, 5, tzinfo=UTC))
    assert not is_old(done.note(state=State.FAILED), datetime(2026, 12, 1, tzinfo=UTC))
