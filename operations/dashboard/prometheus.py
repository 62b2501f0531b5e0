"""Questions to a Prometheus, as Grafana asks them for a panel."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

PATIENCE = 30.0
"""Seconds that an answer may take."""
POINTS = 240
"""Points of a line: no more than the picture can show."""
_SPAN = re.compile(r"(?:now-)?(\d+)([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


class QueryError(Exception):
    """Prometheus cannot be reached or refuses a question; the text says which."""


@dataclass(frozen=True)
class Line:
    """One series of an answer.

    Attributes:
        name: Legend.
        points: Values by time, in seconds since the epoch; a single one for a number.
    """

    name: str
    points: Sequence[tuple[float, float]]

    @property
    def last(self) -> float:
        """The newest value."""
        return self.points[-1][1]


@dataclass(frozen=True)
class Answered:
    """What a panel shows.

    Attributes:
        lines: Its series, in the order of its queries.
        begin: Begin of the period, in seconds since the epoch.
        end: Its end.
    """

    lines: Sequence[Line]
    begin: float
    end: float


def seconds(span: str) -> int:
    """Return the length of a period such as `now-24h` or `30d`.

    Raises:
        ValueError: it is something else.
    """
    found = _SPAN.fullmatch(span)
    if found is None:
        raise ValueError(f"{span} is no period")
    return int(found[1]) * _SECONDS[found[2]]


def legend(template: str, labels: Mapping[str, str]) -> str:
    """Return a legend with its `{{label}}` filled in."""
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda match: labels.get(match[1], ""), template)


class Prometheus:
    """One Prometheus, at one moment."""

    def __init__(self, client: httpx.Client, now: float) -> None:
        """Take a client whose base address is Prometheus', and the moment to look at."""
        self._client = client
        self.now = now

    def _ask(self, way: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
        try:
            answer = self._client.get(f"/api/v1/{way}", params=asked)
            document = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise QueryError(f"Prometheus does not answer: {type(error).__name__}") from None
        if document.get("status") != "success":
            raise QueryError(f"{asked['query']}: {document.get('error')}")
        found: list[dict[str, Any]] = document["data"]["result"]
        return found

    def panel(self, panel: Mapping[str, Any], period: str) -> Answered:
        """Return what a panel shows.

        Args:
            panel: The panel as Grafana reads it.
            period: Period of the dashboard, such as `now-24h`.

        Raises:
            QueryError: Prometheus cannot be reached, or refuses.
        """
        span = seconds(panel.get("timeFrom") or period)
        begin = self.now - span
        lines = []
        for target in panel["targets"]:
            if target["instant"]:
                found = self._ask("query", {"query": target["expr"], "time": self.now})
                series = [(item["metric"], [item["value"]]) for item in found]
            else:
                found = self._ask(
                    "query_range",
                    {"query": target["expr"], "start": begin, "end": self.now,
                     "step": max(1, span // POINTS)},
                )  # fmt: skip
                series = [(item["metric"], item["values"]) for item in found]
            lines += [
                Line(
                    legend(target["legendFormat"], labels),
                    [(float(at), float(value)) for at, value in values],
                )
                for labels, values in series
            ]
        return Answered(sorted(lines, key=lambda one: one.name), begin, self.now)
