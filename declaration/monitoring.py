"""Monitoring: what is watched, and where its files go."""

from dataclasses import dataclass

from pydantic import Field

from declaration.settings import DomainName, IPv4, Settings


class MonitoringSettings(Settings):
    """What watches the mail, beside the Prometheus and Grafana that already run."""

    exporter_image: str = Field(
        "ghcr.io/mailcow/prometheus-exporter:2", pattern=r"^[a-z0-9./-]+:[\w.-]+$"
    )
    """Image of the Prometheus exporter, by tag; `mail:exporterDigest` pins what the tag is."""
    exporter_port: int = Field(9099, ge=1024, le=65535)
    """Port of the exporter on the host's loopback."""
    prometheus_directory: str = Field("/opt/po-shared/prometheus", pattern=r"^/[\w./-]+$")
    """Directory into which scrape configuration and alert rules are written."""
    prometheus_group: int = Field(65534, ge=1, le=999_999_999)
    """Number of the group that Prometheus runs as, which alone may read the scrape configuration:
    65534 (nobody) in its own image; `getent group prometheus` on the host tells that of Debian's
    package. Danger: with another one Prometheus cannot read the file and does not ask."""
    grafana_directory: str = Field("/opt/po-shared/grafana/dashboards", pattern=r"^/[\w./-]+$")
    """Directory of provisioned dashboards."""
    textfile_directory: str = Field(
        "/var/lib/node_exporter/textfile_collector", pattern=r"^/[\w./-]+$"
    )
    """Directory from which the node exporter reads metrics that scripts write."""
    dnsbl: tuple[DomainName, ...] = ("zen.spamhaus.org",)
    """Block lists asked about the host's address, through the host's own resolver."""
    dnsbl_resolver: IPv4 = "172.22.1.254"
    """Resolver for those questions: Mailcow's Unbound, never a public one."""
    backup_age_hours: int = Field(30, ge=24)
    """Age of the last good backup, in hours, beyond which an alert is raised."""
    queue_length: int = Field(50, ge=1)
    """Deferred messages beyond which an alert is raised."""
    disk_percent: int = Field(85, ge=50, le=99)
    """Disk use, in per cent, beyond which an alert is raised."""


@dataclass(frozen=True)
class Bounds:
    """Beyond what somebody is told, wherever that is declared: alerts and dashboard have it alike.

    Attributes:
        certificate_days: Days before the certificate's end.
        certificate_minutes: How often a renewed certificate is looked for, in minutes.
        queue_length: Deferred messages.
        disk_percent: Use of the disk, in per cent.
        backup_hours: Age of the last good backup, in hours.
        drill_days: Age of the last restore drill, in days.
        aligned_percent: Share of aligned messages of declared senders, in per cent, under which a
            stage is too strict.
        step_back_percent: The same share under which a step back is proposed.
    """

    certificate_days: int
    certificate_minutes: int
    queue_length: int
    disk_percent: int
    backup_hours: int
    drill_days: int
    aligned_percent: float
    step_back_percent: float
