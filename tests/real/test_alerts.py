"""Prometheus on our rules, our scrape configuration and our metrics: promtool has no stand-in."""

import math
import random
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from components import monitoring
from components.alert_rules import Alert, alerts, render_rules
from components.onhost import certificate_delivery, dnsbl, queue_metrics
from declaration.reading import load_values, read
from readers import promql
from readers.mistake import MistakeError
from readers.prometheus import alerts as alerts_of
from rehearsal.parts import need
from rehearsal.world import mail_exporter
from tests.conftest import FACTS, PROJECT
from tests.readers.promtool import series_of
from tests.real.alert_cases import Case, Series, cases

pytestmark = pytest.mark.real

QUAL = read(load_values(PROJECT / "Pulumi.qual.yaml") | FACTS, source="Pulumi.qual.yaml")
ONHOST = PROJECT / "components/onhost"
CASES = cases(QUAL)
ALERTS = {alert.name: alert for alert in alerts(QUAL.bounds)}
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def promtool(*words: str | Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run promtool to its end."""
    return subprocess.run(
        [need("promtool"), *words], input=stdin, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip


def seconds(span: str) -> int:
    """Return the length of a span such as `15m`."""
    return int(timedelta(**{_UNITS[span[-1]]: int(span[:-1])}).total_seconds())


def lasting(alert: Alert) -> int:
    return seconds(alert.lasting)


def document(case: Case, *, rules: str = "rules.yml") -> dict[str, Any]:
    """Return promtool's test of one case: not a moment too early, in time, and not for less."""
    alert = ALERTS[case.alert]
    onset = case.onset * case.interval
    raised = onset + lasting(alert)
    told = {
        "exp_labels": {**case.labels, "severity": alert.severity.value},
        "exp_annotations": {"summary": case.summary, "runbook_url": alert.runbook},
    }
    moments: list[tuple[int, list[Any]]] = [(raised + 2 * case.interval, [told])]
    if case.onset or lasting(alert):
        moments.append((max(raised - case.interval, 0), []))

    def test(series: Series, expected: list[tuple[int, list[Any]]]) -> dict[str, Any]:
        return {
            "interval": f"{case.interval}s",
            "input_series": [{"series": name, "values": one} for name, one in series.items()],
            "alert_rule_test": [
                {"eval_time": f"{at}s", "alertname": case.alert, "exp_alerts": found}
                for at, found in expected
            ],
        }

    after = raised + 2 * case.interval
    quiet: list[tuple[int, list[Any]]] = [(at, []) for at in (after, after + 10 * case.interval)]
    return {
        "rule_files": [rules],
        "evaluation_interval": f"{case.interval}s",
        "tests": [test(case.raising, moments), test(case.silent, quiet)],
    }


def judged(
    folder: Path, case: Case, change: Callable[[dict[str, Any]], object] | None = None
) -> subprocess.CompletedProcess[str]:
    """Let promtool try one case on the rules, or on rules that were changed."""
    rules = yaml.safe_load(render_rules(QUAL.bounds))
    (rule,) = [rule for rule in rules["groups"][0]["rules"] if rule["alert"] == case.alert]
    if change is not None:
        change(rule)
    # The others are tried by cases of their own.
    rules["groups"][0]["rules"] = [rule]
    (folder / "rules.yml").write_text(yaml.safe_dump(rules))
    (folder / "test.yml").write_text(yaml.safe_dump(document(case), sort_keys=False))
    return promtool("test", "rules", folder / "test.yml")


def named(case: Case) -> str:
    return f"{case.alert}{'' if case.raising else ' (nothing is measured)'}"


def test_every_alert_is_tried() -> None:
    assert {case.alert for case in CASES} == set(ALERTS)


@pytest.mark.parametrize("case", CASES, ids=named)
def test_an_alert_comes_when_it_should_and_not_before_nor_for_less(
    tmp_path: Path, case: Case
) -> None:
    done = judged(tmp_path, case)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("case", CASES, ids=named)
def test_an_alert_that_comes_too_late_or_never_is_noticed(tmp_path: Path, case: Case) -> None:
    assert judged(tmp_path, case, lambda rule: rule.update(expr="vector(1) < 0")).returncode
    late = f"{lasting(ALERTS[case.alert]) + 5 * case.interval}s"
    assert judged(tmp_path, case, lambda rule: rule.update({"for": late})).returncode


def test_the_rules_are_without_fault_even_to_a_strict_reader(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(render_rules(QUAL.bounds))
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", tmp_path / "rules.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(ALERTS)} rules found" in done.stdout


def configured(folder: Path, scrape: str) -> subprocess.CompletedProcess[str]:
    """Let promtool read a configuration that holds our scrape job and names our rules.

    `scrape_config_files`, of which the runbook tells, is known to Prometheus 2.43 and later only.
    """
    (folder / "rules").mkdir(exist_ok=True)
    (folder / "rules/po-mail.yml").write_text(render_rules(QUAL.bounds))
    main = {"rule_files": ["rules/*.yml"], **yaml.safe_load(scrape)}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(main))
    return promtool("check", "config", folder / "prometheus.yml")


