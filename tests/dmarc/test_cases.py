"""Reports as people who run mail met them; `cases/` holds them, each test says what is right."""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from declaration.dmarc import MINIMUM_AGE, EvidenceThresholds
from dmarc.advice import Advice, Verdict, advise
from dmarc.collecting import Collected
from dmarc.domain import MailDomain, Sender, Thresholds
from dmarc.evidence import Evidence
from dmarc.messages import says_report
from dmarc.sources import Kind
from tests.dmarc.simulated import collect

CASES = Path(__file__).with_name("cases")
DOMAIN, HOST = "example.com", "mx.example.com"
TODAY = date(2026, 11, 28)
AGES = {stage.value: age for stage, age in MINIMUM_AGE.items()}
THRESHOLDS = Thresholds(**EvidenceThresholds().model_dump())
BEGIN = 1795132800
"""First second of the day of every case, 2026-11-20."""


def case(name: str) -> bytes:
    return (CASES / name).read_bytes()


def collected(*names: str) -> tuple[Collected, Evidence]:
    evidence = Evidence(DOMAIN)
    return collect(evidence, map(case, names), TODAY, HOST), evidence


def month(*names: str) -> Iterator[bytes]:
    """Yield 33 days of reports up to yesterday, the files taken in turn."""
    for day in range(33):
        number = case(names[day % len(names)]).replace(b"<report_id>", b"<report_id>%d-" % day)
        begin = BEGIN + (day - 25) * 86400
        yield number.replace(b"%d" % BEGIN, b"%d" % begin).replace(
            b"%d" % (BEGIN + 86399), b"%d" % (begin + 86399)
        )


def judged(reports: Iterator[bytes], stage: str = "none") -> Advice:
    evidence = Evidence(DOMAIN)
    collect(evidence, reports, TODAY, HOST)
    domain = MailDomain(
        DOMAIN, stage, since=date(2026, 10, 1), reported_since=date(2026, 10, 1),
        goal="quarantine", minimum_age=AGES,
        thresholds=THRESHOLDS,
        senders=(Sender("Resend", ("resend",), (f"send.{DOMAIN}",), companion="amazonses.com"),),
    )  # fmt: skip
    return advise(domain, evidence, TODAY)


