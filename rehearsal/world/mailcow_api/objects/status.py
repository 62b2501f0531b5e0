"""What monitoring asks: containers, release, disk, queue, logs."""

from typing import Any

from rehearsal.world.mailcow_api.call import Call, answers
from rehearsal.world.mailcow_api.store import now

_GIB = 1024**3


@answers("get", "status")
def get(call: Call) -> Any:
    """Return the state of the containers, the release, or the disk."""
    if call.which == "containers":
        return {
            name: {
                "type": "info",
                "container": name,
                "state": state,
                "started_at": now().replace(" ", "T") + "Z",
                "image": f"ghcr.io/mailcow/{name.removesuffix('-mailcow')}",
            }
            for name, state in call.installation.containers().items()
        }
    if call.which == "version":
        return {"version": call.installation.version}
    if call.which == "vmail":
        return {
            "type": "info", "disk": "/dev/sda1", "used": "1G", "total": "100G",
            "used_percent": "1%",
        }  # fmt: skip
    if call.which == "host":
        return {
            "cpu": {"cores": 4, "usage": 1}, "memory": {"total": 8 * _GIB, "usage": 21},
            "uptime": 86400, "system_time": now(), "architecture": "x86_64",
        }  # fmt: skip
    return None


@answers("get", "mailq")
@answers("get", "quarantine")
def get_nothing(call: Call) -> Any:
    """Return an empty list: the world's queue is the mail server's to show."""
    call.nothing = "[]"
    return None


@answers("get", "logs")
def get_logs(_call: Call) -> Any:
    """Return no lines."""
    return None


@answers("get", "fail2ban")
def get_fail2ban(_call: Call) -> Any:
    """Return the settings under which wrong keys are counted."""
    return {
        "ban_time": 1800, "max_attempts": 10, "retry_window": 600, "netban_ipv4": 32,
        "netban_ipv6": 128, "perm_bans": [], "active_bans": [], "whitelist": "", "blacklist": "",
    }  # fmt: skip
