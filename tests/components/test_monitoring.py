"""Monitoring: what is raised when, what stands in the runbook, and that no secret shows."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from components import monitoring
from components.alert_rules import (
    DMARC_METRIC,
    DMARC_REPORT_METRIC,
    Alert,
    Severity,
    alerts,
    render_rules,
)
from components.dashboard import render_dashboard
from components.monitoring import MonitoringComponent
from components.onhost import dnsbl, queue_metrics
from declaration.model import Declaration
from rehearsal.parts.finder import need
from tests.components import arguments
from tests.components.registrations import (
    CONNECTION,
    SECRET_MARK,
    Registration,
    registered,
    secret_value,
)
from tests.conftest import PROJECT

API_KEY = "planted-api-key-4e"
_NAMES = re.compile(r"\b(?:po_mail|mailcow|node)_[a-z0-9_]+")


@pytest.fixture
def found(qual: Declaration) -> dict[str, Registration]:
    return registered(
        lambda: MonitoringComponent("monitoring", arguments.monitoring(qual, CONNECTION, API_KEY))
    )


def metrics_of_our_programs() -> set[str]:
    """Return the names that the programs on the host really write."""
    queue = queue_metrics.render(
        (dict.fromkeys(queue_metrics.QUEUES, 0), 0),
        queue_metrics.Refusals(dict.fromkeys(queue_metrics.REASONS, 0), ""),
        {"rspamd-mailcow": 40.0},
    )
    lists = dnsbl.render("192.0.2.1", {"bl.example.net": dnsbl.Verdict.CLEAN})
    folder = PROJECT / "components/onhost"
    text = queue + lists
    for source, prefix in (
        ("backup.py", "po_mail_backup_"),
        ("certificate_delivery.py", "po_mail_certificate_"),
        ("drill.py", "po_mail_drill_"),
    ):
        words = re.findall(r'^\s+"([a-z_]+)": \(', (folder / source).read_text(), re.MULTILINE)
        text += " ".join(f"{prefix}{word}" for word in words) + " "
    # `make dmarc` writes these two for the host.
    return set(_NAMES.findall(text)) | {DMARC_METRIC, DMARC_REPORT_METRIC}


def test_every_alert_says_how_bad_it_is_and_what_to_do(qual: Declaration) -> None:
    runbook = (PROJECT / "docs/runbook.md").read_text()
    sections = dict(re.findall(r"^## (\w+)\n+\*\*(\w+)\.", runbook, re.MULTILINE))
    assert set(sections) == {alert.name for alert in alerts(qual.bounds)}
    for alert in alerts(qual.bounds):
        assert sections[alert.name].lower() == alert.severity
        assert alert.summary
        assert alert.runbook == f"docs/runbook.md#{alert.name.lower()}"


def test_the_rule_file_is_as_prometheus_reads_it(qual: Declaration) -> None:
    groups = yaml.safe_load(render_rules(qual.bounds))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"\d+[smhd]", rule["for"])
        assert rule["labels"]["severity"] in set(Severity)
        assert set(rule["annotations"]) == {"summary", "runbook_url"}
        expression = rule["expr"]
        for left, right in ("()", "[]", "{}"):
            assert expression.count(left) == expression.count(right)
        assert expression.count('"') % 2 == 0


@pytest.mark.real
def test_promtool_accepts_the_rules(qual: Declaration, tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(render_rules(qual.bounds))
    subprocess.run([need("promtool"), "check", "rules", str(tmp_path / "rules.yml")], check=True)


def named(qual: Declaration, name: str) -> Alert:
    return next(alert for alert in alerts(qual.bounds) if alert.name == name)


def test_every_metric_of_ours_that_is_asked_for_is_written(qual: Declaration) -> None:
    written = metrics_of_our_programs()
    asked = set(
        _NAMES.findall(
            render_rules(qual.bounds)
            + render_dashboard(qual.company, qual.names.mail_host, qual.bounds)
        )
    )
    assert {name for name in asked if name.startswith("po_mail_")} <= written


def test_a_missing_backup_or_certificate_is_noticed_like_an_old_one(qual: Declaration) -> None:
    for name in ("MailBackupOld", "MailDrillOld", "MailCertificateNearEnd", "MailExporterDown"):
        assert "absent(" in named(qual, name).expression


def test_the_declared_bounds_are_those_of_the_alerts(qual: Declaration) -> None:
    assert f"> {qual.monitoring.backup_age_hours * 3600}" in named(qual, "MailBackupOld").expression
    assert f"> {qual.monitoring.queue_length}" in named(qual, "MailQueueLong").expression
    assert f"> {qual.monitoring.disk_percent}" in named(qual, "MailDiskFull").expression
    assert f"< {qual.certificate.warn_days}" in named(qual, "MailCertificateExpires").expression
    aligned = qual.dmarc.evidence.aligned_percent
    assert f"< {aligned:g}" in named(qual, "MailDmarcUnaligned").expression
    days = qual.backup.drill_every_days
    assert f"> {days * 86400}" in named(qual, "MailDrillOld").expression


def test_a_block_list_that_refuses_us_is_another_alert_than_a_listing(qual: Declaration) -> None:
    assert named(qual, "MailListedOnDnsbl").expression == "po_mail_dnsbl_listed == 1"
    assert named(qual, "MailDnsblRefusesUs").expression == "po_mail_dnsbl_answers == 0"


def test_the_dashboard_is_as_grafana_reads_it_and_panels_do_not_overlap(
    qual: Declaration,
) -> None:
    dashboard = json.loads(render_dashboard(qual.company, qual.names.mail_host, qual.bounds))
    assert dashboard["schemaVersion"] >= 39
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        taken |= cells
        if panel["type"] != "row":
            assert panel["description"]
            assert all(target["expr"] for target in panel["targets"])


def test_every_metric_of_ours_that_is_alerted_on_has_a_panel(qual: Declaration) -> None:
    shown = set(_NAMES.findall(render_dashboard(qual.company, qual.names.mail_host, qual.bounds)))
    alerted = set(_NAMES.findall(render_rules(qual.bounds)))
    # Each of these says of a number that it is missing or failed; the number has a panel.
    unseen = {
        "po_mail_certificate_delivery_success", "po_mail_queue_readable", "po_mail_drill_running",
        "po_mail_drill_last_run_success", "po_mail_backup_last_start_timestamp_seconds",
        "po_mail_drill_last_start_timestamp_seconds", "po_mail_memory_percent",
    }  # fmt: skip
    assert {name for name in alerted if name.startswith("po_mail_")} - unseen <= shown


def test_the_image_is_pinned_by_digest(found: dict[str, Registration], qual: Declaration) -> None:
    name = found["exporter-image"].inputs["name"]
    assert name == f"ghcr.io/mailcow/prometheus-exporter@{qual.exporter_digest}"


def test_the_exporter_is_limited_and_listens_on_the_loopback_alone(
    found: dict[str, Registration],
) -> None:
    inputs = found["exporter"].inputs
    assert inputs["memory"] == inputs["memorySwap"] == monitoring.EXPORTER_MEMORY_MIB
    (port,) = inputs["ports"]
    assert port["ip"] == "127.0.0.1"
    assert port["external"] == 9099
    assert inputs["user"] == "65534:65534"
    assert inputs["readOnly"] is True


def test_the_exporters_secrets_are_sealed_wherever_they_stand(
    found: dict[str, Registration],
) -> None:
    assert SECRET_MARK in found["exporter"].raw["envs"]
    assert SECRET_MARK in found["monitoring-scrape"].raw["content"]
    token = secret_value("exporter-token", 40)
    for name, one in found.items():
        text = json.dumps(one.raw)
        if name not in {"exporter", "monitoring-scrape"}:
            assert token not in text, name
        if name != "exporter":
            assert API_KEY not in text, name


def test_the_token_is_for_prometheus_group_alone(found: dict[str, Registration]) -> None:
    inputs = found["monitoring-scrape"].inputs
    assert (inputs["mode"], inputs["group"]) == ("0640", "65534")


def test_prometheus_shows_the_token_to_the_loopback() -> None:
    (job,) = yaml.safe_load(monitoring.render_scrape(9099, "abc"))["scrape_configs"]
    assert job["params"] == {"token": ["abc"]}
    assert job["static_configs"] == [{"targets": ["127.0.0.1:9099"]}]


def test_what_measures_on_the_host_accepts_its_command_line(qual: Declaration) -> None:
    programs = {"queue_metrics.py": queue_metrics, "dnsbl.py": dnsbl}
    for measurement in monitoring.measurements(qual.monitoring, qual.mailcow, qual.names):
        options = programs[measurement.program].parser().parse_args(list(measurement.options))
        assert options.metrics.startswith(qual.monitoring.textfile_directory)


def test_block_lists_are_asked_through_mailcows_own_resolver(qual: Declaration) -> None:
    lists = next(
        measurement
        for measurement in monitoring.measurements(qual.monitoring, qual.mailcow, qual.names)
        if measurement.name == "dnsbl"
    )
    options = dnsbl.parser().parse_args(list(lists.options))
    assert options.resolver == (qual.monitoring.dnsbl_resolver, 53)
    assert options.address == qual.host.address
    assert options.zone == list(qual.monitoring.dnsbl)


def test_without_block_lists_nothing_asks_them(qual: Declaration) -> None:
    settings = qual.monitoring.model_copy(update={"dnsbl": ()})
    assert [
        measurement.name
        for measurement in monitoring.measurements(settings, qual.mailcow, qual.names)
    ] == ["queue"]
