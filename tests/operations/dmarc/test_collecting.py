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

from components.dmarc_evidence import Evidence, Row, parse, render
from operations.dmarc.collecting import collect
from operations.dmarc.reading import read_report
from operations.dmarc.unpacking import MOST_UNPACKED
from rehearsal.world.aggregate_report import Period, enclose
from tests.operations.dmarc.simulated import (
    BROKEN,
    DOMAIN,
    FIRST,
    FORGED,
    GOOD,
    LISTED,
    NEWSLETTER,
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
    report = read_report(xml(FIRST, SEEN), DOMAIN)
    assert report == read_report(xml(FIRST, SEEN, legacy=True), DOMAIN)

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

    assert read_report(xml(FIRST, SEEN), DOMAIN).rows


def test_no_address_is_kept() -> None:
    evidence = Evidence(DOMAIN)
    collect(evidence, [mailed(xml(FIRST, SEEN))], TODAY)

    kept = render(evidence)
    assert "@" not in kept
    for one in SEEN:
        assert one.address not in kept


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
    flood = [xml(FIRST, Counter({GOOD: 1}), number=str(one)) for one in range(203)]
    assert left_out(*flood) == {"too many for one day": 3}


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


def test_what_is_cut_off_or_garbled_is_left_out_whole() -> None:
    whole = xml(FIRST, SEEN)
    packed = gzip.compress(whole)
    contents = [
        whole[: len(whole) * 2 // 3],
        whole.replace(b"<count>7</count>", b"<count>many</count>"),
        whole.replace(b"<count>7</count>", b"<count>-7</count>"),
        whole.replace(b"<source_ip>8.8.8.8</source_ip>", b"<source_ip>nowhere</source_ip>"),
        packed[:-20],
        packed[:40] + b"\x00\x00" + packed[42:],
        b"<feedback/>",
        b"<html><body>no report</body></html>",
    ]
    assert left_out(*contents) == {"malformed": len(contents)}


def test_random_damage_never_raises() -> None:
    chance = random.Random(7)
    for _ in range(60):
        damaged = bytearray(chance.choice([xml(FIRST, SEEN), mailed(xml(FIRST, SEEN))]))
        for _ in range(chance.randrange(1, 9)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        collect(Evidence(DOMAIN), [bytes(damaged)], TODAY)


def test_a_report_whose_sender_failed_is_left_out() -> None:
    report = xml(FIRST, SEEN)
    forged = "mx; spf=fail smtp.mailfrom=google.com; dkim=none; dmarc=fail header.from=google.com"
    sound = "mx; spf=pass smtp.mailfrom=google.com; dkim=none; dmarc=pass header.from=google.com"
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
    found = read_report(week, DOMAIN)
    assert {day for day, _ in found.rows} == {date(2026, 8, one) for one in range(1, 8)}
    assert sum(found.rows.values()) == 70
