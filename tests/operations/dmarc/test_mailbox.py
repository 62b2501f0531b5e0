"""Who sends a lot to the report address hides nobody else's reports, and stops nothing."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from dmarc.collecting import Collecting
from dmarc.evidence import Evidence
from operations.dmarc import mailbox
from tests.dmarc.simulated import DOMAIN, FIRST, GOOD, HOST, xml
from tests.dmarc.test_collecting import mailed


class Folder:
    """A mailbox that answers what is asked, as imaplib hands it on."""

    def __init__(self, messages: list[bytes]) -> None:
        self.messages = messages
        self.fetched: list[int] = []

    def select(self, _folder: str, *, readonly: bool) -> tuple[str, list[bytes]]:
        assert readonly
        return "OK", [b""]

    def uid(self, command: str, *words: str) -> tuple[str, list[Any]]:
        if command == "SEARCH":
            return "OK", [b" ".join(b"%d" % uid for uid in range(1, len(self.messages) + 1))]
        uids = [int(uid) for uid in words[0].split(",")]
        if "HEADER" in words[1]:
            return "OK", list(self._headers(uids))
        self.fetched += uids
        return "OK", [(b"1 (UID %d BODY[] {1}" % uid, self.messages[uid - 1]) for uid in uids]

    def _headers(self, uids: list[int]) -> Iterator[Any]:
        for uid in uids:
            header = re.split(rb"\r?\n\r?\n", self.messages[uid - 1])[0]
            size = len(self.messages[uid - 1])
            yield b"1 (UID %d RFC822.SIZE %d BODY[HEADER.FIELDS] {1}" % (uid, size), header + b"\n"
            yield b")"


def take(messages: list[bytes]) -> tuple[Collecting, Folder]:
    folder = Folder(messages)
    collecting = Collecting(Evidence(DOMAIN), HOST, date(2026, 8, 10))
    mailbox._take_folder(folder, "INBOX", FIRST, collecting, HOST)  # type: ignore[arg-type]
    return collecting, folder


def sent(number: int, sender: str, judged: str = "pass") -> bytes:
    report = xml(FIRST, Counter({GOOD: 1}), number=str(number))
    return mailed(report, f"{HOST}; dmarc={judged} header.from={sender}")


def test_every_sender_gets_a_turn_before_any_gets_a_second_one() -> None:
    flood = [sent(number, "evil.example") for number in range(60)]
    _, folder = take([sent(100, "google.com"), *flood, sent(101, "yahoo.com")])

    assert folder.fetched[:3] == [62, 61, 1]
    assert folder.fetched[3:6] == [60, 59, 58]


def test_what_was_not_read_in_time_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox, "_MOST_SECONDS", 0)
    collecting, folder = take([sent(number, "google.com") for number in range(3)])

    assert folder.fetched == []
    assert collecting.collected.left_out == {"not read yet: no time": 3}


def test_a_forged_report_is_refused_by_its_header_alone() -> None:
    collecting, folder = take([sent(1, "google.com", judged="fail"), sent(2, "google.com")])

    assert folder.fetched == [2]
    assert collecting.collected.left_out == {"sender not authenticated": 1}
    assert collecting.collected.first == {"sender not authenticated": "INBOX 1"}


def test_private_mail_is_not_opened() -> None:
    letter = f"From: a@b.example\nTo: postmaster@{DOMAIN}\nSubject: lunch\n\nAt one?\n".encode()
    _, folder = take([letter, sent(1, "google.com")])

    assert folder.fetched == [2]
