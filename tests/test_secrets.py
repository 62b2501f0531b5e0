"""Planted secrets, searched for in everything that a deployment, a refresh and a failure leave."""

import base64
import json
import secrets
import string
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from subprocess import CompletedProcess
from typing import Self
from urllib.parse import quote

import pytest

from declaration.reading import read_file, secret_keys
from rehearsal.private_file import write_private
from tests.conftest import FACTS, PROJECT
from tests.rehearsal.rehearsed import Rehearsed, command_line, nothing_stays, ssh_key

HOST_SECRETS = "opt/po-mail/secrets"
MAILCOWS_OWN = {
    "database": 28, "database-root": 28, "redis": 28, "sogo-url-key": 16, "dovecot-master": 32,
    "api-key": 40,
}  # fmt: skip
"""Secrets that the host would generate, and their lengths."""

MUST_HOLD = {
    # What the world invents for its stack, and the passphrase of the state: for their owner alone.
    "world/secrets.json": "*",
    "passphrase": "passphrase",
    # The host: each secret's own file, and the files that services read them from.
    f"world/root/{HOST_SECRETS}/*": "*",
    "world/root/opt/po-mail/mailcow/mailcow.conf": "host:*",
    "world/root/opt/po-mail/mailcow/.env": "host:*",
    "world/root/opt/po-mail/mailcow/data/conf/postfix/smarthost_passwd": "*smarthostPassword",
    # The engine of the rehearsed host keeps the environment of its containers, as Docker does.
    "world/docker/state.json": "host:*",
    # The rehearsed Mailcow keeps its API key, as the genuine one does in its database.
    "world/mailcow/mailcow.sqlite*": "host:api-key",
}
"""Files that hold a secret because their reader needs it, below the stack's folder."""


def planted(name: str, length: int = 40) -> str:
    """Return an invented secret that can occur nowhere by chance."""
    letters = string.ascii_letters + string.digits
    head = "Pl" + "".join(item for item in name.title() if item.isalnum())[:6]
    return head + "".join(secrets.choice(letters) for _ in range(length - len(head)))


@dataclass
class Evidence:
    """What was planted, and what was seen."""

    rehearsed: Rehearsed
    markers: dict[str, str]
    shown: dict[str, CompletedProcess[str]]
    processes: set[tuple[str, str, str]]

    @property
    def text(self) -> str:
        """All that was shown."""
        return "".join(text.stdout + text.stderr for text in self.shown.values())


class Watch:
    """Looks again and again at the arguments and environments of all processes."""

    def __init__(self, markers: Mapping[str, str]) -> None:
        self._markers = markers
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.found: set[tuple[str, str, str]] = set()
        self.looked = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        needles = {name: value.encode() for name, value in self._markers.items()}
        known: set[tuple[str, bytes]] = set()
        while not self._over.wait(0.02):
            self.looked += 1
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    arguments = (process / "cmdline").read_bytes()
                    if (process.name, arguments) in known:
                        continue
                    told = {"cmdline": arguments, "environ": (process / "environ").read_bytes()}
                    title = (process / "comm").read_text().strip()
                except OSError:
                    continue
                known.add((process.name, arguments))
                self.found |= {(part, title, name) for part, text in told.items()
                               for name, needle in needles.items() if needle in text}  # fmt: skip


