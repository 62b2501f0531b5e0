"""What others write, damaged at random: declarations, reports, answers of an API, archives.

Every run tries the same: a seed stands beside each, and a failure names the number of the try.
Whatever comes, it is read, refused in a line, or left out; never a traceback, never a long wait.
"""

import gzip
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import httpx
import pytest

from components.onhost import archives, machine
from declaration.mistakes import DeclarationError
from declaration.reading import read_file
from dmarc.evidence import Evidence
from pulumi_mailcow.client import Client, Settings
from pulumi_mailcow.errors import MailcowError
from tests.conftest import PROJECT
from tests.dmarc.simulated import DOMAIN, FIRST, GOOD, collect, xml
from tests.dmarc.test_collecting import TODAY, mailed
from tests.dmarc.test_messages import zipped
from tests.providers.mailcow.stack import in_loop

pytestmark = pytest.mark.real

DECLARATIONS, REPORTS, ANSWERS, LISTS = 10_000, 600, 1500, 3000
SEED = 20261128
LONGEST_SECONDS = 3.0
"""Processor time for one try, on a machine that others use too."""

_HOSTILE = (
    b"\0", b"\xff\xfe", b"\xc3", b"\x1b[2J", "\u202e".encode(), "\u2028".encode(), b"[" * 60,
    b"{" * 60, b"&a [*a]", b"*a", b"!!python/object:os.system {}", b"!!binary aGk=", b"<<: *b",
    b"? [a]\n: b", b"9" * 6000, b"1e999999", b".nan", b"-", b":", b"'", b'"', b"\t", b"\r", b"%",
    b"---\n", b"...\n", b"null", b"~", b"2026-02-30", b"0x", b"{}", b"[]", b"''", b"a: a: a", b"#",
)  # fmt: skip
"""What is put into a file, besides bytes of no meaning."""


def damaged(text: bytes, chance: random.Random) -> bytes:
    """Return a text with one to three places cut, moved, repeated or replaced."""
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(text) + 1)
        end = min(len(text), place + chance.choice((0, 0, 1, 4, 30, 200)))
        lines = text.splitlines(keepends=True)
        what = chance.randrange(5)
        if what == 0:
            text = text[:place] + chance.choice(_HOSTILE) + text[end:]
        elif what == 1:
            text = text[:place] + chance.randbytes(chance.randint(1, 6)) + text[end:]
        elif what == 2:
            text = text[:place] + text[place:end] * chance.choice((0, 2, 3)) + text[end:]
        elif what == 3 and lines:
            line = chance.randrange(len(lines))
            indented = b" " * chance.randrange(6) + lines[line].lstrip()
            text = b"".join([*lines[:line], indented, *lines[line + 1 :]])
        elif lines:
            line = chance.randrange(len(lines))
            key, colon, _ = lines[line].partition(b":")
            value = chance.choice((*_HOSTILE, b"1", b"true", b"x", b"[1, 2]", b"-1")) + b"\n"
            text = b"".join([*lines[:line], key, colon, b" ", value, *lines[line + 1 :]])
    return text


def at_random(tries: int, seed: str, act: Callable[[random.Random], None]) -> None:
    """Try something many times; a failure names the try, each of which has a chance of its own."""
    for number in range(tries):
        begin = time.process_time()
        try:
            act(random.Random(f"{SEED} {seed} {number}"))
        except Exception as error:
            error.add_note(f"{seed}, try {number}")
            raise
        assert time.process_time() - begin < LONGEST_SECONDS, f"{seed}, try {number}"


def refusal(act: Callable[[], object], kind: type[Exception]) -> Exception | None:
    """Return the refusal that ended an act, None where there was none."""
    try:
        act()
    except kind as error:
        return error
    return None


def in_lines(error: Exception) -> bool:
    """Tell whether an error is fit to be shown: nothing in it moves a terminal."""
    return all(sign.isprintable() or sign == "\n" for sign in str(error)) and bool(str(error))


