"""The snapshot of SPF records: read offline, refreshed on purpose, from a resolver on loopback."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from dnslib import QTYPE, RCODE, RR, TXT
from dnslib.server import DNSHandler, DNSRecord, DNSServer

from policies.registry import rule
from policies.snapshot import FILE, Snapshot, load, main, refreshed, write
from policies.stack import Stack
from tests.policies.planting import TODAY, judged, rebuilt

ZONE = {
    "amazonses.com.": "v=spf1 include:a.example -all",
    "a.example.": "v=spf1 include:gone.example ip4:192.0.2.1 -all",
}


class _Answers:
    def resolve(self, request: DNSRecord, _handler: DNSHandler) -> DNSRecord:
        reply = request.reply()
        name = str(request.q.qname).lower()
        if name in ZONE:
            reply.add_answer(RR(name, QTYPE.TXT, rdata=TXT(["unrelated"])))
            middle = len(ZONE[name]) // 2
            strings = [ZONE[name][:middle], ZONE[name][middle:]]
            reply.add_answer(RR(name, QTYPE.TXT, rdata=TXT(strings)))
        else:
            reply.header.rcode = RCODE.NXDOMAIN
        return reply


@pytest.fixture
def resolver() -> Iterator[int]:
    """Run a resolver on loopback and return its port."""
    server = DNSServer(_Answers(), address="127.0.0.1", port=0)
    server.start_thread()
    yield server.server.server_address[1]
    server.stop()
    server.server.server_close()


def test_a_refresh_follows_includes_and_joins_strings(resolver: int) -> None:
    assert refreshed(["amazonses.com"], "127.0.0.1", resolver) == {
        "a.example": ZONE["a.example."],
        "amazonses.com": ZONE["amazonses.com."],
        "gone.example": "",
    }


def test_the_command_writes_what_it_found_and_the_day(resolver: int, tmp_path: Path) -> None:
    file = tmp_path / "spf.json"
    file.write_bytes(FILE.read_bytes())

    words = ["refresh", "--resolver", "127.0.0.1", "--port", str(resolver), "--file", str(file)]
    assert main(words) == 0

    found = load(file)
    assert found.taken is not None
    assert found.records["amazonses.com"] == ZONE["amazonses.com."]
    assert found.refresh_after == load().refresh_after


def test_a_refresh_that_fails_writes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "spf.json"
    file.write_bytes(FILE.read_bytes())

    # Nobody listens on port 1 of the loopback; the address is refused at once.
    assert refused_by("127.0.0.1", file) == 1
    assert file.read_bytes() == FILE.read_bytes()


def refused_by(address: str, file: Path) -> int:
    return main(
        ["refresh", "--resolver", address, "--port", "1", "--seconds", "0.2", "--file", str(file)]
    )


def test_an_old_snapshot_is_noted_and_refuses_nothing(good: Stack) -> None:
    for taken, noted in ((TODAY, False), (TODAY - timedelta(days=181), True), (None, True)):
        snapshot = Snapshot(taken, records=good.snapshot.records)

        judgement = judged("spf-lookups", rebuilt(good, snapshot=snapshot))

        assert bool(judgement.notes) is noted
        assert judgement.violations == ()
    assert rule("spf-lookups").severity.value == "critical"


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    write(tmp_path / "x.json", {"a.example": "v=spf1 -all"}, date(2026, 1, 2), timedelta(days=9))

    assert load(tmp_path / "x.json") == Snapshot(
        date(2026, 1, 2), timedelta(days=9), {"a.example": "v=spf1 -all"}
    )
