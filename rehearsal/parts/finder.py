"""Where a genuine program is found on this machine."""

import os
import shutil
from pathlib import Path

SYSTEM = (Path("/usr/local/sbin"), Path("/usr/sbin"), Path("/sbin"))
"""Folders of servers; an ordinary user's PATH often lacks them."""


class PartMissingError(RuntimeError):
    """A genuine part that is not installed; the message says how it comes."""


def cache() -> Path:
    """Return the project's folder in the user's cache, shared by all clones (XDG)."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "po-mail"


def binaries() -> Path:
    """Return the folder of the programs that were built for this project."""
    return cache() / "bin"


def find(program: str) -> Path | None:
    """Return a program on PATH, among the system's servers or in the cache, None if there is none.

    Args:
        program: Its file name, such as `postfix` or `minio`.
    """
    on_path = shutil.which(program)
    if on_path:
        return Path(on_path).absolute()
    for folder in (*SYSTEM, binaries()):
        file = folder / program
        if file.is_file() and os.access(file, os.X_OK):
            return file
    return None


def need(program: str) -> Path:
    """Return a program as `find` does.

    Raises:
        PartMissingError: it is not installed.
    """
    found = find(program)
    if found is None:
        raise PartMissingError(f"{program} is not installed; `make parts` installs it")
    return found
