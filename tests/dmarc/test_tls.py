"""TLS reports (RFC 8460) are counted, and failures are told by kind."""

import gzip
import json
from datetime import date
from typing import Any

import pytest

from dmarc.evidence import Evidence, parse, render
from tests.dmarc.simulated import DOMAIN, HOST, collect

TODAY = date(2026, 8, 5)


def report(domain: str = DOMAIN, **changes: Any) -> bytes:
    document: dict[str, Any] = {
        "organization-name": "Receiver Inc.",
        "date-range": {
            "start-datetime": "2026-08-01T00:00:00Z",
            "end-datetime": "2026-08-01T23:59:59Z",
        },
        "contact-info": "tls@receiver.example",
        "report-id": "1",
        "policies": [
            {
                "policy": {"policy-type": "sts", "policy-domain": domain},
                "summary": {"total-successful-session-count": 40,
                            "total-failure-session-count": 5},
                "failure-details": [
                    {"result-type": "certificate-expired", "failed-session-count": 3},
                    {"result-type": "of their own making", "failed-session-count": 1},
                ],
            }
        ],
    }  # fmt: skip
    return json.dumps(document | changes).encode()


def mailed(content: bytes, subtype: str) -> bytes:
    return (
        b"From: tls@receiver.example\r\nSubject: Report Domain: x\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/report; report-type="tlsrpt"; boundary=b\r\n\r\n--b\r\n'
        b"Content-Type: application/" + subtype.encode() + b"\r\n\r\n" + content + b"\r\n--b--\r\n"
    )


@pytest.mark.parametrize(
    "content",
    [
        report(),
        gzip.compress(report()),
        mailed(report(), "tlsrpt+json"),
        b"\xef\xbb\xbf" + report(),
    ],
    ids=["json", "gzip", "message", "byte order mark"],
)
def test_a_tls_report_is_counted_by_kind_of_failure(content: bytes) -> None:
    evidence = Evidence(DOMAIN)
    collected = collect(evidence, [content, content], TODAY, HOST)

    assert (collected.tls, collected.counted, collected.left_out) == (1, 0, {"duplicate": 1})
    day = evidence.tls[date(2026, 8, 1)]
    assert (day.successful, dict(day.failures)) == (
        40, {"certificate-expired": 3, "other": 1, "unexplained": 1}
    )  # fmt: skip
    assert parse(json.loads(render(evidence)), DOMAIN) == evidence


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (report(domain="example.org"), "of another domain"),
        (report(policies=[{}]), "malformed"),
        (report(policies=[]), "of another domain"),
        (report().replace(b"2026-08-01T00", b"today"), "malformed"),
        (report().replace(b"40", b"-40"), "malformed"),
        (report().replace(b"40", b"9" * 5000), "malformed"),
        (report().replace(b"2026", b"2027"), "from the future"),
    ],
)
def test_a_tls_report_that_says_nothing_of_us_is_left_out(content: bytes, reason: str) -> None:
    assert collect(Evidence(DOMAIN), [content], TODAY, HOST).left_out == {reason: 1}
