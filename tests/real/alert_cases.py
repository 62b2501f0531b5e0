"""For every alert: measurements that raise it, when it comes, what it says; and near misses."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from declaration.model import Declaration

Series = Mapping[str, str]
"""Values by series, as promtool writes them: `first+stepxtimes`."""


@dataclass(frozen=True)
class Case:
    """One way in which an alert is raised.

    Attributes:
        alert: Its name.
        raising: Measurements that raise it.
        onset: At which interval its expression holds for the first time.
        summary: What it says at the second interval after it was raised.
        silent: Measurements nearby that must not raise it.
        labels: Labels of the series that raised it.
        interval: Seconds between two measurements.
    """

    alert: str
    raising: Series
    onset: int
    summary: str
    silent: Series
    labels: Mapping[str, str] = field(default_factory=dict)
    interval: int = 60


_HOUR = 3600
_DAY = 24 * _HOUR
_LONG = 5000
"""More intervals than any case looks at."""


def steady(value: float) -> str:
    """Return a measurement that stays."""
    return f"{value}x{_LONG}"


def rising(after: int, by: float) -> str:
    """Return a counter that stays for some intervals and then rises once."""
    return f"0x{after} {by}x{_LONG}"


def cases(declaration: Declaration) -> list[Case]:
    """Return the cases of every alert of a declaration."""
    return [
        *_certificate(declaration.certificate.warn_days),
        *_queue(declaration.monitoring.queue_length),
        *_relay(),
        *_backup(declaration.monitoring.backup_age_hours),
        *_drill(declaration.backup.drill_every_days),
        *_dmarc(declaration.dmarc.evidence.aligned_percent),
        *_surroundings(declaration),
        *_mailcow(),
    ]


def _certificate(warn_days: int) -> list[Case]:
    end = "po_mail_certificate_expiry_timestamp_seconds"
    return [
        Case(
            "MailCertificateExpires", {end: steady((warn_days + 1) * _DAY)}, 25,
            f"the certificate that mail programs see ends in {warn_days - 4 / 24:.4g} days; "
            f"it should have been renewed {30 - warn_days} days ago",
            {end: steady((warn_days + 200) * _DAY)}, interval=_HOUR,
        ),
        Case(
            "MailCertificateNearEnd", {end: steady(5 * _DAY)}, 25,
            "the certificate that mail programs see ends within four days, or is not watched",
            {end: steady(300 * _DAY)}, interval=_HOUR,
        ),
        Case(
            "MailCertificateNearEnd", {}, 0,
            "the certificate that mail programs see ends within four days, or is not watched",
            {end: steady(300 * _DAY)}, interval=_HOUR,
        ),
        Case(
            "MailCertificateNotDelivered", {"po_mail_certificate_delivery_success": steady(0)}, 0,
            "the certificate could not be brought to Postfix, Dovecot and nginx for six hours",
            {"po_mail_certificate_delivery_success": "0x300 1x5000"},
        ),
    ]  # fmt: skip


def _queue(length: int) -> list[Case]:
    deferred, active = (
        f'po_mail_queue_messages{{queue="{name}"}}' for name in ("deferred", "active")
    )
    oldest = "po_mail_queue_oldest_seconds"
    return [
        Case(
            "MailQueueLong", {deferred: steady(length + 1)}, 0,
            f"{length + 1} messages wait for another attempt",
            # Mail under way is no trouble, however much.
            {deferred: steady(length), active: steady(500)},
        ),
        Case(
            "MailQueueOld", {oldest: "14000+100x5000"}, 5,
            "a message has waited for 4h 30m 0s", {oldest: steady(14400)},
        ),
        Case(
            "MailQueueUnreadable", {"po_mail_queue_readable": steady(0)}, 0,
            "Postfix does not answer: most likely no mail goes in or out",
            {"po_mail_queue_readable": "0x14 1 0x14 1x5000"},
        ),
    ]  # fmt: skip


def _relay() -> list[Case]:
    def refused(reason: str) -> str:
        return f'po_mail_relay_refused_total{{reason="{reason}"}}'

    return [
        Case(
            "MailRelayRefusesLogin", {refused("authentication"): rising(40, 1)}, 41,
            "the smarthost does not accept our login: no mail leaves",
            {refused("authentication"): steady(7), refused("postponed"): "0+1x5000"},
        ),
        Case(
            "MailRelayWithoutTls", {refused("tls"): rising(40, 1)}, 41,
            "no trusted TLS connection to the smarthost comes about: no mail leaves",
            {refused("tls"): steady(7), refused("rejected"): "0+1x5000"},
        ),
        Case(
            "MailRelayRejects", {refused("rejected"): rising(90, 5)}, 91,
            "the smarthost refused 5 messages for good within an hour",
            {refused("rejected"): rising(90, 2)},
        ),
        Case(
            "MailRelayPostpones", {refused("postponed"): "0x90 1+1x5000"}, 111,
            "the smarthost puts mail off: 53 times within an hour",
            # One message that is tried every five minutes.
            {refused("postponed"): "0 0 0 0 1 1 1 1 1 2x5000"},
        ),
    ]  # fmt: skip


def _backup(hours: int) -> list[Case]:
    success = "po_mail_backup_last_success_timestamp_seconds"
    last, running = "po_mail_backup_last_run_success", "po_mail_backup_running"
    start = "po_mail_backup_last_start_timestamp_seconds"
    old = f"there is no good backup of the last {hours} hours"
    return [
        Case("MailBackupOld", {success: steady(0)}, hours + 1, old,
             {success: steady(9000 * _DAY)}, interval=_HOUR),
        Case("MailBackupOld", {}, 0, old, {success: steady(9000 * _DAY)}, interval=_HOUR),
        Case(
            "MailBackupFailed", {last: steady(0), running: steady(0)}, 0,
            "the last run of the backup failed; the snapshots before it are untouched",
            # A run under way has not succeeded yet.
            {last: steady(0), running: steady(1)},
        ),
        Case(
            "MailBackupUnfinished", {start: steady(0), running: steady(1)}, 361,
            "a backup began 6h 8m 0s ago and has not ended; it was killed, or it hangs",
            {last: steady(1), running: steady(0)},
        ),
    ]  # fmt: skip


def _drill(days: int) -> list[Case]:
    success = "po_mail_drill_last_success_timestamp_seconds"
    last, running = "po_mail_drill_last_run_success", "po_mail_drill_running"
    start = "po_mail_drill_last_start_timestamp_seconds"
    old = f"no restore was tried with success for {days} days"
    return [
        Case("MailDrillOld", {success: steady(0)}, days * 24 + 1, old,
             {success: steady(9000 * _DAY)}, interval=_HOUR),
        Case("MailDrillOld", {}, 0, old, {success: steady(9000 * _DAY)}, interval=_HOUR),
        Case(
            "MailDrillFailed", {last: steady(0), running: steady(0)}, 0,
            "the last restore that was tried did not bring everything back",
            {last: steady(0), running: steady(1)},
        ),
        Case(
            "MailDrillUnfinished", {start: steady(0), running: steady(1)}, 541,
            "a drill began 9h 8m 0s ago and has not ended: what it restored may lie on the host in "
            "clear",
            {last: steady(1), running: steady(0)},
        ),
    ]  # fmt: skip


def _dmarc(percent: float) -> list[Case]:
    def messages(source: str, aligned: str) -> str:
        return f'po_mail_dmarc_messages{{source="{source}",aligned="{aligned}"}}'

    newest = "po_mail_dmarc_last_report_timestamp_seconds"
    few = percent - 1
    old = "no DMARC report of the last 35 days was read"
    return [
        Case(
            "MailDmarcUnaligned",
            {messages("Resend", "yes"): steady(few), messages("Resend", "no"): steady(100 - few)},
            0,
            f"{few:g} % of the mail that Resend sends is aligned; a stricter stage would refuse "
            "the rest",
            # A forger is never aligned, and of a sound sender some forwarded messages are not.
            {messages("Resend", "yes"): steady(percent),
             messages("Resend", "no"): steady(100 - percent),
             messages("unknown", "no"): steady(5000), messages("idle", "yes"): steady(0)},
            labels={"source": "Resend"},
        ),
        Case(
            "MailDmarcUnaligned", {messages("Newsletter", "no"): steady(3)}, 0,
            "0 % of the mail that Newsletter sends is aligned; a stricter stage would refuse the "
            "rest",
            {messages("Newsletter", "yes"): steady(3)}, labels={"source": "Newsletter"},
        ),
        Case("MailDmarcReportsOld", {newest: steady(0)}, 35 * 24 + 1, old,
             {newest: steady(9000 * _DAY)}, interval=_HOUR),
        Case("MailDmarcReportsOld", {}, 0, old, {newest: steady(9000 * _DAY)}, interval=_HOUR),
    ]  # fmt: skip


def _surroundings(declaration: Declaration) -> list[Case]:
    percent = declaration.monitoring.disk_percent
    stale = 3 * 60 * max(60, declaration.certificate.check_minutes)

    def disk(place: str, kind: str, left: int) -> dict[str, str]:
        labels = f'{{mountpoint="{place}",fstype="{kind}"}}'
        return {
            f"node_filesystem_avail_bytes{labels}": steady(left),
            f"node_filesystem_size_bytes{labels}": steady(100),
        }

    def written(name: str) -> str:
        return f'node_textfile_mtime_seconds{{file="/textfiles/po_mail_{name}.prom"}}'

    listed = 'po_mail_dnsbl_listed{zone="bl.example",address="192.0.2.7"}'
    answers = 'po_mail_dnsbl_answers{zone="bl.example"}'
    return [
        Case(
            "MailDiskFull", disk("/", "ext4", 99 - percent), 0, f"/ is {percent + 1} % full",
            disk("/", "ext4", 101 - percent) | disk("/run", "tmpfs", 0),
            labels={"mountpoint": "/", "fstype": "ext4"},
        ),
        Case(
            "MailListedOnDnsbl", {listed: steady(1)}, 0, "192.0.2.7 is on bl.example",
            {listed: "1x100 0 1x100 0x5000"},
            labels={"zone": "bl.example", "address": "192.0.2.7"},
        ),
        Case(
            "MailDnsblRefusesUs", {answers: steady(0)}, 0,
            "bl.example does not answer our resolver: spam is not recognised by it",
            {answers: steady(1), listed: steady(1)}, labels={"zone": "bl.example"},
        ),
        Case(
            "MailMetricsStale", {written("queue"): steady(0)}, stale // 60 + 1,
            "/textfiles/po_mail_queue.prom is no longer written",
            # The backup writes once a day; its own alert watches it.
            {written("queue"): "0+60x5000", written("backup"): steady(0)},
            labels={"file": "/textfiles/po_mail_queue.prom"},
        ),
    ]  # fmt: skip


def _mailcow() -> list[Case]:
    up = 'up{job="po-mail",instance="127.0.0.1:9099"}'
    running = 'mailcow_container_running{container="postfix-mailcow"}'
    success = 'mailcow_exporter_success{provider="mailq"}'
    tight = 'po_mail_memory_percent{service="rspamd-mailcow"}'
    used, allowed = (
        f'mailcow_mailbox_quota_{name}{{mailbox="ana@example.org"}}' for name in ("used", "allowed")
    )
    silent = "the exporter of Mailcow does not answer"
    return [
        Case("MailExporterDown", {up: steady(0)}, 0, silent, {up: "0x10 1x5000"},
             labels={"job": "po-mail", "instance": "127.0.0.1:9099"}),
        Case("MailExporterDown", {}, 0, silent, {up: steady(1)}, labels={"job": "po-mail"}),
        Case(
            "MailExporterBlind", {success: steady(0)}, 0,
            "the exporter gets no answer from Mailcow's API on mailq", {success: steady(1)},
            labels={"provider": "mailq"},
        ),
        Case(
            "MailContainerDown", {running: "1x10 0x5000"}, 11, "postfix-mailcow does not run",
            # A restart takes less.
            {running: "1x10 0x4 1x5000"}, labels={"container": "postfix-mailcow"},
        ),
        Case(
            "MailMemoryTight", {tight: steady(91)}, 0,
            "rspamd-mailcow takes 91 % of its memory limit",
            # A spike, as Rspamd has them.
            {tight: "99x14 40x5000"}, labels={"service": "rspamd-mailcow"},
        ),
        Case(
            "MailMemoryKilled", {"node_vmstat_oom_kill": rising(10, 1)}, 11,
            "memory ran out: the kernel killed a process on the host within the last hour",
            {"node_vmstat_oom_kill": steady(7)},
        ),
        Case(
            "MailMailboxFull", {used: steady(96), allowed: steady(100)}, 0,
            "ana@example.org has used 96 % of its quota",
            # Nothing allowed means without a limit.
            {used: steady(96), allowed: steady(0)}, labels={"mailbox": "ana@example.org"},
        ),
    ]  # fmt: skip
