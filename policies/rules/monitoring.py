"""Monitoring: what goes wrong raises an alarm, and the alarm says what to do.

The rules are asked what they make of measurements: of a sound mail server just short of every
bound, and of one on which a single thing is amiss.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from declaration.monitoring import Bounds
from declaration.names import PROJECT
from policies.model import Area, Finding, Resource, Severity
from policies.registry import in_area
from policies.stack import CONTAINER, HostFile, Stack
from readers.mistake import MistakeError
from readers.prometheus import Alert, Job, alerts, jobs
from readers.promql import NAME, Series

rule = in_area(Area.MONITORING)

_NOW, _HOUR, _DAY = 1_800_000_000.0, 3600, 86400
_STEP = 300.0
_BEFORE = 24
"""Samples from before the moment at which something goes wrong: two hours of them."""
_SEVERITIES = ("warning", "critical")
_RUNBOOK = Path(__file__).parent.parent.parent / "docs/runbook.md"
_BACKUP = "po_mail_backup_last_success_timestamp_seconds"
_TIMES = ("_timestamp_seconds", "_mtime_seconds")
"""Endings of metrics that hold a moment: they are given here as seconds from now."""


@dataclass(frozen=True)
class _Trouble:
    """One thing that goes wrong.

    Attributes:
        what: What it is, for the message.
        key: Key in the declaration.
        series: Measurements that differ from those of a sound server; None for none at all.
        within: Seconds after which an alert must have been raised.
        critical: Whether mail is lost by then, so that a warning is too little.
    """

    what: str
    key: str
    series: Mapping[str, float | None]
    within: float
    critical: bool = False


def _sound(bounds: Bounds) -> dict[str, float]:
    """Return what is measured on a sound server, each value just short of its bound."""
    stale = 2 * _HOUR
    return {
        "po_mail_certificate_expiry_timestamp_seconds": (bounds.certificate_days + 1) * _DAY,
        "po_mail_certificate_delivery_success": 1,
        'po_mail_queue_messages{queue="deferred"}': bounds.queue_length,
        'po_mail_queue_messages{queue="active"}': 500,
        "po_mail_queue_oldest_seconds": _HOUR,
        "po_mail_queue_readable": 1,
        **{f'po_mail_relay_refused_total{{reason="{reason}"}}': 7
           for reason in ("authentication", "tls", "rejected", "postponed")},
        _BACKUP: (1 - bounds.backup_hours) * _HOUR,
        "po_mail_backup_last_run_success": 1,
        "po_mail_backup_running": 0,
        "po_mail_backup_last_start_timestamp_seconds": -_HOUR,
        "po_mail_drill_last_success_timestamp_seconds": (1 - bounds.drill_days) * _DAY,
        "po_mail_drill_last_run_success": 1,
        "po_mail_drill_running": 0,
        "po_mail_drill_last_start_timestamp_seconds": -_HOUR,
        'po_mail_dmarc_messages{source="ours",aligned="yes"}': bounds.aligned_percent,
        'po_mail_dmarc_messages{source="ours",aligned="no"}': 100 - bounds.aligned_percent,
        'po_mail_dmarc_messages{source="unknown",aligned="no"}': 5000,
        "po_mail_dmarc_last_report_timestamp_seconds": -7 * _DAY,
        'node_filesystem_avail_bytes{mountpoint="/",fstype="ext4"}': 101 - bounds.disk_percent,
        'node_filesystem_size_bytes{mountpoint="/",fstype="ext4"}': 100,
        'node_filesystem_avail_bytes{mountpoint="/run",fstype="tmpfs"}': 0,
        'node_filesystem_size_bytes{mountpoint="/run",fstype="tmpfs"}': 100,
        'po_mail_dnsbl_listed{zone="list.example",address="192.0.2.1"}': 0,
        'po_mail_dnsbl_answers{zone="list.example"}': 1,
        f'up{{job="{PROJECT}",instance="127.0.0.1"}}': 1,
        'mailcow_exporter_success{provider="mailq"}': 1,
        'mailcow_container_running{container="postfix-mailcow"}': 1,
        'po_mail_memory_percent{service="rspamd-mailcow"}': 90,
        "node_vmstat_oom_kill": 3,
        'mailcow_mailbox_quota_used{mailbox="a"}': 90,
        'mailcow_mailbox_quota_allowed{mailbox="a"}': 100,
        'mailcow_mailbox_quota_used{mailbox="without a limit"}': 90,
        'mailcow_mailbox_quota_allowed{mailbox="without a limit"}': 0,
        **{f'node_textfile_mtime_seconds{{file="/x/po_mail_{name}.prom"}}': -stale
           for name in ("certificate", "queue", "dnsbl")},
        'node_textfile_mtime_seconds{file="/x/po_mail_backup.prom"}': -20 * _HOUR,
    }  # fmt: skip


def _troubles(bounds: Bounds) -> Iterator[_Trouble]:  # noqa: PLR0915 - a table
    """Yield what must raise an alert, each just past its bound."""
    day, half = float(_DAY), 0.5 * _HOUR
    end, tls = "po_mail_certificate_expiry_timestamp_seconds", "mail:certificate"
    less = (bounds.certificate_days - 1) * day
    yield _Trouble("the certificate that is not renewed", tls, {end: less}, 2 * _HOUR)
    yield _Trouble("the end of the certificate", tls, {end: 3 * day}, 2 * _HOUR, critical=True)
    yield _Trouble("a certificate that nobody measures", tls, {end: None}, 2 * _HOUR)
    delivery = "po_mail_certificate_delivery_success"
    yield _Trouble("a certificate that is not delivered", tls, {delivery: 0}, 12 * _HOUR)
    queue, key = 'po_mail_queue_messages{queue="deferred"}', "mail:monitoring.queueLength"
    yield _Trouble("the queue", key, {queue: bounds.queue_length + 1}, half)
    yield _Trouble("old mail in the queue", key, {"po_mail_queue_oldest_seconds": 5 * _HOUR}, half)
    readable = {"po_mail_queue_readable": 0.0}
    yield _Trouble("a Postfix that does not answer", key, readable, half, critical=True)
    for reason, count, soon, critical in (
        ("authentication", 1, half, True), ("tls", 1, half, True), ("rejected", 10, half, False),
        ("postponed", 60, _HOUR, False),
    ):  # fmt: skip
        name = f'po_mail_relay_refused_total{{reason="{reason}"}}'
        what = f"the smarthost's refusals ({reason})"
        yield _Trouble(what, "mail:monitoring", {name: 7.0 + count}, soon, critical=critical)
    key = "mail:monitoring.backupAgeHours"
    old = -(bounds.backup_hours + 1.0) * _HOUR
    yield _Trouble("the age of the backup", key, {_BACKUP: old}, 2 * _HOUR, critical=True)
    yield _Trouble("a backup that was never made", key, {_BACKUP: None}, 2 * _HOUR, critical=True)
    for what, key, hours, critical in (
        ("backup", "mail:backup", 7, False), ("drill", "mail:backup.drillEveryDays", 10, True)
    ):  # fmt: skip
        run = f"po_mail_{what}_"
        failed = {f"{run}last_run_success": 0.0}
        yield _Trouble(f"a {what} that failed", key, failed, half, critical=critical)
        begun = {f"{run}last_start_timestamp_seconds": -float(hours * _HOUR), f"{run}running": 1}
        yield _Trouble(f"a {what} without an end", key, begun, half)
    drill, key = "po_mail_drill_last_success_timestamp_seconds", "mail:backup.drillEveryDays"
    yield _Trouble("the age of the drill", key, {drill: -(bounds.drill_days + 1) * day}, 2 * day)
    yield _Trouble("a drill that was never held", key, {drill: None}, 2 * day)
    report, key = "po_mail_dmarc_last_report_timestamp_seconds", "mail:dmarc"
    yield _Trouble("DMARC reports that nobody reads", key, {report: -60 * day}, 2 * day)
    yield _Trouble("DMARC reports that nobody measures", key, {report: None}, 2 * day)
    ours = 'po_mail_dmarc_messages{{source="ours",aligned="{}"}}'
    few = bounds.aligned_percent - 1
    unaligned = {ours.format("yes"): few, ours.format("no"): 100 - few}
    yield _Trouble("a sender whose mail does not align", key, unaligned, 2 * _HOUR)
    none = {ours.format("yes"): None, ours.format("no"): 3.0}
    yield _Trouble("a sender of whose mail nothing aligns", key, none, 2 * _HOUR)
    disk, key = 'node_filesystem_avail_bytes{mountpoint="/",fstype="ext4"}', "mail:monitoring"
    full = {disk: 99.0 - bounds.disk_percent}
    yield _Trouble("the disk", f"{key}.diskPercent", full, half, critical=True)
    listed, answers = (
        f"po_mail_dnsbl_{what}"
        for what in (
            'listed{zone="list.example",address="192.0.2.1"}',
            'answers{zone="list.example"}',
        )
    )
    yield _Trouble("block lists", f"{key}.dnsbl", {listed: 1}, 4 * _HOUR)
    yield _Trouble("a block list that does not answer", f"{key}.dnsbl", {answers: 0}, 12 * _HOUR)
    up = f'up{{job="{PROJECT}",instance="127.0.0.1"}}'
    yield _Trouble("an exporter that does not answer", key, {up: 0}, half)
    yield _Trouble("an exporter that nobody asks", key, {up: None}, half)
    blind = {'mailcow_exporter_success{provider="mailq"}': 0.0}
    yield _Trouble("an exporter without an answer", key, blind, _HOUR)
    stopped = {'mailcow_container_running{container="postfix-mailcow"}': 0.0}
    yield _Trouble("a container that does not run", key, stopped, half, critical=True)
    memory = {'po_mail_memory_percent{service="rspamd-mailcow"}': 91.0}
    yield _Trouble("a service near its memory limit", "mail:mailcow.tiers", memory, half)
    killed = {"node_vmstat_oom_kill": 4.0}
    yield _Trouble("a process that the kernel killed", "mail:mailcow.tiers", killed, half)
    box = {'mailcow_mailbox_quota_used{mailbox="a"}': 97.0}
    yield _Trouble("a full mailbox", key, box, 2 * _HOUR)
    for name in ("certificate", "queue", "dnsbl"):
        file = f'node_textfile_mtime_seconds{{file="/x/po_mail_{name}.prom"}}'
        late = -(3.0 * max(60, bounds.certificate_minutes) + 60) * 60
        yield _Trouble(f"measurements that stand still ({name})", key, {file: late}, half)


def _series(name: str, before: float | None, value: float | None, within: float) -> Series:
    """Return a measurement that has one value until now and another from now on."""
    metric, _, rest = name.partition("{")
    labels = {NAME: metric, **dict(re.findall(r'(\w+)="([^"]*)"', rest))}
    if metric.endswith(_TIMES):
        before, value = (moment if moment is None else _NOW + moment for moment in (before, value))
    values = [before] * _BEFORE + [value] * (int(within / _STEP) + 1)
    return Series(labels, values, _STEP, _NOW - _BEFORE * _STEP)


def _raised(
    found: list[tuple[Resource, Alert]], bounds: Bounds, trouble: _Trouble
) -> Iterator[tuple[Resource, Alert]]:
    """Yield the alerts that some trouble raises in time."""
    sound = _sound(bounds)
    touched = {name.partition("{")[0] for name in trouble.series}
    watching = [
        (resource, alert) for resource, alert in found
        if not trouble.series or alert.query.metrics & touched
    ]  # fmt: skip
    asked = {metric for _, alert in watching for metric in alert.query.metrics}
    names = [name for name in sound if name.partition("{")[0] in asked]
    series = [
        _series(name, None if trouble.series.get(name, 0) is None else sound[name],
                trouble.series.get(name, sound[name]), trouble.within)
        for name in names
    ]  # fmt: skip
    for resource, alert in watching:
        try:
            after = alert.fires_after(series, trouble.within, start=_NOW, step=_STEP)
        except MistakeError:
            continue  # `alerts-parse` says so
        if after is not None:
            yield resource, alert


def _active(
    found: list[tuple[Resource, Alert]], bounds: Bounds
) -> Iterator[tuple[Resource, Alert]]:
    """Yield the alerts whose expression holds on a sound server."""
    at_once = [(resource, replace(alert, lasting=0)) for resource, alert in found]
    return _raised(at_once, bounds, _Trouble("nothing", "mail:monitoring", {}, 0))


def rule_files(stack: Stack) -> list[HostFile]:
    """Return Prometheus' rule files whose text is known."""
    folder = f"{stack.declaration.monitoring.prometheus_directory}/rules/"
    return _known(stack, folder)


