"""Marks, exit codes, the registry: what the proof is made of."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from declaration.model import Declaration
from operations.prove.findings import failed
from operations.prove.model import (
    Check,
    Finding,
    Proof,
    Result,
    Severity,
    Station,
    Status,
)
from operations.prove.registry import checks
from operations.prove.report import page
from operations.prove.run import prove
from operations.prove.subject import Subject
from tests.conftest import PROJECT
from tests.operations.prove.fake_net import FakeNet


async def _nothing(_subject: Subject) -> Finding:
    return failed("nothing", "something")


def result(status: Status, severity: Severity = Severity.MEDIUM, seen: str = "seen") -> Result:
    check = Check("a-check", "It holds", severity, Station.RELAY, "why", "RFC", "mend", _nothing)
    return Result(check, Finding(status, seen))


def proof(*results: Result) -> Proof:
    return Proof("test", "company.example", "a test", datetime.now(UTC), results)


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ([Status.PASS, Status.WARN, Status.SKIP], 0),
        ([Status.PASS, Status.FAIL, Status.UNKNOWN], 1),
        ([Status.PASS, Status.UNKNOWN], 4),
        ([Status.SKIP], 4),
        ([], 4),
    ],
)
def test_the_exit_code_tells_failure_from_what_could_not_be_judged(
    found: list[Status], code: int
) -> None:
    assert proof(*map(result, found)).exit_code == code


def test_only_a_proof_without_a_flaw_has_ten() -> None:
    good = [result(Status.PASS)] * 500
    assert proof(*good).score == 10
    assert proof(*good, result(Status.SKIP), result(Status.UNKNOWN)).score == 10
    score = proof(*good, result(Status.WARN, Severity.LOW)).score
    assert score is not None
    assert 9 < score < 10


@pytest.mark.parametrize(("severity", "most"), [(Severity.CRITICAL, 4), (Severity.HIGH, 7)])
def test_a_grave_failure_is_not_made_good_by_tidy_records(severity: Severity, most: float) -> None:
    good = [result(Status.PASS)] * 500
    assert proof(*good, result(Status.FAIL, severity)).score == most


def test_the_way_breaks_where_a_check_fails_but_not_over_what_is_low() -> None:
    assert proof(result(Status.FAIL), result(Status.PASS)).state(Station.RELAY) is Status.FAIL
    low = proof(result(Status.FAIL, Severity.LOW), result(Status.PASS))
    assert low.state(Station.RELAY) is Status.WARN
    assert low.state(Station.WEB) is Status.SKIP


def test_every_check_says_why_and_how_to_mend_it() -> None:
    assert len(checks()) > 60
    assert {check.station for check in checks()} == set(Station)
    for check in checks():
        assert check.title, check.id
        assert not check.title.endswith("."), check.id
        assert check.why.endswith("."), check.id
        assert check.source, check.id
        assert check.mend.endswith("."), check.id


def test_every_check_has_its_place_in_the_table_of_references() -> None:
    text = (PROJECT / "docs" / "prove.md").read_text()

    assert [check.id for check in checks() if f"`{check.id}`" not in text] == []


def test_no_check_passes_on_a_network_that_is_not_there(qual: Declaration) -> None:
    net = FakeNet({}, silent=_Everything())
    found = asyncio.run(prove(Subject(qual, net, {"cristina": "no matter"}), stack="test"))

    passed = {entry.check.id for entry in found.results if entry.finding.status is Status.PASS}
    # What is shut is shut, and what the declaration alone decides is decided.
    assert passed <= {"ports-behind-traefik", "ports-shut", "dmarc-reports"}


class _Everything(frozenset[str]):
    def __contains__(self, _question: object) -> bool:
        return True


def test_the_page_fetches_nothing_and_lets_nothing_in(qual: Declaration, tmp_path: Path) -> None:
    hostile = result(Status.FAIL, seen='<script>alert(1)</script> <img src="//evil.example">')
    text = page.render(proof(hostile), qual)

    assert "<script" not in text
    assert "<img" not in text
    assert "&lt;script&gt;" in text
    assert "default-src 'none'" in text
    for outside in (' src="', "@import", "url(", "<link"):
        assert outside not in text
    assert text.count("http://") == text.count('xmlns="http://www.w3.org/2000/svg"')
