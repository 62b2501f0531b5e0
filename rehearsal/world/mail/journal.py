"""What the rehearsed Postfix logs and lists, in the form in which the genuine one does.

tests/real/test_postfix.py reads the genuine one's log and queue with the same eyes.
"""

import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

LOG = "mail-log"
"""File in the host's state with what `docker compose logs` shows of Postfix's container."""

_ENHANCED = re.compile(r"(?:said: \d{3}|^\d{3})[ -](\d\.\d{1,3}\.\d{1,3})\b")
_STATUS = {"delivered": "sent", "deferred": "deferred", "bounced": "bounced"}
_OWN_CODES = {
    "TLS is required": "4.7.4",
    "Server certificate not": "4.7.5",
    "Cannot start TLS": "4.7.5",
    "connect to": "4.4.1",
    "lost connection": "4.4.2",
    "Host or domain name not found": "4.4.3",
    "mail system configuration error": "4.3.5",
}


def status_code(state: str, reason: str) -> str:
    """Return the enhanced status code of a verdict (RFC 3463)."""
    found = _ENHANCED.search(reason)
    if found:
        # A refusal for good that is taken as one for now.
        return f"4{found[1][1:]}" if state == "deferred" else found[1]
    own = next((code for words, code in _OWN_CODES.items() if reason.startswith(words)), "")
    return own or {"delivered": "2.0.0", "bounced": "5.0.0"}.get(state, "4.0.0")


class Journal:
    """The log: in memory, and in a file where the host's tools find it."""

    def __init__(self, state: Path | None) -> None:
        """Log to the host's state as well, if there is one."""
        self._file = state and state / LOG
        self.lines: list[str] = []

    def write(self, program: str, text: str) -> None:
        """Log a line as `program`, such as `qmgr`."""
        now = datetime.now(UTC)
        at, shown = now.strftime("%Y-%m-%dT%H:%M:%S.%f000Z"), now.strftime("%b %d %H:%M:%S")
        line = f"{at} {shown} postfix postfix/{program}[{os.getpid()}]: {text}"
        self.lines.append(line)
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._file.open("a") as file:
                file.write(f"{line}\n")

    def queued(self, identifier: str, sender: str, size: int, recipients: int) -> None:
        """Log that a message has come into the queue."""
        text = f"{identifier}: from=<{sender}>, size={size}, nrcpt={recipients} (queue active)"
        self.write("qmgr", text)

    def verdict(
        self, identifier: str, recipient: str, *, relay: str, state: str, reason: str, delay: float
    ) -> None:
        """Log what became of a message to one recipient."""
        self.write(
            "smtp",
            f"{identifier}: to=<{recipient}>, relay={relay or 'none'}, delay={delay:.2f}, "
            f"delays=0/0/0/{delay:.2f}, dsn={status_code(state, reason)}, "
            f"status={_STATUS[state]} ({reason})",
        )


def listed(
    identifier: str, *, queue: str, arrival: float, size: int, sender: str,
    recipients: tuple[str, ...], reason: str,
) -> str:  # fmt: skip
    """Return a line of `postqueue -j`."""

    def recipient(address: str) -> dict[str, Any]:
        shown: dict[str, Any] = {"address": address}
        # A message that is tried for the first time waits for no reason.
        return {**shown, "delay_reason": reason} if reason and queue == "deferred" else shown

    return json.dumps(
        {
            "queue_name": queue, "queue_id": identifier, "arrival_time": int(arrival),
            "message_size": size, "forced_expire": False, "sender": sender,
            "recipients": [recipient(text) for text in recipients],
        }
    )  # fmt: skip
