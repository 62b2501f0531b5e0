"""The restore drill: what its program on the host is told (`components/onhost/drill.py`).

The drill restores a snapshot beside the running installation, in a compose project of its own that
has no network, and compares everything. `operations/drill` drives it and writes the certificate.
"""

import json
from typing import TYPE_CHECKING

from components.remote import BASE
from components.units import Service, render_service, run_program

if TYPE_CHECKING:  # the declaration is made of the parts, which must not import it back
    from components.declaration import Declaration

PROGRAM = "drill.py"
"""The program that holds the drill."""
SETTINGS = f"{BASE}/drill.json"
"""What the program is told; no secret."""
SCRATCH = f"{BASE}/drill"
"""The empty place; it is there while a drill lasts."""
METRICS = "po_mail_drill.prom"
"""Metrics of the drill, in the directory of the textfile collector."""
UNIT = "po-mail-drill-clean.service"
"""The unit that removes, at boot, what a drill left that was killed together with the host."""
MEMORY_MIB = {"mysql": 768, "redis": 256, "dovecot": 256}
"""Limits of the containers of the drill, in MiB: the running installation keeps the rest."""


def project_of(project: str) -> str:
    """Return the name of the drill's compose project; it is never the running one's."""
    return f"{project}-drill"


def render_clean_unit(declaration: "Declaration") -> str:
    """Return the systemd unit that leaves nothing of a drill in clear after a power cut."""
    return render_service(
        Service(
            "Remove what a restore drill left when the host went down",
            [f"ExecStart={run_program(PROGRAM, ['--settings', SETTINGS, '--clean'])}"],
            # The restored files belong to those whose mail it is.
            writes=[BASE, f"-{declaration.monitoring.textfile_directory}"],
            service={"TimeoutStartSec": "600", "PrivateTmp": "yes"},
            wanted_by="multi-user.target",
        )
    )


def render_drill_settings(declaration: "Declaration", backup_settings: str) -> str:
    """Return what the program on the host is told, as JSON.

    Args:
        declaration: The declaration.
        backup_settings: Path on the host of what the backup is told.
    """
    settings = {
        "backup": backup_settings,
        "project": project_of(declaration.mailcow.project),
        "scratch": SCRATCH,
        "metrics": f"{declaration.monitoring.textfile_directory}/{METRICS}",
        "memoryMib": MEMORY_MIB,
    }
    return json.dumps(settings, indent=2) + "\n"
