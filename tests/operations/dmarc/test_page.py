"""The page stands by itself, says everything in words too, and escapes what others wrote."""

import re
from collections import Counter
from datetime import date, timedelta

from dmarc.advice import advise
from dmarc.evidence import Evidence, Row, StepTaken
from operations.dmarc.metrics import render as metrics
from operations.dmarc.page import render
from tests.dmarc.simulated import DOMAIN, FIRST, after, declared, domain_of, lively


def page(**dmarc: object) -> str:
    evidence, today = after(90, lively)
    evidence.steps = (StepTaken("quarantine", date(2026, 9, 5), 30, 2, 300, 300),)
    domain = domain_of(**dmarc)
    return render(declared(**dmarc), domain, evidence, advise(domain, evidence, today), today)


def test_nothing_is_fetched_and_nothing_runs() -> None:
    shown = page()
    assert "<script" not in shown
    assert not re.search(r"(src|href)=", shown)
    assert "http" not in shown.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")


def test_stages_and_minima_are_marked() -> None:
    shown = page(stage="quarantine", since=date(2026, 9, 5))
    assert "quarantine at the earliest (T+30)" in shown
    assert "reject at the earliest (T+65)" in shown
    assert "quarantine from 2026-09-05" in shown


def test_the_numbers_of_the_chart_stand_in_a_table() -> None:
    assert page().count("<tr><td>2026-") == 13


def test_what_is_not_aligned_shows_without_colour() -> None:
    shown = page()
    for series in ("failing", "forwarded", "unknown"):
        assert f'id="lying-{series}"' in shown
        assert f"url(#key-{series}-{series})" in shown


def test_a_page_without_reports_can_be_drawn() -> None:
    domain, evidence = domain_of(), Evidence(DOMAIN)
    advice = advise(domain, evidence, FIRST)
    assert "no report yet" in render(declared(), domain, evidence, advice, FIRST)


def test_names_that_others_chose_are_escaped() -> None:
    evidence, today = after(30)
    row = Row(network="<script>alert(1)</script>")
    evidence.days[FIRST + timedelta(days=3)].messages += Counter({row: 9})
    domain = domain_of()
    shown = render(declared(), domain, evidence, advise(domain, evidence, today), today)
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown


def test_metrics_have_a_bounded_number_of_series() -> None:
    evidence, _ = after(90, lively)
    for number in range(50):
        evidence.days[FIRST + timedelta(days=80)].messages[Row(network=f"n{number}.example")] += 1
    text = metrics(domain_of(), evidence)

    assert re.search(r'po_mail_dmarc_messages\{source="Resend",aligned="yes"\} \d{3,}\n', text)
    assert 'po_mail_dmarc_messages{source="Resend",aligned="no"} 0\n' in text
    assert "po_mail_dmarc_last_report_timestamp_seconds 1793318399\n" in text
    assert re.search(r'{source="unknown",aligned="no"} \d{2,}\n', text)
    assert text.count("po_mail_dmarc_messages{") == 5
