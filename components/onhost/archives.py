"""The archives: one restic repository, what its snapshots are worth, and which of them are kept.

A snapshot is `unverified` from its beginning. Only when it has been read back and found complete is
it `verified`; nothing else is restored, or kept by day, week and month: otherwise the newest of a
day would win, and a run that failed would cost the good one. What an operation may have to return
to is kept for it as long as it says so. Snapshots without either word are `earlier` ones, of a
program that did not tell: they are left to their age.

restic changes the tags of a snapshot by storing it anew, so its id changes; `original` stays.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

# On the host the programs lie side by side in one folder, and nothing else of the project is there.
if TYPE_CHECKING or __package__:
    from components.onhost import machine
else:
    import machine

RESTIC_SECONDS = 6 * 3600
"""How long one restic command may take."""
TAG, VERIFIED, UNVERIFIED = "po-mail", "verified", "unverified"
KEPT_FOR = "kept-for-"
"""How the tag begins of what an operation relies on."""
UNVERIFIED_DAYS = 7
"""How long what a failed run left is kept: somebody may want to look at it."""
_DAYS = {"daily": 1, "weekly": 7, "monthly": 31}


class SettingsError(Exception):
    """The settings are wrong or incomplete."""


def restic_environment(path: Path, state: Path) -> dict[str, str]:
    """Return restic's environment: this process's own, and what stands in the secret file.

    Raises:
        SettingsError: the file cannot be read, is open to others, or lacks what restic needs.
    """
    try:
        if path.stat().st_mode & 0o077:
            raise SettingsError(f"{path}: must be readable by its owner alone")
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    found = {name.strip(): value.strip() for name, _, value in pairs}
    for name in ("RESTIC_REPOSITORY", "RESTIC_PASSWORD_FILE", "AWS_ACCESS_KEY_ID"):
        if not found.get(name):
            raise SettingsError(f"{path}: {name} is missing")
    passphrase = machine.on_disk(found["RESTIC_PASSWORD_FILE"])
    if not passphrase.is_file() or not passphrase.stat().st_size:
        raise SettingsError(f"{passphrase}: holds no passphrase")
    # The service may not write to any home directory, where restic keeps its cache otherwise.
    cache = {"RESTIC_CACHE_DIR": str(state / "restic-cache")}
    return {**os.environ, **cache, **found, "RESTIC_PASSWORD_FILE": str(passphrase)}


class Restic:
    """restic on one repository."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment

    def run(
        self, what: str, *words: str, accepted: tuple[int, ...] = (0,), output: Any = -1
    ) -> subprocess.CompletedProcess[str]:
        """Run restic.

        Raises:
            StepError: it failed.
        """
        return machine.run(
            ["restic", *words],
            what,
            environment=self._environment,
            seconds=RESTIC_SECONDS,
            accepted=accepted,
            output=output,
        )

    def lines(self, what: str, *words: str) -> Iterator[str]:
        """Yield what restic says line by line: a list of all mail may be long.

        Raises:
            StepError: it failed.
        """
        command = ["restic", *words]
        with subprocess.Popen(  # noqa: S603 - no shell, words come from the program
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            errors="surrogateescape",
            env=self._environment,
        ) as process:
            assert process.stdout is not None  # noqa: S101 - it was asked for
            try:
                yield from process.stdout
            except BaseException:  # the run is being stopped, and must not wait for restic
                process.kill()
                raise
        if process.returncode:
            raise machine.StepError(f"{what}: exit status {process.returncode}")

    def hash_of(self, snapshot: str, path: Path) -> str:
        """Return the SHA-256 of a file as the snapshot holds it.

        Raises:
            StepError: restic failed.
        """
        words = ["restic", "dump", snapshot, str(path)]
        digest = hashlib.sha256()
        with subprocess.Popen(  # noqa: S603 - no shell, words come from the program
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self._environment,
        ) as process:
            stream = process.stdout
            assert stream is not None  # noqa: S101 - it was asked for
            try:
                for block in iter(lambda: stream.read(1 << 20), b""):
                    digest.update(block)
            except BaseException:  # as above
                process.kill()
                raise
        if process.returncode:
            raise machine.StepError(f"reading the dump back: exit status {process.returncode}")
        return digest.hexdigest()


class Snapshot(NamedTuple):
    """One snapshot of ours, as the repository lists it.

    Attributes:
        id: Its present id.
        original: The id that it was made under, before its tags changed.
        time: When it was made, as restic tells it.
        paths: What was stored.
        tags: Its tags.
    """

    id: str
    original: str
    time: str
    paths: tuple[str, ...]
    tags: frozenset[str]

    @property
    def kind(self) -> str:
        """What it is worth: `verified`, `unverified`, or of an `earlier` program."""
        return next((tag for tag in (VERIFIED, UNVERIFIED) if tag in self.tags), "earlier")

    @property
    def made(self) -> datetime:
        """When it was made."""
        return datetime_of(self.time)

    def is_named(self, name: str) -> bool:
        """Tell whether a name, which may be cut short, means this one."""
        return bool(name) and (self.id.startswith(name) or self.original.startswith(name))

    def as_row(self) -> dict[str, Any]:
        """Return what is shown of it."""
        kept = sorted(tag[len(KEPT_FOR) :] for tag in self.tags if tag.startswith(KEPT_FOR))
        return {"id": self.id, "time": self.time, "paths": len(self.paths), "keptFor": kept}


