"""Prometheus' files: alert rules, and which of them fire for some samples; what is scraped."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from readers import promql
from readers.documents import document
from readers.mistake import MistakeError

_RULE = {"alert", "expr", "for", "keep_firing_for", "labels", "annotations"}
_GROUP = {"name", "interval", "rules"}
_JOB = {"job_name", "scrape_interval", "scrape_timeout", "scheme", "metrics_path", "params",
        "static_configs"}  # fmt: skip
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_METRIC = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
_BRACES = re.compile(r"\{\{(.*?)\}\}")
_TEMPLATE = re.compile(
    r"\s*(?:\$value|\.Value|(?:\$labels|\.Labels)\.[A-Za-z_]\w*)"
    r"(?:\s*\|\s*(?:humanize(?:1024|Duration|Percentage|Timestamp)?|title|toUpper|toLower))*\s*"
)
_TARGET = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[\w.-]+):(?P<port>\d{1,5})")


@dataclass(frozen=True)
class Alert:
    """One alert rule.

    Attributes:
        name: Its name.
        query: Its expression.
        lasting: Seconds for which the expression must hold.
        labels: Labels that it adds, such as `severity`.
        annotations: What it says, with templates.
    """

    name: str
    query: promql.Query
    lasting: float
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    def fires_after(
        self, series: Sequence[promql.Series], within: float, *, start: float = 0, step: float = 60
    ) -> float | None:
        """Return after how many seconds it fires for the first time, or None.

        Args:
            series: Samples, some from before `start` if the expression looks back.
            within: Seconds after which nobody looks any more.
            start: When looking begins, in seconds since 1970.
            step: Seconds between two evaluations.

        Raises:
            MistakeError: the expression fails for these samples.
        """
        since: dict[promql.Labels, float] = {}
        for turn in range(int(within // step) + 1):
            active = self.query.answer(series, start + turn * step)
            since = {labels: since.get(labels, turn * step) for labels in active}
            if any(turn * step - begun >= self.lasting for begun in since.values()):
                return turn * step
        return None


@dataclass(frozen=True)
class Job:
    """One job of a scrape file.

    Attributes:
        name: Its name, the label `job` of all that it measures.
        targets: Host and port of each target.
        interval: Seconds between two requests; None for the default of the whole.
        scheme: `http` or `https`.
        path: Path of the metrics.
        params: Parameters of the request.
    """

    name: str
    targets: tuple[tuple[str, int], ...]
    interval: float | None
    scheme: str
    path: str
    params: Mapping[str, Sequence[str]]


def _mapping(value: Any, place: str, known: set[str] | None = None) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise MistakeError(place, "is no mapping")
    for strange in value.keys() - (known if known is not None else value.keys()):
        raise MistakeError(f"{place}.{strange}", "is not understood", understood=False)
    return value


def _list(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise MistakeError(place, "is no list")
    return value


def _texts(value: Any, place: str) -> dict[str, str]:
    texts = {} if value is None else _mapping(value, place)
    for name, text in texts.items():
        if not _WORD.fullmatch(name) or not isinstance(text, str | int | float):
            raise MistakeError(f"{place}.{name}", "is no label with a text")
        rest = str(text)
        for template in _BRACES.findall(rest):
            if not _TEMPLATE.fullmatch(template):
                reason = f"the template {template.strip()} is not understood"
                raise MistakeError(f"{place}.{name}", reason, understood=False)
        rest = _BRACES.sub("", rest)
        if "{{" in rest:
            raise MistakeError(f"{place}.{name}", "has a template without an end")
    return {name: str(text) for name, text in texts.items()}


def _seconds(value: Any, place: str) -> float:
    try:
        return promql.span(str(value))
    except MistakeError as error:
        raise MistakeError(place, str(error)) from None


def alerts(text: str) -> list[Alert]:
    """Read a file of rules.

    Raises:
        MistakeError: Prometheus refuses the file, or this reader does not know a part of it.
    """
    whole = _mapping(document(text), "the file", {"groups"})
    found: list[Alert] = []
    groups: list[str] = []
    for index, given in enumerate(_list(whole.get("groups"), "groups")):
        place = f"groups[{index}]"
        group = _mapping(given, place, _GROUP)
        name = group.get("name")
        if not isinstance(name, str) or not name or name in groups:
            raise MistakeError(f"{place}.name", "is missing, or stands twice")
        groups.append(name)
        if "interval" in group:
            _seconds(group["interval"], f"{place}.interval")
        for position, rule in enumerate(_list(group.get("rules"), f"{place}.rules")):
            alert = _alert(rule, f"{place}.rules[{position}]")
            if any((alert.name, alert.labels) == (other.name, other.labels) for other in found):
                raise MistakeError(alert.name, "stands twice")
            found.append(alert)
    return found


def _alert(given: Any, place: str) -> Alert:
    rule = _mapping(given, place, _RULE)
    name, expression = rule.get("alert"), rule.get("expr")
    if not isinstance(name, str) or not _METRIC.fullmatch(name):
        raise MistakeError(f"{place}.alert", "is no name of letters and digits")
    if not isinstance(expression, str | int | float) or not str(expression).strip():
        raise MistakeError(name, "has no expression")
    try:
        query = promql.parse(str(expression))
    except MistakeError as error:
        mistake = error.mistake
        raise MistakeError(f"{name}.expr", str(error), understood=mistake.understood) from None
    if query.kind == "range":
        raise MistakeError(f"{name}.expr", "yields a range, not series")
    for key in ("for", "keep_firing_for"):
        if key in rule:
            _seconds(rule[key], f"{name}.{key}")
    labels = _texts(rule.get("labels"), f"{name}.labels")
    if promql.NAME in labels:
        raise MistakeError(f"{name}.labels", "must not name a metric")
    notes = _texts(rule.get("annotations"), f"{name}.annotations")
    return Alert(name, query, _seconds(rule.get("for", 0), name), labels, notes)


def jobs(text: str) -> list[Job]:
    """Read a scrape file.

    Raises:
        MistakeError: Prometheus refuses the file, or this reader does not know a part of it.
    """
    whole = _mapping(document(text), "the file", {"scrape_configs"})
    found: list[Job] = []
    for index, given in enumerate(_list(whole.get("scrape_configs"), "scrape_configs")):
        place = f"scrape_configs[{index}]"
        job = _mapping(given, place, _JOB)
        name = job.get("job_name")
        if not isinstance(name, str) or not name or any(name == other.name for other in found):
            raise MistakeError(f"{place}.job_name", "is missing, or stands twice")
        spans = {key: _seconds(job[key], f"{name}.{key}")
                 for key in ("scrape_interval", "scrape_timeout") if key in job}  # fmt: skip
        interval = spans.get("scrape_interval")
        if any(not value for value in spans.values()):
            raise MistakeError(name, "has an interval of nothing")
        if spans.get("scrape_timeout", 0) > (60 if interval is None else interval):
            raise MistakeError(f"{name}.scrape_timeout", "is longer than the interval")
        scheme = job.get("scheme", "http")
        if scheme not in ("http", "https"):
            raise MistakeError(f"{name}.scheme", "is neither http nor https")
        params = _mapping(job.get("params", {}), f"{name}.params")
        for key, values in params.items():
            if not all(isinstance(value, str) for value in _list(values, f"{name}.params.{key}")):
                raise MistakeError(f"{name}.params.{key}", "is no list of texts")
        targets = tuple(_targets(job.get("static_configs") or [], name))
        path = job.get("metrics_path", "/metrics")
        found.append(Job(name, targets, interval, scheme, str(path), params))
    return found


def _targets(given: Any, name: str) -> Iterator[tuple[str, int]]:
    for entry in _list(given, f"{name}.static_configs"):
        static = _mapping(entry, f"{name}.static_configs", {"targets", "labels"})
        _texts(static.get("labels"), f"{name}.labels")
        for text in _list(static.get("targets"), f"{name}.targets"):
            target = _TARGET.fullmatch(str(text))
            if target is None or int(target["port"]) > 65535:
                raise MistakeError(f"{name}.targets", f"{text} is no host and port")
            yield target["host"], int(target["port"])
