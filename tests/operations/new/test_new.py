"""A declaration comes about from a few answers, and each wrong one is refused at once."""

import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from declaration.mistakes import DeclarationError
from declaration.reading import check, load_values, read
from operations.new import command_line as command
from operations.new.draft import ASSUMED, Draft
from operations.new.interview import Interview
from operations.new.looking import Sight
from operations.new.questions import QUOTA, questions
from operations.site import SiteError
from tests.conftest import FACTS, PROJECT

ANSWERS = {
    "company": "Haus Nord", "domain": "haus-nord.de", "address": "88.99.10.1", "cpus": "4",
    "memory": "8192", "disk": "80", "country": "DE", "time-zone": "Europe/Berlin",
    "mailbox": "info=Haus Nord", "backup-server": "s3.elsewhere.eu:443",
    "backup-region": "eu-central-1",
}  # fmt: skip
"""What cannot be known of a company, by option."""

WRONG = {
    "company": ("", "mail:company"),
    "domain": ("Haus-Nord.de.", "mail:domain"),
    "address": ("127.0.0.1", "mail:host.address"),
    "cpus": ("four", "mail:host.cpus"),
    "memory": ("1024", "mail:mailcow"),
    "disk": ("0", "mail:host.diskGib"),
    "country": ("US", "mail:host.country"),
    "mailbox": ("In Fo=Haus", "mail:mailboxes[1].name"),
    "backup-region": ("us-east-1", "mail:backup.region"),
    "smarthost": ("rescend", "mail:smarthost.provider"),
    "region": ("us-east-1", "mail:smarthost.region"),
    "smarthost-user": ("somebody", "mail:smarthost.user"),
}
"""An answer to each that the declaration refuses, with the place that it names."""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project that has the example and no stack."""
    shutil.copy(PROJECT / "Pulumi.example.yaml", tmp_path)
    monkeypatch.setattr(command, "PROJECT", tmp_path)
    return tmp_path


def words(answers: dict[str, str]) -> list[str]:
    return [word for option, text in answers.items() for word in (f"--{option}", text)]


def new(*more: str, **answers: str) -> Any:
    given = ANSWERS | {option.replace("_", "-"): text for option, text in answers.items()}
    return CliRunner().invoke(command.app, ["--stack", "haus", *words(given), *more])


def test_a_few_answers_make_a_declaration_that_passes(project: Path) -> None:
    done = new("--json")
    assert done.exit_code == 0, done.stderr
    file = project / "Pulumi.haus.yaml"
    check(load_values(file), file)
    declaration = read(load_values(file) | FACTS, source=file.name)
    assert (declaration.company, declaration.domain) == ("Haus Nord", "haus-nord.de")
    assert declaration.names.mail_host == "mx.haus-nord.de"
    assert declaration.dmarc.since == datetime.now(UTC).date()
    assert declaration.dmarc.reports_since is None
    assert declaration.smarthost.provider == "resend"
    assert [mailbox.name for mailbox in declaration.mailboxes] == ["postmaster", "info"]
    assert [mailbox.name for mailbox in declaration.mailboxes if mailbox.published] == ["info"]


def test_nothing_of_the_examples_company_is_left(project: Path) -> None:
    assert new().exit_code == 0
    text = (project / "Pulumi.haus.yaml").read_text().lower()
    example: dict[str, Any] = load_values(PROJECT / "Pulumi.example.yaml")
    for own in ("aurelia", "rehearsed-account", "lucia", "invented", example["host"]["address"]):
        assert own in (PROJECT / "Pulumi.example.yaml").read_text().lower()
        assert own not in text


def test_what_is_taken_over_from_the_example_is_said(project: Path) -> None:
    document = json.loads(new("--json").stdout)
    assert document["assumed"] == [f"mail:{path}" for path in ASSUMED]
    kept = Draft(project / "Pulumi.example.yaml")
    example: dict[str, Any] = load_values(project / "Pulumi.example.yaml")
    for path in ASSUMED:
        part, _, key = path.partition(".")
        assert kept.value(path) == example[part][key]


def test_what_only_the_accounts_tell_is_listed_with_its_command(project: Path) -> None:
    assert "ssh-keyscan -t ed25519 88.99.10.1" in new("--dry-run").stdout
    document = json.loads(new("--json").stdout)
    keys = [fact["key"] for fact in document["missing"]]
    assert {f"mail:{key}" for key in FACTS} <= set(keys)
    assert {"mail:cloudflareApiToken", "mail:password.info"} <= set(keys)
    commands = {fact["key"]: fact["command"] for fact in document["missing"]}
    assert all("--stack haus" in text for text in commands.values())
    assert commands["mail:sshPrivateKey"].endswith("--stack haus < key-file")


def test_a_file_is_never_overwritten(project: Path) -> None:
    file = project / "Pulumi.haus.yaml"
    file.write_text("mine\n")
    done = new()
    assert done.exit_code == 2
    assert "is there already" in done.stderr
    assert file.read_text() == "mine\n"
    with pytest.raises(SiteError, match="is there already"):
        Draft(project / "Pulumi.example.yaml").write(file, "haus")
    assert file.read_text() == "mine\n"


def test_a_file_that_would_say_something_else_is_taken_back(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Draft, "text", lambda *_: "config:\n  mail:company: Another\n")
    done = new()
    assert done.exit_code == 2
    assert "would not say what was answered" in done.stderr
    assert not (project / "Pulumi.haus.yaml").exists()


@pytest.mark.parametrize("text", ["No", "1e3", "2026-11-28", "0755", "Müller: & Söhne #1"])
def test_a_name_that_yaml_could_mistake_stays_what_it_is(project: Path, text: str) -> None:
    assert new(company=text).exit_code == 0
    assert load_values(project / "Pulumi.haus.yaml")["company"] == text


@pytest.mark.parametrize("option", WRONG)
def test_a_wrong_answer_is_refused_in_the_declarations_words(project: Path, option: str) -> None:
    text, place = WRONG[option]
    done = new(**{option: text})
    assert done.exit_code == 2
    assert f"  {place}" in done.stderr
    assert "Pulumi.haus.yaml: 1 mistake, nothing was touched" in done.stderr
    assert not (project / "Pulumi.haus.yaml").exists()


def test_the_message_is_the_declarations_own(project: Path) -> None:
    assert "US is not in the EU, where the data must stay" in new(country="US").stderr
    assert "did you mean resend?" in new(smarthost="resent").stderr


def test_all_wrong_answers_are_told_at_once(project: Path) -> None:
    done = new(country="US", cpus="four")
    assert "2 mistakes" in done.stderr


def test_a_pasted_credential_is_refused_and_not_shown(project: Path) -> None:
    planted = "re_AbCdEf12_0123456789abcdefABCDEF"
    done = new(company=planted)
    assert done.exit_code == 2
    assert planted not in done.output + done.stderr


def test_a_smarthost_with_an_account_of_ones_own_is_asked_for_the_user(project: Path) -> None:
    assert "--smarthost-user" in new(smarthost="ses").stderr
    assert new(smarthost="ses", smarthost_user="AKIDEXAMPLE").exit_code == 0
    smarthost = load_values(project / "Pulumi.haus.yaml")["smarthost"]
    assert smarthost == {"provider": "ses", "region": "eu-west-1", "user": "AKIDEXAMPLE"}


def test_without_a_terminal_whatever_lacks_is_named_at_once(project: Path) -> None:
    done = CliRunner().invoke(command.app, ["--stack", "haus"])
    assert done.exit_code == 2
    for option in ANSWERS:
        assert f"give --{option} " in done.stderr


def test_a_published_address_must_be_a_mailbox(project: Path) -> None:
    done = new("--published", "inof")
    assert done.exit_code == 2
    assert '"inof" is no mailbox; did you mean info?' in done.stderr
    assert new("--published", "postmaster").exit_code == 0
    written: dict[str, Any] = load_values(project / "Pulumi.haus.yaml")
    assert written["mailboxes"][0]["published"] is True


def test_a_company_may_publish_no_address(project: Path) -> None:
    assert new("--none-published").exit_code == 0
    file = project / "Pulumi.haus.yaml"
    declaration = read(load_values(file) | FACTS, source=file.name)
    assert not declaration.publishes_addresses
    assert not [mailbox for mailbox in declaration.mailboxes if mailbox.published]


def test_quotas_must_fit_the_disk(project: Path) -> None:
    done = new("--quota", "99999")
    assert done.exit_code == 2
    assert "more than the 81920 MiB of host.diskGib" in done.stderr


def test_a_dry_run_shows_the_file_and_writes_none(project: Path) -> None:
    done = new("--dry-run")
    assert done.exit_code == 3
    shown = done.stdout[: done.stdout.index("  file  ")]
    assert yaml.safe_load(shown)["config"]["mail:domain"] == "haus-nord.de"
    assert not (project / "Pulumi.haus.yaml").exists()


@pytest.mark.parametrize("stack", ["../haus", "ha us", ""])
def test_a_name_that_no_stack_can_have_is_refused(project: Path, stack: str) -> None:
    done = CliRunner().invoke(command.app, ["--stack", stack, *words(ANSWERS)])
    assert done.exit_code == 2
    assert "is no name of a stack" in done.stderr


def test_offline_it_says_what_was_left_open(project: Path) -> None:
    document = json.loads(new("--json").stdout)
    assert len(document["left_open"]) == 4
    assert document["from_dns"] == {}


def test_a_dns_that_does_not_answer_leaves_everything_open(project: Path) -> None:
    done = new("--json", "--look", "--resolver", "127.0.0.1#1")
    assert done.exit_code == 0
    assert all("the DNS does not answer" in words for words in json.loads(done.stdout)["left_open"])
    assert (project / "Pulumi.haus.yaml").exists()


# A person on a terminal


def interview(answers: Iterator[str], *, sight: Sight | None = None) -> tuple[Draft, list[str]]:
    draft, said = Draft(PROJECT / "Pulumi.example.yaml"), list[str]()

    def ask(_: str, proposal: str | None) -> str:
        return next(answers) or proposal or ""

    look: Callable[[str], Sight] | None = (lambda _: sight) if sight else None
    Interview(draft, {}, ask, said.append, look, "Pulumi.haus.yaml").hold(questions(QUOTA, []))
    return draft, said


TYPED = ["Haus Nord", "haus-nord.de", "88.99.10.1", "4", "8192", "80", "DE", "", "",
         "Europe/Berlin", "info=Haus Nord", "", "s3.elsewhere.eu:443", "eu-central-1"]  # fmt: skip


def test_a_person_is_asked_again_until_the_answer_is_right() -> None:
    typed = [*TYPED[:6], "Germany", "US", *TYPED[6:]]
    draft, said = interview(iter(typed))
    assert draft.value("host.country") == "DE"
    assert len(said) == 2
    assert said[1].startswith("mail:host.country: US is not in the EU")


def test_enter_takes_the_proposal() -> None:
    draft, _ = interview(iter(TYPED))
    assert draft.value("smarthost") == {"provider": "resend", "region": "eu-west-1"}


def test_what_the_dns_knows_is_proposed() -> None:
    sight = Sight({"host.address": "88.99.10.9", "zone.mxLabel": "mail"})
    draft, _ = interview(iter([*TYPED[:2], "", *TYPED[3:]]), sight=sight)
    assert draft.value("host.address") == "88.99.10.9"
    assert draft.value("zone.mxLabel") == "mail"


def test_what_the_dns_says_wrongly_is_not_taken() -> None:
    sight = Sight({"dkimPublicKey": "p=AAAA"})
    draft, _ = interview(iter(TYPED), sight=sight)
    assert draft.value("dkimPublicKey") is None
    assert sight.notes[0].startswith("not taken: mail:dkimPublicKey")


def test_a_machine_takes_what_the_dns_knows_and_refuses_what_is_wrong() -> None:
    draft = Draft(PROJECT / "Pulumi.example.yaml")
    given = {option: [text] for option, text in ANSWERS.items() if option != "address"}
    sight = Sight({"host.address": "127.0.0.1"})
    run = Interview(draft, given, None, print, lambda _: sight, "Pulumi.haus.yaml")
    with pytest.raises(DeclarationError, match="not a public address"):
        run.hold(questions(QUOTA, []))


def test_it_asks_on_a_terminal(tmp_path: Path) -> None:
    """The command itself, on a terminal of its own; nothing is written."""
    own, theirs = pty.openpty()
    os.write(own, "".join(f"{line}\n" for line in [*TYPED[:6], "US", *TYPED[6:]]).encode())
    process = subprocess.run(
        [sys.executable, "-m", "operations", "new", "--stack", "of-no-one", "--dry-run"],
        cwd=PROJECT, stdin=theirs, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    os.close(own)
    os.close(theirs)
    assert process.returncode == 3, process.stderr
    assert "US is not in the EU" in process.stdout
    assert "mail:domain: haus-nord.de" in process.stdout


def test_the_project_has_a_stack_that_is_not_overwritten() -> None:
    before: Any = (PROJECT / "Pulumi.qual.yaml").read_bytes()
    done = CliRunner().invoke(command.app, words(ANSWERS))
    assert done.exit_code == 2
    assert "Pulumi.qual.yaml is there already" in done.stderr
    assert (PROJECT / "Pulumi.qual.yaml").read_bytes() == before