def datetime_of(text: str) -> datetime:
    """Return restic's time, cut to what Python reads: restic writes nanoseconds."""
    head, dot, tail = text.partition(".")
    digits = len(tail) - len(tail.lstrip("0123456789"))
    zone = tail[digits:] if dot else ""
    whole = head + zone
    return datetime.fromisoformat(whole[:-1] + "+00:00" if whole.endswith("Z") else whole)


def snapshots(restic: Restic, host: str) -> dict[str, list[Snapshot]]:
    """Return our snapshots of a host by what they are worth, the oldest first; no lock is taken.

    Raises:
        StepError: the repository does not answer, or not with a list.
    """
    words = ("snapshots", "--json", "--no-lock", "--host", host, "--tag", TAG)
    found: dict[str, list[Snapshot]] = {VERIFIED: [], UNVERIFIED: [], "earlier": []}
    try:
        for listed in machine.parsed(restic.run("snapshots", *words).stdout) or []:
            snapshot = Snapshot(
                listed["id"], listed.get("original") or listed["id"], listed["time"],
                tuple(listed["paths"]), frozenset(listed.get("tags") or ()),
            )  # fmt: skip
            found[snapshot.kind].append(snapshot)
        for kind in found.values():
            kind.sort(key=lambda snapshot: snapshot.made)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise machine.StepError("snapshots: restic does not tell which there are") from None
    return found


def named(found: Iterable[Snapshot], name: str, step: str) -> Snapshot:
    """Return the snapshot that a name means.

    Raises:
        StepError: there is none.
    """
    for snapshot in found:
        if snapshot.is_named(name):
            return snapshot
    raise machine.StepError(f"{step}: snapshot {name} is not in the repository")


def mark_verified(restic: Restic, host: str, name: str) -> Snapshot:
    """Note that a snapshot was read back and found complete; return it under its new id.

    Raises:
        StepError: it cannot be noted.
    """
    restic.run("mark", "tag", "--add", VERIFIED, "--remove", UNVERIFIED, name)
    return named(snapshots(restic, host)[VERIFIED], name, "mark")


def keep_for(restic: Restic, host: str, name: str, operation: str) -> Snapshot:
    """Keep a verified snapshot until an operation is done with it; return it under its new id.

    Raises:
        StepError: there is none of that name.
    """
    snapshot = named(snapshots(restic, host)[VERIFIED], name, "keep")
    if KEPT_FOR + operation not in snapshot.tags:
        restic.run("keep", "tag", "--add", KEPT_FOR + operation, snapshot.id)
    return named(snapshots(restic, host)[VERIFIED], snapshot.original, "keep")


def done_with(restic: Restic, host: str, operation: str) -> int:
    """Keep nothing for an operation any more; return how many snapshots were kept for it.

    Raises:
        StepError: restic failed.
    """
    tag = KEPT_FOR + operation
    kept = [snapshot for snapshot in snapshots(restic, host)[VERIFIED] if tag in snapshot.tags]
    for snapshot in kept:
        restic.run("keep", "tag", "--remove", tag, snapshot.id)
    return len(kept)


def outlived(
    found: Mapping[str, list[Snapshot]], keep: Mapping[str, int], now: datetime
) -> list[Snapshot]:
    """Return what is removed by its age alone, because it does not count as a backup.

    An earlier snapshot goes when it is older than anything that is kept by rule, and only if
    verified ones have taken its place for as many days as are kept.
    """
    oldest = now - timedelta(days=UNVERIFIED_DAYS)
    gone = [text for text in found[UNVERIFIED] if text.made < oldest]
    if len(found[VERIFIED]) >= keep["daily"]:
        horizon = now - timedelta(days=max(keep[kind] * days for kind, days in _DAYS.items()))
        gone += [text for text in found["earlier"] if text.made < horizon]
    return gone


def thin_out(restic: Restic, host: str, keep: Mapping[str, int]) -> None:
    """Remove what need not be kept: of the verified snapshots by rule, of the others by age.

    Raises:
        StepError: a step failed.
    """
    found = snapshots(restic, host)
    gone = outlived(found, keep, datetime.now(timezone.utc))
    if gone:
        restic.run("retention", "forget", *(item.id for item in gone))
    kept = sorted(
        {tag for snapshot in found[VERIFIED] for tag in snapshot.tags if tag.startswith(KEPT_FOR)}
    )
    restic.run(
        "retention", "forget", "--host", host, "--tag", f"{TAG},{VERIFIED}",
        # Neither paths nor tags: a new part, or a word, must not begin a history of its own.
        "--group-by", "host", *(word for tag in kept for word in ("--keep-tag", tag)),
        *(word for kind, n in keep.items() for word in (f"--keep-{kind}", str(n))), "--prune",
    )  # fmt: skip


def read_summary(text: str) -> tuple[str, int]:
    """Return snapshot and size from what restic said.

    Raises:
        StepError: it did not say that there is a snapshot.
    """
    for line in reversed(text.splitlines()):
        try:
            message = machine.parsed(line)
        except ValueError:
            continue
        if isinstance(message, dict) and message.get("message_type") == "summary":
            snapshot = str(message.get("snapshot_id") or "")
            size = int(message.get("total_bytes_processed") or 0)
            if snapshot and size:
                return snapshot, size
    raise machine.StepError("snapshot: restic ended well but named no snapshot, or an empty one")
