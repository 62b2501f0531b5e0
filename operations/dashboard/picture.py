"""The dashboard as an SVG: panels where Grafana puts them, drawn from what Prometheus answered."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

from operations.dashboard.prometheus import Answered, Line, seconds
from operations.dashboard.values import marks, written

_COLUMN, _ROW, _GAP, _MARGIN, _HEAD = 52, 30, 8, 20, 64
_WIDTH = 24 * _COLUMN + 2 * _MARGIN
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif"
_INK, _QUIET, _RULE, _PAPER, _GROUND = "#1d2329", "#57606a", "#e4e8ec", "#ffffff", "#f1f3f5"
_COLOURS = {"green": "#1f7a3d", "orange": "#a85a00", "red": "#c11f2b"}
"""Grafana's names, dark enough for white text (WCAG 2.2, 1.4.3)."""
_PALETTE = ("#1f78c1", "#3f8f3f", "#d9822b", "#c11f2b", "#7b4fb5", "#0f8f8f", "#9a6a1f", "#b0468a")
_LEGEND = 18

Panel = Mapping[str, Any]
Ask = Callable[[Panel, str], Answered]


def _text(
    x: float, y: float, words: str, *, size: float = 12, colour: str = _INK, weight: int = 400,
    anchor: str = "start",
) -> str:  # fmt: skip
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" fill="{colour}"'
        f' font-weight="{weight}" text-anchor="{anchor}">{escape(words)}</text>'
    )


def _box(x: float, y: float, width: float, height: float, fill: str, *, line: str = "none") -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="4"'
        f' fill="{fill}" stroke="{line}"/>'
    )


def _colour(panel: Panel, value: float) -> str:
    """Return the colour of a value: of its word, or of the highest step below it."""
    defaults = panel["fieldConfig"]["defaults"]
    word = _word(defaults, value)
    if word is not None:
        return _COLOURS[word["color"]]
    steps = defaults["thresholds"]["steps"]
    reached = [step for step in steps if step["value"] is None or value >= step["value"]]
    return _COLOURS[reached[-1]["color"]]


def _word(defaults: Mapping[str, Any], value: float) -> Mapping[str, Any] | None:
    for mapping in defaults["mappings"]:
        found: Mapping[str, Any] | None = mapping["options"].get(f"{value:g}")
        if found is not None:
            return found
    return None


def _number(panel: Panel, answered: Answered, x: float, y: float, size: tuple[float, float]) -> str:
    """Return a panel that shows the present value on a ground of its colour."""
    width, height = size
    defaults = panel["fieldConfig"]["defaults"]
    if answered.lines:
        value = answered.lines[0].last
        ground = _colour(panel, value)
        word = _word(defaults, value)
        shown = word["text"] if word else written(value, defaults["unit"], defaults.get("decimals"))
        below = answered.lines[0].name
    else:
        ground, shown, below = _QUIET, defaults.get("noValue", "no data"), ""
    scale = min(30.0, (width - 24) / max(len(shown), 1) * 1.75)
    lines = [
        _box(x, y, width, height, ground),
        _text(x + 12, y + 23, panel["title"], size=12.5, colour="#fff", weight=500),
        _text(x + 12, y + height / 2 + 24, shown, size=scale, colour="#fff", weight=700),
    ]
    if below:
        lines.append(_text(x + 12, y + height - 12, below, size=11.5, colour="#fff"))
    return "".join(lines)


