"""The Grafana dashboard: what a person looks at first when mail is said to be broken.

First what is wrong now, in colours that change where alerts are raised; below it how it came about.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components.alert_rules import (
    DECLARED_SENDER,
    DMARC_METRIC,
    DMARC_REPORT_DAYS,
    DMARC_REPORT_METRIC,
    DRILL_METRIC,
    JOB,
    REAL_DISKS,
    dmarc_share,
)
from declaration.monitoring import Bounds
from declaration.names import PROJECT

SCHEMA_VERSION = 41
"""Schema of Grafana 11.6 and 12; later releases migrate it when they load it."""
COLUMNS = 24
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_DAY = 86400
Steps = Sequence[tuple[float | None, str]]
"""From which value on which colour; the first one, of None, holds below them all."""


@dataclass(frozen=True)
class Panel:
    """One panel.

    Attributes:
        title: Title.
        queries: PromQL by legend.
        unit: Grafana's unit, such as `s`, `d`, `bytes`, `short`.
        description: What the panel tells, and when to worry.
        steps: Colours by value.
        words: Text and colour for single values.
        empty: What stands there when nothing was measured.
        decimals: Decimals of the numbers; Grafana decides without.
        limits: Least and greatest value of the axis.
        over: Period that the panel shows whatever the dashboard's is, such as `30d`.
        stacked: Whether the lines stand on one another.
    """

    title: str
    queries: Mapping[str, str]
    unit: str
    description: str
    steps: Steps = ((None, "green"),)
    words: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    empty: str = ""
    decimals: int | None = None
    limits: tuple[float | None, float | None] = (None, None)
    over: str = ""
    stacked: bool = False

    kind = ""
    size = (0, 0)

    def options(self) -> dict[str, Any]:
        """Return how the panel shows its values."""
        raise NotImplementedError

    def custom(self) -> dict[str, Any]:
        """Return what is told of each line."""
        return {}

    def _defaults(self) -> dict[str, Any]:
        least, greatest = self.limits
        told: dict[str, Any] = {
            "unit": self.unit,
            "color": {"mode": "thresholds"},
            "thresholds": {
                "mode": "absolute",
                "steps": [{"value": value, "color": colour} for value, colour in self.steps],
            },
            "mappings": [
                {
                    "type": "value",
                    "options": {
                        value: {"text": text, "color": colour, "index": place}
                        for place, (value, (text, colour)) in enumerate(self.words.items())
                    },
                }
            ]
            if self.words
            else [],
            "noValue": self.empty or None,
            "decimals": self.decimals,
            "min": least,
            "max": greatest,
            "custom": self.custom() or None,
        }
        return {name: value for name, value in told.items() if value is not None}

    def render(self, identity: int, column: int, row: int) -> dict[str, Any]:
        """Return the panel as Grafana reads it."""
        width, height = self.size
        panel = {
            "id": identity,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": _SOURCE,
            "gridPos": {"x": column, "y": row, "w": width, "h": height},
            "targets": [
                {
                    "refId": chr(65 + place),
                    "datasource": _SOURCE,
                    "expr": query,
                    "legendFormat": legend,
                    # A number is asked for once; a line is asked for over the whole period.
                    "instant": self.kind == "stat",
                    "range": self.kind != "stat",
                }
                for place, (legend, query) in enumerate(self.queries.items())
            ],
            "fieldConfig": {"defaults": self._defaults(), "overrides": []},
            "options": self.options(),
        }
        return panel | ({"timeFrom": self.over} if self.over else {})


class Number(Panel):
    """The present value, on a ground that tells whether it is good."""

    kind = "stat"
    size = (4, 4)

    def options(self) -> dict[str, Any]:
        """Return how the number is shown."""
        return {
            "colorMode": "background",
            "graphMode": "none",
            "justifyMode": "auto",
            "orientation": "auto",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "textMode": "auto" if any(self.queries) else "value",
        }


class Lines(Panel):
    """Values over time."""

    kind = "timeseries"
    size = (12, 8)

    def options(self) -> dict[str, Any]:
        """Return how the lines are shown."""
        return {
            "legend": {"calcs": ["lastNotNull"], "displayMode": "list", "placement": "bottom",
                       "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }  # fmt: skip

    def custom(self) -> dict[str, Any]:
        """Return how a line is drawn."""
        return {
            "drawStyle": "line",
            "lineWidth": 1,
            # Areas of several lines that do not stand on one another would hide each other.
            "fillOpacity": 25 if self.stacked else 0 if "{{" in "".join(self.queries) else 10,
            "showPoints": "never",
            "stacking": {"group": "A", "mode": "normal" if self.stacked else "none"},
            "thresholdsStyle": {"mode": "dashed" if len(self.steps) > 1 else "off"},
        }

    def _defaults(self) -> dict[str, Any]:
        return super()._defaults() | {"color": {"mode": "palette-classic"}}


_DONE = {"0": ("failed", "red"), "1": ("succeeded", "green")}
_ANSWERS = {"0": ("no answer", "red"), "1": ("answers", "green")}
_LISTED = {"-1": ("no answer", "orange"), "0": ("not listed", "green"), "1": ("listed", "red")}
_NEVER = "never"


def _now(bounds: Bounds) -> list[Panel]:
    """What is wrong now: two rows of numbers."""
    return [
        Number(
            "Certificate, days left",
            {"": "(po_mail_certificate_expiry_timestamp_seconds - time()) / 86400"}, "short",
            "The certificate that mail programs see. It is renewed 30 days before its end.",
            ((None, "red"), (4, "orange"), (bounds.certificate_days, "green")),
            empty="not watched", decimals=0,
        ),
        Number(
            "Deferred messages", {"": 'sum(po_mail_queue_messages{queue="deferred"})'}, "short",
            "Messages that wait for another attempt.",
            ((None, "green"), (bounds.queue_length, "red")), empty="not readable", decimals=0,
        ),
        Number(
            "Oldest in the queue", {"": "po_mail_queue_oldest_seconds"}, "s",
            "How long the oldest message has waited. After five days it goes back.",
            ((None, "green"), (14400, "orange")), empty="not readable",
        ),
        Number(
            "Smarthost refused, 24 h",
            {"": "sum(increase(po_mail_relay_refused_total[24h]))"}, "short",
            "Refusals of any reason. The line below tells which.",
            ((None, "green"), (1, "orange"), (20, "red")), empty="unknown", decimals=0,
        ),
        Number(
            "Block lists",
            {"{{zone}}": "po_mail_dnsbl_listed or (po_mail_dnsbl_answers == 0) - 1"}, "short",
            "Whether the host's address is listed. A list that does not answer our resolver says"
            " nothing of it.",
            ((None, "green"), (1, "red")), words=_LISTED, empty="not asked",
        ),
        Number(
            "DMARC, aligned", {"": dmarc_share(which=DECLARED_SENDER)}, "percent",
            "Share of the reported mail of known senders that is aligned.",
            ((None, "red"), (bounds.step_back_percent, "orange"),
             (bounds.aligned_percent, "green")),
            empty="no reports", decimals=1,
        ),
        Number(
            "Last good backup", {"": "time() - po_mail_backup_last_success_timestamp_seconds"},
            "s", "Age of the last backup that was made and verified.",
            ((None, "green"), (bounds.backup_hours * 3600, "red")), empty=_NEVER,
        ),
        Number(
            "Last run of the backup",
            {"": "po_mail_backup_last_run_success unless po_mail_backup_running == 1"}, "short",
            "How the last run ended, whatever the last good one's age.",
            ((None, "red"), (1, "green")), words=_DONE, empty="under way",
        ),
        Number(
            "Last restore drill", {"": f"time() - {DRILL_METRIC}"}, "s",
            "Age of the last restore that was tried and found good.",
            ((None, "green"), (bounds.drill_days * _DAY, "orange")), empty=_NEVER,
        ),
        Number(
            "Newest DMARC report", {"": f"time() - {DMARC_REPORT_METRIC}"}, "s",
            "Age of the newest report that was read; `make dmarc` reads them.",
            ((None, "green"), (DMARC_REPORT_DAYS * _DAY, "orange")), empty="none",
        ),
        Number(
            "Containers that do not run", {"": "sum(1 - mailcow_container_running)"}, "short",
            "Of Mailcow. The alert names them.",
            ((None, "green"), (1, "red")), empty="unknown", decimals=0,
        ),
        Number(
            "Exporter", {"": f'up{{job="{JOB}"}}'}, "short",
            "Whether Mailcow's exporter answers. If not, mailboxes, containers and spam are blind.",
            ((None, "red"), (1, "green")), words=_ANSWERS, empty="not asked",
        ),
    ]  # fmt: skip


def _outbound() -> list[Panel]:
    return [
        Lines(
            "Queue", {"{{queue}}": "po_mail_queue_messages"}, "short",
            "Messages by queue. Deferred ones grow when the smarthost refuses.",
            limits=(0, None), stacked=True,
        ),
        Lines(
            "Refused by the smarthost, an hour",
            {"{{reason}}": "sum by (reason) (increase(po_mail_relay_refused_total[1h]))"},
            "short", "authentication and tls stop all mail; rejected loses single messages.",
            limits=(0, None),
        ),
    ]  # fmt: skip


def _standing(bounds: Bounds) -> list[Panel]:
    return [
        Lines(
            "DMARC, aligned by sender",
            {"{{source}}": dmarc_share("source", DECLARED_SENDER)}, "percent",
            "Under the line, a stricter stage would hurt that sender.",
            ((None, "red"), (bounds.aligned_percent, "green")),
            limits=(None, 100),
            over="30d",
        ),
        Lines(
            "DMARC, reported messages",
            {"{{source}} {{aligned}}": f"sum by (source, aligned) ({DMARC_METRIC})"}, "short",
            "Messages in the reports of the judged period: aligned yes or no.",
            limits=(0, None), over="30d",
        ),
    ]  # fmt: skip


def _backups() -> list[Panel]:
    return [
        Lines(
            "Backup, size", {"snapshot": "po_mail_backup_size_bytes"}, "bytes",
            "Size of the last good snapshot before compression. A fall to half is a failure.",
            limits=(0, None), over="30d",
        ),
        Lines(
            "Backup, duration", {"run": "po_mail_backup_last_run_duration_seconds > 0"}, "s",
            "How long the last run took.", limits=(0, None), over="30d",
        ),
    ]  # fmt: skip


def _host(bounds: Bounds) -> list[Panel]:
    used = (
        f"100 * (1 - node_filesystem_avail_bytes{{{REAL_DISKS}}}"
        f" / node_filesystem_size_bytes{{{REAL_DISKS}}})"
    )
    share = "100 * mailcow_mailbox_quota_used / (mailcow_mailbox_quota_allowed > 0)"
    return [
        Lines(
            "Mailboxes, share of the quota", {"{{mailbox}}": share}, "percent",
            "A full mailbox refuses mail.", ((None, "green"), (95, "red")), limits=(0, 100),
        ),
        Lines(
            "Disk", {"{{mountpoint}}": used}, "percent", "Use of the file systems of the host.",
            ((None, "green"), (bounds.disk_percent, "red")), limits=(0, 100),
        ),
        Lines(
            "Spam filter, verdicts a minute",
            {"{{action}}": "rate(mailcow_rspamd_action[5m]) * 60"}, "short",
            "Verdicts of rspamd. Nothing but `no action` for a day: it learns nothing any more.",
            limits=(0, None), stacked=True,
        ),
        Lines(
            "Certificate, days left",
            {"certificate": "(po_mail_certificate_expiry_timestamp_seconds - time()) / 86400"},
            "short", "It falls by one a day and rises when the certificate is renewed.",
            ((None, "green"), (bounds.certificate_days, "red")), limits=(0, None),
            over="90d", decimals=0,
        ),
    ]  # fmt: skip


def sections(bounds: Bounds) -> dict[str, list[Panel]]:
    """Return the panels in reading order by the heading above them."""
    return {
        "Now": _now(bounds),
        "Mail out": _outbound(),
        "Standing": _standing(bounds),
        "Backup": _backups(),
        "Host": _host(bounds),
    }


def _placed(headed: Mapping[str, Sequence[Panel]]) -> list[dict[str, Any]]:
    """Lay the panels out from left to right, a new row when one is full."""
    row = 0
    result: list[dict[str, Any]] = []
    for heading, panels in headed.items():
        result.append(
            {
                "id": len(result) + 1, "type": "row", "title": heading, "collapsed": False,
                "panels": [], "gridPos": {"x": 0, "y": row, "w": COLUMNS, "h": 1},
            }
        )  # fmt: skip
        row += 1
        column = tallest = 0
        for panel in panels:
            width, height = panel.size
            if column + width > COLUMNS:
                column, row, tallest = 0, row + tallest, 0
            result.append(panel.render(len(result) + 1, column, row))
            column, tallest = column + width, max(tallest, height)
        row += tallest
    return result


def dashboard_of(company: str, mail_host: str, bounds: Bounds) -> dict[str, Any]:
    """Return the dashboard in Grafana's own structure.

    Args:
        company: Name of the company.
        mail_host: Fully qualified name of the mail host.
        bounds: Beyond what a number is coloured.
    """
    variable = {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
    }
    return {
        "uid": PROJECT,
        "title": f"Mail of {company}",
        "description": f"{mail_host}. What to do: docs/runbook.md.",
        "tags": ["mail"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "1m",
        "timezone": "utc",
        "time": {"from": "now-24h", "to": "now"},
        "templating": {"list": [variable]},
        "annotations": {"list": []},
        "panels": _placed(sections(bounds)),
    }


def render_dashboard(company: str, mail_host: str, bounds: Bounds) -> str:
    """Return the dashboard as Grafana's file provisioning reads it; see `dashboard_of`."""
    board = dashboard_of(company, mail_host, bounds)
    return json.dumps(board, indent=2, ensure_ascii=False) + "\n"
