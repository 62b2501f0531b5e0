"""Monitoring: what goes wrong raises an alarm, and the alarm says what to do."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from policies.model import Area, Finding, Resource, Severity
from policies.registry import in_area
from policies.stack import Stack

rule = in_area(Area.MONITORING)

_DURATION = re.compile(r"(?:\d+(?:ms|[smhdwy]))+|0")
_STRING = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`")
_WATCHED = {
    "po_mail_certificate_expiry_timestamp_seconds": ("the certificate", "mail:certificate"),
    "po_mail_queue_messages": ("the queue", "mail:monitoring.queueLength"),
    "po_mail_relay_refused_total": ("the smarthost's refusals", "mail:monitoring"),
    "node_filesystem_avail_bytes": ("the disk", "mail:monitoring.diskPercent"),
    "po_mail_dnsbl_listed": ("block lists", "mail:monitoring.dnsbl"),
}
_PAIRS = {")": "(", "]": "[", "}": "{"}


def rule_files(stack: Stack) -> list[str]:
    """Return the paths of Prometheus' rule files."""
    folder = f"{stack.declaration.monitoring.prometheus_directory}/rules/"
    return [path for path in stack.files if path.startswith(folder)]


def alerts(stack: Stack) -> list[tuple[Resource, Mapping[str, Any]]]:
    """Return every alert with the resource that writes it."""
    found = []
    for path in rule_files(stack):
        document = stack.yaml(path)
        groups = document.get("groups") if isinstance(document, Mapping) else None
        for group in groups or ():
            rules = group.get("rules") if isinstance(group, Mapping) else None
            found += [
                (stack.files[path].resource, one)
                for one in rules or ()
                if isinstance(one, Mapping) and "alert" in one
            ]
    return found


def _expressions(stack: Stack) -> str:
    return "\n".join(str(one.get("expr", "")) for _, one in alerts(stack))


@rule(
    "alerts-there",
    Severity.HIGH,
    protects="What really happens to a mail server raises an alert.",
    reason="Certificate, queue, smarthost, disk, block lists: each stops mail without a sound.",
    source="docs/runbook.md",
    remedy="add an alert on the metric, or take the file of rules back",
)
def _there(stack: Stack) -> Iterator[Finding]:
    paths = rule_files(stack)
    if not paths:
        yield Finding("no alert rules are written", "mail:monitoring", absent=True)
        return
    expressions = _expressions(stack)
    resource = stack.files[paths[0]].resource
    for metric, (what, key) in _WATCHED.items() if expressions else ():
        if not re.search(rf"\b{metric}\b", expressions):
            yield Finding(f"no alert watches {what} ({metric})", key, resource, metric)


@rule(
    "alert-on-backup-age",
    Severity.CRITICAL,
    protects="An alert is raised when the last good backup is older than declared, or unknown.",
    reason="Mailcow's own script exits 0 on failure; only the age of the last good run tells.",
    source="declaration: monitoring.backupAgeHours",
    remedy="alert on the age of the last success, and on its absence",
)
def _backup_age(stack: Stack) -> Iterator[Finding]:
    metric = "po_mail_backup_last_success_timestamp_seconds"
    hours, key = stack.declaration.monitoring.backup_age_hours, "mail:monitoring.backupAgeHours"
    if not _expressions(stack):
        return  # `alerts-there` or `alerts-parse` says so
    found = [
        (one, str(entry.get("expr")))
        for one, entry in alerts(stack)
        if metric in str(entry.get("expr"))
    ]
    if not found:
        resource = alerts(stack)[0][0]
        yield Finding("no alert watches the age of the backup", key, resource, metric)
    for resource, expression in found:
        if not re.search(rf"time\(\)\s*-\s*{metric}\s*>\s*{hours * 3600}\b", expression):
            message = f"the alert on the backup's age is not raised after {hours} hours"
            yield Finding(message, key, resource, expression)
        elif f"absent({metric})" not in expression:
            message = "no alert is raised when the backup has never succeeded"
            yield Finding(message, key, resource, expression)


