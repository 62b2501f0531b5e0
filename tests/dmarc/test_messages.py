"""Whoever may write to the address can stop nothing, and what is passed on is found."""

import base64
import gzip
import time
import zipfile
from collections import Counter
from email.message import EmailMessage
from io import BytesIO

import pytest

from dmarc.evidence import Evidence
from dmarc.messages import Opening
from tests.dmarc.simulated import DOMAIN, FIRST, GOOD, HOST, collect, xml
from tests.dmarc.test_collecting import TODAY, left_out, mailed

REPORT = xml(FIRST, Counter({GOOD: 7}))
HEAD = b"From: a@b.example\nSubject: Report Domain: portugalodyssey.pt\nMIME-Version: 1.0\n"


def nested(depth: int) -> bytes:
    kind = b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n'
    return HEAD + b"".join(kind % (number, number) for number in range(depth)) + b"\n\nx\n"


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w", method) as file:
        for name, content in members:
            file.writestr(name, content)
    return archive.getvalue()


HOSTILE = {
    "parentheses": (HEAD + b"Content-Type: text/xml " + b"(" * 1000 + b"\n\nx\n", "no report"),
    "1,500 nested parts": (nested(1500), "too many parts"),
    "40,000 semicolons": (
        HEAD + b"Content-Type: text/xml" + b";" * 40_000 + b"\n\nx\n", "header too large"
    ),
    "300,000 parts": (
        HEAD + b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\n" * 300_000, "too large"
    ),
    "a header without end": (HEAD + b"X: y\n" * 100_000 + b"\n", "header too large"),
    "lines in many parts": (nested(28) + b"--b2x\n" * 119_000, "no report"),
    "a judgement in parentheses": (
        HEAD + f"Authentication-Results: {HOST}; ".encode() + b"(" * 8000 + b"\n\nx\n",
        "sender not authenticated",
    ),
    "gzip in gzip": (
        gzip.compress(gzip.compress(gzip.compress(gzip.compress(gzip.compress(REPORT))))),
        "wrapped too often",
    ),
    "a zip of 20,000 files": (zipped(*((f"{n}.xml", b"<feedback>") for n in range(20_000))), "too"),
    "deep XML": (b"<feedback>" + b"<a>" * 200_000, "malformed"),
    "wide XML": (b"<feedback>" + b"<a/>" * 400_000 + b"</feedback>", "too large"),
    "deep JSON": (b'{"policies":' + b"[" * 1_000_000, "malformed"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_message_costs_a_moment_and_a_line(name: str) -> None:
    content, reason = HOSTILE[name]
    begin = time.process_time()
    collected = collect(Evidence(DOMAIN), [content, mailed(REPORT)], TODAY)

    assert time.process_time() - begin < 5
    assert [each for each in collected.left_out if reason in each]
    assert (collected.left_out.total(), collected.counted) == (1, 1)


def test_an_archive_that_asks_for_memory_is_not_opened() -> None:
    assert left_out(zipped(("a.xml", REPORT), method=zipfile.ZIP_LZMA)) == {"malformed": 1}


def attached(*contents: bytes, name: str = "a.bin") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = "it@partner.example", f"postmaster@{DOMAIN}"
    message["Subject"] = "Fwd: Report Domain"
    message.set_content("For you.\n")
    for content in contents:
        message.add_attachment(content, "application", "octet-stream", filename=name)
    return message


def passed_on() -> bytes:
    """A report's message attached to another, as a mail program passes it on."""
    message = EmailMessage()
    message["From"], message["Subject"] = f"info@{DOMAIN}", "Fwd: Report Domain"
    message.set_content("See below.\n")
    inner = EmailMessage()
    inner["From"], inner["Subject"] = "a@google.com", "Report Domain"
    inner.set_content("A report.\n")
    inner.add_attachment(gzip.compress(REPORT), "application", "gzip", filename="a.xml.gz")
    message.add_attachment(inner)
    return message.as_bytes()


def encoded_message() -> bytes:
    """The same, the attached message in base64, which RFC 2046 forbids."""
    body = base64.encodebytes(mailed(REPORT))
    return (
        HEAD + b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n"
        b"Content-Transfer-Encoding: base64\n\n" + body + b"\n--b--\n"
    )


def apple() -> bytes:
    message = mailed(REPORT)
    return b"%d   \n" % len(message) + message + b"<?xml version='1.0'?><plist/>"


@pytest.mark.parametrize(
    "content",
    [
        passed_on(),
        encoded_message(),
        attached(mailed(REPORT), name="Fwd.eml").as_bytes(),
        attached(zipped(("mail/one.eml", mailed(REPORT)))).as_bytes(),
        zipped(("reports/", b""), ("reports/a.xml", REPORT), ("__MACOSX/._a.xml", b"\0")),
        zipped(("a.xml.gz", gzip.compress(REPORT))),
        b"From a@b Sat Aug  1 00:00:00 2026\n" + mailed(REPORT),
        apple(),
        b"\n\n" + REPORT,
        REPORT.decode().encode("utf-16"),
    ],
    ids=["forwarded", "base64", "eml", "eml in zip", "folder in zip", "gz in zip", "mbox", "emlx",
         "blank lines", "utf-16"],
)  # fmt: skip
def test_a_report_is_found_however_it_was_wrapped(content: bytes) -> None:
    collected = collect(Evidence(DOMAIN), [content], TODAY)
    assert (collected.counted, collected.messages, dict(collected.left_out)) == (1, 7, {})


def test_one_broken_file_in_an_archive_does_not_cost_the_others() -> None:
    archive = zipped(("a.xml", REPORT[:300]), ("readme.txt", b"hello"), ("b.xml", REPORT))
    collected = collect(Evidence(DOMAIN), [archive], TODAY)
    assert (collected.counted, collected.left_out) == (1, {"malformed": 1, "no report": 1})


def test_every_message_of_a_saved_folder_is_read() -> None:
    days = [xml(FIRST, Counter({GOOD: 1}), number=str(number)) for number in range(35)]
    folder = b"".join(b"From a@b Sat Aug  1 2026\n" + mailed(day) + b"\n\n" for day in days)
    assert collect(Evidence(DOMAIN), [folder], TODAY).counted == 35


@pytest.mark.parametrize(
    ("field", "sender"),
    [
        (f"{HOST}; spf=none; dmarc=pass header.from=google.com", "google.com"),
        (f'"{HOST.upper()}." 1; dkim=pass header.d=google.com; spf=fail', "google.com"),
        (f"(ours) {HOST}; spf=pass smtp.mailfrom=a@b.google.com; dmarc=none", "b.google.com"),
        (f"x{HOST}; dmarc=fail header.from=google.com", ""),
        (f"{HOST}.evil.example; dmarc=fail header.from=google.com", ""),
    ],
)
def test_the_sender_is_whom_our_own_host_authenticated(field: str, sender: str) -> None:
    opening = Opening(HOST)
    (document,) = opening.documents(mailed(REPORT, field))
    assert document.sender == sender


def test_a_receiver_is_counted_by_who_sent_the_report_not_by_the_name_in_it() -> None:
    evidence = Evidence(DOMAIN)
    for name in ("google.com", "yahoo.com", "outlook.com"):
        field = f"{HOST}; dmarc=pass header.from=reports.evil.example"
        collect(evidence, [mailed(xml(FIRST, Counter({GOOD: 1}), reporter=name), field)], TODAY)
    assert set(evidence.days[FIRST].reports) == {"evil.example"}
