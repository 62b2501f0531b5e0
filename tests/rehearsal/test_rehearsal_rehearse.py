"""How outcomes are put into words, and into JSON."""

import json

import pytest

from rehearsal.engine import (
    UNKNOWN,
    Diagnostic,
    Op,
    Outcome,
    PropertyChange,
    Sealed,
    Severity,
    Step,
)
from rehearsal.engine.model import Kind
from rehearsal.flow import Passage
from rehearsal.rehearse import as_dict, counted, say_failure, say_passage, say_steps
from rehearsal.report import Report

URN = "urn:pulumi:qual::mail::cloudflare:index/dnsRecord:DnsRecord::mx-a"


def step(*diff: PropertyChange, op: Op = Op.UPDATE) -> Step:
    return Step(op, URN, "cloudflare:index/dnsRecord:DnsRecord", "mx-a", diff)


def outcome(*steps: Step, diagnostics: tuple[Diagnostic, ...] = ()) -> Outcome:
    return Outcome({Op.UPDATE: len(steps)}, list(steps), [], {}, list(diagnostics), not diagnostics)


def test_counts_are_words_with_signs() -> None:
    assert counted({Op.CREATE: 68, Op.SAME: 3}) == "+ 68 to create, 3 unchanged"
    assert counted({Op.SAME: 80}) == "80 unchanged"
    assert counted({}) == "nothing to do"


def test_a_change_shows_old_and_new(capsys: pytest.CaptureFixture[str]) -> None:
    say_steps([step(PropertyChange("ttl", Kind.UPDATE, 300, 600))], Report())

    shown = capsys.readouterr().out
    assert "~ cloudflare:index/dnsRecord:DnsRecord mx-a" in shown
    assert "ttl: 300 => 600" in shown


def test_of_long_texts_the_place_where_they_part_is_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    common = "the same at the beginning\n" * 20
    change = PropertyChange("content", Kind.UPDATE, f"{common}old end", f"{common}new end")

    say_steps([step(change)], Report())

    shown = capsys.readouterr().out
    assert "old end" in shown
    assert "new end" in shown
    assert max(map(len, shown.splitlines())) < 200


def test_what_is_not_known_yet_is_said_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    say_steps([step(PropertyChange("id", Kind.UPDATE, "a" * 90, UNKNOWN))], Report())

    assert "=> known after deployment" in capsys.readouterr().out


def test_a_secret_is_masked_for_people_and_machines(capsys: pytest.CaptureFixture[str]) -> None:
    change = PropertyChange("password", Kind.UPDATE, Sealed("planted-old"), Sealed("planted-new"))

    say_steps([step(change)], Report())
    told = json.dumps(as_dict(outcome(step(change))))

    assert "planted" not in capsys.readouterr().out + told


def test_json_tells_absent_from_unknown() -> None:
    told = as_dict(outcome(step(PropertyChange("id", Kind.ADD, None, UNKNOWN))))

    assert told["steps"][0]["diff"] == [{"path": "id", "old": None, "new": "[unknown]"}]


def test_a_long_plan_is_cut_with_a_count(capsys: pytest.CaptureFixture[str]) -> None:
    say_steps([step() for _ in range(20)], Report(), limit=3)

    assert "... and 17 more" in capsys.readouterr().out


def test_each_error_names_its_resource(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report()
    failed = outcome(diagnostics=(Diagnostic(Severity.ERROR, "429 too many requests", URN),))

    say_failure(failed, report, "deploy")

    shown = capsys.readouterr().out
    assert "1 errors" in shown or "1 error" in shown
    assert "mx-a: 429 too many requests" in shown
    assert report.finish() == 1


def test_a_message_that_did_not_arrive_shows_how_far_it_came_and_why(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = Report()
    lost = Passage("out", "a@b.c", "d@e.f", ok=False, path=("a@", "smarthost"), problem="535 no")

    say_passage(lost, report)

    shown = capsys.readouterr().out
    assert "a@ > smarthost" in shown
    assert "failed" in shown
    assert "535 no" in shown
    assert report.document["mail_out"]["problem"] == "535 no"
