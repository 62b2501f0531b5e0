"""What a rehearsal shows to a person, and what it hands to a machine."""

import json
from pathlib import Path

import pytest

from rehearsal.report import Report


def test_a_line_has_a_label_a_text_and_how_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report()
    report.line("declaration", "seven mailboxes", "ok")

    shown = capsys.readouterr().out
    assert shown.startswith("  declaration   seven mailboxes   ")
    assert shown.rstrip().endswith("   ok")
    assert "\x1b" not in shown


def test_a_detail_stands_below_the_text_of_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    Report().detail("one\ntwo")

    assert capsys.readouterr().out == f"{' ' * 16}one\n{' ' * 16}two\n"


def test_square_brackets_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report()
    report.line("plan", "rules[0]: [bold]old[/bold]")
    report.detail("[secret]")

    shown = capsys.readouterr().out
    assert "rules[0]: [bold]old[/bold]" in shown
    assert "[secret]" in shown


def test_one_failed_line_makes_the_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report()
    report.line("plan", "fine", "ok")
    assert report.finish() == 0
    report.line("mail out", "smarthost", "failed")
    assert report.finish() == 1
    capsys.readouterr()


def test_what_went_wrong_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report()
    report.fail("no world runs")

    assert report.finish() == 1
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "no world runs\n")


def test_for_a_machine_there_is_one_document_and_nothing_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = Report(as_json=True)
    report.line("plan", "fine", "ok")
    with report.progress("deploy", 2) as steps:
        steps.done("mx-a")
    report.put("plan", {"create": 2})
    report.fail("it broke")

    assert report.finish() == 1
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {"ok": False, "plan": {"create": 2}, "error": "it broke"}
    assert shown.err == ""


def test_progress_leaves_nothing_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Report().progress("deploy", 1) as steps:
        steps.done("mx-a")

    assert capsys.readouterr().out == ""


def test_the_picture_holds_what_was_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = Report(record=tmp_path / "run.svg")
    report.line("declaration", "seven-mailboxes", "ok")
    report.finish()

    picture = (tmp_path / "run.svg").read_text()
    assert picture.startswith("<svg")
    assert "seven-mailboxes" in picture
    capsys.readouterr()
