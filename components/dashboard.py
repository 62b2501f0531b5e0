"""The Grafana dashboard: what a person looks at first when mail is said to be broken."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.alert_rules import DRILL_METRIC, JOB

if TYPE_CHECKING:  # the declaration is made of the parts, which must not import it back
    from components.declaration import Declaration

SCHEMA_VERSION = 41
"""Schema of Grafana 12; later releases migrate it when they load it."""
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_COLUMNS = 24
_DAY = 86400


@dataclass(frozen=True)
class Panel:
    """One panel.

    Attributes:
        title: Title.
        kind: Grafana's panel type: `stat` or `timeseries`.
        queries: PromQL by legend.
        unit: Grafana's unit, such as `s`, `d`, `bytes`, `short`.
        steps: From which value on which colour; the first colour holds below them all.
        description: What the panel tells, and when to worry.
    """

    title: str
    kind: str
    queries: dict[str, str]
    unit: str
    steps: tuple[tuple[float | None, str], ...]
    description: str

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        return (6, 4) if self.kind == "stat" else (12, 8)

    def render(self, identity: int, column: int, row: int) -> dict[str, Any]:
        """Return the panel as Grafana reads it."""
        width, height = self.size
        return {
            "id": identity,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": _SOURCE,
            "gridPos": {"x": column, "y": row, "w": width, "h": height},
            "targets": [
                {"refId": chr(65 + n), "datasource": _SOURCE, "expr": query, "legendFormat": legend}
                for n, (legend, query) in enumerate(self.queries.items())
            ],
            "fieldConfig": {
                "defaults": {
                    "unit": self.unit,
                    "thresholds": {
                        "mode": "absolute",
                        "steps": [
                            {"value": value, "color": colour} for value, colour in self.steps
                        ],
                    },
                },
                "overrides": [],
            },
            "options": {},
        }


_GOOD_ABOVE_ZERO = ((None, "red"), (1, "green"))
_PLAIN = ((None, "green"),)


def panels(declaration: "Declaration") -> list[Panel]:
    """Return the panels in reading order; colours change where alerts are raised."""
    monitoring, warn_days = declaration.monitoring, declaration.certificate.warn_days
    drill_days = declaration.backup.drill_every_days
    return [
        Panel(
            "Certificate, days left", "stat",
            {"": "(po_mail_certificate_expiry_timestamp_seconds - time()) / 86400"}, "d",
            ((None, "red"), (4, "orange"), (warn_days, "green")),
            "The certificate that mail programs see. It is renewed 30 days before its end.",
        ),
        Panel(
            "Last good backup", "stat",
            {"": "time() - po_mail_backup_last_success_timestamp_seconds"}, "s",
            ((None, "green"), (monitoring.backup_age_hours * 3600, "red")),
            "Age of the last backup that was made and verified.",
        ),
        Panel(
            "Last run of the backup", "stat", {"": "po_mail_backup_last_run_success"},
            "bool_yes_no",
            _GOOD_ABOVE_ZERO, "Whether the last run succeeded, whatever the last good one's age.",
        ),
        Panel(
            "Last restore drill", "stat", {"": f"time() - {DRILL_METRIC}"}, "s",
            ((None, "green"), (drill_days * _DAY, "orange")),
            "Age of the last restore that was tried and found good.",
        ),
        Panel(
            "Deferred messages", "stat", {"": 'sum(po_mail_queue_messages{queue="deferred"})'},
            "short", ((None, "green"), (monitoring.queue_length, "red")),
            "Messages that wait for another attempt.",
        ),
        Panel(
            "Oldest message in the queue", "stat", {"": "po_mail_queue_oldest_seconds"}, "s",
            ((None, "green"), (14400, "orange")), "How long the oldest message has waited.",
        ),
        Panel(
            "Block lists", "stat",
            {"{{zone}}": "po_mail_dnsbl_listed", "{{zone}} answers": "po_mail_dnsbl_answers"},
            "short", _PLAIN,
            "1 is on the list. A list that does not answer our resolver says nothing.",
        ),
        Panel(
            "Exporter", "stat", {"": f'up{{job="{JOB}"}}'}, "bool_yes_no", _GOOD_ABOVE_ZERO,
            "Whether Mailcow's exporter answers.",
        ),
        Panel(
            "Queue", "timeseries", {"{{queue}}": "po_mail_queue_messages"}, "short", _PLAIN,
            "Messages by queue. Deferred ones grow when the smarthost refuses.",
        ),
        Panel(
            "Refused by the smarthost, an hour", "timeseries",
            {"{{reason}}": "sum by (reason) (increase(po_mail_relay_refused_total[1h]))"},
            "short", _PLAIN,
            "authentication and tls stop all mail; rejected loses single messages.",
        ),
        Panel(
            "Containers that do not run", "timeseries",
            {"{{container}}": "mailcow_container_running == 0"}, "short", _PLAIN,
            "Empty when all is well.",
        ),
        Panel(
            "Mailboxes, share of the quota", "timeseries",
            {"{{mailbox}}": "100 * mailcow_mailbox_quota_used"
                            " / (mailcow_mailbox_quota_allowed > 0)"},
            "percent", ((None, "green"), (95, "red")), "A full mailbox refuses mail.",
        ),
        Panel(
            "Disk", "timeseries",
            {"{{mountpoint}}": '100 * (1 - node_filesystem_avail_bytes{fstype!~"tmpfs|overlay"}'
                               ' / node_filesystem_size_bytes{fstype!~"tmpfs|overlay"})'},
            "percent", ((None, "green"), (monitoring.disk_percent, "red")),
            "Use of the file systems of the host.",
        ),
        Panel(
            "Spam filter", "timeseries",
            {"{{action}}": "rate(mailcow_rspamd_action[5m]) * 60"}, "short", _PLAIN,
            "Verdicts of rspamd, a minute.",
        ),
        Panel(
            "Backup, size", "timeseries", {"snapshot": "po_mail_backup_size_bytes"}, "bytes",
            _PLAIN,
            "Size of the last good snapshot before compression. A fall to half is a failure.",
        ),
        Panel(
            "Backup, duration", "timeseries", {"run": "po_mail_backup_last_run_duration_seconds"},
            "s", _PLAIN, "How long the last run took.",
        ),
    ]  # fmt: skip


def _placed(listed: list[Panel]) -> list[dict[str, Any]]:
    """Lay the panels out from left to right, a new row when one is full."""
    column = row = tallest = 0
    result = []
    for identity, panel in enumerate(listed, 1):
        width, height = panel.size
        if column + width > _COLUMNS:
            column, row, tallest = 0, row + tallest, 0
        result.append(panel.render(identity, column, row))
        column, tallest = column + width, max(tallest, height)
    return result


def render_dashboard(declaration: "Declaration") -> str:
    """Return the dashboard as Grafana's file provisioning reads it."""
    variable = {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
    }
    dashboard = {
        "uid": "po-mail",
        "title": f"Mail of {declaration.company}",
        "description": f"{declaration.mail_host}. What to do: docs/runbook.md.",
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
        "panels": _placed(panels(declaration)),
    }
    return json.dumps(dashboard, indent=2, ensure_ascii=False) + "\n"
