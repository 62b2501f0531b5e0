"""Block lists: a listing is one only when the list is believed and answers in 127.0.0.0/24."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from dnslib import QTYPE, RCODE, RR, A, DNSRecord

from components.onhost import dnsbl as program

ZONE = "bl.example.net"
ADDRESS = "192.0.2.25"
TEST_ENTRY = f"2.0.0.127.{ZONE}"
OURS = f"25.2.0.192.{ZONE}"


@contextmanager
def resolver(
    answers: dict[str, list[str] | int], spoil: Callable[[bytes], bytes] = bytes
) -> Iterator[str]:
    """Answer with addresses, or with a code; a name that is not there does not exist."""
    channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    channel.bind(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            message, caller = channel.recvfrom(4096)
            if not message:
                return
            request = DNSRecord.parse(message)
            name = str(request.q.qname).rstrip(".")
            reply = request.reply()
            found = answers.get(name, RCODE.NXDOMAIN)
            if isinstance(found, int):
                reply.header.rcode = found
            else:
                for answer in found:
                    reply.add_answer(RR(name, QTYPE.A, rdata=A(answer), ttl=60))
            channel.sendto(spoil(reply.pack()), caller)

    thread = threading.Thread(target=serve)
    thread.start()
    port = channel.getsockname()[1]
    try:
        yield f"127.0.0.1:{port}"
    finally:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", port))
        thread.join(10)
        channel.close()


def run(root: Path, place: str) -> tuple[int, str]:
    status = program.main(
        ["--address", ADDRESS, "--zone", ZONE, "--resolver", place, "--metrics", "/m.prom",
         "--seconds", "0.5"]
    )  # fmt: skip
    return status, (root / "m.prom").read_text()


@pytest.mark.parametrize("answer", ["127.0.0.2", "127.0.0.11"])
def test_an_address_on_the_list_is_listed(root: Path, answer: str) -> None:
    with resolver({TEST_ENTRY: ["127.0.0.2"], OURS: [answer]}) as place:
        status, metrics = run(root, place)
    assert status == 0
    assert f'po_mail_dnsbl_listed{{zone="{ZONE}",address="{ADDRESS}"}} 1\n' in metrics
    assert f'po_mail_dnsbl_answers{{zone="{ZONE}"}} 1\n' in metrics


def test_an_address_that_is_not_on_the_list_is_clean(root: Path) -> None:
    with resolver({TEST_ENTRY: ["127.0.0.2"]}) as place:
        status, metrics = run(root, place)
    assert status == 0
    assert f'po_mail_dnsbl_listed{{zone="{ZONE}",address="{ADDRESS}"}} 0\n' in metrics


@pytest.mark.parametrize("answer", ["127.255.255.252", "127.255.255.254", "127.255.255.255"])
def test_a_refusal_of_the_list_is_neither_a_listing_nor_a_clean_bill(
    root: Path, answer: str
) -> None:
    for answers in (
        {TEST_ENTRY: [answer], OURS: [answer]},
        {TEST_ENTRY: ["127.0.0.2"], OURS: [answer]},
    ):
        with resolver(dict(answers)) as place:
            status, metrics = run(root, place)
        assert status == 0
        assert f'po_mail_dnsbl_answers{{zone="{ZONE}"}} 0\n' in metrics
        assert "po_mail_dnsbl_listed{" not in metrics


def test_a_list_without_its_test_entry_is_not_believed(root: Path) -> None:
    with resolver({OURS: ["127.0.0.2"]}) as place:
        _, metrics = run(root, place)
    assert "po_mail_dnsbl_listed{" not in metrics


def test_a_wildcard_of_somebody_in_between_is_no_listing(root: Path) -> None:
    with resolver({TEST_ENTRY: ["198.51.100.1"], OURS: ["198.51.100.1"]}) as place:
        _, metrics = run(root, place)
    assert "po_mail_dnsbl_listed{" not in metrics


@pytest.mark.parametrize("code", [RCODE.SERVFAIL, RCODE.REFUSED])
def test_a_resolver_that_fails_is_told_apart(root: Path, code: int) -> None:
    with resolver({TEST_ENTRY: code}) as place:
        status, metrics = run(root, place)
    assert status == 1
    assert f'po_mail_dnsbl_answers{{zone="{ZONE}"}} 0\n' in metrics


@pytest.mark.parametrize(
    "spoil",
    [
        lambda message: b"\0\0" + message[2:] if message[:2] != b"\0\0" else b"\1\1" + message[2:],
        lambda message: message[:20],
        lambda message: message[:14] + b"x" + message[15:],
    ],
)
def test_an_answer_to_another_question_is_not_taken(
    root: Path, spoil: Callable[[bytes], bytes]
) -> None:
    with resolver({TEST_ENTRY: ["127.0.0.2"], OURS: ["127.0.0.2"]}, spoil) as place:
        status, metrics = run(root, place)
    assert status == 1
    assert "po_mail_dnsbl_listed{" not in metrics


def test_a_resolver_that_is_not_there_is_told_apart(root: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    assert run(root, f"127.0.0.1:{port}")[0] == 1