@rule(
    "alerts-parse",
    Severity.HIGH,
    protects="Prometheus can read every alert rule.",
    reason="One rule that does not parse, and Prometheus loads none of the file.",
    source="https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/",
    remedy="correct the rule; promtool check rules says more",
)
def _parse(stack: Stack) -> Iterator[Finding]:
    for path in rule_files(stack):
        file = stack.file(path)
        if file is None or file.text is None:
            continue
        document = stack.yaml(path)
        if not isinstance(document, Mapping) or not isinstance(document.get("groups"), list):
            yield Finding(f"{path} is no file of rules", "mail:monitoring", file.resource, path)
    names: set[str] = set()
    for resource, one in alerts(stack):
        fault = _fault(one)
        name = str(one.get("alert"))
        if not fault and name in names:
            fault = "stands twice"
        names.add(name)
        if fault:
            yield Finding(f"the alert {name} {fault}", "mail:monitoring", resource, name)


def _fault(alert: Mapping[str, Any]) -> str | None:  # noqa: PLR0911 - one for each fault
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(alert.get("alert"))):
        return "has no name of letters and digits"
    expression = str(alert.get("expr") or "")
    if not expression.strip():
        return "has no expression"
    if "for" in alert and not _DURATION.fullmatch(str(alert["for"])):
        return f"holds for {alert['for']}, which is no duration"
    bare = _STRING.sub('""', expression)
    if re.search(r"[\"'`]\w", bare) or bare.count('"') % 2:
        return "has a text without an end"
    opened: list[str] = []
    for character in bare:
        if character in "([{":
            opened.append(character)
        elif character in _PAIRS and (not opened or opened.pop() != _PAIRS[character]):
            return "has a bracket too many"
    if opened:
        return "has a bracket without an end"
    if re.search(r"(?:[<>=!+*/%-]|\b(?:and|or|unless))\s*$", bare):
        return "ends in an operator"
    return None


@rule(
    "alerts-have-runbook",
    Severity.MEDIUM,
    protects="Every alert says what to do.",
    reason="Whoever is woken at night needs the next step, not a riddle.",
    source="https://sre.google/workbook/alerting-on-slos/; docs/runbook.md",
    remedy="give the alert an annotation runbook_url, and a section in docs/runbook.md",
)
def _runbook(stack: Stack) -> Iterator[Finding]:
    for resource, one in alerts(stack):
        notes = one.get("annotations")
        notes = notes if isinstance(notes, Mapping) else {}
        if not str(notes.get("runbook_url") or notes.get("runbook") or "").strip():
            message = f"the alert {one.get('alert')} names no runbook"
            yield Finding(message, "mail:monitoring", resource, str(one.get("alert")))
        elif not str(notes.get("summary") or "").strip():
            message = f"the alert {one.get('alert')} says nothing"
            yield Finding(message, "mail:monitoring", resource, str(one.get("alert")))


@rule(
    "exporter-scraped",
    Severity.MEDIUM,
    protects="Prometheus asks the exporter where it listens.",
    reason="An exporter that nobody asks looks like a quiet day.",
    source="https://prometheus.io/docs/prometheus/latest/configuration/configuration/#scrape_config",
    remedy="let the scrape configuration name the exporter's port",
)
def _scraped(stack: Stack) -> Iterator[Finding]:
    containers = stack.of_type("docker:index/container:Container")
    folder = f"{stack.declaration.monitoring.prometheus_directory}/scrape/"
    port, key = stack.declaration.monitoring.exporter_port, "mail:monitoring.exporterPort"
    paths = [path for path in stack.files if path.startswith(folder)]
    if not containers:
        yield Finding("no exporter runs", "mail:monitoring.exporterImage", absent=True)
    elif not paths:
        yield Finding("Prometheus is not told to ask the exporter", key, absent=True)
    for path in paths:
        file = stack.file(path)
        if file is not None and file.text is not None and f":{port}" not in file.text:
            message = f"Prometheus does not ask port {port}"
            yield Finding(message, key, file.resource, path)
    for one in containers:
        external = {
            int(float(entry.get("external") or 0)) for entry in stack.get(one, "ports") or ()
        }
        if port not in external:
            yield Finding(f"{one.name} does not listen on {port}", key, one, str(sorted(external)))
