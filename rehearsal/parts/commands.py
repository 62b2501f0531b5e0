"""Long commands: their output in a log, a line now and then to say that they are alive."""

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rehearsal.parts.lock import Say

_EVERY_SECONDS = 15.0
_LAST_LINES = 12


class InstallError(RuntimeError):
    """A part that cannot be installed; the message says why and what to do."""


def run(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    log: Path,
    say: Say,
    about: str,
    patience: float,
    folder: Path | None = None,
    counted: Callable[[str], int] = lambda _: 0,
) -> None:
    """Run a command to its end.

    Args:
        command: Program and arguments.
        environment: Its whole environment.
        log: File that gets its output, added to what is there.
        say: Takes lines of progress.
        about: What it does, in a few words.
        patience: Seconds that it may take.
        folder: Folder in which it runs.
        counted: Returns, from its output so far, how far it is; zero is not shown.

    Raises:
        InstallError: it failed, or took too long; the last lines of its output are told.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    began = log.stat().st_size if log.exists() else 0
    start = said = time.monotonic()
    with log.open("ab") as sink:
        child = subprocess.Popen(  # noqa: S603 - the command is the catalogue's
            command, env=dict(environment), cwd=folder, stdin=subprocess.DEVNULL, stdout=sink,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        while True:
            try:
                status = child.wait(1.0)
                break
            except subprocess.TimeoutExpired:
                now = time.monotonic()
            if now - start > patience:
                raise InstallError(f"{about} took longer than {patience / 60:.0f} min; see {log}")
            if now - said >= _EVERY_SECONDS:
                said = now
                far = counted(_since(log, began))
                say(f"{about}, {now - start:.0f} s" + (f", {far} packages" if far else ""))
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait()
    if status:
        last = "\n".join(_since(log, began).strip().splitlines()[-_LAST_LINES:])
        raise InstallError(f"{about} failed (exit {status}); the log is {log}\n{last}")


def _since(log: Path, began: int) -> str:
    with log.open("rb") as source:
        source.seek(began)
        return source.read().decode(errors="replace")
