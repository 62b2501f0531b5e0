"""The machine that a program runs on: its paths, files, locks, commands and metrics.

It lies beside the programs and is what they have in common. Root runs them, also in folders that
belong to others: a file is written anew under a name that nobody can foresee, no symbolic link in
its place is followed, and it takes its name in one step, after it has reached the disk.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import secrets
import stat
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

PULL_SECONDS = 3600
"""How long one image may take to be pulled."""
STALE_SECONDS = 3600
"""A draft this old was left by a program that was killed."""


class StepError(Exception):
    """A step failed; the text says which and why, and holds no secret."""


def on_disk(path: str) -> Path:
    """Return a path of the host below `DESTDIR`; one that is there already stays."""
    destination = os.environ.get("DESTDIR", "")
    return Path(path if destination and path.startswith(f"{destination}/") else destination + path)


def as_on_host(path: Path) -> str:
    """Return a path as the host calls it, without `DESTDIR`."""
    return str(path).removeprefix(os.environ.get("DESTDIR", "")) or "/"


# Files


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    """Yield a folder, so that nobody can put another in its place meanwhile.

    Raises:
        OSError: it cannot be opened, is somebody else's link, or everybody may write to it.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    link = folder.lstat()
    if stat.S_ISLNK(link.st_mode) and link.st_uid not in {0, os.geteuid()}:
        raise PermissionError(errno.ELOOP, "a link that another user made", str(folder))
    handle = os.open(folder, flags | (0 if stat.S_ISLNK(link.st_mode) else os.O_NOFOLLOW))
    try:
        mode = os.fstat(handle).st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise PermissionError(errno.EPERM, "everybody may write there", str(folder))
        yield handle
    finally:
        os.close(handle)