class _Axes:
    """Where values and moments lie in a panel's plot."""

    def __init__(self, panel: Panel, answered: Answered, drawn: Sequence[Line]) -> None:
        defaults = panel["fieldConfig"]["defaults"]
        self.unit: str = defaults["unit"]
        values = [value for line in drawn for _, value in line.points] or [0.0, 1.0]
        bounds = [step["value"] for step in defaults["thresholds"]["steps"] if step["value"]]
        self.bounds = bounds if defaults["custom"]["thresholdsStyle"]["mode"] != "off" else []
        least, greatest = min(values), max(values)
        near = [bound for bound in self.bounds if bound <= greatest * 1.5]
        greatest = max([greatest, *near])
        spread = (greatest - least) or abs(greatest) or 1.0
        self.least: float = defaults.get("min", least - spread * 0.05)
        self.greatest: float = defaults.get("max", greatest + spread * 0.06)
        if self.greatest <= self.least:
            self.greatest = self.least + 1
        self.begin, self.end = answered.begin, answered.end

    def place(self, left: float, top: float, width: float, height: float) -> None:
        """Say where the plot lies."""
        self.left, self.top, self.width, self.height = left, top, width, height

    def x(self, at: float) -> float:
        """Return where a moment lies."""
        return self.left + (at - self.begin) / (self.end - self.begin) * self.width

    def y(self, value: float) -> float:
        """Return where a value lies."""
        share = (value - self.least) / (self.greatest - self.least)
        return self.top + self.height * (1 - min(max(share, 0.0), 1.0))


def _stacked(lines: Sequence[Line]) -> list[Line]:
    """Return lines that stand on one another, the lowest first."""
    total: dict[float, float] = {}
    result = []
    for line in lines:
        points = [(at, value + total.get(at, 0.0)) for at, value in line.points]
        total.update(points)
        result.append(Line(line.name, points))
    return result


def _grid(axes: _Axes) -> list[str]:
    result = []
    for mark in marks(axes.least, axes.greatest, axes.unit):
        y = axes.y(mark)
        result += [
            f'<path d="M{axes.left:.1f} {y:.1f}h{axes.width:.1f}" stroke="{_RULE}"/>',
            _text(axes.left - 6, y + 4, written(mark, axes.unit), size=11, colour=_QUIET,
                  anchor="end"),
        ]  # fmt: skip
    span = axes.end - axes.begin
    step = next(
        (step for step in (4 * 3600, 86400, 7 * 86400, 14 * 86400) if span / step <= 7), span
    )
    at = (axes.begin // step + 1) * step
    while at < axes.end:
        moment = datetime.fromtimestamp(at, UTC)
        words = f"{moment:%H:%M}" if step < 86400 else f"{moment.day} {moment:%b}"
        x = axes.x(at)
        result += [
            f'<path d="M{x:.1f} {axes.top:.1f}v{axes.height:.1f}" stroke="{_RULE}"/>',
            _text(x, axes.top + axes.height + 16, words, size=11, colour=_QUIET, anchor="middle"),
        ]
        at += step
    return result


def _thresholds(axes: _Axes) -> list[str]:
    return [
        f'<path d="M{axes.left:.1f} {axes.y(bound):.1f}h{axes.width:.1f}"'
        f' stroke="{_COLOURS["red"]}" stroke-dasharray="6 5" stroke-width="1.2"/>'
        for bound in axes.bounds
        if axes.least <= bound <= axes.greatest
    ]


def _curves(axes: _Axes, drawn: Sequence[Line], opacity: float) -> list[str]:
    result = []
    # From the top of a stack to its foot, so that the lower areas stay to be seen.
    for place, line in reversed(list(enumerate(drawn))):
        colour = _PALETTE[place % len(_PALETTE)]
        points = " ".join(f"{axes.x(at):.1f},{axes.y(value):.1f}" for at, value in line.points)
        foot = axes.y(max(axes.least, 0.0))
        first, last = axes.x(line.points[0][0]), axes.x(line.points[-1][0])
        if opacity:
            around = f"{first:.1f},{foot:.1f} {points} {last:.1f},{foot:.1f}"
            result.append(
                f'<polygon points="{around}" fill="{colour}" fill-opacity="{opacity:g}"/>'
            )
        result.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6"/>'
        )
    return result


