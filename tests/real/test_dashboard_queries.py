"""The dashboard's queries on a genuine Prometheus: each panel has something to show."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from components.dashboard import dashboard_of
from declaration.model import Declaration
from declaration.reading import load_values, read
from operations.dashboard.command_line import app
from operations.dashboard.prometheus import Prometheus
from operations.dashboard.sample import NOW, openmetrics, prometheus_with
from tests.conftest import FACTS, PROJECT

pytestmark = pytest.mark.real

QUAL: Declaration = read(load_values(PROJECT / "Pulumi.qual.yaml") | FACTS, source="qual")
BOARD = dashboard_of(QUAL.company, QUAL.names.mail_host, QUAL.bounds)
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]


@pytest.fixture(scope="module")
def sample() -> Iterator[Prometheus]:
    with prometheus_with(openmetrics(QUAL), NOW) as running:
        yield running


@pytest.fixture(scope="module")
def empty() -> Iterator[Prometheus]:
    begun = f"# TYPE up gauge\nup 1 {NOW}\n# EOF\n"
    with prometheus_with(begun, NOW) as running:
        yield running


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_shows_something(sample: Prometheus, panel: dict[str, Any]) -> None:
    lines = sample.panel(panel, BOARD["time"]["from"]).lines
    assert lines
    assert len({line.name for line in lines}) == len(lines)
    assert all(line.points for line in lines)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_of_a_host_that_measures_nothing_is_empty_without_a_fault(
    empty: Prometheus, panel: dict[str, Any]
) -> None:
    assert empty.panel(panel, BOARD["time"]["from"]).lines == []


def test_the_command_draws_the_picture_that_the_documents_show(tmp_path: Path) -> None:
    file = tmp_path / "dashboard.svg"
    done = CliRunner().invoke(app, ["--out", str(file)])
    assert done.exit_code == 0, done.output
    shown = PROJECT / "docs/dashboard.svg"
    assert file.read_text() == shown.read_text(), (
        "python -m operations dashboard --out docs/dashboard.svg draws it anew"
    )