def _known(stack: Stack, folder: str) -> list[HostFile]:
    files = (stack.file(path) for path in stack.files if path.startswith(folder))
    return [file for file in files if file is not None and file.text is not None]


def _read(stack: Stack) -> tuple[list[tuple[Resource, Alert]], list[tuple[Resource, str]]]:
    """Return every alert with the resource that writes it, and the mistakes of the files."""
    found: list[tuple[Resource, Alert]] = []
    mistakes = []
    for file in rule_files(stack):
        try:
            found += [(file.resource, alert) for alert in alerts(file.text or "")]
        except MistakeError as error:
            mistakes.append((file.resource, f"{file.path.rpartition('/')[2]}: {error}"))
    return found, mistakes


def _alerts(stack: Stack) -> list[tuple[Resource, Alert]]:
    return stack.once("alerts", _read)[0]


@rule(
    "alerts-there",
    Severity.HIGH,
    protects="What really happens to a mail server raises an alert, in time and loud enough.",
    reason="Certificate, queue, smarthost, disk, block lists, backup: each stops mail without a"
    " sound. Measurements just past every bound are handed to the rules.",
    source="docs/runbook.md",
    remedy="let the component write the file again; docs/runbook.md tells what each alert is for",
)
def _there(stack: Stack) -> Iterator[Finding]:
    bounds, found = stack.declaration.bounds, _alerts(stack)
    folder = f"{stack.declaration.monitoring.prometheus_directory}/rules/"
    if not any(path.startswith(folder) for path in stack.files):
        yield Finding("no alert rules are written", "mail:monitoring", absent=True)
    for trouble in _troubles(bounds) if found else ():
        if _BACKUP in trouble.series:
            continue  # for `alert-on-backup-age` to judge
        yield from _unheard(trouble, [*_raised(found, bounds, trouble)], found[0][0])