def test_prometheus_reads_the_scrape_configuration_and_the_rules(tmp_path: Path) -> None:
    scrape = monitoring.render_scrape(QUAL.monitoring.exporter_port, "token-of-the-exporter")
    done = configured(tmp_path, scrape)
    assert done.returncode == 0, done.stdout + done.stderr
    broken = configured(tmp_path, scrape.replace("scrape_timeout: 45s", "scrape_timeout: 45m"))
    assert broken.returncode


# What is measured


def _on_host(folder: Path, program: str, report: str) -> str:
    """Return what a program of the host writes, run as there: its neighbours are modules."""
    script = (
        f"import sys, types, {program} as program\n"
        "from pathlib import Path\n"
        "target = Path(sys.argv[1])\n"
        "settings = types.SimpleNamespace(metrics=target)\n"
        f"program.report({report})\n"
    )
    target = folder / f"{program}.prom"
    subprocess.run(
        [sys.executable, "-c", script, target], check=True, timeout=30,
        env={"PYTHONPATH": str(ONHOST), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    return target.read_text()


def _backup_metrics(folder: Path) -> str:
    memory = {"last_success": 1_790_000_000, "size": 5 * 2**30, "messages": 12_000}
    return _on_host(folder, "backup", f"target, {memory}, running=False, good=True, seconds=312.5")


def _backup_under_way(folder: Path) -> str:
    return _on_host(folder, "backup", "target, {}, running=True, good=False")


def _drill_metrics(folder: Path) -> str:
    memory = {"last_success": 1_790_000_000}
    return _on_host(folder, "drill", f"settings, {memory}, running=False, good=True, seconds=99.5")


def _certificate_metrics(_folder: Path) -> str:
    memory = {"not_after": 1_800_000_000, "last_success": 1_790_000_000}
    return certificate_delivery.render("mx.example.org", memory, good=True)


def _queue_metrics(_folder: Path) -> str:
    refusals = queue_metrics.Refusals(dict.fromkeys(queue_metrics.REASONS, 3), "")
    return queue_metrics.render(
        (dict.fromkeys(queue_metrics.QUEUES, 2), 61.5), refusals, {"rspamd-mailcow": 40.0}
    )


def _queue_unreadable(_folder: Path) -> str:
    refusals = queue_metrics.Refusals(dict.fromkeys(queue_metrics.REASONS, 0), "")
    return queue_metrics.render(None, refusals)


def _block_lists(_folder: Path) -> str:
    verdicts = {"a.example": dnsbl.Verdict.LISTED, "b.example": dnsbl.Verdict.REFUSED,
                "c.example": None}  # fmt: skip
    return dnsbl.render("192.0.2.7", verdicts)


MEASURED: Mapping[str, Callable[[Path], str]] = {
    "backup": _backup_metrics,
    "backup under way": _backup_under_way,
    "drill": _drill_metrics,
    "certificate": _certificate_metrics,
    "queue": _queue_metrics,
    "queue that cannot be read": _queue_unreadable,
    "block lists": _block_lists,
}


@pytest.mark.parametrize("what", list(MEASURED))
def test_prometheus_reads_what_our_programs_write(tmp_path: Path, what: str) -> None:
    text = MEASURED[what](tmp_path)
    assert "po_mail_" in text
    done = promtool("check", "metrics", stdin=text)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_prometheus_reads_what_the_rehearsed_exporter_answers() -> None:
    done = promtool("check", "metrics", stdin=mail_exporter.metrics("mail.example.org", None))
    # As the genuine exporter has them: without help, and one name that promtool dislikes.
    liked = ("no help text", "mailcow_quarantine_count non-histogram")
    faults = [line for line in done.stderr.splitlines() if not any(word in line for word in liked)]
    assert faults == []


def test_metrics_without_a_type_or_with_a_wrong_name_are_noticed() -> None:
    assert promtool("check", "metrics", stdin="po_mail_x_total 1\n").returncode
    assert promtool("check", "metrics", stdin='po_mail_x{a="b} 1\n').returncode


def test_every_program_of_the_host_that_writes_metrics_is_tried() -> None:
    writing = {path.stem for path in ONHOST.glob("*.py") if "machine.publish(" in path.read_text()}
    assert writing == {"backup", "drill", "certificate_delivery", "queue_metrics", "dnsbl"}


# The reader


SAMPLES = {
    'a{job="x",host="one"}': "5x40 0x20 9x60", 'a{job="x",host="two"}': "0+1x120",
    'a{job="y",host="one"}': "_x50 3x70", 'b{job="x",host="one"}': "0+2x30 1+3x90",
    'b{job="y",host="two"}': "7 _x3 8 _x12 9x100",
}  # fmt: skip


def expression(chance: random.Random, depth: int = 3) -> str:
    """Return an expression such as people write, or nearly."""
    name = chance.choice("ab")
    selector = name + chance.choice(
        (
            "",
            '{job="x"}',
            '{job!="x"}',
            '{host=~"o.*|q"}',
            '{host!~"t.o"}',
            '{gone=""}',
            '{gone="1"}',
        )
    )
    if depth == 0:
        return chance.choice((selector, selector, "2", "-1.5", "time()"))
    left, right = (expression(chance, depth - 1) for _ in range(2))
    length = chance.choice(("3m", "10m", "1h"))
    return chance.choice(
        (
            selector, f"({left})", f"absent({selector})", f"absent({left})",
            f"increase({selector}[{length}])", f"rate({selector}[{length}])",
            *(f"{kind}({left})" for kind in (
                "sum", "sum by (job)", "max without (job)", "count by (host, gone)", "avg", "min")),
            *(f"{left} {sign} {right}" for sign in (
                "+", "-", "*", "/", "%", "==", "!=", ">", "<", ">=", "<=", "and", "or", "unless",
                "> bool", "* on(host)", "and on(job)", "unless ignoring(host)", "/ ignoring(job)")),
        )
    )  # fmt: skip


def _expected(query: promql.Query, at: int) -> list[dict[str, Any]]:
    def written(labels: promql.Labels) -> str:
        pairs = [f'{name}="{value}"' for name, value in sorted(labels) if name != promql.NAME]
        return dict(labels).get(promql.NAME, "") + f"{{{', '.join(pairs)}}}"

    found = query.answer(series_of(SAMPLES, 60), at)
    return [{"labels": written(labels), "value": value} for labels, value in found.items()]


def test_the_reader_yields_what_prometheus_yields(tmp_path: Path) -> None:
    chance, tests = random.Random(15), list[dict[str, Any]]()
    while len(tests) < 400:
        text, at = expression(chance), chance.choice((0, 60, 1230, 3600, 5400))
        try:
            expected = _expected(promql.parse(text), at)
        except MistakeError:
            continue
        # Not a number has no place in promtool's file, and the last digits differ.
        if all(math.isfinite(sample["value"]) for sample in expected):
            tests.append({"expr": text, "eval_time": f"{at}s", "exp_samples": expected})
    series = [{"series": name, "values": values} for name, values in SAMPLES.items()]
    whole = {
        "rule_files": [], "evaluation_interval": "60s",
        "tests": [{"interval": "60s", "input_series": series, "promql_expr_test": tests}],
    }  # fmt: skip
    (tmp_path / "test.yml").write_text(yaml.safe_dump(whole))
    done = promtool("test", "rules", tmp_path / "test.yml")
    assert done.returncode == 0, done.stdout + done.stderr

    whole["tests"][0]["promql_expr_test"] = [{**tests[0], "expr": f"({tests[0]['expr']}) * 7 + 1"}]  # type: ignore[index]
    (tmp_path / "test.yml").write_text(yaml.safe_dump(whole))
    assert promtool("test", "rules", tmp_path / "test.yml").returncode


def test_the_reader_takes_no_file_that_prometheus_refuses(tmp_path: Path) -> None:
    chance, ours = random.Random(15), render_rules(QUAL.bounds)
    taken = refused = 0
    while taken < 20 or refused < 20:
        lines = ours.splitlines()
        chosen = chance.randrange(len(lines))
        changed = chance.choice(
            (lines[chosen][:-1], lines[chosen][1:], "", lines[chosen].replace("(", ""))
        )
        text = "\n".join([*lines[:chosen], changed, *lines[chosen + 1 :]])
        (tmp_path / "rules.yml").write_text(text)
        good = promtool("check", "rules", tmp_path / "rules.yml").returncode == 0
        try:
            readable = bool(alerts_of(text))
        except MistakeError:
            readable = False
        assert good or not readable, (changed, lines[chosen])
        taken, refused = taken + readable, refused + (not readable)
