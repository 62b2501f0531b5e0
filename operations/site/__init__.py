"""Where an operation works: the rehearsed world, or the real stack. Everything else is the same.

async with open_site("qual", live=False) as site:
    done = await site.host.run("systemctl start po-mail-backup", timeout=3600)
"""

from operations.site.host import CommandFailedError, Finished, Host
from operations.site.model import PROJECT, Plan, PlannedStep, Site, SiteError, Sketch
from operations.site.opening import open_site

__all__ = [
    "PROJECT",
    "CommandFailedError",
    "Finished",
    "Host",
    "Plan",
    "PlannedStep",
    "Site",
    "SiteError",
    "Sketch",
    "open_site",
]
