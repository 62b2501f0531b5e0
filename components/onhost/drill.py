#!/usr/bin/env python3
"""Hold a restore drill: restore a snapshot into an empty place, compare everything, log in.

The snapshot is restored into a folder of its own. Its database, its Redis and its mail are then
opened by containers of a compose project of its own, which have no network at all, publish no port
and have limits on memory; Postfix is not among them, so that a drill can never send mail. Compared
are every message, every configuration file, every row and every DKIM key with the inventory that
the backup wrote when it was made. Every mailbox is opened over IMAP, and the header of every
message is read, which proves the key without which no mail can be read.

Every mailbox is opened as its owner by a master user, who exists in the drill alone: no person's
password is needed, and none that was changed since can fail it. That the passwords are the right
ones is proved by comparing their hashes, row by row.

Which objects Mailcow's API shows comes on standard input as JSON (`{kind: {name: when it was
made}}`). Everything is removed in the end: after a failure, after a signal, and by a watcher of its
own also after the program was killed.

Exit status: 0 everything was restored; 1 something was not, or a step failed, the text says what;
2 wrong usage or settings; 4 another drill or a backup has not ended.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

# On the host the programs lie side by side in one folder, and nothing else of the project is there.
if TYPE_CHECKING or __package__:
    from components.onhost import archives, backup, inventory, machine, restored_mail
    from components.onhost.archives import Restic, SettingsError, Snapshot
    from components.onhost.backup import Stopped
else:
    import archives
    import backup
    import inventory
    import machine
    import restored_mail
    from archives import Restic, SettingsError, Snapshot
    from backup import Stopped

SUCCESS, FAILED, WRONG, BUSY = 0, 1, 2, 4
LONGEST_SECONDS = 8 * 3600
"""How long a whole drill may take."""
START_SECONDS = 300
"""How long a database may take until it answers."""
SPARE = 1.2
"""Share of the snapshot's size that must be free on the disk."""
SPARE_MIB = 256
"""Memory in MiB that must be left beside the limits of the containers."""
BEGAN = "drill-began.json"
"""There while a drill is under way: one that was killed with its watcher left it behind."""
MEMORY = "drill.json"
"""What is remembered of the last good drill, below the folder of state."""
MARGIN = timedelta(days=1)
"""Mailcow writes times without a zone; an object this young may be younger than the snapshot."""
LIVE = {"mysql": "mysql-mailcow", "redis": "redis-mailcow", "dovecot": "dovecot-mailcow"}
"""The service of the running installation whose image each container of the drill uses."""


class Settings(NamedTuple):
    """What the deployment says; see `components/drill.py`."""

    backup: backup.Settings
    scratch: Path
    project: str
    metrics: Path
    memory: dict[str, int]


class Check(NamedTuple):
    """One thing that was compared."""

    id: str
    ok: bool
    text: str
    number: int = 0


class Restored(NamedTuple):
    """What lies in the empty place."""

    snapshot: str
    taken: str
    release: str
    parts: dict[str, Path]
    inventory: dict[str, Any]


def read_settings(path: Path) -> Settings:
    """Read the settings.

    Raises:
        SettingsError: the file is missing or not as the deployment writes it.
    """
    try:
        given = json.loads(path.read_text("utf-8"))
        return Settings(
            backup=backup.read_settings(machine.on_disk(given["backup"])),
            scratch=machine.on_disk(given["scratch"]),
            project=str(given["project"]),
            metrics=machine.on_disk(given["metrics"]),
            memory={name: int(given["memoryMib"][name]) for name in LIVE},
        )
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"{path}: not as it should be ({type(error).__name__})") from None


def read_api(stream: Any) -> dict[str, dict[str, str]]:
    """Read which objects Mailcow's API shows, from standard input.

    Raises:
        SettingsError: it is not as it should be.
    """
    try:
        return {kind: dict(names) for kind, names in json.loads(stream.read() or "{}").items()}
    except (ValueError, AttributeError, TypeError):
        raise SettingsError("standard input: not as it should be") from None


# The empty place


def compose(settings: Settings, *words: str) -> list[str]:
    """Return the words of a `docker compose` command on the drill's own project."""
    return [
        "docker", "compose", "-p", settings.project, "--project-directory", str(settings.scratch),
        "-f", str(settings.scratch / "compose.json"), *words,
    ]  # fmt: skip


