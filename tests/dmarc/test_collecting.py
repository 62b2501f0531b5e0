"""What is counted of the reports, and what is left out with its reason."""

import gzip
import json
import random
import socket
import zipfile
import zlib
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from io import BytesIO

import pytest

from dmarc.aggregate import read_report
from dmarc.evidence import Evidence, Row, parse, render
from dmarc.messages import MOST_UNPACKED
from rehearsal.world.aggregate_report import Period, enclose
from tests.dmarc.simulated import (
    BROKEN,
    DOMAIN,
    FIRST,
    FORGED,
    GOOD,
    HOST,
    LISTED,
    NEWSLETTER,
    collect,
    days,
    lively,
    reports,
    xml,
)

TODAY = FIRST + timedelta(days=30)
SEEN = Counter({GOOD: 7, LISTED: 2, NEWSLETTER: 3, FORGED: 4, BROKEN: 1})


def left_out(*contents: bytes) -> dict[str, int]:
    return dict(collect(Evidence(DOMAIN), contents, TODAY).left_out)


def mailed(report: bytes, header: str = "") -> bytes:
    begin = datetime(2026, 8, 1, tzinfo=UTC)
    period = Period("google.com", "1", begin, begin + timedelta(days=1))
    message = enclose(report, period, DOMAIN, f"postmaster@{DOMAIN}")
    if header:
        message["Authentication-Results"] = header
    return message.as_bytes()


def test_both_formats_say_the_same() -> None:
    report = read_report(xml(FIRST, SEEN).decode(), DOMAIN)
    assert report == read_report(xml(FIRST, SEEN, legacy=True).decode(), DOMAIN)

    assert {row.aligned for _, row in report.rows} == {True, False}
    assert sum(report.rows.values()) == 17
    good = next(row for _, row in report.rows if row.key)
    assert good == Row(
        network="amazon.com", key="resend", envelope=f"send.{DOMAIN}", spf=True,
        other="amazonses.com",
    )  # fmt: skip


def test_nothing_is_asked_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("somebody was asked")

    for name in ("connect", "connect_ex", "sendto", "sendmsg"):
        monkeypatch.setattr(socket.socket, name, refuse, raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)

    assert read_report(xml(FIRST, SEEN).decode(), DOMAIN).rows


def test_no_address_is_kept() -> None:
    evidence = Evidence(DOMAIN)
    collect(evidence, [mailed(xml(FIRST, SEEN))], TODAY)

    kept = render(evidence)
    assert "@" not in kept
    for item in SEEN:
        assert item.address not in kept


def test_the_same_reports_twice_change_nothing() -> None:
    found = reports(days(20), lively)
    evidence = Evidence(DOMAIN)
    once = collect(evidence, found, TODAY)
    before = render(evidence)
    again = collect(evidence, found, TODAY)

    assert (once.counted, again.counted) == (len(found), 0)
    assert again.left_out == {"duplicate": len(found)}
    assert render(evidence) == before


def test_the_order_of_reports_does_not_matter() -> None:
    found = reports(days(20), lively)
    texts = set()
    for seed in range(3):
        evidence = Evidence(DOMAIN)
        mixed = random.Random(seed).sample(found, len(found))
        for half in (mixed[::2], mixed[1::2]):
            collect(evidence, half, TODAY)
            evidence = parse(json.loads(render(evidence)), DOMAIN)
        texts.add(render(evidence))
    assert len(texts) == 1


def test_evidence_is_bounded_in_time_and_size() -> None:
    evidence = Evidence(DOMAIN)
    strangers = Counter({FORGED.__class__(f"198.51.100.{n}", DOMAIN, DOMAIN, "fail",
                                          ((f"{n}.d{n}.org", "k", "pass"),)): 1 + n % 3
                         for n in range(250)})  # fmt: skip
    collect(evidence, [xml(FIRST, strangers)], FIRST + timedelta(days=1))
    assert len(evidence.days[FIRST].messages) <= 60
    assert evidence.days[FIRST].messages.total() == strangers.total()

    late = FIRST + timedelta(days=120)
    assert collect(evidence, [xml(FIRST, SEEN, number="2")], late).left_out == {"too old": 1}
    assert evidence.days == {}


def test_a_flood_of_reports_is_bounded() -> None:
    flood = [xml(FIRST, Counter({GOOD: 1}), number=str(number)) for number in range(43)]
    assert left_out(*flood) == {"too many of one receiver for one day": 3}

    many = [xml(FIRST, Counter({GOOD: 1}), reporter=f"d{number}.org") for number in range(203)]
    assert left_out(*many) == {"too many for one day": 3}


def test_a_flood_keeps_out_nobody_who_reports_every_day() -> None:
    evidence = Evidence(DOMAIN)
    flood = [xml(FIRST, Counter({GOOD: 1}), reporter=f"d{number}.org") for number in range(200)]
    usual = [xml(day, Counter({GOOD: 1})) for day in (FIRST + timedelta(days=1), FIRST)]

    collected = collect(evidence, [*flood, *usual], TODAY)

    assert collected.left_out == {}
    assert "google.com" in evidence.days[FIRST].reports