def _legend(
    panel: Panel, lines: Sequence[Line], x: float, y: float, width: float
) -> tuple[list[str], int]:
    """Return the legend above its foot `y`, and how many rows it takes."""
    defaults = panel["fieldConfig"]["defaults"]
    rows: list[list[tuple[float, int, str]]] = [[]]
    column = 0.0
    for place, line in enumerate(lines):
        shown = written(line.last, defaults["unit"], defaults.get("decimals"))
        words = f"{line.name}  {shown}"
        length = 34 + len(words) * 6.4
        if column and column + length > width:
            rows.append([])
            column = 0.0
        rows[-1].append((x + column, place, words))
        column += length
    result = []
    for row, entries in enumerate(rows):
        foot = y - (len(rows) - 1 - row) * _LEGEND
        for left, place, words in entries:
            colour = _PALETTE[place % len(_PALETTE)]
            result += [
                f'<path d="M{left:.1f} {foot - 4:.1f}h14" stroke="{colour}" stroke-width="4"/>',
                _text(left + 19, foot, words, size=11.5, colour=_INK),
            ]
    return result, len(rows)


def _lines(panel: Panel, answered: Answered, x: float, y: float, size: tuple[float, float]) -> str:
    """Return a panel that shows values over time."""
    width, height = size
    defaults = panel["fieldConfig"]["defaults"]
    head = _text(x + 12, y + 22, panel["title"], size=13, weight=600)
    frame = _box(x, y, width, height, _PAPER, line="#d8dee4")
    if over := panel.get("timeFrom"):
        days = seconds(over) // 86400
        head += _text(x + width - 12, y + 22, f"{days} days", size=11.5, colour=_QUIET,
                      anchor="end")  # fmt: skip
    if not answered.lines:
        empty = defaults.get("noValue", "no data")
        middle = _text(x + width / 2, y + height / 2 + 6, empty, size=14, colour=_QUIET,
                       anchor="middle")  # fmt: skip
        return frame + head + middle
    stacked = defaults["custom"]["stacking"]["mode"] == "normal"
    drawn = _stacked(answered.lines) if stacked else list(answered.lines)
    legend, rows = _legend(panel, answered.lines, x + 16, y + height - 12, width - 32)
    axes = _Axes(panel, answered, drawn)
    axes.place(x + 70, y + 38, width - 88, height - 38 - 30 - rows * _LEGEND - 4)
    opacity = defaults["custom"]["fillOpacity"] / 100
    parts = [*_grid(axes), *_curves(axes, drawn, opacity), *_thresholds(axes), *legend]
    return frame + head + "".join(parts)


def draw(dashboard: Mapping[str, Any], ask: Ask, now: float) -> tuple[str, list[str]]:
    """Return the dashboard as SVG, and the titles of panels that have nothing to show.

    Args:
        dashboard: The dashboard as Grafana reads it.
        ask: Returns what a panel shows over a period.
        now: The moment of the picture, in seconds since the epoch.
    """
    panels = dashboard["panels"]
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    height = _HEAD + rows * _ROW + _MARGIN
    moment = datetime.fromtimestamp(now, UTC)
    parts = [
        _box(0, 0, _WIDTH, height, _GROUND),
        _text(_MARGIN + 4, 40, dashboard["title"], size=22, weight=700),
        _text(_WIDTH - _MARGIN - 4, 38, f"{moment.day} {moment:%B %Y, %H:%M} UTC", size=13,
              colour=_QUIET, anchor="end"),
    ]  # fmt: skip
    empty = []
    for panel in panels:
        place = panel["gridPos"]
        x = _MARGIN + place["x"] * _COLUMN + _GAP / 2
        y = _HEAD + place["y"] * _ROW
        size = place["w"] * _COLUMN - _GAP, place["h"] * _ROW - _GAP
        if panel["type"] == "row":
            parts.append(_text(x + 4, y + 17, panel["title"], size=13.5, weight=700, colour=_QUIET))
            continue
        answered = ask(panel, dashboard["time"]["from"])
        if not answered.lines:
            empty.append(panel["title"])
        shape = _number if panel["type"] == "stat" else _lines
        # Who points at a panel is told what it means.
        told = f"<title>{escape(panel['description'])}</title>"
        parts.append(f"<g>{told}{shape(panel, answered, x, y, size)}</g>")
    body = "\n".join(parts)
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}"'
        f' height="{height}" font-family="{_FONT}" role="img"'
        f' aria-label="{escape(dashboard["title"])}">\n{body}\n</svg>\n'
    )
    return svg, empty
