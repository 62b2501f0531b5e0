#!/usr/bin/env python3
"""Back the mail up: one encrypted snapshot of every part, verified, then the old ones thinned out.

The database is dumped in one transaction and Redis is told to save; then restic stores both, the
volumes that cannot be made anew, the configuration and the secrets. The passphrase and the keys of
the storage come from files and are never on a command line.

A run succeeds only if everything in it did. A step that fails ends the run; old snapshots are then
left alone. Afterwards the snapshot is looked at again: it must be listed, hold every part, hold the
very dump that was made, and not be much smaller than the last one; the repository must pass a check
that reads part of its data. Only then are old snapshots removed.

Beside the parts lies an inventory: the digest of every message, of every configuration file and of
every row. A drill compares a restore with it. Every message of the inventory that was still there
after the snapshot must be in the snapshot.

How it went is written for the node exporter's textfile collector, failure included. A run that has
begun counts as failed until it has ended well, so that one that is killed does too.

Exit status: 0 the backup is there and verified; 1 it failed, the text says where; 2 wrong usage or
settings; 4 another run has not ended.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

# On the host the programs lie side by side in one folder, and nothing else of the project is there.
if TYPE_CHECKING or __package__:
    from components.onhost import archives, inventory, machine
    from components.onhost.archives import Restic, SettingsError
else:
    import archives
    import inventory
    import machine
    from archives import Restic, SettingsError

T = TypeVar("T")

SUCCESS, FAILED, WRONG, BUSY = 0, 1, 2, 4
SERVICE_SECONDS = 3600
"""How long a dump, or any other question to a container, may take."""
GIT_SECONDS = 300
"""How long Git may compare the release's tree."""
ATTEMPTS = 3
"""How often the snapshot is tried: mail that is moved while it is read makes restic complain."""
SOME_FILES_UNREAD = 3
"""restic's exit status when files vanished or could not be read."""
SMALLEST_SHARE = 0.5
"""What holds less than this share of the last good one is not believed."""
FEW = 20
"""Of fewer than so many, half of them may go in a day; all of them may not."""
PAUSE = 2.0
"""Seconds until a step that failed is tried again, while there is patience."""
DUMP_ENDS = b"-- Dump completed"
STATEMENT = re.compile(rb"(CREATE TABLE|INSERT INTO) (?:IF NOT EXISTS )?[`\"]?(\w+)[`\"]?[ (]")
"""What makes a table in a dump, or fills it."""
MEMORY = "backup.json"
"""What is remembered of the last good run, below the folder of state."""
RESULT = "backup-result.json"
"""How the last run ended."""
STEP = "backup-step.json"
"""The step that a run is at."""
MESSAGES = "backup-messages.json"
"""Digests of the messages of the last run, so that no message is read twice."""


class Stopped(Exception):  # noqa: N818 - it is no error of a step, and no step may handle it
    """The service is being stopped."""


class Settings(NamedTuple):
    """What the deployment says; see `components/backup.py`."""

    project: str
    directory: Path
    host: str
    release: str
    volumes: dict[str, str]
    paths: dict[str, str]
    optional: dict[str, str]
    environment: Path
    state: Path
    metrics: Path
    database: str
    keep: dict[str, int]
    check_percent: float
    patience: float


class Outcome(NamedTuple):
    """How a run ended."""

    snapshot: str
    size: int
    counts: dict[str, int]
    parts: tuple[str, ...]
    seconds: float


def read_settings(path: Path) -> Settings:
    """Read the settings.

    Raises:
        SettingsError: the file is missing or not as the deployment writes it.
    """
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
        return Settings(
            project=given["project"],
            directory=machine.on_disk(given["directory"]),
            host=given["host"],
            release=given["release"],
            volumes=dict(given["volumes"]),
            paths=dict(given["paths"]),
            optional=dict(given.get("optionalPaths", {})),
            environment=machine.on_disk(given["environment"]),
            state=machine.on_disk(given["state"]),
            metrics=machine.on_disk(given["metrics"]),
            database=str(given.get("database", "mailcow")),
            keep={kind: int(given["keep"][kind]) for kind in ("daily", "weekly", "monthly")},
            check_percent=float(given["checkPercent"]),
            patience=float(given.get("patienceSeconds", 0)),
        )
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"{path}: not as it should be ({type(error).__name__})") from None