def test_another_domain_is_left_out() -> None:
    assert left_out(xml(FIRST, SEEN, domain="example.org")) == {"of another domain": 1}
    other = xml(FIRST, SEEN).replace(
        b"<header_from>portugalodyssey.pt", b"<header_from>example.org"
    )
    assert left_out(other) == {"of another domain": 1}


def test_a_day_to_come_is_left_out() -> None:
    assert left_out(xml(TODAY + timedelta(days=2), SEEN)) == {"from the future": 1}


def test_bombs_are_left_out_before_they_unfold() -> None:
    zeros = b"<feedback>" + b" " * (4 * MOST_UNPACKED)
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("report.xml", zeros)
    assert left_out(gzip.compress(zeros), archive.getvalue(), mailed(zeros)) == {"too large": 3}


def test_a_document_type_is_refused() -> None:
    start = b"<?xml version='1.0' encoding='utf-8'?>"
    bomb = xml(FIRST, SEEN).replace(
        start, start + b'<!DOCTYPE feedback [<!ENTITY a "aaaa"><!ATTLIST row b CDATA "c">]>'
    )
    assert left_out(bomb) == {"malformed": 1}


def test_what_is_cut_off_is_left_out_whole() -> None:
    whole = xml(FIRST, SEEN)
    packed = gzip.compress(whole)
    contents = [
        whole[: len(whole) * 2 // 3],
        packed[:-20],
        packed[:40] + b"\x00\x00" + packed[42:],
        b"<feedback/>",
    ]
    assert left_out(*contents) == {"malformed": len(contents)}


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (b"<count>7</count>", b"<count>many</count>"),
        (b"<count>7</count>", b"<count>-7</count>"),
        (b"<count>7</count>", b"<count>0</count>"),
        (b"<source_ip>8.8.8.8</source_ip>", b"<source_ip>nowhere</source_ip>"),
        (b"<source_ip>8.8.8.8</source_ip>", b""),
    ],
)
def test_a_garbled_record_costs_only_itself(good: bytes, bad: bytes) -> None:
    evidence = Evidence(DOMAIN)
    collected = collect(evidence, [xml(FIRST, SEEN).replace(good, bad)], TODAY)

    assert collected.left_out == {"unreadable record": 1}
    assert collected.messages == 17 - (7 if b"count" in good else 4)


@pytest.mark.parametrize(
    ("usual", "odd"),
    [
        (b"<org_name>google.com", b"<org_name>AT&T Mail"),
        (b"<feedback xmlns=", b"<r:feedback xmlns:r="),
        (b"<auth_results>", b"<auth_results><dkim/><spf><domain/></spf>"),
        (b"</policy_evaluated>", b"<reason/><reason>a list</reason></policy_evaluated>"),
        (b"<email>", b'<email lang="en">'),
        (b"<domain>portugalodyssey.pt", b"<domain> PortugalOdyssey.PT. "),
        (b"<result>pass</result>", b"<result>Pass</result>"),
        (b"<count>7</count>", b"<count> 7\n</count>"),
        (b"<org_name>google.com</org_name>", b"<org_name>goog\x01le\xff</org_name>"),
        (b"encoding='utf-8'?>", b"encoding='x-mac-roman'?>"),
    ],
)
def test_an_odd_report_that_can_be_read_is_read(usual: bytes, odd: bytes) -> None:
    report = xml(FIRST, SEEN)
    assert usual in report
    odd_report = report.replace(usual, odd)
    if b"r:feedback" in odd:
        odd_report = odd_report.replace(b"</feedback>", b"</r:feedback>")
    collected = collect(Evidence(DOMAIN), [odd_report], TODAY)

    assert (collected.counted, collected.messages, collected.left_out) == (1, 17, {})


def test_random_damage_never_raises() -> None:
    chance = random.Random(7)
    for _ in range(60):
        damaged = bytearray(chance.choice([xml(FIRST, SEEN), mailed(xml(FIRST, SEEN))]))
        for _ in range(chance.randrange(1, 9)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        collect(Evidence(DOMAIN), [bytes(damaged)], TODAY)


def test_a_report_whose_sender_failed_is_left_out() -> None:
    report = xml(FIRST, SEEN)
    forged = f"{HOST}; spf=fail smtp.mailfrom=google.com; dmarc=fail header.from=google.com"
    sound = f"{HOST}; spf=pass smtp.mailfrom=google.com; dmarc=pass header.from=google.com"
    assert left_out(mailed(report, forged)) == {"sender not authenticated": 1}
    assert left_out(mailed(report, sound)) == {}


def test_other_mail_is_no_report() -> None:
    message = EmailMessage()
    message["Subject"] = "Report Domain: lunch"
    message.set_content("Shall we?")
    assert left_out(message.as_bytes(), b"", zlib.compress(b"x")) == {"no report": 3}


def test_a_long_report_is_spread_over_its_days() -> None:
    report = xml(FIRST, Counter({GOOD: 70}))
    begin = int(datetime(2026, 8, 1, tzinfo=UTC).timestamp())
    week = report.replace(
        f"<end>{begin + 86399}".encode(), f"<end>{begin + 7 * 86400 - 1}".encode()
    )
    found = read_report(week.decode(), DOMAIN)
    assert {day for day, _ in found.rows} == {date(2026, 8, number) for number in range(1, 8)}
    assert sum(found.rows.values()) == 70