def clean(settings: Settings) -> None:
    """Remove everything that this or an earlier drill left: containers, volumes, files."""
    project = settings.scratch / "compose.json"
    gone = not project.exists()
    if not gone:
        words = compose(settings, "down", "-v", "--remove-orphans", "--timeout", "10")
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            done = subprocess.run(words, capture_output=True, timeout=180, check=False)  # noqa: S603 - own words
            gone = done.returncode == 0
    for path in settings.scratch.iterdir() if settings.scratch.exists() else ():
        # Without its file a project that did not end could not be taken down by the next attempt.
        if gone or path != project:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
    with contextlib.suppress(OSError):
        settings.scratch.rmdir()


@contextlib.contextmanager
def empty_place(settings: Settings, settings_file: str) -> Iterator[Path]:
    """Yield an empty folder, for its owner alone; it goes in the end, whatever happens.

    A process of its own watches: it cleans up as soon as this one is gone, killed or not.
    """
    clean(settings)
    settings.scratch.mkdir(parents=True, mode=0o700, exist_ok=True)
    words = [sys.executable, __file__, "--settings", settings_file, "--watch"]
    with subprocess.Popen(  # noqa: S603 - own words
        words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as watcher:  # fmt: skip
        try:
            yield settings.scratch
        finally:
            clean(settings)
            with contextlib.suppress(OSError):
                assert watcher.stdin is not None  # noqa: S101 - it was asked for
                watcher.stdin.write(b"done\n")
                watcher.stdin.close()


def watch(settings: Settings) -> int:
    """Wait until the drill is gone; clean up and note the failure if it did not do so itself."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if sys.stdin.read() != "done\n":
        note_end(settings)
    return SUCCESS


def note_end(settings: Settings) -> None:
    """Remove what a drill left; one that has begun and not ended is noted as failed."""
    clean(settings)
    began = settings.backup.state / BEGAN
    if began.exists():
        memory = machine.recall(settings.backup.state / MEMORY) or {}
        report(settings, memory, running=False, good=False)
        began.unlink()


def free_memory() -> int | None:
    """Return the available memory in MiB, None where nobody tells."""
    try:
        text = machine.on_disk("/proc/meminfo").read_text("utf-8")
        line = next(line for line in text.splitlines() if line.startswith("MemAvailable:"))
        return int(line.split()[1]) // 1024
    except (OSError, ValueError, StopIteration, IndexError):
        return None


def look_for_room(settings: Settings, size: int) -> None:
    """Refuse a drill that the running installation would suffer from.

    Raises:
        StepError: there is not enough memory or disk.
    """
    wanted, there = sum(settings.memory.values()) + SPARE_MIB, free_memory()
    if there is not None and there < wanted:
        raise machine.StepError(f"room: {there} MiB of memory are free, the drill needs {wanted}")
    place = settings.scratch
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < size * SPARE:
        raise machine.StepError(
            f"room: {free} bytes of disk are free, the drill needs {size * SPARE:.0f}"
        )


# The snapshot


def choose(settings: Settings, restic: Restic, name: str) -> Snapshot:
    """Return the snapshot to restore: the named one, or the last verified one.

    Raises:
        StepError: there is none, it is of a run that failed, or the repository does not answer.
    """
    found = archives.snapshots(restic, settings.backup.host)
    usable = [*found["earlier"], *found[archives.VERIFIED]]
    if name and name != "latest":
        if any(snapshot.is_named(name) for snapshot in found[archives.UNVERIFIED]):
            raise machine.StepError(f"snapshot {name} is of a run that failed; it is no backup")
        usable = [item for item in usable if item.is_named(name)]
    elif found[archives.VERIFIED]:
        usable = found[archives.VERIFIED]
    else:
        # The first night of this program is to come: what the one before found good.
        memory = machine.recall(settings.backup.state / backup.MEMORY) or {}
        usable = [item for item in usable if item.is_named(str(memory.get("snapshot") or ""))]
    if not usable:
        raise machine.StepError(f"there is no snapshot {name}".rstrip())
    return max(usable, key=lambda snapshot: snapshot.made)


def restore(settings: Settings, restic: Restic, chosen: Snapshot) -> Restored:
    """Restore the snapshot and read what it says of itself.

    Raises:
        StepError: restic failed, or the snapshot has no manifest or inventory.
    """
    target = settings.scratch / "restored"
    # Without a lock: a backup that begins meanwhile must not fail because of a drill.
    restic.run("restore", "restore", chosen.id, "--target", str(target), "--no-lock")
    path = next((path for path in chosen.paths if path.endswith("/manifest.json")), "")
    manifest = inventory.read(target / path.lstrip("/")) if path else {}
    places = {name: target / one.lstrip("/") for name, one in manifest.get("parts", {}).items()}
    found = inventory.read(places["inventory"]) if "inventory" in places else {}
    if not found:
        raise machine.StepError("restore: the snapshot has no inventory; it cannot be compared")
    return Restored(chosen.id, chosen.time, str(manifest.get("release")), places, found)


# What is compared without any container


def check_parts(restored: Restored, settings: Settings) -> Check:
    """Every declared part is there."""
    wanted = {*settings.backup.volumes, *settings.backup.paths, "database", "inventory"}
    missing = sorted(
        name for name in wanted if name not in restored.parts or not restored.parts[name].exists()
    )
    text = f"not restored: {', '.join(missing)}" if missing else f"{len(wanted)} parts"
    return Check("parts", not missing, text, len(wanted))


def check_messages(restored: Restored, settings: Settings, restic: Restic) -> Check:
    """Every message is there, bit by bit."""
    top = restored.parts["vmail"]
    expected = inventory.read_messages(restored.inventory["messages"])
    here = inventory.messages(top, {})
    mail = f"/{top.relative_to(settings.scratch / 'restored')}/"
    stored = set()
    for line in restic.lines(
        "list of the snapshot", "ls", "--json", "--no-lock", restored.snapshot
    ):
        with contextlib.suppress(ValueError, AttributeError):
            path = str(json.loads(line).get("path"))
            if path.startswith(mail):
                stored.add(inventory.message_key(path[len(mail) :]))
    live = inventory.message_keys(backup.volume_path(
        f"{settings.backup.project}_{settings.backup.volumes['vmail']}"))  # fmt: skip
    # What neither the snapshot nor the running installation has was deleted during the backup.
    lost = (set(expected) - set(here)) & (stored | live) | (stored - {None} - set(here))
    altered = {key for key in set(expected) & set(here) if expected[key].digest != here[key].digest}
    text = f"{len(here)} messages, every digest compared"
    if lost or altered:
        names = some(sorted(str(key) for key in lost | altered))
        text = f"{len(lost)} messages lost, {len(altered)} altered, of {len(expected)}: {names}"
    return Check("messages", not lost and not altered, text, len(here))


def check_files(restored: Restored) -> Check:
    """Every configuration file, secret and key is there, bit by bit."""
    wrong, count = [], 0
    for name, expected in restored.inventory["files"].items():
        here = inventory.file_digests(restored.parts[name]) if name in restored.parts else {}
        differing = {item for item in {*expected, *here} if expected.get(item) != here.get(item)}
        count += len(expected)
        wrong += [f"{name}/{item}".rstrip("/") for item in sorted(differing)]
    text = f"{len(wrong)} files differ: {', '.join(wrong[:3])}" if wrong else f"{count} files"
    return Check("configuration", not wrong, text, count)


# Containers


def image_of(settings: Settings, service: str) -> str:
    """Return the image that a service of the running installation uses; nothing is pulled.

    Raises:
        StepError: the service does not run.
    """
    words = ["docker", "compose", "-p", settings.backup.project, "--project-directory",
             str(settings.backup.directory), "ps", "-q", service]  # fmt: skip
    found = backup.run(words, f"image of {service}").stdout.split()
    if not found:
        raise machine.StepError(f"image of {service}: it does not run, so its image is not known")
    words = ["docker", "inspect", "--format", "{{.Config.Image}}", found[0]]
    return backup.run(words, f"image of {service}").stdout.strip()


def write_project(settings: Settings, restored: Restored) -> None:
    """Write the compose file: no network, no ports, no restart, limits on memory.

    Raises:
        StepError: an image is not known.
    """
    place = machine.as_on_host(settings.scratch / "dovecot")
    parts = {name: machine.as_on_host(path) for name, path in restored.parts.items()}
    own: dict[str, dict[str, Any]] = {
        "mysql": {
            "environment": {"MARIADB_ALLOW_EMPTY_ROOT_PASSWORD": "1"},
            "command": ["--innodb-buffer-pool-size=64M", "--performance-schema=OFF",
                        "--skip-log-bin", "--innodb-flush-log-at-trx-commit=0"],
            "volumes": ["database:/var/lib/mysql"],
        },
        "redis": {
            "entrypoint": ["redis-server", "--save", "", "--appendonly", "no"],
            "volumes": [f"{parts['redis']}:/data"],
        },
        "dovecot": {
            "entrypoint": ["dovecot", "-F", "-c", f"{restored_mail.INSIDE}/dovecot.conf"],
            "volumes": [f"{place}:{restored_mail.INSIDE}", f"{parts['vmail']}:/var/vmail",
                        f"{parts['crypt']}:/mail_crypt:ro"],
        },
    }  # fmt: skip
    services = {
        name: {
            "image": image_of(settings, LIVE[name]), "pull_policy": "never", "restart": "no",
            "network_mode": "none", "mem_limit": f"{settings.memory[name]}m",
            "memswap_limit": f"{settings.memory[name]}m", "cpus": 1, **own[name],
        }
        for name in own
    }  # fmt: skip
    text = json.dumps({"services": services, "volumes": {"database": {}}}, indent=1)
    (settings.scratch / "compose.json").write_text(text, "utf-8")


def start(settings: Settings, *services: str) -> None:
    """Start containers of the drill.

    Raises:
        StepError: one does not start.
    """
    backup.run(compose(settings, "up", "-d", *services), f"start of {', '.join(services)}")


def asking(settings: Settings, service: str, what: str) -> inventory.Ask:
    """Return what runs a script in a container of the drill and returns what it said."""

    def ask(script: str) -> str:
        return backup.run(compose(settings, "exec", "-T", service, "sh", "-c", script), what).stdout

    return ask


def quietly(settings: Settings) -> Callable[[Sequence[str]], str]:
    """Return what runs a command in the container of the mail; empty where it fails."""

    def ask(words: Sequence[str]) -> str:
        try:
            command = compose(settings, "exec", "-T", "dovecot", *words)
            return backup.run(command, "key of the mail").stdout
        except machine.StepError:
            return ""

    return ask


def wait_for(ask: inventory.Ask, script: str, answer: str, what: str) -> None:
    """Wait until a database answers.

    Raises:
        StepError: it does not within the time that it may take.
    """
    end = time.monotonic() + START_SECONDS
    said = ""
    while time.monotonic() < end:
        try:
            said = ask(script).strip()
        except machine.StepError as error:
            said = str(error)
        if said == answer:
            return
        time.sleep(1)
    raise machine.StepError(f"{what}: does not answer within {START_SECONDS} s: {said}")


# The server that prepares a new database listens nowhere: over TCP the right one answers.
CLIENT = "mariadb --protocol=tcp --host=127.0.0.1 --user=root"


def open_database(settings: Settings, restored: Restored) -> inventory.Ask:
    """Import the dump into an empty database and return what asks it.

    Raises:
        StepError: it does not start, or refuses the dump.
    """
    ask = asking(settings, "mysql", "restored database")
    wait_for(ask, f"{CLIENT} --batch --skip-column-names -e 'SELECT 1'", "1", "restored database")
    words = compose(settings, "exec", "-T", "mysql", "sh", "-c", CLIENT)
    with restored.parts["database"].open("rb") as dump:
        machine.run(words, "restored database", seconds=backup.SERVICE_SECONDS, stdin=dump)
    return ask


def check_rows(settings: Settings, restored: Restored, ask: inventory.Ask) -> Check:
    """Every row of the database is there, as it was."""
    here = inventory.tables(ask, CLIENT, settings.backup.database)
    expected = restored.inventory["tables"]
    wrong = inventory.between(expected["before"], expected["after"], here)
    count = sum(len(rows) for rows in here.values())
    text = f"{count} rows in {len(here)} tables"
    if wrong:
        text = f"tables differ from the backed-up database: {', '.join(wrong)}"
    return Check("database", not wrong, text, count)


def check_hashes(settings: Settings, restored: Restored) -> Check:
    """The DKIM keys and everything else that Redis alone holds is there."""
    ask = asking(settings, "redis", "restored redis")
    wait_for(ask, "redis-cli ping", "PONG", "restored redis")
    expected, here = restored.inventory["hashes"], inventory.hashes(ask, "redis-cli")
    wrong = sorted(name for name in {*expected, *here} if expected.get(name) != here.get(name))
    text = f"differ: {', '.join(wrong)}" if wrong else f"{len(here)} hashes"
    return Check("redis", not wrong, text, len(here))


QUERIES = {
    "domain": "SELECT domain FROM domain",
    "mailbox": "SELECT username FROM mailbox WHERE kind = ''",
    "alias": "SELECT address FROM alias WHERE address != goto",
    "relayhost": "SELECT hostname FROM relayhosts",
}
"""What Mailcow's API calls an object, and where the database has it."""
DKIM = "dkim"
"""The kind of object that Redis has, known by its domain."""
LIVE_CLIENT = 'MYSQL_PWD="$MYSQL_ROOT_PASSWORD" mariadb --user=root'
LIVE_REDIS = 'REDISCLI_AUTH="$REDISPASS"'
SHOWN = 3
"""How many names are said of those that are wrong."""


def rows(settings: Settings, ask: inventory.Ask, query: str) -> list[str]:
    """Return the rows of a query, columns divided by tabulators."""
    options = f"--batch --skip-column-names {settings.backup.database} -e"
    return [line for line in ask(f'{CLIENT} {options} "{query}"').splitlines() if line]


def keyed_domains(ask: inventory.Ask) -> list[str]:
    """Return the domains with a DKIM key in Redis, which knows a key as selector.domain."""
    return [line.partition(".")[2] for line in ask("redis-cli hkeys DKIM_PRIV_KEYS").splitlines()]


def still_there(settings: Settings, kind: str) -> set[str]:
    """Return the objects of a kind that the running installation has.

    Raises:
        StepError: its database or Redis does not answer.
    """
    installation = settings.backup
    if kind == DKIM:
        ask = backup.asking(installation, LIVE["redis"], "running redis")
        return {
            domain.lower() for domain in keyed_domains(lambda script: ask(f"{LIVE_REDIS} {script}"))
        }
    ask = backup.asking(installation, LIVE["mysql"], "running database")
    options = f"--batch --skip-column-names {installation.database} -e"
    return {line.lower() for line in ask(f'{LIVE_CLIENT} {options} "{QUERIES[kind]}"').splitlines()}


def compare_objects(
    api: Mapping[str, Mapping[str, str]],
    restored: Mapping[str, Sequence[str]],
    taken: str,
    live: Callable[[str], set[str]],
) -> Check:
    """Compare what the API shows with what was restored, and name what only one of them has.

    Args:
        api: Objects by kind, each with when it was made; empty where nobody tells.
        restored: The restored objects by kind.
        taken: When the snapshot was made. What is younger need not be in it.
        live: Asked which objects of a kind the running installation still has. What it has not
            either was deleted since the snapshot.
    """
    before = archives.datetime_of(taken).replace(tzinfo=None) - MARGIN
    missing, hidden, deleted = [], [], []
    for kind, shown in sorted(api.items()):
        here = {text.lower() for text in restored[kind]}
        names = {name.lower(): made for name, made in shown.items()}
        missing += [
            f"{kind} {name}" for name, made in sorted(names.items())
            if name not in here and (not made or datetime.fromisoformat(made[:19]) < before)
        ]  # fmt: skip
        unseen = here - set(names)
        there = live(kind) if unseen else set()
        hidden += [f"{kind} {name}" for name in sorted(unseen & there)]
        deleted += [f"{kind} {name}" for name in sorted(unseen - there)]
    wrong = {"not restored though the API shows them": missing,
             "restored and there, but the API does not show them": hidden}  # fmt: skip
    said = [f"{what}: {some(names)}" for what, names in wrong.items() if names]
    count = sum(len(text) for text in restored.values())
    text = f"{count} objects, compared with the API"
    if deleted:
        text += f"; deleted since: {some(deleted)}"
    return Check("objects", not said, "; ".join(said) or text, count)


def some(names: Sequence[str]) -> str:
    """Return the first of some names, and how many there are if those are not all."""
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def check_objects(
    settings: Settings, restored: Restored, ask: inventory.Ask, api: Mapping[str, Any]
) -> Check:
    """Every object that Mailcow's API shows is there, unless it is younger than the snapshot.

    Raises:
        StepError: a database does not answer.
    """
    redis = asking(settings, "redis", "restored redis")
    here = {
        kind: keyed_domains(redis) if kind == DKIM else rows(settings, ask, QUERIES[kind])
        for kind in api
    }
    return compare_objects(api, here, restored.taken, lambda kind: still_there(settings, kind))


# The whole


def compare(
    settings: Settings,
    api: Mapping[str, Mapping[str, str]],
    chosen: Snapshot,
    restic: Restic,
    step: Callable[[str], None],
) -> tuple[Restored, list[Check]]:
    """Restore, open and compare; a check that failed does not keep the others from being made.

    Raises:
        StepError: a step failed, so that nothing more can be compared.
    """
    step("restore")
    restored = restore(settings, restic, chosen)
    checks = [check_parts(restored, settings)]
    if not checks[0].ok:
        return restored, checks
    step("messages and files")
    checks += [check_messages(restored, settings, restic), check_files(restored)]
    step("databases")
    write_project(settings, restored)
    start(settings, "mysql", "redis")
    ask = open_database(settings, restored)
    checks += [check_rows(settings, restored, ask), check_hashes(settings, restored)]
    if api:
        checks.append(check_objects(settings, restored, ask, api))
    step("mail over IMAP")
    query = "SELECT username, password FROM mailbox WHERE kind = ''"
    people = dict(line.split("\t")[:2] for line in rows(settings, ask, query))
    mail = restored_mail.RestoredMail(settings.scratch / "dovecot", restored.parts["vmail"])
    mail.configure(people)
    start(settings, "dovecot")
    talk = compose(settings, "exec", "-T", "dovecot", "bash", f"{restored_mail.INSIDE}/talk.sh")
    found = (mail.check_key(quietly(settings)), mail.check_mailboxes(talk, sorted(people)))
    return restored, [*checks, *(Check(*item) for item in found)]


def report(
    settings: Settings, memory: Mapping[str, Any], *, running: bool, good: bool, seconds: float = 0
) -> None:
    """Write the metrics of the drill, and when the last good one was."""
    now = int(time.time())
    began, ended = (now, None) if running else (None, now)
    machine.publish(settings.metrics, machine.gauges("po_mail_drill", {
        "running": ("Whether a drill has begun and not ended.", int(running)),
        "last_start_timestamp_seconds": ("Begin of the drill that is under way.", began),
        "last_run_timestamp_seconds": ("End of the last drill.", ended),
        "last_run_success": ("Whether the last drill restored everything.", int(good)),
        "last_run_duration_seconds": ("Duration of the last drill.", round(seconds, 3)),
        "last_success_timestamp_seconds": ("End of the last good drill.",
                                           memory.get("last_success")),
    }))  # fmt: skip


def hold(
    options: argparse.Namespace, settings: Settings, api: Mapping[str, Mapping[str, str]]
) -> int:
    """Hold the drill under its lock; report and return the exit status."""
    memory = machine.recall(settings.backup.state / MEMORY) or {}
    began, good = time.monotonic(), False
    machine.remember(settings.backup.state / BEGAN, {"began": time.time()})
    report(settings, memory, running=True, good=False)
    try:
        restic = backup.restic_of(settings.backup)
        chosen = choose(settings, restic, options.snapshot)
        look_for_room(settings, size_of(restic, chosen))
        with empty_place(settings, options.settings):
            restored, checks = compare(settings, api, chosen, restic, follow(options))
        good = all(check.ok for check in checks)
        result = {
            "ok": good, "snapshot": restored.snapshot, "taken": restored.taken,
            "release": restored.release, "seconds": round(time.monotonic() - began, 1),
            "checks": [check._asdict() for check in checks],
        }  # fmt: skip
        if good:
            memory = {"last_success": int(time.time()), "snapshot": restored.snapshot}
            machine.remember(settings.backup.state / MEMORY, memory)
    except (machine.StepError, SettingsError, Stopped, OSError) as error:
        good = False
        say(options, {"ok": False, "error": str(error)})
        return WRONG if isinstance(error, SettingsError) else FAILED
    finally:
        # Whatever ended it, a mistake of this program too: one that seems to run mutes its alert.
        report(settings, memory, running=False, good=good, seconds=time.monotonic() - began)
        (settings.backup.state / BEGAN).unlink(missing_ok=True)
    say(options, result)
    return SUCCESS if good else FAILED


def size_of(restic: Restic, chosen: Snapshot) -> int:
    """Return how many bytes a snapshot takes on the disk once it is restored.

    Raises:
        StepError: restic does not tell.
    """
    words = ("stats", "--json", "--no-lock", "--mode", "restore-size", chosen.id)
    try:
        return int(json.loads(restic.run("size", *words).stdout)["total_size"])
    except (ValueError, KeyError, TypeError):
        raise machine.StepError("size: restic does not tell how large the snapshot is") from None


def rehearse(options: argparse.Namespace, settings: Settings) -> int:
    """Say what a drill would do, after a look at everything that it needs.

    Raises:
        StepError: something is not there.
        SettingsError: what restic needs is not there.
    """
    restic = backup.restic_of(settings.backup)
    chosen = choose(settings, restic, options.snapshot)
    size = size_of(restic, chosen)
    look_for_room(settings, size)
    images = {name: image_of(settings, service) for name, service in LIVE.items()}
    plan = [
        f"restore {chosen.id[:8]} of {chosen.time[:19]}, {size} bytes, to {settings.scratch}",
        *(f"start {image} with {settings.memory[name]} MiB and no network"
          for name, image in images.items()),
        "compare messages, files, rows, DKIM keys; open every mailbox; remove everything again",
    ]  # fmt: skip
    text = "would do\n  " + "\n  ".join(plan)
    say(options, {"ok": True, "text": text, "snapshot": chosen.id, "plan": plan})
    return SUCCESS


def follow(options: argparse.Namespace) -> Callable[[str], None]:
    """Return what tells a step as it begins."""

    def tell(step: str) -> None:
        line = json.dumps({"step": step}) if options.json else f"drill: {step}"
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    return tell


def say(options: argparse.Namespace, result: dict[str, Any]) -> None:
    """Say the result, to a machine or to a person."""
    if options.json:
        sys.stdout.write(json.dumps(result) + "\n")
    elif "error" in result:
        sys.stderr.write(f"drill: {result['error']}\n")
    elif "text" in result:
        sys.stdout.write(f"drill: {result['text']}\n")
    else:
        for check in result["checks"]:
            sys.stdout.write(
                f"{'ok' if check['ok'] else 'FAILED':<7}{check['id']}: {check['text']}\n"
            )


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    summary, _, rest = (__doc__ or "").partition("\n")
    command = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.add_argument("--settings", required=True, help="file that the deployment wrote")
    command.add_argument("--snapshot", default="", help="snapshot, instead of the last good one")
    command.add_argument("--dry-run", action="store_true", help="look, but restore nothing")
    command.add_argument("--json", action="store_true", help="say the result as JSON")
    command.add_argument("--stdin", action="store_true", help="read which objects the API shows")
    command.add_argument("--clean", action="store_true", help="remove what a drill left, and end")
    command.add_argument("--watch", action="store_true", help=argparse.SUPPRESS)
    return command


def stop(number: int, _frame: object) -> None:
    """End the drill as a failed one."""
    raise Stopped("no end in time" if number == signal.SIGALRM else "stopped before its end")


def main(arguments: list[str] | None = None) -> int:
    """Run the program."""
    options = parser().parse_args(arguments)
    os.umask(0o077)
    try:
        settings = read_settings(machine.on_disk(options.settings))
        if options.watch:
            return watch(settings)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGALRM):
            signal.signal(number, stop)
        api = read_api(sys.stdin) if options.stdin else {}
        if options.dry_run:
            return rehearse(options, settings)
    except (SettingsError, machine.StepError, Stopped) as error:
        say(options, {"ok": False, "error": str(error)})
        return WRONG if isinstance(error, SettingsError) else FAILED
    signal.alarm(LONGEST_SECONDS)
    os.nice(10)
    with machine.alone(settings.backup.state / "drill.lock") as free:
        if not free or not machine.is_free(settings.backup.state / "backup.lock"):
            what = "another drill" if not free else "a backup"
            say(options, {"ok": False, "error": f"{what} has not ended"})
            return BUSY
        if options.clean:
            note_end(settings)
            say(options, {"ok": True, "text": "nothing of a drill is left"})
            return SUCCESS
        return hold(options, settings, api)


if __name__ == "__main__":
    sys.exit(main())