def write(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Write a file whole or not at all; a symbolic link in its place is replaced, not followed.

    Args:
        path: The file; its folder is made if it is not there.
        content: What it shall hold.
        mode: Its permissions.

    Raises:
        OSError: it cannot be written; the file is as it was.
    """
    if not path.parent.exists():
        path.parent.mkdir(parents=True)
        path.parent.chmod(0o755)
    raw = content.encode("utf-8") if isinstance(content, str) else content
    draft = f".{path.name}.{secrets.token_hex(8)}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with _opened(path.parent) as folder:
        try:
            with os.fdopen(os.open(draft, flags, 0o600, dir_fd=folder), "wb") as stream:
                stream.write(raw)
                stream.flush()
                os.fchmod(stream.fileno(), mode)
                os.fsync(stream.fileno())
            os.rename(draft, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(draft, dir_fd=folder)
            raise
        os.fsync(folder)
        _tidy(folder, path.name)


def _tidy(folder: int, name: str) -> None:
    """Remove drafts of a file that killed programs left."""
    for other in os.listdir(folder):
        if other.startswith(f".{name}.") and other.endswith(".new"):
            with contextlib.suppress(OSError):
                status = os.stat(other, dir_fd=folder, follow_symlinks=False)
                if status.st_mtime < time.time() - STALE_SECONDS:
                    os.unlink(other, dir_fd=folder)


def parsed(text: str | bytes) -> Any:
    """Return what JSON says.

    Raises:
        ValueError: it is none, or nested too deep.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _aside(path: Path) -> Path:
    """Return where a memory goes that cannot be read."""
    return path.with_name(f"{path.name}.unreadable")


def remember(path: Path, facts: Mapping[str, Any]) -> None:
    """Write what a program remembers, for root alone.

    Raises:
        OSError: it cannot be written.
    """
    write(path, json.dumps(facts, indent=2, sort_keys=True) + "\n", 0o600)
    _aside(path).unlink(missing_ok=True)


def recall(path: Path) -> dict[str, Any] | None:
    """Return what a program remembers: nothing before its first run.

    A file that cannot be read is put aside and told of, and never ends a program.

    Returns:
        The facts; None where there were some and they are not known, until it remembers anew.
    """
    try:
        facts = parsed(path.read_bytes())
        if isinstance(facts, dict):
            return facts
    except FileNotFoundError:
        return None if _aside(path).exists() else {}
    except (OSError, ValueError):
        pass  # told below, like a file that holds something else
    aside = _aside(path)
    with contextlib.suppress(OSError):
        path.replace(aside)
    sys.stderr.write(f"{path}: cannot be read, so it is not known; put aside as {aside.name}\n")
    return None


@contextlib.contextmanager
def alone(path: Path, *, wait: bool = False) -> Iterator[bool]:
    """Hold a lock, which the kernel lets go of when the program ends, however it ends.

    Args:
        path: File of the lock; it stays.
        wait: Wait until another program lets go of it.

    Yields:
        Whether it is held; False when another program holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("a", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError:
            yield False
            return
        yield True


def is_free(path: Path) -> bool:
    """Tell whether nobody holds a lock now."""
    try:
        with path.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


# Commands


def last_lines(text: str, number: int = 1) -> str:
    """Return the last lines that say something, without signs that move a terminal's cursor."""
    shown = "".join(sign if sign.isprintable() or sign in "\t\n\r" else "?" for sign in text)
    lines = [line.strip() for line in shown.splitlines() if line.strip()]
    return "\n".join(lines[-number:]) if lines else "it said nothing"


def run(
    words: Sequence[str],
    what: str,
    *,
    seconds: float,
    environment: Mapping[str, str] | None = None,
    accepted: Sequence[int] = (0,),
    stdin: IO[bytes] | None = None,
    output: Any = subprocess.PIPE,
    told: int = 1,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end.

    Args:
        words: The command, without a shell.
        what: What it is for, to be named in an error.
        seconds: How long it may take.
        environment: Its environment, this process's own if None.
        accepted: Exit statuses that are no failure.
        stdin: What it reads, nothing if None.
        output: Where its standard output goes.
        told: How many of its last lines an error tells.

    Raises:
        StepError: it cannot be run, failed or took too long.
    """
    try:
        done = subprocess.run(  # noqa: S603 - no shell, words come from the program
            list(words),
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=seconds,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise StepError(f"{what}: no end within {seconds:.0f} s") from None
    except OSError as error:
        raise StepError(f"{what}: {words[0]}: {error.strerror}") from None
    if done.returncode not in accepted:
        reason = last_lines(done.stderr or done.stdout or "", told)
        raise StepError(f"{what}: exit status {done.returncode}: {reason}")
    return done


def compose(project: str, directory: Path, *words: str) -> list[str]:
    """Return the words of a `docker compose` command on a project."""
    return ["docker", "compose", "-p", project, "--project-directory", str(directory), *words]


def pull_missing(images: Iterable[str]) -> None:
    """Pull the images that are not there yet.

    Raises:
        StepError: one cannot be pulled.
    """
    for image in sorted(set(images)):
        if not has_image(image):
            pull(image)


def renew(images: Iterable[str]) -> list[str]:
    """Pull the images that are not there yet, and those anew whose tag has moved on.

    A release names some images by a tag that floats (`mariadb:10.11`, `memcached:alpine`): one
    that is there is as old as the day it was pulled. One that cannot be renewed stays as it is.

    Returns:
        What could not be renewed, a line each.

    Raises:
        StepError: one that is not there cannot be pulled.
    """
    kept = []
    for image in sorted(set(images)):
        here = has_image(image)
        try:
            pull(image)
        except StepError as error:
            if not here:
                raise
            kept.append(f"not renewed, the one that is here goes on: {error}")
    return kept


def has_image(image: str) -> bool:
    """Tell whether an image is there."""
    inspect = ["docker", "inspect", "--type", "image", "--format", "{{.Id}}", image]
    return run(inspect, "docker inspect", seconds=60, accepted=(0, 1)).returncode == 0


def pull(image: str) -> None:
    """Pull an image.

    Raises:
        StepError: it cannot be pulled.
    """
    what = f"image {image} cannot be pulled"
    run(["docker", "pull", "-q", image], what, seconds=PULL_SECONDS)


# Metrics


class Metric:
    """One metric with its samples, by labels as they are written."""

    def __init__(self, name: str, text: str, samples: Mapping[str, float | int | None],
                 kind: str = "gauge") -> None:  # fmt: skip
        """Name it; samples without a value are left out."""
        self.name, self.text, self.kind = name, text, kind
        self.samples = {labels: value for labels, value in samples.items() if value is not None}

    def lines(self) -> list[str]:
        """Return it as Prometheus reads it; without a sample it is not there."""
        if not self.samples:
            return []
        head = [f"# HELP {self.name} {self.text}", f"# TYPE {self.name} {self.kind}"]
        return head + [f"{self.name}{labels} {value}" for labels, value in self.samples.items()]


def gauges(prefix: str, values: Mapping[str, tuple[str, float | int | None]]) -> str:
    """Return gauges without labels, by the rest of their name, as the collector reads them."""
    return exposition([
        Metric(f"{prefix}_{name}", text, {"": value}) for name, (text, value) in values.items()
    ])  # fmt: skip


def exposition(metrics: Sequence[Metric]) -> str:
    """Return metrics as the node exporter's textfile collector reads them."""
    return "".join(f"{line}\n" for metric in metrics for line in metric.lines())


def publish(path: Path, text: str) -> bool:
    """Write metrics for the textfile collector, readable by everyone.

    Where they cannot be written, that is told and the earlier ones are taken away, for they would
    tell of an earlier success; whatever the program does goes on.

    Returns:
        Whether they were written.
    """
    try:
        write(path, text)
    except OSError as error:
        sys.stderr.write(f"{path}: no metrics: {error.strerror or error}\n")
        with contextlib.suppress(OSError):
            path.unlink()
        return False
    return True
