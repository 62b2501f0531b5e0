"""The restore drill: what its program on the host is told (`components/onhost/drill.py`).

The drill restores a snapshot beside the running installation, in a compose project of its own that
has no network, and compares everything. `operations/drill` drives it and writes the certificate.
"""

import json

from components.units import Service, render_service, run_program
from declaration.names import BASE, DRILL_PROGRAM, DRILL_SETTINGS

SCRATCH = f"{BASE}/drill"
"""The empty place; it is there while a drill lasts."""
METRICS = "po_mail_drill.prom"
"""Metrics of the drill, in the directory of the textfile collector."""
MEMORY_MIB = {"mysql": 768, "redis": 256, "dovecot": 256}
"""Limits of the containers of the drill, in MiB: the running installation keeps the rest."""


def project_of(project: str) -> str:
    """Return the name of the drill's compose project; it is never the running one's."""
    return f"{project}-drill"


def render_clean_unit(textfiles: str) -> str:
    """Return the systemd unit that leaves nothing of a drill in clear after a power cut.

    Args:
        textfiles: Directory of the textfile collector.
    """
    return render_service(
        Service(
            "Remove what a restore drill left when the host went down",
            [f"ExecStart={run_program(DRILL_PROGRAM, ['--settings', DRILL_SETTINGS, '--clean'])}"],
            # The restored files belong to those whose mail it is.
            writes=[BASE, f"-{textfiles}"],
            service={"TimeoutStartSec": "600", "PrivateTmp": "yes"},
            wanted_by="multi-user.target",
        )
    )


def render_drill_settings(project: str, textfiles: str, backup_settings: str) -> str:
    """Return what the program on the host is told, as JSON.

    Args:
        project: The running compose project.
        textfiles: Directory of the textfile collector.
        backup_settings: Path on the host of what the backup is told.
    """
    settings = {
        "backup": backup_settings,
        "project": project_of(project),
        "scratch": SCRATCH,
        "metrics": f"{textfiles}/{METRICS}",
        "memoryMib": MEMORY_MIB,
    }
    return json.dumps(settings, indent=2) + "\n"