# Commands


def run(
    words: list[str], what: str, *, output: Any = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    """Ask a container something.

    Raises:
        StepError: it failed or took too long.
    """
    return machine.run(words, what, seconds=SERVICE_SECONDS, output=output)


def say_step(settings: Settings, step: str) -> None:
    """Note which step has begun, for whoever follows the run."""
    sys.stdout.flush()
    machine.remember(settings.state / STEP, {"step": step, "began": time.time()})


def in_service(settings: Settings, service: str, script: str) -> list[str]:
    """Return the words that run a shell script in a service's container.

    Passwords stay where they are: in the environment of the container.
    """
    words = ("exec", "-T", service, "sh", "-c", script)
    return machine.compose(settings.project, settings.directory, *words)


def asking(settings: Settings, service: str, what: str) -> inventory.Ask:
    """Return what runs a script in a service's container and returns what it said."""

    def ask(script: str) -> str:
        return run(in_service(settings, service, script), what).stdout

    return ask


# The parts


def patiently(settings: Settings, act: Callable[[], T]) -> T:
    """Do a step, and again when it fails: a container restarts, Redis saves in the background.

    Raises:
        StepError: it still fails when there is no patience left.
    """
    end = time.monotonic() + settings.patience
    while True:
        try:
            return act()
        except machine.StepError as error:  # noqa: PERF203 - a handful of turns
            if time.monotonic() + PAUSE > end:
                raise
            sys.stderr.write(f"backup: {error}; tried again\n")
            time.sleep(PAUSE)


def dump_database(settings: Settings, folder: Path) -> tuple[Path, str]:
    """Dump all databases in one transaction; return the file and its SHA-256.

    Raises:
        StepError: the dump failed or is not complete.
    """
    script = (
        'MYSQL_PWD="$MYSQL_ROOT_PASSWORD" exec mariadb-dump --user=root --single-transaction'
        " --quick --routines --events --triggers --hex-blob --all-databases"
    )
    target = folder / "database.sql"
    with target.open("wb") as stream:
        run(in_service(settings, "mysql-mailcow", script), "database", output=stream)
        stream.flush()
        os.fsync(stream.fileno())
    digest = hashlib.sha256()
    tail = b""
    with target.open("rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
            tail = (tail + block)[-4096:]
    # mariadb-dump writes this line last, and only when everything else was written.
    if DUMP_ENDS not in tail:
        raise machine.StepError("database: the dump has no end; it was cut off")
    return target, digest.hexdigest()


def compare_dump(dump: Path, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """See that the dump makes every table of the inventory, and fills those that are not empty.

    Raises:
        StepError: it does not, or there is no table at all.
    """
    there = set(before) & set(after)
    if not there:
        raise machine.StepError("database: it has no table; this is no backup of Mailcow")
    made: dict[str, set[str]] = {"CREATE TABLE": set(), "INSERT INTO": set()}
    with dump.open("rb") as stream:
        for line in stream:
            found = STATEMENT.match(line[:400])
            if found:
                made[found[1].decode()].add(found[2].decode("utf-8", "replace"))
    filled = {name for name in there if before[name] and after[name]}
    missing = sorted((there - made["CREATE TABLE"]) | (filled - made["INSERT INTO"]))
    if missing:
        raise machine.StepError(f"database: the dump lacks {', '.join(missing[:3])}")


def save_changes(settings: Settings, folder: Path) -> Path | None:
    """Write what people changed in the release's own files, such as templates; None if nothing.

    It is a patch for `git apply`. That it cannot be had is told, and costs no night.
    """
    target = folder / "changes.patch"
    words = ["git", "-C", str(settings.directory), "diff", "--binary", "HEAD"]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    if not (settings.directory / ".git").exists():
        return None
    try:
        with target.open("wb") as stream:
            machine.run(
                words, "changes", seconds=GIT_SECONDS, environment=environment, output=stream
            )
    except machine.StepError as error:
        sys.stderr.write(f"backup: {error}; what was changed in the release is not stored\n")
        return None
    return target if target.stat().st_size else None


def save_redis(settings: Settings) -> None:
    """Let Redis write its memory to its volume.

    Raises:
        StepError: it did not.
    """
    script = 'REDISCLI_AUTH="$REDISPASS" exec redis-cli save'
    done = run(in_service(settings, "redis-mailcow", script), "redis")
    # redis-cli ends with status 0 also when the server refused.
    if done.stdout.strip() != "OK":
        raise machine.StepError(f"redis: did not save: {machine.last_lines(done.stdout)}")


def volume_path(name: str) -> Path:
    """Return where the data of a volume lies.

    Raises:
        StepError: there is no such volume.
    """
    words = ["docker", "volume", "inspect", "--format", "{{.Mountpoint}}", name]
    place = run(words, f"volume {name}").stdout.strip()
    if not place.startswith("/"):
        raise machine.StepError(f"volume {name}: docker tells no place")
    return machine.on_disk(place)


def find_parts(settings: Settings) -> dict[str, Path]:
    """Return every declared part with its place.

    Raises:
        StepError: one is not there. A backup without it would look like a good one.
    """
    parts = {
        name: volume_path(f"{settings.project}_{volume}")
        for name, volume in settings.volumes.items()
    }
    parts.update({name: machine.on_disk(path) for name, path in settings.paths.items()})
    missing = sorted(name for name, path in parts.items() if not path.exists())
    if missing:
        raise machine.StepError(f"not there: {', '.join(missing)}")
    own = {name: machine.on_disk(path) for name, path in settings.optional.items()}
    return {**parts, **{name: path for name, path in own.items() if path.exists()}}


def count_tables(settings: Settings) -> dict[str, list[str]]:
    """Return the digests of every row of Mailcow's database, by table.

    Raises:
        StepError: the database does not answer.
    """
    client = 'MYSQL_PWD="$MYSQL_ROOT_PASSWORD" mariadb --user=root'
    ask = asking(settings, "mysql-mailcow", "inventory of the database")
    return inventory.tables(ask, client, settings.database)


def count_hashes(settings: Settings) -> dict[str, str]:
    """Return a digest of each of Redis' hashes that matter.

    Raises:
        StepError: Redis does not answer.
    """
    ask = asking(settings, "redis-mailcow", "inventory of redis")
    return inventory.hashes(ask, 'REDISCLI_AUTH="$REDISPASS" redis-cli')


def take_inventory(settings: Settings, folder: Path, parts: dict[str, Path]) -> dict[str, Any]:
    """Dump the databases, and write what a restore must hold; return it.

    Raises:
        StepError: a database failed.
    """
    before = patiently(settings, lambda: count_tables(settings))
    dump = patiently(settings, lambda: dump_database(settings, folder))
    after = patiently(settings, lambda: count_tables(settings))
    compare_dump(dump[0], before, after)
    known = inventory.read_messages(inventory.read(settings.state / MESSAGES))
    patiently(settings, lambda: save_redis(settings))
    changes = save_changes(settings, folder)
    if changes is not None:
        parts["changes"] = changes
    own = [*settings.optional, "crypt", "changes"]
    plain = [*settings.paths, *(name for name in own if name in parts)]
    found: dict[str, Any] = {
        "database": dump[1],
        "tables": {"before": before, "after": after},
        "hashes": patiently(settings, lambda: count_hashes(settings)),
        "files": {name: inventory.file_digests(parts[name]) for name in plain},
        "messages": inventory.messages(parts["vmail"], known) if "vmail" in parts else {},
    }
    machine.remember(settings.state / MESSAGES, found["messages"])
    parts["database"], parts["inventory"] = dump[0], folder / inventory.FILE
    machine.remember(parts["inventory"], found)
    return found


def write_manifest(settings: Settings, folder: Path, parts: dict[str, Path]) -> Path:
    """Write which part lies where in the snapshot; a restore begins with it."""
    target = folder / "manifest.json"
    content = {
        "project": settings.project,
        "release": settings.release,
        "written": int(time.time()),
        "parts": {name: str(path) for name, path in sorted(parts.items())},
    }
    target.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return target


# The snapshot


def open_repository(settings: Settings, restic: Restic, *, is_first: bool) -> None:
    """Make sure that there is a repository; make it only at the very first run.

    Raises:
        StepError: it cannot be opened, or it or every snapshot was there and is gone.
    """
    if is_first:
        try:
            restic.run("repository", "cat", "config")
        except machine.StepError as error:
            try:
                restic.run("repository", "init")
            except machine.StepError as second:
                raise machine.StepError(f"{error}; making one failed too: {second}") from None
    else:
        try:
            patiently(settings, lambda: restic.run("repository", "cat", "config"))
        except machine.StepError as error:
            # An empty repository in place of a full one would hide that everything is lost.
            raise machine.StepError(
                f"{error}; it was there at the last run, so none is made"
            ) from None
    # A run that was killed leaves a lock; restic removes only those of dead processes.
    restic.run("repository", "unlock")
    if not is_first and not any(archives.snapshots(restic, settings.host).values()):
        raise machine.StepError(
            "repository: it holds no snapshot of this host; it did at the last run. Bring the "
            "objects' earlier versions back, as after an emptied bucket"
        )


def take_snapshot(settings: Settings, restic: Restic, parts: dict[str, Path]) -> tuple[str, int]:
    """Store every part in one snapshot; return its id and its size in bytes.

    Raises:
        StepError: restic failed, or could not read everything at any attempt.
    """
    tags = f"{archives.TAG},{archives.UNVERIFIED}"
    words = ["backup", "--json", "--host", settings.host, "--tag", tags]
    places = [str(path) for path in parts.values()]
    for attempt in range(1, ATTEMPTS + 1):
        accepted = (0,) if attempt == ATTEMPTS else (0, SOME_FILES_UNREAD)
        done = restic.run("snapshot", *words, "--", *places, accepted=accepted)
        if done.returncode == 0:
            return archives.read_summary(done.stdout)
    raise AssertionError  # the loop above returns or raises


def verify(
    settings: Settings,
    restic: Restic,
    snapshot: str,
    parts: dict[str, Path],
    expected: Mapping[str, Any],
) -> None:
    """Look at the snapshot as a restore would.

    Raises:
        StepError: it is not there, lacks a part or a message, or holds another dump.
    """
    archives.named(
        archives.snapshots(restic, settings.host)[archives.UNVERIFIED], snapshot, "verification"
    )
    mail = str(parts["vmail"]) if "vmail" in parts else ""
    wanted, seen, stored = {str(path) for path in parts.values()}, set(), set()
    for line in restic.lines("verification", "ls", "--json", snapshot):
        try:
            path = str(json.loads(line).get("path"))
        except (ValueError, AttributeError):
            continue
        if path in wanted:
            seen.add(path)
        if mail and path.startswith(f"{mail}/"):
            stored.add(inventory.message_key(path[len(mail) + 1 :]))
    missing = sorted(name for name, path in parts.items() if str(path) not in seen)
    if missing:
        raise machine.StepError(f"verification: the snapshot lacks {', '.join(missing)}")
    # What is not there any more either was deleted by its owner while the snapshot was taken.
    still = inventory.message_keys(parts["vmail"]) if mail else set()
    lost = (set(expected["messages"]) & still) - stored
    if lost:
        raise machine.StepError(f"verification: the snapshot lacks {len(lost)} messages")
    if restic.hash_of(snapshot, parts["database"]) != expected["database"]:
        raise machine.StepError(
            "verification: the dump in the snapshot is not the one that was made"
        )


def count(expected: Mapping[str, Any]) -> dict[str, int]:
    """Return how much of each kind is in the inventory."""
    tables = expected["tables"]["before"]
    return {
        "tables": len(tables),
        "rows": sum(len(rows) for rows in tables.values()),
        "mailboxes": len(tables.get("mailbox", ())),
        "messages": len(expected["messages"]),
    }


def judge_size(now: Mapping[str, int], memory: Mapping[str, Any], *, accept: bool) -> None:
    """Refuse a snapshot that holds much less than the last good one.

    Raises:
        StepError: it does.
    """
    for what, number in now.items():
        last = int(memory.get(what) or 0)
        less = number < last * SMALLEST_SHARE and (not number or last >= FEW)
        if less and not accept:
            raise machine.StepError(
                f"verification: {what} {number}, the last good one had {last}; if that is on "
                "purpose, run once with --accept-size"
            )


# What is remembered and reported


def report(
    path: Path, memory: Mapping[str, Any], *, running: bool, good: bool, seconds: float = 0.0
) -> None:
    """Write the metrics of the run, and those of the last good one."""
    now = int(time.time())
    began, ended = (now, None) if running else (None, now)
    machine.publish(path, machine.gauges("po_mail_backup", {
        "running": ("Whether a run has begun and not ended.", int(running)),
        "last_start_timestamp_seconds": ("Begin of the run that is under way.", began),
        "last_run_timestamp_seconds": ("End of the last run.", ended),
        "last_run_success": ("Whether the last run ended, and well.", int(good)),
        "last_run_duration_seconds": ("Duration of the last run.", round(seconds, 3)),
        "last_success_timestamp_seconds": ("End of the last good run.", memory.get("last_success")),
        "size_bytes": ("Size of the last good snapshot before compression.", memory.get("size")),
        "messages": ("Messages in the last good snapshot.", memory.get("messages")),
    }))  # fmt: skip


@contextlib.contextmanager
def staging(path: Path) -> Iterator[Path]:
    """Yield an empty folder for the dump, which is in clear: for its owner alone, and not left."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True, mode=0o700)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


# The run


def back_up(settings: Settings, memory: dict[str, Any] | None, *, accept_size: bool) -> Outcome:
    """Make the backup and verify it; remember it.

    Raises:
        StepError: a step failed.
        SettingsError: what restic needs is not there.
    """
    began = time.monotonic()
    restic = restic_of(settings)
    parts = find_parts(settings)
    say_step(settings, "repository")
    open_repository(settings, restic, is_first=memory == {})
    with staging(settings.state / "backup-staging") as folder:
        say_step(settings, "databases and inventory")
        expected = take_inventory(settings, folder, parts)
        parts["manifest"] = folder / "manifest.json"
        write_manifest(settings, folder, parts)
        say_step(settings, "snapshot")
        snapshot, size = take_snapshot(settings, restic, parts)
        say_step(settings, "verification")
        verify(settings, restic, snapshot, parts, expected)
    counts = count(expected)
    judge_size({"size": size, **counts}, memory or {}, accept=accept_size)
    say_step(settings, "check and retention")
    restic.run("check", "check", f"--read-data-subset={settings.check_percent:g}%")
    kept = archives.mark_verified(restic, settings.host, snapshot)
    archives.thin_out(restic, settings.host, settings.keep)
    left = archives.snapshots(restic, settings.host)[archives.VERIFIED]
    archives.named(left, kept.id, "retention")
    seconds = time.monotonic() - began
    return Outcome(kept.id, size, counts, tuple(sorted(parts)), seconds)


def rehearse(settings: Settings) -> list[str]:
    """Return what a run would do, after a look at everything that it needs.

    Raises:
        StepError: a part is not there.
        SettingsError: what restic needs is not there.
    """
    environment = archives.restic_environment(settings.environment, settings.state)
    parts = find_parts(settings)
    keep = ", ".join(f"{n} {kind}" for kind, n in settings.keep.items())
    return [
        f"repository {environment['RESTIC_REPOSITORY']}",
        "database: dump of all databases",
        "redis: save",
        *(f"{name}: {path}" for name, path in sorted(parts.items())),
        f"check {settings.check_percent:g} % of the data, keep {keep}",
    ]


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    summary, _, rest = (__doc__ or "").partition("\n")
    command = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.add_argument("--settings", required=True, help="file that the deployment wrote")
    command.add_argument("--dry-run", action="store_true", help="look, but change nothing")
    command.add_argument("--json", action="store_true", help="say the result as JSON")
    command.add_argument("--list", action="store_true", help="list the snapshots")
    command.add_argument(
        "--keep-for", metavar="OPERATION", help="keep the last good snapshot until it is done with"
    )
    command.add_argument("--done-with", metavar="OPERATION", help="keep nothing for it any more")
    command.add_argument("--ended", action="store_true", help="note a run that was killed")
    command.add_argument(
        "--accept-size", action="store_true", help="believe a snapshot that is much smaller"
    )
    return command


def say(options: argparse.Namespace, result: dict[str, Any]) -> None:
    """Say the result, to a machine or to a person."""
    if options.json:
        sys.stdout.write(json.dumps(result) + "\n")
    elif "error" in result:
        sys.stderr.write(f"backup: {result['error']}\n")
    else:
        sys.stdout.write(f"backup: {result['text']}\n")


def stop(_signal: int, _frame: object) -> None:
    """End the run as a failed one when the service is stopped."""
    raise Stopped("stopped before its end")


def attempt(options: argparse.Namespace, settings: Settings) -> int:
    """Run once under the lock; report and return the exit status."""
    known = machine.recall(settings.state / MEMORY)
    memory = known or {}
    began = time.monotonic()
    # A run that is stopped before this has not begun.
    signal.signal(signal.SIGTERM, stop)
    try:
        say_step(settings, "begin")
        report(settings.metrics, memory, running=True, good=False)
        done = back_up(settings, known, accept_size=options.accept_size)
        memory = {
            "last_success": int(time.time()), "size": done.size, "snapshot": done.snapshot,
            **done.counts,
        }  # fmt: skip
        text = f"snapshot {done.snapshot}, {done.size} bytes, {done.seconds:.0f} s"
        result = {"ok": True, "text": text, **done._asdict(), **done.counts}
        machine.remember(settings.state / MEMORY, memory)
        machine.remember(settings.state / RESULT, result)
        (settings.state / STEP).unlink()
        report(settings.metrics, memory, running=False, good=True, seconds=done.seconds)
    except (machine.StepError, SettingsError, Stopped, OSError) as error:
        status = WRONG if isinstance(error, SettingsError) else FAILED
        result = {"ok": False, "error": str(error)}
        say(options, result)
        note_failure(settings, memory, result, time.monotonic() - began)
        return status
    say(options, result)
    return SUCCESS


def note_failure(
    settings: Settings, memory: Mapping[str, Any], result: Mapping[str, Any], seconds: float = 0.0
) -> None:
    """Report a failed run, and note it; the step stays where that cannot be written."""
    report(settings.metrics, memory, running=False, good=False, seconds=seconds)
    with contextlib.suppress(OSError):
        machine.remember(settings.state / RESULT, result)
        (settings.state / STEP).unlink()


def note_end(settings: Settings) -> int:
    """Note that no run is under way, although one has begun: it was killed.

    systemd calls this after every run, however it ended.
    """
    if (settings.state / STEP).exists():
        result = {"ok": False, "error": "the run was killed before its end"}
        note_failure(settings, machine.recall(settings.state / MEMORY) or {}, result)
        shutil.rmtree(settings.state / "backup-staging", ignore_errors=True)
    return SUCCESS


def show_snapshots(options: argparse.Namespace, settings: Settings) -> int:
    """Say which snapshots there are, the oldest first: the good ones, and apart from them the rest.

    Raises:
        StepError: the repository does not answer.
        SettingsError: what restic needs is not there.
    """
    found = archives.snapshots(restic_of(settings), settings.host)
    rows = {kind: [item.as_row() for item in kept] for kind, kept in found.items()}
    heads = {
        archives.VERIFIED: "snapshots",
        "earlier": "from before it was noted which were verified",
        archives.UNVERIFIED: "of runs that failed: never restored, and removed after "
        f"{archives.UNVERIFIED_DAYS} days",
    }
    lines = [
        line
        for kind, head in heads.items()
        if rows[kind] or kind == archives.VERIFIED
        for line in (head, *(f"  {row['id'][:8]}  {row['time']}" for row in rows[kind]))
    ]
    answer = {"snapshots": rows[archives.VERIFIED], "earlier": rows["earlier"]}
    answer["unverified"] = rows[archives.UNVERIFIED]
    say(options, {"ok": True, "text": "\n".join(lines), **answer})
    return SUCCESS


def restic_of(settings: Settings) -> Restic:
    """Return restic on the repository of the backup.

    Raises:
        SettingsError: what it needs is not there.
    """
    return Restic(archives.restic_environment(settings.environment, settings.state))


def rely(options: argparse.Namespace, settings: Settings) -> int:
    """Keep the last good snapshot for an operation, or keep nothing for it any more.

    Raises:
        StepError: there is none, or the repository does not answer.
        SettingsError: what restic needs is not there.
    """
    restic = restic_of(settings)
    memory = machine.recall(settings.state / MEMORY) or {}
    if options.done_with and not memory.get("snapshot"):
        # Before the first good backup there may be no repository to ask.
        say(options, {"ok": True, "text": "no snapshot was kept"})
        return SUCCESS
    if options.done_with:
        number = archives.done_with(restic, settings.host, options.done_with)
        say(options, {"ok": True, "text": f"{number} snapshots let go"})
        return SUCCESS
    name = str(memory.get("snapshot") or "")
    kept = archives.keep_for(restic, settings.host, name, options.keep_for)
    machine.remember(settings.state / MEMORY, {**memory, "snapshot": kept.id})
    say(options, {"ok": True, "text": f"snapshot {kept.id} is kept", "snapshot": kept.id})
    return SUCCESS


def look(options: argparse.Namespace, settings: Settings) -> int | None:
    """Do what needs no lock; None where a backup is to be made.

    Raises:
        StepError: a part is not there, or the repository does not answer.
        SettingsError: what restic needs is not there.
    """
    if options.list:
        return show_snapshots(options, settings)
    if options.dry_run:
        plan = rehearse(settings)
        say(options, {"ok": True, "text": "would do\n  " + "\n  ".join(plan), "plan": plan})
        return SUCCESS
    return None


def main(arguments: list[str] | None = None) -> int:
    """Run the program."""
    options = parser().parse_args(arguments)
    os.umask(0o077)
    try:
        settings = read_settings(machine.on_disk(options.settings))
        done = look(options, settings)
        if done is not None:
            return done
        with machine.alone(settings.state / "backup.lock") as free:
            if not free:
                say(options, {"ok": False, "error": "another run has not ended"})
                return BUSY
            if options.keep_for or options.done_with:
                return rely(options, settings)
            return note_end(settings) if options.ended else attempt(options, settings)
    except (SettingsError, machine.StepError, OSError) as error:
        say(options, {"ok": False, "error": str(error)})
        return WRONG if isinstance(error, SettingsError) else FAILED


if __name__ == "__main__":
    sys.exit(main())
