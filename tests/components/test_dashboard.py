"""The dashboard against Grafana's own schema: its generated types, and nothing that they lack."""

import copy
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as schema

from components.alert_rules import alerts
from components.dashboard import COLUMNS, SCHEMA_VERSION, render_dashboard, sections
from declaration.model import Declaration

UNITS = {"short", "s", "percent", "bytes"}
"""Those of Grafana's units that we use; the types know a unit as text only."""


@pytest.fixture
def rendered(qual: Declaration) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        render_dashboard(qual.company, qual.names.mail_host, qual.bounds)
    )
    return found


def as_grafana_keeps(dashboard: dict[str, Any]) -> dict[str, Any]:
    """Return a dashboard after Grafana's types have read and written it."""
    register_default_plugins()
    read = schema.Dashboard.from_json(copy.deepcopy(dashboard))
    kept: dict[str, Any] = json.loads(JSONEncoder(sort_keys=True).encode(read))
    return kept


def lost(given: Any, kept: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of what is not kept: fields that the schema does not have, other values."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for name, value in given.items():
            if name in kept:
                yield from lost(value, kept[name], f"{path}.{name}")
            elif value is not None:
                yield f"{path}.{name}"
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for place, (one, other) in enumerate(zip(given, kept, strict=True)):
            yield from lost(one, other, f"{path}[{place}]")
    elif given != kept:
        yield path


def drawn(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the panels without the headings."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def test_grafana_keeps_every_field_as_it_is(rendered: dict[str, Any]) -> None:
    assert list(lost(rendered, as_grafana_keeps(rendered))) == []


@pytest.mark.parametrize(
    "plant",
    [
        lambda board: board.update(titel="x"),
        lambda board: drawn(board)[0].update(titel="x"),
        lambda board: drawn(board)[0]["options"].update(colourMode="value"),
        lambda board: drawn(board)[0]["fieldConfig"]["defaults"].update(units="s"),
        lambda board: drawn(board)[0]["targets"][0].update(legend="x"),
        lambda board: drawn(board)[-1]["fieldConfig"]["defaults"]["custom"].update(lineWidht=1),
        lambda board: drawn(board)[-1]["gridPos"].update(width=3),
        lambda board: board["templating"]["list"][0].update(kind="x"),
    ],
)
def test_a_field_that_grafana_does_not_know_is_noticed(
    rendered: dict[str, Any], plant: Callable[[dict[str, Any]], None]
) -> None:
    plant(rendered)
    assert len(list(lost(rendered, as_grafana_keeps(rendered)))) == 1


def test_words_of_grafana_are_ones_that_it_knows(rendered: dict[str, Any]) -> None:
    for panel in drawn(rendered):
        defaults, options = panel["fieldConfig"]["defaults"], panel["options"]
        assert defaults["unit"] in UNITS
        assert defaults["color"]["mode"] in set(schema.FieldColorModeId)
        assert defaults["thresholds"]["mode"] in set(schema.ThresholdsMode)
        if panel["type"] == "stat":
            assert options["colorMode"] in set(common.BigValueColorMode)
            assert options["graphMode"] in set(common.BigValueGraphMode)
            assert options["textMode"] in set(common.BigValueTextMode)
            continue
        assert panel["type"] == "timeseries"
        custom = defaults["custom"]
        assert custom["drawStyle"] in set(common.GraphDrawStyle)
        assert custom["showPoints"] in set(common.VisibilityMode)
        assert custom["stacking"]["mode"] in set(common.StackingMode)
        assert custom["thresholdsStyle"]["mode"] in set(common.GraphThresholdsStyleMode)
        assert options["legend"]["displayMode"] in set(common.LegendDisplayMode)
        assert options["legend"]["placement"] in set(common.LegendPlacement)
        assert options["tooltip"]["mode"] in set(common.TooltipDisplayMode)
    assert rendered["graphTooltip"] in set(schema.DashboardCursorSync)
    assert rendered["templating"]["list"][0]["type"] in set(schema.VariableType)


def test_thresholds_rise_and_begin_below_everything(rendered: dict[str, Any]) -> None:
    for panel in drawn(rendered):
        steps = [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]
        assert steps[0] is None
        assert steps[1:] == sorted(steps[1:])


def test_rows_of_panels_fill_the_width_under_their_headings(rendered: dict[str, Any]) -> None:
    widths: dict[int, int] = {}
    for panel in rendered["panels"]:
        place = panel["gridPos"]
        widths[place["y"]] = widths.get(place["y"], 0) + place["w"]
    assert set(widths.values()) == {COLUMNS}


def test_what_is_wrong_now_stands_first_in_numbers_with_a_colour(qual: Declaration) -> None:
    numbers = sections(qual.bounds)["Now"]
    assert all(
        number.kind == "stat" and len(number.steps) > 1 and number.empty for number in numbers
    )
    titles = " ".join(number.title for number in numbers).lower()
    for word in ("certificate", "deferred", "smarthost", "block lists", "dmarc", "backup", "drill"):
        assert word in titles


def test_colours_change_where_alerts_are_raised(qual: Declaration) -> None:
    bounds = {
        float(value)
        for section in sections(qual.bounds)["Now"]
        for value, _ in section.steps
        if value is not None
    }
    compared = {
        float(number)
        for alert in alerts(qual.bounds)
        for number in re.findall(r"[<>] (\d+(?:[.]\d+)?)", alert.expression)
    }
    # Yes and no are no bounds; a refusal or two a day is told by colour alone.
    assert bounds - compared <= {1.0, 20.0, qual.dmarc.evidence.step_back_percent}


def test_the_schema_is_one_that_present_releases_take() -> None:
    assert SCHEMA_VERSION >= 39
