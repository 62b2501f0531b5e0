"""Wrong declarations on the command line: a line a mistake, exit code 2, nothing touched.

Every single mistake is tested in tests/components; here it is the way from the file to the exit.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from typer.testing import CliRunner

from rehearsal.__main__ import app
from rehearsal.rehearse import EXIT_DECLARATION
from tests.rehearsal.rehearsed import (
    change_declaration,
    command_line,
    copy_project,
    nothing_stays,
    processes_of,
)

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Copy the project."""
    folder = tmp_path_factory.mktemp("bad")
    with nothing_stays(folder):
        yield copy_project(folder / "project")


def refused(project: Path, command: str, *words: str) -> str:
    """Run a command, which must refuse the declaration; return what it says."""
    with mock.patch("rehearsal.__main__.PROJECT", project):
        done = CliRunner().invoke(app, [command, *words])
    assert done.exit_code == EXIT_DECLARATION, done.output
    assert "Traceback" not in done.output
    assert not (project / ".rehearsal" / "stacks").exists()
    assert processes_of(project) == set()
    return done.stdout if "--json" in words else done.stderr


def wrong(project: Path, change: Change, command: str, *words: str) -> str:
    """Run a command on a changed declaration, which must be refused."""
    before = change_declaration(project, change)
    try:
        return refused(project, command, *words)
    finally:
        (project / "Pulumi.qual.yaml").write_text(before)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda values: values.update(domain="Example"), "mail:domain"),
        (lambda values: values.update(colour="blue"), "mail:colour"),
        (lambda values: values.pop("mailboxes"), "mail:mailboxes"),
        (lambda values: values["dmarc"].update(rua="nobody"), "mail:dmarc.rua"),
        (lambda values: values["smarthost"].update(region="us-east-1"), "mail:smarthost.region"),
        (lambda values: values["mailcow"].update(rawPorts=[25]), "mail:mailcow.rawPorts"),
        (lambda values: values["host"].update(address="10.0.0.7"), "mail:host.address"),
        (lambda values: values["aliases"].append({"name": "info", "to": ["info"]}), "mail:aliases"),
        (
            lambda values: values["mailcow"]["tiers"]["web"].update(memoryMib=99999),
            "mail:mailcow",
        ),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_touched(
    project: Path, change: Change, path: str
) -> None:
    first, *lines = wrong(project, change, "run").splitlines()

    assert first.startswith("Pulumi.qual.yaml: ")
    assert first.endswith("nothing was touched")
    assert any(re.match(rf"  (line \d+: )?{re.escape(path)}", line) for line in lines), lines


def test_a_process_of_its_own_says_and_does_the_same(project: Path) -> None:
    before = change_declaration(project, lambda values: values.update(domain="Example"))
    try:
        done = command_line(project, "run")
    finally:
        (project / "Pulumi.qual.yaml").write_text(before)

    assert done.returncode == EXIT_DECLARATION
    assert done.stdout == ""
    assert "\n  line 3: mail:domain " in done.stderr
    assert processes_of(project) == set()


def several(values: dict[str, Any]) -> None:
    values["domain"] = "Example"
    values["zone"]["ttl"] = 1
    values["smarthost"]["provider"] = "resent"


@pytest.mark.parametrize("command", ["check", "run", "preview", "up"])
def test_all_mistakes_are_told_at_once(project: Path, command: str) -> None:
    said = wrong(project, several, command)

    for path in ("mail:domain", "mail:zone.ttl", "mail:smarthost.provider"):
        assert re.search(rf"\n  line \d+: {path} ", said)


@pytest.mark.parametrize("command", ["run", "preview", "up"])
def test_a_machine_gets_every_mistake_with_its_path(project: Path, command: str) -> None:
    told = json.loads(wrong(project, several, command, "--json"))

    assert told["ok"] is False
    assert {"mail:domain", "mail:zone.ttl", "mail:smarthost.provider"} <= {
        mistake["path"] for mistake in told["mistakes"]
    }


@pytest.mark.parametrize("text", ["", "[1, 2", "config: 7\n", "config:\n  mail:domain: [\n"])
def test_a_file_that_is_no_declaration_is_refused(project: Path, text: str) -> None:
    file = project / "Pulumi.broken.yaml"
    file.write_text(text)
    try:
        said = refused(project, "run", "--stack", "broken")
    finally:
        file.unlink()

    assert "Pulumi.broken.yaml" in said


def test_a_secret_pasted_into_the_declaration_is_refused_without_an_echo(project: Path) -> None:
    pasted = "re_" + "9fPlantedKey" * 3

    said = wrong(project, lambda values: values["smarthost"].update(selector=pasted), "run")

    assert "mail:smarthost.selector" in said
    assert pasted not in said
