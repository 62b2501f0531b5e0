#!/usr/bin/env python3
"""Count what waits in Postfix's queue, what the smarthost refused, what memory services take.

Mailcow's exporter tells how many messages wait; it does not tell for how long, nor why mail does
not leave. A refused message is bounced and leaves the queue, so the refusals are read from
Postfix's log: each line once, counted by reason.

  authentication   the smarthost did not accept the login
  tls              no encrypted connection to the smarthost came about, or its certificate is wrong
  rejected         the smarthost refused the message for good (5xx)
  postponed        the smarthost refused the message for now (4xx)

Of each service the share of its memory limit is told; beyond it the kernel kills. The result is
written for the node exporter's textfile collector, also when it is that Postfix could
not be asked.

Exit status: 0 written; 1 Postfix could not be asked, or the metrics could not be written; 2 wrong
usage.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

# On the host the programs lie side by side in one folder, and nothing else of the project is there.
if TYPE_CHECKING or __package__:
    from components.onhost import machine
else:
    import machine

QUEUES = ("incoming", "active", "deferred", "hold", "corrupt")
REASONS = ("authentication", "tls", "rejected", "postponed")
LOG_LINES = 5000
DOCKER_SECONDS = 60
CGROUPS = ("/sys/fs/cgroup/system.slice/docker-{}.scope", "/sys/fs/cgroup/docker/{}")
"""Where the kernel tells what a container takes, by the driver that Docker was given."""
_DROPPED = re.compile(r"^inactive_file (\d+)$", re.MULTILINE)
_LOGGED = re.compile(r"^(\d{4}-\d\d-\d\dT[\d:.]+Z) (.*)$")
_TLS_WORDS = (
    "TLS is required",
    "Cannot start TLS",
    "certificate verification failed",
    "Server certificate not",
)


class Refusals(NamedTuple):
    """Refusals since the beginning, and up to where the log was read."""

    counts: dict[str, int]
    cursor: str


def in_project(options: argparse.Namespace, *words: str) -> str:
    """Run `docker compose` on the project and return its standard output.

    Raises:
        StepError: it failed.
    """
    command = machine.compose(options.project, machine.on_disk(options.directory), *words)
    return machine.run(command, "docker", seconds=DOCKER_SECONDS).stdout


# The queue


def read_queue(text: str, now: float) -> tuple[dict[str, int], float]:
    """Return messages by queue and the age of the oldest, in seconds.

    Args:
        text: What `postqueue -j` says: one JSON object a line.
        now: Time in seconds since the epoch.

    Raises:
        StepError: it is something else.
    """
    counts = Counter(dict.fromkeys(QUEUES, 0))
    oldest = now
    try:
        for line in text.splitlines():
            message = json.loads(line)
            counts[str(message["queue_name"])] += 1
            oldest = min(oldest, float(message["arrival_time"]))
    except (ValueError, KeyError, TypeError):
        raise machine.StepError("postqueue: said something unexpected") from None
    return dict(counts), max(0.0, now - oldest)


# The refusals


def reason_of(line: str, relay: str) -> str | None:
    """Return why the smarthost refused the message of a log line, None if it did not.

    Args:
        line: One line of Postfix's log.
        relay: Host name of the smarthost.
    """
    # Only the verdict on a recipient counts; the warnings around it tell the same again.
    if "/smtp[" not in line or "status=" not in line or f"{relay}[" not in line:
        return None
    if "status=sent" in line:
        return None
    if "SASL authentication failed" in line or re.search(r"said: 535\b", line):
        return "authentication"
    if any(words in line for words in _TLS_WORDS):
        return "tls"
    if "status=bounced" in line:
        return "rejected"
    return "postponed" if re.search(r"said: 4\d\d\b", line) else None


def read_log(lines: Iterable[str], relay: str, before: Refusals) -> Refusals:
    """Return the refusals after another look at the log; a line that was seen is not seen again.

    Args:
        lines: Lines of the log, each with its time in front.
        relay: Host name of the smarthost.
        before: What the last look found; without a cursor, history is left out.
    """
    counts = Counter(before.counts)
    cursor = before.cursor
    for line in lines:
        match = _LOGGED.match(line)
        # Times of one form compare as text.
        if match is None or match[1] <= before.cursor:
            continue
        cursor = max(cursor, match[1])
        reason = reason_of(match[2], relay) if before.cursor else None
        if reason:
            counts[reason] += 1
    return Refusals({reason: counts[reason] for reason in REASONS}, cursor)


def recall(path: Path) -> Refusals:
    """Return what the last look found; a memory that is spoilt begins anew."""
    found = machine.recall(path) or {}
    try:
        counts = {reason: int(found["counts"][reason]) for reason in REASONS}
        return Refusals(counts, str(found["cursor"]))
    except (ValueError, KeyError, TypeError):
        return Refusals(dict.fromkeys(REASONS, 0), "")


# The memory


def memory_percent(container: str) -> float | None:
    """Return which share of its memory limit a container takes; None where nobody tells.

    Pages of files that nobody uses are left out, as `docker stats` does: the kernel drops them
    before it kills.

    Args:
        container: Its whole id.
    """
    for place in CGROUPS:
        folder = machine.on_disk(place.format(container))
        with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
            used, limit = (
                (folder / name).read_text("utf-8") for name in ("memory.current", "memory.max")
            )
            dropped = _DROPPED.search((folder / "memory.stat").read_text("utf-8"))
            return 100 * (int(used) - int(dropped[1] if dropped else 0)) / int(limit)
    return None


def read_memory(project: str) -> dict[str, float]:
    """Return the share of its memory limit that each running service takes.

    Raises:
        StepError: Docker could not be asked.
    """
    label = "com.docker.compose"
    words = ["docker", "ps", "-q", "--no-trunc", "--filter", f"label={label}.project={project}"]
    containers = machine.run(words, "docker ps", seconds=DOCKER_SECONDS).stdout.split()
    if not containers:
        return {}
    template = f'{{{{index .Config.Labels "{label}.service"}}}}'
    words = ["docker", "inspect", "--type", "container", "--format", template, *containers]
    services = machine.run(words, "docker inspect", seconds=DOCKER_SECONDS).stdout.split()
    shares = {
        service: memory_percent(container) for service, container in zip(services, containers)
    }
    return {service: share for service, share in shares.items() if share is not None}


# The result


def render(
    queue: tuple[dict[str, int], float] | None,
    refusals: Refusals,
    memory: Mapping[str, float] | None = None,
) -> str:
    """Return the metrics; without a queue, that there is none to be seen."""
    taken = {f'{{service="{name}"}}': round(share, 1) for name, share in (memory or {}).items()}
    counts, oldest = queue or ({}, None)
    by_queue = {f'{{queue="{name}"}}': count for name, count in counts.items()}
    by_reason = {f'{{reason="{reason}"}}': count for reason, count in refusals.counts.items()}
    return machine.exposition([
        machine.Metric("po_mail_queue_readable", "Whether Postfix could be asked.",
                       {"": int(queue is not None)}),
        machine.Metric("po_mail_queue_messages", "Messages in the queue.", by_queue),
        machine.Metric("po_mail_queue_oldest_seconds", "Age of the oldest one.",
                       {"": None if oldest is None else round(oldest, 1)}),
        machine.Metric("po_mail_relay_refused_total", "Refusals of the smarthost, by reason.",
                       by_reason, "counter"),
        machine.Metric("po_mail_memory_percent", "Share of its memory limit that a service takes.",
                       taken),
    ])  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    summary, _, rest = (__doc__ or "").partition("\n")
    command = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.add_argument("--project", required=True, help="name of the compose project")
    command.add_argument("--directory", required=True, help="directory of the release")
    command.add_argument("--relay", required=True, help="host name of the smarthost")
    command.add_argument("--state", required=True, help="file for what is remembered")
    command.add_argument("--metrics", required=True, help="file for the textfile collector")
    return command


def main(arguments: list[str] | None = None) -> int:
    """Run the program."""
    options = parser().parse_args(arguments)
    memory = machine.on_disk(options.state)
    refusals, queue, status = recall(memory), None, 0
    try:
        text = in_project(options, "exec", "-T", "postfix-mailcow", "postqueue", "-j")
        queue = read_queue(text, time.time())
        log = in_project(
            options, "logs", "--timestamps", "--no-color", "--no-log-prefix",
            "--tail", str(LOG_LINES), "postfix-mailcow",
        )  # fmt: skip
        refusals = read_log(log.splitlines(), options.relay, refusals)
        machine.remember(memory, refusals._asdict())
    except (machine.StepError, OSError) as error:
        sys.stderr.write(f"queue: {error}\n")
        queue, status = None, 1
    shares: dict[str, float] = {}
    try:
        shares = read_memory(options.project)
    except machine.StepError as error:
        # The queue is what must be known; the alert on stale or missing numbers is not lost.
        sys.stderr.write(f"memory: {error}\n")
    written = machine.publish(machine.on_disk(options.metrics), render(queue, refusals, shares))
    return status if written else 1


if __name__ == "__main__":
    sys.exit(main())