def _unheard(
    trouble: _Trouble, raised: list[tuple[Resource, Alert]], resource: Resource
) -> Iterator[Finding]:
    wanted = _SEVERITIES[1:] if trouble.critical else _SEVERITIES
    if not any(alert.labels.get("severity") in wanted for _, alert in raised):
        how = "in time" if not raised else f"as {' or '.join(wanted)}"
        message = f"no alert on {trouble.what} is raised {how}"
        yield Finding(message, trouble.key, resource, trouble.what)


@rule(
    "alert-on-backup-age",
    Severity.CRITICAL,
    protects="An alert is raised when the last good backup is older than declared, or unknown.",
    reason="Mailcow's own script exits 0 on failure; only the age of the last good run tells.",
    source="declaration: monitoring.backupAgeHours",
    remedy="alert on the age of the last success, and on its absence",
)
def _backup_age(stack: Stack) -> Iterator[Finding]:
    bounds, found = stack.declaration.bounds, _alerts(stack)
    for trouble in _troubles(bounds) if found else ():
        if _BACKUP in trouble.series:
            yield from _unheard(trouble, [*_raised(found, bounds, trouble)], found[0][0])
    for resource, alert in _active(found, bounds):
        if _BACKUP in alert.query.metrics:
            message = f"the alert {alert.name} is raised before {bounds.backup_hours} hours"
            yield Finding(message, "mail:monitoring.backupAgeHours", resource, alert.name)


