"""What monitoring asks: containers, release, disk, queue, logs."""

from typing import Any

from pulumi_mailcow.testing.call import Call, Handler, answers
from pulumi_mailcow.testing.php import intval

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
                "started_at": call.store.now().replace(" ", "T") + "Z",
                "image": f"ghcr.io/mailcow/{name.removesuffix('-mailcow')}",
            }
            for name, state in call.installation.containers().items()
        }
    if call.which == "version":
        return {"version": call.installation.version}
    if call.which == "host":
        return {
            "cpu": {"cores": 4, "usage": 1}, "memory": {"total": 8 * _GIB, "usage": 21},
            "uptime": 86400, "system_time": call.store.now(), "architecture": "x86_64",
        }  # fmt: skip
    call.nothing = ""  # of the disk it knows nothing either: Dovecot is not there
    return None


@answers("get", "quarantine")
def get_quarantine(call: Call) -> Any:
    """Return an empty list: there is no filter that keeps anything."""
    call.nothing = "[]"
    return None


@answers("get", "mailq")
def get_queue(_call: Call) -> Any:
    """Return what dockerapi says of a command: there is no Postfix that has a queue."""
    return [{"type": "success", "msg": "command completed successfully"}]


_LOGS = (
    "acme", "api", "autodiscover", "cron", "dovecot", "netfilter", "postfix", "ratelimited",
    "rspamd-history", "rspamd-stats", "sasl", "sogo", "ui", "watchdog",
)  # fmt: skip


@answers("get", "logs")
def get_logs(call: Call) -> Any:
    """Return what was asked of the API, the latest first; there is nothing else to tell of.

    Raises:
        LookupError: there is no such log.
    """
    if call.which not in _LOGS:
        raise LookupError(call.which)
    lines = list(call.lines) if call.which == "api" else []
    return lines[: abs(intval(call.extra)) or None]


_SMALL: dict[str, Any] = {
    "fail2ban": {"regex": None, "whitelist": "", "blacklist": ""},
    "filters": None,
    "last-login": {"ui": False, "sasl": []},
    "oauth2-client": None,
    "passwordpolicy": {"length": "6", "chars": "0", "special_chars": "0", "lowerupper": "0",
                       "numbers": "0"},
    "rspamd": [["reject", 0], ["soft reject", 0], ["no action", 1]],
    "time_limited_aliases": None,
}  # fmt: skip
"""What a new installation answers, and none here ever changes."""


def _always(answer: Any) -> Handler:
    return lambda _call: answer


for _name, _answer in _SMALL.items():
    answers("get", _name)(_always(_answer))
