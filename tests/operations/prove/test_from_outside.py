"""The proof where one may not look inside: as on the live internet, seen in a rehearsed one."""

import asyncio
import secrets
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from declaration.mistakes import DeclarationError
from operations.prove import command_line as command
from operations.prove.declared import live_declaration
from operations.prove.model import Proof, Status
from operations.prove.net import LiveNet, WorldNet
from operations.prove.run import prove
from operations.prove.subject import Subject
from tests.conftest import PROJECT
from tests.operations.prove.rehearsed import Rehearsed


def outside(rehearsed: Rehearsed, *people: str, send_to: str = "") -> Proof:
    """Prove without a look inside, with the passwords of `people` alone."""
    net = WorldNet(rehearsed.world)
    net.inside = None
    passwords = {person: rehearsed.world.secrets[f"password.{person}"] for person in people}
    declaration = rehearsed.stage.declaration(rehearsed.world)
    subject = Subject(declaration, net, passwords, send_to=send_to)
    return asyncio.run(prove(subject, stack="qual"))


def found(proof: Proof) -> dict[str, tuple[Status, str]]:
    return {
        result.check.id: (result.finding.status, result.finding.seen) for result in proof.results
    }


def test_nothing_is_sent_unless_the_operator_allows_it(rehearsed: Rehearsed) -> None:
    before = rehearsed.world.ask("GET", "/mail/queue")
    proof = outside(rehearsed, "cristina")
    seen = found(proof)

    assert rehearsed.world.ask("GET", "/mail/queue") == before
    assert seen["outbound-delivery"] == (
        Status.SKIP, "no message may be sent; allow one with --send-to ADDRESS",
    )  # fmt: skip
    assert seen["inbound-inbox"][0] is Status.SKIP
    assert seen["imap-login"][0] is Status.PASS
    assert seen["relay-refused"][0] is Status.PASS
    assert seen["people-known"][0] is Status.PASS
    assert seen["imap-password"][0] is Status.SKIP


def test_one_message_goes_to_the_allowed_address_and_its_fate_is_not_claimed(
    rehearsed: Rehearsed,
) -> None:
    address = f"operator-{secrets.token_hex(4)}@outside.example"
    proof = outside(rehearsed, "cristina", send_to=address)
    queue = rehearsed.world.ask("GET", "/mail/queue")

    assert [message["recipients"] for message in queue].count([address]) == 1
    assert found(proof)["outbound-delivery"][0] is Status.UNKNOWN
    assert proof.exit_code == 4


def test_without_a_password_nobody_logs_in_and_the_report_says_so(rehearsed: Rehearsed) -> None:
    seen = found(outside(rehearsed))

    assert seen["imap-login"][0] is Status.SKIP
    assert "--mailbox" in seen["imap-login"][1]
    assert seen["submission-login"][0] is Status.PASS


def test_account_facts_may_be_missing_and_are_not_compared_with() -> None:
    declaration, unset = live_declaration(PROJECT / "Pulumi.qual.yaml")

    assert "dkimPublicKey" in unset
    assert declaration.domain == "portugalodyssey.pt"


def test_a_mistake_in_the_declaration_is_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (PROJECT / "Pulumi.qual.yaml").read_text().replace("mxLabel: mx", "mxLabel: MX_")
    (tmp_path / "Pulumi.qual.yaml").write_text(text)
    with pytest.raises(DeclarationError, match="mxLabel"):
        live_declaration(tmp_path / "Pulumi.qual.yaml")

    monkeypatch.setattr(command, "PROJECT", tmp_path)
    monkeypatch.setattr("sys.argv", ["prove", "--live"])
    with pytest.raises(SystemExit) as ended:
        command.app()
    assert ended.value.code == 2


def test_a_resolver_is_an_address_and_maybe_a_port() -> None:
    assert LiveNet("192.0.2.53").resolver.nameservers == ["192.0.2.53"]
    assert LiveNet("127.0.0.1#5353").resolver.port == 5353


def test_sending_needs_somebody_who_writes() -> None:
    ended = CliRunner().invoke(command.app, ["--live", "--send-to", "operator@outside.example"])

    assert ended.exit_code == typer.BadParameter("").exit_code
    assert "--mailbox" in ended.output


def test_the_command_writes_every_report(rehearsed: Rehearsed, tmp_path: Path) -> None:
    files = {name: tmp_path / "out" / f"proof.{name}" for name in ("json", "junit", "html")}
    options = ["--runs", str(rehearsed.runs)]
    options += [word for name, file in files.items() for word in (f"--{name}", str(file))]
    ended = CliRunner().invoke(command.app, options)

    assert ended.exit_code == 0, ended.output
    assert "of 10" in ended.output
    for file in files.values():
        assert "portugalodyssey.pt" in file.read_text()
        assert rehearsed.leaks(file.read_text()) == []
