"""The check without engine or network: what it prints, writes and returns."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from declaration.lines import Lines
from declaration.reading import load_values
from policies import judge_stack
from policies.check import EXIT_REFUSED, EXIT_UNREADABLE, Checked, main, read_state, said
from policies.program import prepare
from policies.recording import Configuration, ProgramError, record
from policies.registry import rules
from policies.sarif import sarif
from policies.stack import Stack
from tests.conftest import FACTS, PROJECT
from tests.policies.planting import both, changed, messages, rebuilt, without

QUAL = PROJECT / "Pulumi.qual.yaml"


def _said(stack: Stack) -> str:
    return said(Checked("Pulumi.qual.yaml", judge_stack(stack), (), len(stack.resources)))


def test_a_violation_is_one_aligned_line_and_then_what_to_do(good: Stack) -> None:
    text = _said(both(without("dmarc"), changed("mx-a", None, "proxied"))(good))

    lines = text.splitlines()
    assert lines[0] == "Pulumi.qual.yaml: 2 violations"
    assert lines[1].startswith("  mail:dmarc.stage   ")
    assert lines[2].startswith("  mail:zone.mxLabel  ")
    assert lines[1].index("_dmarc.") == lines[2].index("mx.portugalodyssey.pt")
    assert lines[3] == "What to do:"
    assert lines[4].split()[0] == "dmarc-single"


def test_a_good_stack_is_one_line(good: Stack) -> None:
    assert _said(good).splitlines()[0] == (
        f"Pulumi.qual.yaml: {len(good.resources)} resources, {len(rules())} rules, ok"
    )


def test_the_stack_as_it_stands_is_not_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--project", str(PROJECT), "--json"])

    shown = json.loads(capsys.readouterr().out)
    assert shown["violations"] == []
    assert code == 0
    missing = set(FACTS) - set(load_values(QUAL))
    assert set(shown["assumed"]) == {f"mail:{key}" for key in missing}


def test_placeholders_are_said_and_nothing_else_is_invented() -> None:
    prepared = prepare(QUAL, {"dmarc": {**_dmarc(), "rua": "info"}})

    assert set(prepared.assumed) == {f"mail:{key}" for key in FACTS}
    secret = [prepared.configuration.values[key] for key in prepared.configuration.secrets]
    assert all("placeholder" in item for item in secret)


def _dmarc() -> dict[str, Any]:
    found = load_values(QUAL)["dmarc"]
    assert isinstance(found, dict)
    return found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with the declaration of `qual` and a program of two lines."""
    shutil.copy(QUAL, tmp_path / "Pulumi.qual.yaml")
    (tmp_path / "__main__.py").write_text("import pulumi\npulumi.export('a', 1)\n")
    return tmp_path


def test_a_program_without_resources_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = project / "found.sarif"

    code = main(["--project", str(project), "--sarif", str(target)])

    assert code == EXIT_REFUSED
    assert "mail:backup.bucket" in capsys.readouterr().out
    _valid(json.loads(target.read_text()))


def test_mistakes_in_the_declaration_end_with_2_and_run_nothing(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = project / "Pulumi.qual.yaml"
    file.write_text(file.read_text().replace("    rua: postmaster", "    rua: reports"))
    (project / "__main__.py").write_text("raise SystemExit(7)")

    code = main(["--project", str(project), "--sarif", str(project / "found.sarif")])

    assert code == EXIT_UNREADABLE
    assert "mail:dmarc.rua" in capsys.readouterr().err
    log = json.loads((project / "found.sarif").read_text())
    _valid(log)
    (result,) = log["runs"][0]["results"]
    line = result["locations"][0]["physicalLocation"]["region"]["startLine"]
    assert "rua:" in file.read_text().splitlines()[line - 1]


def test_a_program_that_fails_says_its_reason_and_ends_with_2(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "__main__.py").write_text("raise ValueError('no such thing')")

    assert main(["--project", str(project)]) == EXIT_UNREADABLE
    said_ = capsys.readouterr().err
    assert "no such thing" in said_
    assert "Traceback" not in said_


def test_a_stack_that_is_not_there_ends_with_2(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--project", str(project), "--stack", "prod"]) == EXIT_UNREADABLE
    assert "Pulumi.prod.yaml" in capsys.readouterr().err


def test_what_a_program_prints_does_not_disturb(project: Path) -> None:
    (project / "__main__.py").write_text("print('hello')")

    assert record(project, Configuration("qual", {}, [])) == []


def test_an_exported_state_is_compared(good: Stack, tmp_path: Path) -> None:
    guard = good.named("mailcow-settings-guard")
    assert guard is not None
    words = str(guard.properties["create"]).replace('"Maildir"', '"Mail"')
    state = {"deployment": {"resources": [{"urn": guard.urn, "type": guard.type,
                                           "inputs": {"create": words}}]}}  # fmt: skip
    file = tmp_path / "state.json"
    file.write_text(json.dumps(state))

    stack = rebuilt(good, previous=read_state(file))

    assert messages("settings-unchanged", stack) == [
        "MAILDIR_SUB was Mail in the state and would become Maildir"
    ]


def test_what_is_no_state_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[]")

    with pytest.raises(ProgramError, match="pulumi stack export"):
        read_state(tmp_path / "x.json")


# Lines and SARIF


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("mail:dmarc.rua", "rua:"),
        ("mail:dmarc.unheard", "mail:dmarc:"),
        ("mail:mailboxes[2].quotaMib", "name: support"),
        ("mail:mailcow.services.acme-mailcow", "acme-mailcow:"),
        ("mail:ipv6", "config:"),
        ("mail", "config:"),
    ],
)
def test_a_key_is_found_on_its_line_or_the_nearest_above(key: str, words: str) -> None:
    line = Lines(QUAL).of(key)

    text = QUAL.read_text().splitlines()[line - 1]
    assert words in text or (words == "config:" and "company" in text)


def test_a_file_that_is_not_there_has_one_line(tmp_path: Path) -> None:
    assert Lines(tmp_path / "none.yaml").of("mail:dmarc.rua") == 1


def test_sarif_names_rule_line_and_fingerprint(good: Stack) -> None:
    log = sarif(rules(), Lines(QUAL), judge_stack(without("dmarc")(good)))

    _valid(log)
    results = [result for result in log["runs"][0]["results"] if result["level"] == "error"]
    (result,) = results
    assert result["ruleId"] == "dmarc-single"
    descriptors = log["runs"][0]["tool"]["driver"]["rules"]
    assert descriptors[result["ruleIndex"]]["id"] == "dmarc-single"
    place = result["locations"][0]["physicalLocation"]
    assert "stage: none" in QUAL.read_text().splitlines()[place["region"]["startLine"] - 1]


def _valid(log: dict[str, Any]) -> None:
    """Check what SARIF 2.1.0 demands of the parts that are used here."""
    assert log["version"] == "2.1.0"
    assert set(log) <= {"$schema", "version", "runs"}
    for run in log["runs"]:
        descriptors = run["tool"]["driver"]["rules"]
        assert len({descriptor["id"] for descriptor in descriptors}) == len(descriptors)
        for result in run["results"]:
            assert result["message"]["text"]
            assert result["level"] in {"none", "note", "warning", "error"}
            assert result["kind"] == "fail" or result["level"] == "none"
            assert descriptors[result["ruleIndex"]]["id"] == result["ruleId"]
            for place in result["locations"]:
                physical = place["physicalLocation"]
                assert re.fullmatch(r"[\w.-]+", physical["artifactLocation"]["uri"])
                assert physical["region"]["startLine"] >= 1
