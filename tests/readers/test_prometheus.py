"""The reader of Prometheus' files: which alert fires when, and which file is none."""

from collections.abc import Mapping

import pytest
import yaml

from components.alert_rules import alerts as declared
from components.alert_rules import render_rules
from components.monitoring import render_scrape
from declaration.reading import load_values, read
from readers import promql
from readers.mistake import MistakeError
from readers.prometheus import alerts, jobs
from tests.conftest import FACTS, PROJECT
from tests.readers.promtool import series_of
from tests.real.alert_cases import Case, cases

QUAL = read(load_values(PROJECT / "Pulumi.qual.yaml") | FACTS, source="Pulumi.qual.yaml")
RULES = {alert.name: alert for alert in alerts(render_rules(QUAL.bounds))}


def named(case: Case) -> str:
    return f"{case.alert}{'' if case.raising else ' (nothing is measured)'}"


@pytest.mark.parametrize("case", cases(QUAL), ids=named)
def test_an_alert_fires_when_prometheus_lets_it_fire(case: Case) -> None:
    alert, step = RULES[case.alert], case.interval
    raised = case.onset * step + alert.lasting
    onset = -(-raised // step) * step

    fires = alert.fires_after(series_of(case.raising, step), onset + 2 * step, step=step)
    silent = alert.fires_after(series_of(case.silent, step), onset + 12 * step, step=step)

    assert (fires, silent) == (onset, None)


def test_every_rule_of_ours_is_understood() -> None:
    assert set(RULES) == {alert.name for alert in declared(QUAL.bounds)}


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("up ==", "should"), ("(up", "should"), ("up)", "behind the end"), ("1 > 2", "bool"),
        ("{}", "name something"), ('{a=~".*"}', "name something"), ('up{a="b}', "means nothing"),
        ("sum(1)", "series"), ("increase(up)", "takes a range"), ("up and 1", "between series"),
        ("time()[5m]", "selector alone"), ("up[5m] > 1", "function"), ("up[5x]", "means nothing"),
        ('up{a=~"("}', "("), ("deriv(up[5m])", "not understood"),
        ("up offset 5m", "not understood"), ("(up)[5m]", "selector alone"),
        ("up * on(a) group_left up", "not understood"), ("up +* up", "should"),
    ],
)  # fmt: skip
def test_an_expression_that_is_none_is_a_mistake_with_its_place(
    expression: str, reason: str
) -> None:
    with pytest.raises(MistakeError, match="character") as caught:
        promql.parse(expression)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"for": "soon"}, "for"), ({"for": "5m1h"}, "for"), ({"expr": ""}, "no expression"),
        ({"alert": "Two words"}, "name"), ({"expr": "up["}, "expr"), ({"every": "5m"}, "every"),
        ({"labels": {"a-b": "c"}}, "labels.a-b"), ({"labels": ["severity"]}, "no mapping"),
        ({"annotations": {"summary": "{{ $value"}}, "without an end"),
        ({"annotations": {"summary": "{{ $value | shout }}"}}, "not understood"),
        ({"expr": "up[5m]"}, "yields a range"),
    ],
)  # fmt: skip
def test_a_rule_that_is_none_is_a_mistake_with_its_place(
    change: Mapping[str, object], place: str
) -> None:
    rule = {"alert": "Down", "expr": "up == 0", **change}
    with pytest.raises(MistakeError) as caught:
        alerts(yaml.safe_dump({"groups": [{"name": "ours", "rules": [rule]}]}))
    assert place in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "", "[", "groups: 1", "groups: [{name: a}]", "rules: []", "groups: [{rules: []}]",
        "groups: [{name: a, rules: []}, {name: a, rules: []}]",
        "groups: [{name: a, rules: [{alert: A, expr: up}, {alert: A, expr: up}]}]",
    ],
)  # fmt: skip
def test_a_file_that_holds_no_rules_is_a_mistake(text: str) -> None:
    with pytest.raises(MistakeError):
        alerts(text)


def test_a_scrape_file_tells_who_is_asked_and_for_what() -> None:
    (job,) = jobs(render_scrape(9099, "token"))

    assert (job.name, job.targets, job.path) == ("po-mail", (("127.0.0.1", 9099),), "/metrics")
    assert (job.interval, job.params) == (120, {"token": ["token"]})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("scrape_timeout: 45s", "scrape_timeout: 45m"), ("45s", "soon"), ("2m", "0s"),
        ("127.0.0.1:9099", "http://127.0.0.1:9099/"), ("- 127.0.0.1:9099", "- 127.0.0.1"),
        ("job_name", "job"), ("scrape_configs", "scrapes"), ("params:", "relabel_configs:"),
        ("- token", "- {a: b}"),
    ],
)  # fmt: skip
def test_a_scrape_file_that_is_none_is_a_mistake(old: str, new: str) -> None:
    text = render_scrape(9099, "token")
    assert old in text
    with pytest.raises(MistakeError):
        jobs(text.replace(old, new))
