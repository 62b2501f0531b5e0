"""Another user of the machine at every port of a whole world, and at its folder."""

import contextlib
import hashlib
import json
import re
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from declaration.reading import Reading, load_values
from declaration.resolved import resolve
from rehearsal.world import process
from rehearsal.world.client import WorldClient
from tests.conftest import PROJECT
from tests.strangers import as_nobody

_PATIENCE = 2.0
_GREETING = 0.3
ADMINISTRATION = (
    ("GET", "/status"), ("POST", "/stop"), ("GET", "/docker/faults"), ("PUT", "/mail/faults"),
    ("GET", "/mailcow/people"), ("GET", "/cloudflare/records"), ("GET", "/storage/buckets"),
    ("GET", "/containers/json"), ("POST", "/v1.47/volumes/create"), ("DELETE", "/volumes/..%2F.."),
    ("GET", "/client/v4/zones"), ("GET", "/client/v4/user/tokens/verify"),
    ("GET", "/minio/admin/v3/list-users"), ("GET", "/minio/v2/metrics/cluster"), ("PUT", "/new"),
    ("GET", "/api/v1/get/mailbox/all"), ("POST", "/api/v1/add/domain"), ("GET", "/metrics"),
)  # fmt: skip
"""What only those who hold a world's secrets may ask, at whatever port it is answered."""

CONVERSATIONS = {
    b"SSH-": b"SSH-2.0-stranger\r\n",
    b"* OK": b'a SELECT INBOX\r\nb LOGIN info@x wrong\r\nc LIST "" *\r\nd LOGOUT\r\n',
    b'"IMP': b'AUTHENTICATE "PLAIN" "AGEAYg=="\r\nLISTSCRIPTS\r\nLOGOUT\r\n',
    b"220 ": b"EHLO stranger\r\nVRFY info\r\nEXPN info\r\nMAIL FROM:<a@outside.example>\r\n"
             b"RCPT TO:<b@elsewhere.example>\r\nDATA\r\nQUIT\r\n",
}  # fmt: skip
"""What a stranger says to servers that speak first, by the beginning of their greeting."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorldClient]:
    folder = tmp_path_factory.mktemp("strangers") / "world"
    values = load_values(PROJECT / "Pulumi.qual.yaml")
    yield process.start(folder, process.Order(resolve(Reading(values)), stack="qual"))
    process.stop(folder)


def listening(pid: int) -> set[int]:
    """Return the TCP ports of loopback on which a process and its children listen."""
    inodes = {
        target[1]
        for member in {pid, *_children(pid)}
        for descriptor in Path(f"/proc/{member}/fd").iterdir()
        if (target := re.fullmatch(r"socket:\[(\d+)\]", _link(descriptor)))
    }
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {
        int(row[1].partition(":")[2], 16) for row in rows if row[3] == "0A" and row[9] in inodes
    }


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _link(descriptor: Path) -> str:
    with contextlib.suppress(OSError):
        return str(descriptor.readlink())
    return ""


def _connection(port: int, *, tls: bool) -> socket.socket:
    plain = socket.create_connection(("127.0.0.1", port), _PATIENCE)
    if not tls:
        return plain
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(plain)


def _heard(connection: socket.socket, patience: float = _PATIENCE) -> bytes:
    connection.settimeout(patience)
    told = b""
    with contextlib.suppress(OSError):
        while chunk := connection.recv(65536):
            told += chunk
    return told


def _speaks_tls(port: int) -> bool:
    try:
        _connection(port, tls=True).close()
    except OSError:
        return False
    return True


def ask_everything(port: int) -> dict[str, bytes]:
    """Return what a port answers to everything that a stranger may think of."""
    tls = _speaks_tls(port)
    with _connection(port, tls=tls) as connection:
        greeting = _heard(connection, _GREETING)
        for beginning, words in CONVERSATIONS.items():
            if greeting.startswith(beginning):
                connection.settimeout(_PATIENCE)
                connection.sendall(words)
                return {"conversation": greeting + _heard(connection)}
    answers = {}
    for method, path in ADMINISTRATION:
        with _connection(port, tls=tls) as connection:
            head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            connection.sendall(f"{head}Content-Length: 2\r\n\r\n{{}}".encode())
            answers[f"{method} {path}"] = _heard(connection)
    return answers


def test_nobody_administers_or_learns_anything_at_any_port(world: WorldClient) -> None:
    known = world.status()
    ports = listening(known["pid"])
    assert {local for _, _, local in known["addresses"]} <= ports
    before = state_of(world)

    told: dict[int, Any] = as_nobody(lambda: {port: ask_everything(port) for port in ports})

    secrets = [value.encode() for value in world.secrets.values()]
    secrets.append(json.loads((world.folder / "world.json").read_text())["token"].encode())
    for port, answers in told.items():
        for question, answer in answers.items():
            assert not [secret for secret in secrets if secret in answer], (port, question)
            assert allowed(question, answer), (port, question, answer[:200])
    assert state_of(world) == before
    assert world.answers()


def allowed(question: str, answer: bytes) -> bool:
    """Tell whether a stranger may be answered so."""
    if question == "conversation":
        relayed = re.search(rb"^250 2\.1\.5", answer, re.MULTILINE)
        opened = re.search(rb"^(b OK|c OK|a OK|354|235|OK \"?Auth)", answer, re.MULTILINE)
        return not relayed and not opened
    status = re.match(rb"HTTP/1\.[01] (\d{3})", answer)
    if status is None:
        return answer == b"" or answer.startswith((b"5", b"4", b"a BAD"))
    # Mailcow's API answers whoever has no key with an empty text or a refusal, and status 200.
    body = answer.partition(b"\r\n\r\n")[2].strip()
    return int(status[1]) >= 300 or body in {b"", b'""'} or b"access_denied" in body


def state_of(world: WorldClient) -> dict[str, str]:
    """Return a digest of each file that the world keeps, but for its logs."""
    return {
        str(file.relative_to(world.folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(world.folder.rglob("*"))
        if file.is_file() and file.suffix != ".log"
    }


def test_nobody_reads_a_file_of_the_world_or_enters_its_folder(world: WorldClient) -> None:
    def look() -> list[str]:
        return [str(path) for path in world.folder.iterdir()]

    assert world.folder.stat().st_mode & 0o077 == 0
    assert as_nobody(look) == "PermissionError"