@rule(
    "alerts-quiet",
    Severity.MEDIUM,
    protects="A sound mail server raises no alert, and no alert waits for what nobody measures.",
    reason="An alert that is always raised is switched off by whoever it wakes, with the others.",
    source="https://sre.google/sre-book/monitoring-distributed-systems/; docs/runbook.md",
    remedy="let the component write the file again",
    yields=True,
)
def _quiet(stack: Stack) -> Iterator[Finding]:
    bounds = stack.declaration.bounds
    found, key = _alerts(stack), "mail:monitoring"
    for resource, alert in _active(found, bounds):
        message = f"the alert {alert.name} is raised on a sound mail server"
        yield Finding(message, key, resource, alert.name)
    measured = {name.partition("{")[0] for name in _sound(bounds)}
    for resource, alert in found:
        strange = alert.query.metrics - measured
        if strange or not alert.query.metrics:
            what = ", ".join(sorted(strange)) or "nothing"
            message = f"the alert {alert.name} asks for {what}, which nobody measures"
            yield Finding(message, key, resource, alert.name)


@rule(
    "alerts-parse",
    Severity.HIGH,
    protects="Prometheus can read every alert rule.",
    reason="One rule that does not parse, and Prometheus loads none of the file.",
    source="https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/",
    remedy="correct the rule; promtool check rules says more",
)
def _parse(stack: Stack) -> Iterator[Finding]:
    for resource, mistake in stack.once("alerts", _read)[1]:
        yield Finding(mistake, "mail:monitoring", resource, mistake.partition(":")[0])


