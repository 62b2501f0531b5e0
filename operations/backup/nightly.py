"""The nightly unit of the backup, started now and followed to its end."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from declaration.commands import at, program
from declaration.names import BACKUP_PROGRAM, BACKUP_SETTINGS, BACKUP_UNIT, STATE
from operations.site import CommandFailedError, Site, SiteError

RUN_SECONDS = 12 * 3600.0
"""How long a backup may take, as its unit has it."""
_LOOK_SECONDS = 1.0
_STEP = f"{STATE}/backup-step.json"
_RESULT = f"{STATE}/backup-result.json"


@dataclass(frozen=True)
class Backup:
    """A good run.

    Attributes:
        snapshot: Id of the snapshot.
        size: Bytes before compression.
        messages: How many messages are in it.
        parts: What was stored.
        seconds: How long it took.
    """

    snapshot: str
    size: int
    messages: int
    parts: tuple[str, ...]
    seconds: float


class BackupFailedError(SiteError):
    """The backup failed; the message has the step and the reason in the program's own words."""


def backup_of(text: str) -> Backup:
    """Return the run that the program noted last.

    Args:
        text: The note, as JSON.

    Raises:
        BackupFailedError: it failed, or the note cannot be read.
    """
    try:
        noted = json.loads(text)
        if not noted["ok"]:
            raise BackupFailedError(f"the backup failed: {noted['error']}")
        return Backup(
            snapshot=str(noted["snapshot"]),
            size=int(noted["size"]),
            messages=int(noted["messages"]),
            parts=tuple(noted["parts"]),
            seconds=float(noted["seconds"]),
        )
    except (ValueError, KeyError, TypeError):
        raise BackupFailedError("the backup left no note of how it ended") from None


async def run_now(site: Site, on_step: Callable[[str], None]) -> Backup:
    """Start the unit, follow it, and return the run.

    Args:
        site: The site.
        on_step: Told each step as it begins.

    Raises:
        BackupFailedError: it failed.
        CommandFailedError: it cannot be started.
    """
    await site.host.run(f"rm -f {at(_RESULT)} {at(_STEP)}", what="clearing the last run's notes")
    running = asyncio.ensure_future(
        site.host.run(
            f"systemctl start {BACKUP_UNIT}.service",
            what="the backup",
            timeout=RUN_SECONDS,
            check=False,
        )
    )
    try:
        await _follow(site, running, on_step)
        done = await running
    finally:
        running.cancel()
    try:
        noted = (await site.host.read(_RESULT)).decode()
    except FileNotFoundError:
        raise CommandFailedError("the backup", done) from None
    found = backup_of(noted)
    if not done.ok:
        raise BackupFailedError("the backup failed after it had noted a good run: see its journal")
    return found


async def _follow(
    site: Site, running: "asyncio.Future[Any]", on_step: Callable[[str], None]
) -> None:
    told = ""
    while not running.done():
        await asyncio.wait({running}, timeout=_LOOK_SECONDS)
        seen = await site.host.run(f"cat {at(_STEP)} 2>/dev/null || true", check=False, timeout=60)
        try:
            step = str(json.loads(seen.stdout)["step"])
        except (ValueError, KeyError, TypeError):
            continue
        if step != told:
            told = step
            on_step(step)


async def ask(site: Site, *options: str) -> dict[str, Any]:
    """Ask the program itself, with some of its options, and return its answer.

    Raises:
        BackupFailedError: it refuses; the message has its reason.
        CommandFailedError: it is not there.
    """
    words = " ".join((program(BACKUP_PROGRAM), "--settings", BACKUP_SETTINGS, "--json", *options))
    done = await site.host.run(words, what="asking the backup", check=False)
    try:
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        raise CommandFailedError("asking the backup", done) from None
    if not answer.get("ok"):
        raise BackupFailedError(f"the backup refuses: {answer.get('error')}")
    return answer
