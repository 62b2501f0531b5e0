"""Rotations from end to end: what is in use changes, what was in use is worth nothing."""

import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path

import pytest

from operations.rotate.model import StepFailedError
from operations.rotate.running import Ending
from operations.site import Site
from rehearsal.mail_program import MailProgram
from tests.conftest import PROJECT
from tests.operations.rotate.rotating import World

OLD_AND_NEW = "Planted7Marker"


def _done(steps: list[tuple[str, str]]) -> bool:
    return all(status == "ok" for _, status in steps)


# Messages in flight


class Correspondence:
    """Somebody who writes on and on, and keeps what was not taken, as a mail program does."""

    def __init__(self, world: World) -> None:
        values = world.stage.values()
        self.domain = str(values["domain"])
        self.world = world
        self.written: list[str] = []
        self._mark = secrets.token_hex(3)
        self.refused = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def _write(self) -> None:
        world = self.world.world
        program = MailProgram(
            f"info@{self.domain}",
            world.secrets["password.info"],
            server=(f"mx.{self.domain}", str(self.world.stage.values()["host"]["address"])),
            reach=world.reach,
            authority=world.folder / "authority" / "authority.pem",
        )
        deadline = time.monotonic() + 60
        while not self._stop.is_set() and time.monotonic() < deadline:
            subject = f"In flight {self._mark} {len(self.written)}"
            self.written.append(subject)
            self._until_taken(program, subject, deadline)
            self._stop.wait(0.1)

    def _until_taken(self, program: MailProgram, subject: str, deadline: float) -> None:
        message = EmailMessage()
        message["From"], message["To"] = program.address, "guest@outside.example"
        message["Subject"], message["Date"] = subject, formatdate()
        message["Message-ID"] = make_msgid(domain=self.domain)
        message.set_content("Two nights in May, please.\n")
        while time.monotonic() < deadline:
            try:
                program.send(message)
            except OSError:
                self.refused += 1
                time.sleep(0.1)
            else:
                return

    @contextmanager
    def going_on(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join(90)

    def arrived(self) -> list[str]:
        found = self.world.world.ask("GET", "/receiver/messages")
        texts = [str(item["message"]) for item in found]
        return [
            subject
            for text in texts
            for subject in self.written
            if f"Subject: {subject}\n" in text.replace("\r\n", "\n")
        ]


def test_every_message_of_a_rotation_arrives_exactly_once(world: World) -> None:
    before = {text["credential"] for text in world.world.ask("GET", "/smarthost/accepted")}
    letters = Correspondence(world)
    with letters.going_on():
        told = world.rotate("smarthost")
        time.sleep(0.5)
    assert told.ending is Ending.DONE
    deadline = time.monotonic() + 20
    while sorted(letters.arrived()) != sorted(letters.written) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert len(letters.written) > 10
    assert sorted(letters.arrived()) == sorted(letters.written)
    used = {text["credential"] for text in world.world.ask("GET", "/smarthost/accepted")} - before
    assert len(used) >= 2, "messages must have left by both credentials"


def test_messages_that_wait_for_a_login_leave_once_the_new_one_is_deployed(world: World) -> None:
    """Somebody revoked the credential before there was another: what waits is not lost."""
    old = world.world.secrets["smarthostPassword"]
    world.world.ask("DELETE", "/smarthost/credentials", {"password": old})
    letters = Correspondence(world)
    with letters.going_on():
        time.sleep(1)
    assert letters.arrived() == []
    waiting = [
        text for text in world.world.ask("GET", "/mail/queue") if text["state"] == "deferred"
    ]
    assert len(waiting) == len(letters.written) > 0
    # By the time the rotation looks, the queue may have tried again by itself.
    told = world.rotate("smarthost")
    assert told.ending is Ending.DONE
    assert sorted(letters.arrived()) == sorted(letters.written)


# One after the other


@pytest.mark.parametrize(
    "what", ["cloudflare", "exporter-token", "api-key", "api-key-read-only", "storage-key"]
)
def test_a_rotation_ends_with_the_new_one_taken_and_the_old_one_refused(
    world: World, what: str
) -> None:
    told = world.rotate(what)
    assert told.ending is Ending.DONE
    assert _done(told.steps)
    assert "refused" in told.words[told.steps[-1][0]]
    assert world.preview() == []


def test_the_password_of_a_mailbox_is_changed_and_its_mail_stays(world: World) -> None:
    old = world.world.secrets["password.cristina"]
    told = world.rotate("mailbox", mailbox="cristina")
    assert told.ending is Ending.DONE
    assert world.world.secrets["password.cristina"] != old
    assert told.words["prove"] == "the new one is taken, the old one refused"


def test_the_passphrase_changes_and_the_snapshots_of_before_stay(world: World) -> None:
    async def back_up(site: Site) -> None:
        await site.host.run("systemctl start po-mail-backup", timeout=120)

    world.on_site(back_up)
    told = world.rotate("backup-password")
    assert told.ending is Ending.DONE
    assert told.words["open"] == told.words["prove"] == "1 snapshots"
    assert told.words["remove"].startswith("the old one opens nothing; 1 snapshots")
    world.on_site(back_up)


def test_both_selectors_are_published_until_the_old_one_has_had_its_time(world: World) -> None:
    zone = world.world.resolve
    domain = world.stage.values()["domain"]
    told = world.rotate("dkim")
    assert told.ending is Ending.WAITING
    assert told.words["signed"] == "resend2, and the signature is good"
    assert zone(f"resend._domainkey.{domain}", "TXT")
    assert zone(f"resend2._domainkey.{domain}", "TXT")
    assert world.preview() == []
    early = world.rotate("dkim", today=datetime.now(UTC).date() + timedelta(days=7))
    assert early.ending is Ending.WAITING
    late = world.rotate("dkim", today=datetime.now(UTC).date() + timedelta(days=8))
    assert late.ending is Ending.DONE
    assert zone(f"resend._domainkey.{domain}", "TXT") == []
    assert zone(f"resend2._domainkey.{domain}", "TXT")
    assert world.preview() == []


# Refused, stopped, taken back


def test_a_credential_that_the_smarthost_refuses_changes_nothing(world: World) -> None:
    before = dict(world.world.secrets)
    with pytest.raises(StepFailedError, match="it was refused; nothing was changed"):
        world.rotate("smarthost", new=f"re_{OLD_AND_NEW}")
    assert world.world.secrets == before
    assert world.preview() == []
    assert not list(world.root.rglob("rotation-*"))


def test_a_rotation_that_was_stopped_goes_on_where_it_stopped(world: World) -> None:
    new = "re_" + "q7" * 16
    world.world.ask("POST", "/smarthost/credentials", {"password": new})
    world.world.set_faults("smarthost", data="451 4.3.0 not now")
    try:
        with pytest.raises(StepFailedError, match="--abandon"):
            world.rotate("smarthost", new=new)
    finally:
        world.world.clear_faults("smarthost")
    assert [name for name, status in world.last.steps if status == "ok"][-1] == "deploy"
    told = world.rotate("smarthost")
    assert [name for name, _ in told.steps] == ["prove", "revoke"]
    assert told.ending is Ending.DONE


def test_a_rotation_that_is_given_up_puts_the_old_one_back(world: World) -> None:
    old = world.world.secrets["smarthostPassword"]
    world.world.set_faults("smarthost", data="451 4.3.0 not now")
    try:
        with pytest.raises(StepFailedError):
            world.rotate("smarthost")
    finally:
        world.world.clear_faults("smarthost")
    assert world.world.secrets["smarthostPassword"] != old
    assert "the old one is in use" in world.abandon("smarthost")
    assert world.world.secrets["smarthostPassword"] == old
    assert world.preview() == []
    assert not list(world.root.rglob("rotation-*"))


def test_nothing_is_rotated_while_other_changes_wait(world: World) -> None:
    async def change(site: Site) -> None:
        site.declare({"zone.ttl": 600})

    async def back(site: Site) -> None:
        site.declare({"zone.ttl": 300})

    world.on_site(change)
    try:
        with pytest.raises(StepFailedError, match="other changes wait to be deployed"):
            world.rotate("exporter-token")
    finally:
        world.on_site(back)


# The command line, and secrets


def _command(world: World, *words: str, new: str = "") -> subprocess.CompletedProcess[str]:
    left_out = ("PYTEST", "REHEARSAL", "PULUMI", "COVERAGE")
    environment = {key: one for key, one in os.environ.items() if not key.startswith(left_out)}
    return subprocess.run(
        [sys.executable, "-m", "operations", "rotate", *words, "--runs", str(world.runs)],
        cwd=PROJECT, env=environment, input=new, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip


def test_a_dry_run_says_the_steps_and_changes_nothing(world: World) -> None:
    before = dict(world.world.secrets)
    done = _command(world, "smarthost", "--dry-run", "--json")
    assert done.returncode == 3, done.stderr
    said = json.loads(done.stdout)
    assert said["steps"] == ["clean", "try", "seal", "deploy", "prove", "revoke"]
    assert world.world.secrets == before


def test_neither_secret_is_in_what_is_said_kept_or_seen_in_the_list_of_processes(
    world: World,
) -> None:
    old = world.world.secrets["smarthostPassword"]
    new = f"re_{OLD_AND_NEW}{'x9' * 10}"
    world.world.ask("POST", "/smarthost/credentials", {"password": new})
    with _watching_processes() as seen:
        done = _command(world, "smarthost", "--json", new=f"{new}\n")
    assert done.returncode == 0, done.stderr
    assert world.world.secrets["smarthostPassword"] == new
    for secret in (old, new):
        assert secret not in done.stdout + done.stderr
        assert not [words for words in seen if secret in words]
        assert _places_of(secret, world.runs) == (
            {"smarthost_passwd", "secrets.json"} if secret == new else set()
        )


def _places_of(secret: str, folder: Path) -> set[str]:
    """Return the names of the files that hold a secret in clear."""
    return {
        file.name
        for file in folder.rglob("*")
        if file.is_file() and ".git" not in file.parts and secret.encode() in file.read_bytes()
    }


@contextmanager
def _watching_processes() -> Iterator[set[str]]:
    """Look at the command lines of all processes until the block ends."""
    seen: set[str] = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(0.1):
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                except OSError:
                    continue

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join(10)


def test_an_unknown_name_is_refused_with_those_there_are(world: World) -> None:
    done = _command(world, "everything")
    assert done.returncode == 2
    assert "backup-password" in " ".join(done.stderr.split())