@cache
def _sections() -> frozenset[str]:
    headings = re.findall(r"^#+ +(.+)$", _RUNBOOK.read_text("utf-8"), re.MULTILINE)
    return frozenset(heading.strip().lower().replace(" ", "-") for heading in headings)


@rule(
    "alerts-have-runbook",
    Severity.MEDIUM,
    protects="Every alert says what to do, how soon, and where it is written.",
    reason="Whoever is woken at night needs the next step, not a riddle.",
    source="https://sre.google/workbook/alerting-on-slos/; docs/runbook.md",
    remedy="give the alert an annotation runbook_url, and a section in docs/runbook.md",
)
def _runbook(stack: Stack) -> Iterator[Finding]:
    for resource, alert in _alerts(stack):
        notes, severity = alert.annotations, alert.labels.get("severity", "")
        page, _, section = (notes.get("runbook_url") or notes.get("runbook") or "").partition("#")
        if not page.strip():
            fault = "names no runbook"
        elif page != "docs/runbook.md" or section != alert.name.lower():
            fault = "names another place than its section of the runbook"
        elif section not in _sections():
            fault = f"names the section {section}, which is not there"
        elif not notes.get("summary", "").strip():
            fault = "says nothing"
        elif severity not in _SEVERITIES:
            fault = f"has the severity {severity or 'of nothing'}"
        elif strange := (notes.keys() | alert.labels.keys()) - _SAID:
            fault = f"says {min(strange)}, which nobody reads"
        else:
            continue
        yield Finding(f"the alert {alert.name} {fault}", "mail:monitoring", resource, alert.name)


_SAID = {"summary", "description", "runbook_url", "runbook", "severity"}


@rule(
    "exporter-scraped",
    Severity.MEDIUM,
    protects="Prometheus asks the exporter where it listens, often enough, and nobody else.",
    reason="An exporter that nobody asks looks like a quiet day; its token opens what it tells.",
    source="https://prometheus.io/docs/prometheus/latest/configuration/configuration/#scrape_config",
    remedy="let the scrape configuration name the exporter's port",
)
def _scraped(stack: Stack) -> Iterator[Finding]:
    containers = stack.of_type(CONTAINER)
    folder = f"{stack.declaration.monitoring.prometheus_directory}/scrape/"
    port, key = stack.declaration.monitoring.exporter_port, "mail:monitoring.exporterPort"
    if not containers:
        yield Finding("no exporter runs", "mail:monitoring.exporterImage", absent=True)
    elif not any(path.startswith(folder) for path in stack.files):
        yield Finding("Prometheus is not told to ask the exporter", key, absent=True)
    for file in _known(stack, folder):
        try:
            faults = [*_faults(jobs(file.text or ""), port)]
        except MistakeError as error:
            faults = [f"cannot read {file.path.rpartition('/')[2]}: {error}"]
        for fault in faults[:1]:
            yield Finding(f"Prometheus {fault}", key, file.resource, file.path)
    for container in containers:
        external = {
            int(float(entry.get("external") or 0)) for entry in stack.get(container, "ports") or ()
        }
        if port not in external:
            yield Finding(
                f"{container.name} does not listen on {port}", key, container, str(sorted(external))
            )


def _faults(found: list[Job], port: int) -> Iterator[str]:
    if [job.name for job in found] != [PROJECT]:
        yield f"has the jobs {', '.join(job.name for job in found) or 'of nobody'}"
    for job in found:
        if {*job.targets} != {("127.0.0.1", port)} or len(job.targets) > 1:
            asked = ", ".join(f"{host}:{number}" for host, number in job.targets) or "nobody"
            yield f"asks {asked}, and the exporter listens on 127.0.0.1:{port}"
        if (job.scheme, job.path) != ("http", "/metrics"):
            yield f"asks for {job.scheme} {job.path}, and the exporter has /metrics"
        tokens = job.params.get("token", ())
        if {*job.params} != {"token"} or len(tokens) != 1 or not tokens[0]:
            yield "asks without the exporter's token"
        if job.interval is not None and not 15 <= job.interval <= _STEP:
            yield f"asks every {job.interval:.0f} seconds; alerts look five minutes back"
