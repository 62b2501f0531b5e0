"""The picture of the dashboard, from answers that are made up."""

import json
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest

from components.dashboard import dashboard_of
from declaration.model import Declaration
from operations.dashboard.picture import draw
from operations.dashboard.prometheus import Answered, Line, Prometheus, QueryError, seconds
from operations.dashboard.values import marks, written

NOW = 1_800_000_000.0
SVG = "{http://www.w3.org/2000/svg}"


def answering(value: float) -> Any:
    """Return what answers every panel with one value, as a number and as a line."""

    def ask(panel: Mapping[str, Any], period: str) -> Answered:
        span = seconds(panel.get("timeFrom") or period)
        points = [(NOW - span, value), (NOW, value)]
        return Answered([Line("one <&> only", points)], NOW - span, NOW)

    return ask


def nothing(_panel: Mapping[str, Any], _period: str) -> Answered:
    return Answered([], NOW - 86400, NOW)


def drawn(qual: Declaration, ask: Any) -> tuple[ET.Element, list[str]]:
    svg, empty = draw(dashboard_of(qual.company, qual.names.mail_host, qual.bounds), ask, NOW)
    return ET.fromstring(svg), empty


def texts(picture: ET.Element) -> list[str]:
    return [node.text or "" for node in picture.iter(f"{SVG}text")]


def test_every_panel_stands_in_the_picture_with_what_it_means(qual: Declaration) -> None:
    picture, empty = drawn(qual, answering(1))
    board = dashboard_of(qual.company, qual.names.mail_host, qual.bounds)
    assert empty == []
    assert {panel["title"] for panel in board["panels"]} <= set(texts(picture))
    described = {node.text for node in picture.iter(f"{SVG}title")}
    assert described == {
        panel["description"] for panel in board["panels"] if panel["type"] != "row"
    }


def test_a_panel_without_data_says_so_and_is_told(qual: Declaration) -> None:
    picture, empty = drawn(qual, nothing)
    board = dashboard_of(qual.company, qual.names.mail_host, qual.bounds)
    assert empty == [panel["title"] for panel in board["panels"] if panel["type"] != "row"]
    assert {"never", "not watched", "no data"} <= set(texts(picture))


def test_the_picture_needs_nothing_from_elsewhere(qual: Declaration) -> None:
    svg, _ = draw(dashboard_of(qual.company, qual.names.mail_host, qual.bounds), answering(1), NOW)
    assert svg.count("http") == 1  # the name of the format itself
    assert "<script" not in svg


@pytest.mark.parametrize(
    ("value", "unit", "decimals", "shown"),
    [(0, "s", None, "0 s"), (90, "s", None, "1.5 min"), (7200, "s", None, "2 hours"),
     (86400 * 41, "s", None, "41 days"), (98.91, "percent", 1, "98.9%"), (52.3, "short", 0, "52"),
     (1200, "short", None, "1.2 K"), (6.1e9, "bytes", None, "5.7 GiB"), (0, "bytes", None, "0 B"),
     (-3, "short", None, "-3")],
)  # fmt: skip
def test_numbers_are_written_with_their_unit(
    value: float, unit: str, decimals: int | None, shown: str
) -> None:
    assert written(value, unit, decimals) == shown


@pytest.mark.parametrize(
    ("least", "greatest", "unit"),
    [(0, 45, "short"), (0, 100, "percent"), (0, 6.2e9, "bytes"), (0, 520, "s"),
     (79, 100, "percent"), (0, 0.4, "short"), (0, 90, "short"), (-1, 1, "short"), (0, 7e5, "s")],
)  # fmt: skip
def test_an_axis_has_a_few_round_marks(least: float, greatest: float, unit: str) -> None:
    found = marks(least, greatest, unit)
    assert 2 <= len(found) <= 8
    assert all(least - 1e-6 <= mark <= greatest + 1e-6 for mark in found)


def refusing(text: str, status: int = 400) -> Prometheus:
    transport = httpx.MockTransport(lambda _request: httpx.Response(status, text=text))
    return Prometheus(httpx.Client(base_url="http://127.0.0.1", transport=transport), NOW)


@pytest.mark.parametrize(
    ("text", "told"),
    [(json.dumps({"status": "error", "error": "parse error"}), "parse error"),
     ("<html>", "does not answer")],
)  # fmt: skip
def test_a_prometheus_that_refuses_is_told(qual: Declaration, text: str, told: str) -> None:
    panel = next(
        panel
        for panel in dashboard_of(qual.company, qual.names.mail_host, qual.bounds)["panels"]
        if panel["type"] != "row"
    )
    with pytest.raises(QueryError, match=told):
        refusing(text).panel(panel, "now-24h")
