"""One command line for all operations."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from operations.__main__ import VERBS, app
from tests.conftest import PROJECT


def test_help_names_every_verb_and_loads_none() -> None:
    done = CliRunner().invoke(app, ["--help"])

    assert done.exit_code == 0
    assert all(verb in done.output for verb in VERBS)


def test_every_operation_is_a_verb() -> None:
    written = {file.parent.name for file in (PROJECT / "operations").glob("*/command_line.py")}

    assert written == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_and_refuses_a_wrong_option_with_2(verb: str) -> None:
    assert CliRunner().invoke(app, [verb, "--help"]).exit_code == 0
    assert CliRunner().invoke(app, [verb, "--no-such-option"]).exit_code == 2


def test_an_unknown_verb_is_refused_with_2() -> None:
    assert CliRunner().invoke(app, ["improve"]).exit_code == 2


def test_a_mistake_in_the_declaration_ends_in_2(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["guide", "--stack", "none", "--out", str(tmp_path)])

    assert done.exit_code == 2
    assert "Pulumi.none.yaml: 1 mistake" in done.output
