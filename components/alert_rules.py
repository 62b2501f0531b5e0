"""Alert rules: what really happens to a mail server, each with what to do about it.

Every alert has a section in docs/runbook.md whose heading is its name.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import yaml

from declaration.monitoring import Bounds
from declaration.names import PROJECT

RUNBOOK = "docs/runbook.md"
JOB = PROJECT
"""Job of the exporter in Prometheus."""
DRILL_METRIC = "po_mail_drill_last_success_timestamp_seconds"
"""When a restore was last tried and found good; the drill writes it."""
DMARC_METRIC = "po_mail_dmarc_messages"
"""Messages in the aggregate reports of the judged period, by `source` (the sender's name, or
`unknown`) and `aligned` (`yes`, `no`); `make dmarc` writes it."""
DMARC_REPORT_METRIC = "po_mail_dmarc_last_report_timestamp_seconds"
"""End of the newest period that a report covers; `make dmarc` writes it."""
DMARC_REPORT_DAYS = 35
"""Days without a report that was read: `make dmarc` is held once a month."""
DECLARED_SENDER = 'source!="unknown"'
"""Matcher of the messages whose sender is known."""
_LONGEST_BACKUP = 6 * 3600
_LONGEST_DRILL = 9 * 3600
"""Seconds that a backup may take."""
REAL_DISKS = 'fstype!~"tmpfs|ramfs|overlay|squashfs|nsfs"'
"""Matcher of the file systems that can fill up."""
_TEXTFILES = ".*po_mail_(certificate|queue|dnsbl)[.]prom"


class Severity(StrEnum):
    """How soon a person must look, from soonest to latest."""

    CRITICAL = "critical"
    """Mail is lost, refused or about to be: now, at night too."""
    WARNING = "warning"
    """It will become critical by itself: within a working day."""


@dataclass(frozen=True)
class Alert:
    """One alert.

    Attributes:
        name: Name, and heading of its section in the runbook.
        expression: PromQL; the alert is raised for every series that it yields.
        lasting: How long it must hold, such as `15m`.
        severity: How soon a person must look.
        summary: What is the matter, in one line; may hold Prometheus' templates.
    """

    name: str
    expression: str
    lasting: str
    severity: Severity
    summary: str

    @property
    def runbook(self) -> str:
        """Where it stands what to do."""
        return f"{RUNBOOK}#{self.name.lower()}"

    def rule(self) -> dict[str, Any]:
        """Return the alert as Prometheus reads it."""
        return {
            "alert": self.name,
            "expr": self.expression,
            "for": self.lasting,
            "labels": {"severity": self.severity.value},
            "annotations": {"summary": self.summary, "runbook_url": self.runbook},
        }


def _certificate(warn_days: int) -> list[Alert]:
    left = "(po_mail_certificate_expiry_timestamp_seconds - time()) / 86400"
    return [
        Alert(
            "MailCertificateExpires",
            f"{left} < {warn_days}",
            "1h",
            Severity.WARNING,
            "the certificate that mail programs see ends in {{ $value | humanize }} days; "
            f"it should have been renewed {30 - warn_days} days ago",
        ),
        Alert(
            "MailCertificateNearEnd",
            f"{left} < 4 or absent(po_mail_certificate_expiry_timestamp_seconds)",
            "1h",
            Severity.CRITICAL,
            "the certificate that mail programs see ends within four days, or is not watched",
        ),
        Alert(
            "MailCertificateNotDelivered",
            "po_mail_certificate_delivery_success == 0",
            "6h",
            Severity.WARNING,
            "the certificate could not be brought to Postfix, Dovecot and nginx for six hours",
        ),
    ]


def _queue(length: int) -> list[Alert]:
    return [
        Alert(
            "MailQueueLong",
            f'sum(po_mail_queue_messages{{queue="deferred"}}) > {length}',
            "15m",
            Severity.WARNING,
            "{{ $value }} messages wait for another attempt",
        ),
        Alert(
            "MailQueueOld",
            "po_mail_queue_oldest_seconds > 14400",
            "15m",
            Severity.WARNING,
            "a message has waited for {{ $value | humanizeDuration }}",
        ),
        Alert(
            "MailQueueUnreadable",
            "po_mail_queue_readable == 0",
            "15m",
            Severity.CRITICAL,
            "Postfix does not answer: most likely no mail goes in or out",
        ),
    ]


def _refused(reason: str, span: str) -> str:
    return f'sum(increase(po_mail_relay_refused_total{{reason="{reason}"}}[{span}]))'


def _relay() -> list[Alert]:
    return [
        Alert(
            "MailRelayRefusesLogin",
            f"{_refused('authentication', '30m')} > 0",
            "0m",
            Severity.CRITICAL,
            "the smarthost does not accept our login: no mail leaves",
        ),
        Alert(
            "MailRelayWithoutTls",
            f"{_refused('tls', '30m')} > 0",
            "0m",
            Severity.CRITICAL,
            "no trusted TLS connection to the smarthost comes about: no mail leaves",
        ),
        Alert(
            "MailRelayRejects",
            f"{_refused('rejected', '1h')} > 3",
            "0m",
            Severity.WARNING,
            "the smarthost refused {{ $value | humanize }} messages for good within an hour",
        ),
        Alert(
            "MailRelayPostpones",
            f"{_refused('postponed', '1h')} > 20",
            "30m",
            Severity.WARNING,
            "the smarthost puts mail off: {{ $value | humanize }} times within an hour",
        ),
    ]


def _ended(what: str) -> str:
    """Return the condition that a run is over: until then it has not succeeded, nor failed."""
    return f"unless po_mail_{what}_running == 1"


def _backup(age_hours: int, drill_days: int) -> list[Alert]:
    success = "po_mail_backup_last_success_timestamp_seconds"
    return [
        Alert(
            "MailBackupOld",
            f"time() - {success} > {age_hours * 3600} or absent({success})",
            "1h",
            Severity.CRITICAL,
            f"there is no good backup of the last {age_hours} hours",
        ),
        Alert(
            "MailBackupFailed",
            f"po_mail_backup_last_run_success == 0 {_ended('backup')}",
            "5m",
            Severity.WARNING,
            "the last run of the backup failed; the snapshots before it are untouched",
        ),
        Alert(
            "MailBackupUnfinished",
            f"time() - po_mail_backup_last_start_timestamp_seconds > {_LONGEST_BACKUP}",
            "5m",
            Severity.WARNING,
            "a backup began {{ $value | humanizeDuration }} ago and has not ended; it was killed, "
            "or it hangs",
        ),
        Alert(
            "MailDrillOld",
            f"time() - {DRILL_METRIC} > {drill_days * 86400} or absent({DRILL_METRIC})",
            "1d",
            Severity.WARNING,
            f"no restore was tried with success for {drill_days} days",
        ),
        Alert(
            "MailDrillFailed",
            f"po_mail_drill_last_run_success == 0 {_ended('drill')}",
            "5m",
            Severity.CRITICAL,
            "the last restore that was tried did not bring everything back",
        ),
        Alert(
            "MailDrillUnfinished",
            f"time() - po_mail_drill_last_start_timestamp_seconds > {_LONGEST_DRILL}",
            "5m",
            Severity.WARNING,
            "a drill began {{ $value | humanizeDuration }} ago and has not ended: what it restored "
            "may lie on the host in clear",
        ),
    ]


def _dmarc(aligned_percent: float) -> list[Alert]:
    # Whoever forges our name is never aligned; only senders that are known count.
    return [
        Alert(
            "MailDmarcUnaligned",
            f"{dmarc_share('source', DECLARED_SENDER)} < {aligned_percent:g}",
            "1h",
            Severity.WARNING,
            "{{ $value | humanize }} % of the mail that {{ $labels.source }} sends is aligned; "
            "a stricter stage would refuse the rest",
        ),
        Alert(
            "MailDmarcReportsOld",
            f"time() - {DMARC_REPORT_METRIC} > {DMARC_REPORT_DAYS * 86400}"
            f" or absent({DMARC_REPORT_METRIC})",
            "1d",
            Severity.WARNING,
            f"no DMARC report of the last {DMARC_REPORT_DAYS} days was read",
        ),
    ]


def dmarc_share(by: str = "", which: str = "") -> str:
    """Return PromQL for the share of reported messages that are aligned, in per cent.

    Args:
        by: Label that tells the results apart; without one there is a single result.
        which: Matcher that chooses messages, such as `source!="unknown"`; all without one.
    """
    grouped = f"sum by ({by})" if by else "sum"
    every = f"{grouped} ({DMARC_METRIC}{{{which}}})"
    matchers = ",".join(matcher for matcher in (which, 'aligned="yes"') if matcher)
    # A sender of which nothing is aligned may have no series of aligned messages.
    aligned = f"({grouped} ({DMARC_METRIC}{{{matchers}}}) or 0 * {every})"
    return f"100 * {aligned} / ({every} > 0)"


def _surroundings(disk_percent: int, stale_seconds: int) -> list[Alert]:
    used = (
        f"100 * (1 - node_filesystem_avail_bytes{{{REAL_DISKS}}}"
        f" / node_filesystem_size_bytes{{{REAL_DISKS}}})"
    )
    return [
        Alert(
            "MailDiskFull",
            f"{used} > {disk_percent}",
            "15m",
            Severity.CRITICAL,
            "{{ $labels.mountpoint }} is {{ $value | humanize }} % full",
        ),
        Alert(
            "MailListedOnDnsbl",
            "po_mail_dnsbl_listed == 1",
            "2h",
            Severity.WARNING,
            "{{ $labels.address }} is on {{ $labels.zone }}",
        ),
        Alert(
            "MailDnsblRefusesUs",
            "po_mail_dnsbl_answers == 0",
            "6h",
            Severity.WARNING,
            "{{ $labels.zone }} does not answer our resolver: spam is not recognised by it",
        ),
        Alert(
            "MailExporterDown",
            f'up{{job="{JOB}"}} == 0 or absent(up{{job="{JOB}"}})',
            "15m",
            Severity.WARNING,
            "the exporter of Mailcow does not answer",
        ),
        Alert(
            "MailExporterBlind",
            "mailcow_exporter_success == 0",
            "30m",
            Severity.WARNING,
            "the exporter gets no answer from Mailcow's API on {{ $labels.provider }}",
        ),
        Alert(
            "MailContainerDown",
            "mailcow_container_running == 0",
            "5m",
            Severity.CRITICAL,
            "{{ $labels.container }} does not run",
        ),
        Alert(
            "MailMemoryTight",
            "po_mail_memory_percent > 90",
            "15m",
            Severity.WARNING,
            "{{ $labels.service }} takes {{ $value | humanize }} % of its memory limit",
        ),
        Alert(
            "MailMemoryKilled",
            "increase(node_vmstat_oom_kill[1h]) > 0",
            "0m",
            Severity.WARNING,
            "memory ran out: the kernel killed a process on the host within the last hour",
        ),
        Alert(
            "MailMailboxFull",
            "100 * mailcow_mailbox_quota_used / (mailcow_mailbox_quota_allowed > 0) > 95",
            "1h",
            Severity.WARNING,
            "{{ $labels.mailbox }} has used {{ $value | humanize }} % of its quota",
        ),
        Alert(
            "MailMetricsStale",
            f'time() - node_textfile_mtime_seconds{{file=~"{_TEXTFILES}"}} > {stale_seconds}',
            "15m",
            Severity.WARNING,
            "{{ $labels.file }} is no longer written",
        ),
    ]


def alerts(bounds: Bounds) -> list[Alert]:
    """Return every alert, with the bounds that are declared."""
    return [
        *_certificate(bounds.certificate_days),
        *_queue(bounds.queue_length),
        *_relay(),
        *_backup(bounds.backup_hours, bounds.drill_days),
        *_dmarc(bounds.aligned_percent),
        # The backup's own age is watched; the others are written at least this often.
        *_surroundings(bounds.disk_percent, 3 * 60 * max(60, bounds.certificate_minutes)),
    ]


def render_rules(bounds: Bounds) -> str:
    """Return the rule file for Prometheus."""
    groups = [{"name": JOB, "rules": [alert.rule() for alert in alerts(bounds)]}]
    text: str = yaml.safe_dump({"groups": groups}, sort_keys=False, width=100)
    return f"# Written by Pulumi.\n{text}"