def from_two(reports: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the reports as those of two receivers in turn."""
    for day, report in enumerate(reports):
        yield report.replace(b"receiver.example", b"other.example") if day % 2 else report


def test_a_title_in_encoded_words_is_a_reports_title() -> None:
    message = case("encoded-subject/report.eml")
    assert says_report(message.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")

    told, evidence = collected("encoded-subject/report.eml")
    (row,) = evidence.days[date(2026, 11, 20)].messages
    assert (told.counted, told.messages, row.key, row.aligned) == (1, 1, "k1", True)


@pytest.mark.parametrize(
    "field",
    [
        "Subject: Report Domain: example.com",
        "Subject: Fwd: report  domain: example.com",
        "Subject: =?utf-8?Q?Report_Domain:_example.com?=",
        "Subject: =?UTF-8?q?Rep?=\r\n =?iso-8859-1?B?b3J0IERvbWFpbjo=?= example.com",
        "Subject: =?utf-8*en?B?UmVwb3J0IERvbWFpbg==?=",
        "Subject: Report\r\n Domain: example.com",
        'Subject: daily\r\nContent-Type: application/gzip; name="a!b!1!2.xml.gz"',
        'Subject: daily\r\nContent-Type: multipart/report; report-type="tlsrpt"',
    ],
)  # fmt: skip
def test_a_report_announces_itself_in_every_form_that_mime_knows(field: str) -> None:
    assert says_report(f"{field}\r\n\r\n".encode())


@pytest.mark.parametrize(
    "field", ["Subject: lunch", "Subject: =?no-such?Q?Report?= x", "Subject: =?utf-8?B?====?=", ""]
)
def test_other_mail_is_not_opened(field: str) -> None:
    assert not says_report(f"{field}\r\n\r\n".encode())


@pytest.mark.parametrize("kind", ["quiet", "flood"])
def test_forgeries_do_not_hide_that_our_own_mail_fails(kind: str) -> None:
    reports = from_two(month(f"flood-hides-failures/{kind}.xml"))
    advice = judged(reports, stage="quarantine")

    assert (advice.verdict, advice.target) == (Verdict.STEP_BACK, "none")
    assert "Resend fails: 56 of 140 messages" in advice.reasons[0]


def test_any_number_of_forgeries_that_claim_our_key_hides_nothing() -> None:
    record = re.compile(rb"<record>.*?8</count>.*?</record>", re.DOTALL)

    def forged(report: bytes) -> bytes:
        broken = b"<record>" + record.findall(report)[0].rpartition(b"<record>")[2]
        claims = [
            broken.replace(b"<count>8<", b"<count>90<").replace(
                b"amazonses.com", b"bot%d.example" % number
            )
            for number in range(100)
        ]
        return report.replace(b"</feedback>", b"".join(claims) + b"</feedback>")

    reports = from_two(map(forged, month("flood-hides-failures/quiet.xml")))
    assert judged(reports, stage="quarantine").verdict is Verdict.STEP_BACK


@pytest.mark.parametrize("reason", ["arc", "list"])
def test_mail_that_arc_or_a_list_vouches_for_is_told_of_and_holds_nothing_up(reason: str) -> None:
    advice = judged(from_two(month(f"arc-override/{reason}.xml")))

    assert advice.verdict is Verdict.ADVANCE
    (passed_on,) = (tally for tally in advice.hurt if tally.source.kind is Kind.FORWARDED)
    assert passed_on.source.name == "groups.example"
    assert {why.value for why in passed_on.overrides} == {reason}


def test_a_chain_that_failed_vouches_for_nothing() -> None:
    reports = (report.replace(b"arc=pass", b"arc=fail") for report in month("arc-override/arc.xml"))
    advice = judged(from_two(reports))
    assert [tally.source.name for tally in advice.strangers] == ["groups.example"]


@pytest.mark.parametrize(("name", "left_out"), [("unused", {"no report": 1}), ("xhtml", {})])
def test_a_bad_part_does_not_cost_the_report_beside_it(name: str, left_out: dict[str, int]) -> None:
    told, _ = collected(f"one-bad-part/{name}.eml")
    assert (told.counted, told.left_out) == (1, left_out)


def test_a_receiver_of_two_names_is_one() -> None:
    advice = judged(
        month("one-receiver-two-names/consumer.xml", "one-receiver-two-names/business.xml")
    )
    assert advice.figures is not None
    assert advice.figures.reporters == 1
    assert {condition.name for condition in advice.conditions if not condition.met} == {"reporters"}


def test_what_another_host_said_of_the_sender_says_nothing() -> None:
    told, _ = collected("saved-elsewhere/hop.eml")
    assert (told.counted, told.left_out) == (1, {})
    told, _ = collected("saved-elsewhere/theirs.eml")
    assert (told.counted, told.left_out) == (1, {})


@pytest.mark.parametrize("name", ["bom.eml", "bom.xml", "bom.xml.gz"])
def test_a_byte_order_mark_is_allowed(name: str) -> None:
    told, _ = collected(f"byte-order-mark/{name}")
    assert (told.counted, told.messages, told.left_out) == (1, 1, {})


def test_utf_16_is_allowed() -> None:
    text = case("byte-order-mark/bom.xml").decode("utf-8-sig").replace("UTF-8", "UTF-16")
    assert collect(Evidence(DOMAIN), [text.encode("utf-16")], TODAY, HOST).counted == 1


@pytest.mark.parametrize("name", ["badauthor", "noauthor"])
def test_a_record_without_an_author_costs_only_itself(name: str) -> None:
    told, _ = collected(f"one-unreadable-author/{name}.xml")
    assert (told.counted, told.messages) == (1, 5)
    assert told.left_out == {"record without an author": 1}


def test_a_receiver_that_saw_nothing_has_reported() -> None:
    told, evidence = collected("nothing-to-tell/empty.xml")
    assert (told.counted, told.messages, told.left_out) == (1, 0, {})
    assert set(evidence.days[date(2026, 11, 20)].reports) == {"receiver.example"}


def test_a_report_id_may_be_used_again_for_another_period_or_by_another_receiver() -> None:
    told, _ = collected(*(f"reused-report-id/{name}.xml" for name in ("a", "b", "c", "a-again")))
    assert (told.counted, told.messages, told.left_out) == (3, 3, {"duplicate": 1})


def test_the_clock_begins_with_the_first_day_that_asked_for_reports() -> None:
    evidence = Evidence(DOMAIN)
    collect(evidence, month("arc-override/list.xml"), TODAY, HOST)
    senders = (Sender("Resend", ("resend",)),)
    asked = dict.fromkeys((None, TODAY - timedelta(days=20)))
    for since in asked:
        domain = MailDomain(
            DOMAIN, "none", date(2026, 5, 12), since, "quarantine", AGES,
            THRESHOLDS, senders,
        )  # fmt: skip
        asked[since] = advise(domain, evidence, TODAY)

    never, late = asked.values()
    assert never is not None
    assert late is not None
    assert late.figures is not None
    assert never.verdict is Verdict.UNJUDGED
    assert "rua" in never.reasons[0]
    assert late.figures.days == 20
    assert {condition.name for condition in late.conditions if not condition.met} >= {
        "calendar",
        "days",
    }
