"""What Prometheus learns of the reports, through the node exporter's textfile collector."""

import shlex
from collections import Counter
from datetime import date
from typing import Final

from dmarc.advice import by_day, rows_of
from dmarc.domain import MailDomain
from dmarc.evidence import Evidence
from dmarc.sources import Kind, Senders
from operations.site import Site

FILE: Final = "po_mail_dmarc.prom"
"""Name of the file in the collector's directory."""
_NAMED: Final = (Kind.DECLARED, Kind.ALIGNED)
"""Sources with a series of their own. All others share one, for anybody can make up more."""


def render(domain: MailDomain, evidence: Evidence) -> str:
    """Return the metrics in Prometheus' text format."""
    senders = Senders(domain, rows_of(evidence))
    found: Counter[tuple[str, str]] = Counter(
        {(name, aligned): 0 for name in senders.names for aligned in ("no", "yes")}
    )
    end = max(evidence.days, default=date.min)
    for day, one in by_day(evidence, senders).items():
        if (end - day).days >= domain.thresholds.days:
            continue
        for (source, aligned), messages in one.items():
            name = source.name if source.kind in _NAMED else "unknown"
            found[name, "yes" if aligned else "no"] += messages
    lines = [
        "# HELP po_mail_dmarc_messages Messages in the aggregate reports of the judged period.",
        "# TYPE po_mail_dmarc_messages gauge",
    ]
    lines += [
        f'po_mail_dmarc_messages{{source="{_escaped(source)}",aligned="{aligned}"}} {messages}'
        for (source, aligned), messages in sorted(found.items())
    ]
    if evidence.last is not None:
        lines += [
            "# HELP po_mail_dmarc_last_report_timestamp_seconds End of the newest report's period.",
            "# TYPE po_mail_dmarc_last_report_timestamp_seconds gauge",
            f"po_mail_dmarc_last_report_timestamp_seconds {evidence.last.timestamp():.0f}",
        ]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


async def publish(site: Site, text: str) -> str:
    """Write the metrics on the host, and return their path."""
    folder = site.declaration.monitoring.textfile_directory
    await site.host.run(
        f'mkdir -p "${{DESTDIR:-}}"{shlex.quote(folder)}', what="making the directory of metrics"
    )
    path = f"{folder}/{FILE}"
    # The node exporter runs as a user of its own.
    await site.host.write(path, text, mode=0o644)
    return path