def markers_and_planter() -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Return what is searched for, the stack's secrets, and those of the host."""
    declaration = read_file(PROJECT / "Pulumi.qual.yaml", FACTS)
    of_stack = {key: planted(key) for key in secret_keys(declaration) if key != "sshPrivateKey"}
    of_stack |= {key: f"{value}-aA1" for key, value in of_stack.items()
                 if key.startswith("password.")}  # fmt: skip
    of_host = {name: planted(name, length) for name, length in MAILCOWS_OWN.items()}
    key = ssh_key()
    markers = {f"host:{name}": value for name, value in of_host.items()} | of_stack
    # The private part of the key, by one of its lines.
    markers["sshPrivateKey"] = key.splitlines()[3]
    return markers, of_stack | {"sshPrivateKey": key}, of_host


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evidence]:
    """Deploy, refresh and fail on the command line, with every secret planted."""
    folder = tmp_path_factory.mktemp("secrets")
    markers, of_stack, of_host = markers_and_planter()

    def plant(world: Path) -> None:
        write_private(world / "secrets.json", json.dumps(of_stack))
        place = world / "root" / HOST_SECRETS
        place.mkdir(parents=True, mode=0o700)
        for name, value in of_host.items():
            write_private(place / name, value)

    with (
        nothing_stays(folder),
        Watch(markers) as watch,
        closing(Rehearsed(folder, plant)) as rehearsed,
    ):
        runs = ("--runs", str(rehearsed.runs))
        shown = {step: command_line(rehearsed.project, step, *runs) for step in ("up", "refresh")}
        # Then everything that has a secret changes, and it fails on the way, twice.
        again = {key: planted(f"new{key}") for key in of_stack if key.startswith("password.")}
        again = {key: f"{value}-aA1" for key, value in again.items()}
        again["smarthostPassword"] = planted("newsmarthost")
        markers |= {f"new:{key}": value for key, value in again.items()}
        write_private(rehearsed.world.folder / "secrets.json", json.dumps(of_stack | again))
        rehearsed.world.set_faults("ssh", fail_command={"match": "stack.py", "exit": 1})
        shown["failing command"] = command_line(rehearsed.project, "up", *runs, "--json")
        rehearsed.world.clear_faults("ssh")
        rehearsed.world.set_faults("mailcow", danger={"route": "POST *", "msg": "mailbox_invalid"})
        shown["failing mailbox"] = command_line(rehearsed.project, "up", *runs)
        markers["passphrase"] = rehearsed.stage.passphrase()
        yield Evidence(rehearsed, markers, shown, watch.found)
        assert watch.looked > 50


def test_the_steps_did_what_they_were_to_do(evidence: Evidence) -> None:
    codes = {step: one.returncode for step, one in evidence.shown.items()}

    assert codes == {"up": 0, "refresh": 0, "failing command": 1, "failing mailbox": 1}, (
        evidence.text
    )
    told = json.loads(evidence.shown["failing command"].stdout)
    assert {
        diagnostic["urn"].rpartition("::")[2] for diagnostic in told["deploy"]["diagnostics"]
    } >= {"mailcow"}
    assert "mailbox-info: " in evidence.shown["failing mailbox"].stdout
    host = evidence.rehearsed.on_host(HOST_SECRETS)
    assert (host / "api-key").read_text().strip() == evidence.markers["host:api-key"]


def test_nothing_that_was_shown_holds_a_secret(evidence: Evidence) -> None:
    assert [name for name, one in evidence.markers.items() if one in evidence.text] == []


def test_no_process_was_given_a_secret_as_argument(evidence: Evidence) -> None:
    assert {process for process in evidence.processes if process[0] == "cmdline"} == set()


def test_no_process_but_the_genuine_storage_had_a_secret_in_its_environment(
    evidence: Evidence,
) -> None:
    # MinIO takes its administrator from its environment and from nowhere else.
    others = {process for process in evidence.processes
              if process[0] == "environ" and not process[1].startswith("minio")}  # fmt: skip
    assert others == set()


def spellings(value: str) -> set[bytes]:
    """Return how a value may have been written."""
    encoded = base64.b64encode(value.encode())
    return {value.encode(), quote(value, safe="").encode(), encoded, encoded.rstrip(b"=")[:-1]}


def test_no_file_holds_a_secret_but_those_that_must(evidence: Evidence) -> None:
    folder = evidence.rehearsed.stage.folder
    needles = {name: spellings(value) for name, value in evidence.markers.items()}
    wrong = {}
    for file in evidence.rehearsed.runs.parent.rglob("*"):
        if not file.is_file() or file.is_symlink():
            continue
        content = file.read_bytes()
        path = str(file.relative_to(folder)) if file.is_relative_to(folder) else str(file)
        allowed = [names for pattern, names in MUST_HOLD.items() if fnmatchcase(path, pattern)]
        held = {
            name for name, written in needles.items() if any(path in content for path in written)
        }
        beyond = {name for name in held if not any(fnmatchcase(name, names) for names in allowed)}
        if beyond:
            wrong[path] = beyond
    assert wrong == {}


def test_files_that_hold_secrets_are_for_their_reader_alone(evidence: Evidence) -> None:
    folder = evidence.rehearsed.stage.folder
    for pattern in MUST_HOLD:
        for file in folder.glob(pattern):
            group_may_read = file.name == "smarthost_passwd"
            assert not file.stat().st_mode & (0o037 if group_may_read else 0o077), file


def test_the_state_holds_every_secret_sealed(evidence: Evidence) -> None:
    state = evidence.rehearsed.stage.backend / ".pulumi" / "stacks" / "mail" / "qual.json"
    text = state.read_text()

    assert text.count('"ciphertext"') > 20
    # An unsealed secret would be kept as this; counted, for a failure must not show the state.
    assert text.count('"plaintext"') == 0