def test_ten_thousand_damaged_declarations_are_read_or_refused_in_lines(tmp_path: Path) -> None:
    texts = [(PROJECT / f"Pulumi.{stack}.yaml").read_bytes() for stack in ("example", "qual")]
    file = tmp_path / "Pulumi.x.yaml"
    ends: Counter[str] = Counter()

    def act(chance: random.Random) -> None:
        file.write_bytes(damaged(texts[chance.randrange(10) == 0], chance))
        error = refusal(lambda: read_file(file), DeclarationError)
        assert error is None or in_lines(error), repr(str(error))
        ends["read" if error is None else "refused"] += 1

    at_random(DECLARATIONS, "declaration", act)
    assert ends.total() == DECLARATIONS
    assert ends["refused"] > DECLARATIONS / 4


REPORT = xml(FIRST, Counter({GOOD: 7}))
WRAPPED: tuple[bytes, ...] = (
    REPORT, mailed(REPORT), gzip.compress(REPORT), zipped(("a.xml", REPORT)),
    mailed(gzip.compress(REPORT)),
)  # fmt: skip


def test_damaged_reports_and_archives_stop_no_other_report() -> None:
    def act(chance: random.Random) -> None:
        content = damaged(chance.choice(WRAPPED), chance)
        collected = collect(Evidence(DOMAIN), [content, mailed(REPORT)], TODAY)
        assert collected.counted >= 1
        assert all(reason.isprintable() for reason in collected.left_out)

    at_random(REPORTS, "report", act)


ANSWER = json.dumps([
    {"type": "success", "log": ["mailbox", "add"], "msg": ["mailbox_added", f"info@{DOMAIN}"]},
    {"type": "danger", "log": [], "msg": "mailbox_quota_exceeded"},
]).encode()  # fmt: skip
_DEEP = (b"[" * 100_000, b'{"a":' * 100_000, b"[" * 500 + b"]" * 500, ANSWER[:-1] + b',"\x1b[2J"]')
_STATUSES = (200, 200, 200, 201, 302, 400, 401, 403, 404, 405, 418, 500, 503)


@in_loop
async def test_damaged_answers_of_the_api_are_one_line_and_never_believed() -> None:
    said = []
    for number in range(ANSWERS):
        chance = random.Random(f"{SEED} answer {number}")
        body = chance.choice(_DEEP) if chance.randrange(20) == 0 else damaged(ANSWER, chance)
        status = chance.choice(_STATUSES)

        def answer(
            _request: httpx.Request, body: bytes = body, status: int = status
        ) -> httpx.Response:
            return httpx.Response(status, content=body)

        async with Client(Settings("http://127.0.0.1:9", "planted-key")) as client:
            await client._http.aclose()
            client._http = httpx.AsyncClient(transport=httpx.MockTransport(answer), timeout=5)
            try:
                await client.write("edit/domain", {"items": ["a"], "attr": {"active": 1}})
            except MailcowError as error:
                said.append(error)
            except Exception as error:
                error.add_note(f"answer, try {number}")
                raise
    assert [str(error) for error in said if not in_lines(error)] == []
    assert [str(error) for error in said if "planted-key" in str(error)] == []
    assert len(said) > ANSWERS / 2


LISTED = json.dumps([
    {"id": f"{number:064x}", "time": "2026-11-28T03:00:00.123456789+01:00",
     "paths": ["/a"], "tags": ["po-mail", "verified"]}
    for number in range(3)
]).encode()  # fmt: skip
SUMMARY = json.dumps(
    {"message_type": "summary", "snapshot_id": "ab" * 32, "total_bytes_processed": 12345}
).encode()


def test_damaged_lists_of_archives_are_refused_in_a_line() -> None:
    def act(chance: random.Random) -> None:
        deep = chance.randrange(50) == 0
        listed, summary = (
            (b"[" * 100_000 if deep else damaged(text, chance)).decode("utf-8", "replace")
            for text in (LISTED, SUMMARY)
        )
        restic = SimpleNamespace(run=lambda *_words: SimpleNamespace(stdout=listed))
        for ask in (
            lambda: archives.snapshots(cast("archives.Restic", restic), "mx.example.org"),
            lambda: archives.read_summary(summary),
        ):
            error = refusal(ask, machine.StepError)
            assert error is None or in_lines(error)

    at_random(LISTS, "list", act)
