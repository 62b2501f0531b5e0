"""A folder of the user's own in which Unix sockets can lie: another user of the machine stays out.

The path of a socket has 108 bytes (unix(7), `sun_path`) and stands in addresses that clients take
apart, so a world deep below a checkout, or below blanks and letters beyond ASCII, cannot hold it.
"""

import os
import re
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

_PLAIN = re.compile(r"/[\w./-]{1,80}", re.ASCII)
"""A folder's path that every client understands, with room for a socket's name."""


def socket_folder(world: Path) -> Path:
    """Return the folder for the sockets of the world in `world`, the same at every start.

    Args:
        world: The world's folder, open to its owner alone.

    Returns:
        The world's own folder where its path will do, otherwise one in `XDG_RUNTIME_DIR` or in
        the folder for temporary files.
    """
    if _PLAIN.fullmatch(str(world)):
        world.chmod(0o700)
        return world
    note = world / "socket-folder"
    if note.exists():
        known = Path(note.read_text())
        with suppress(FileExistsError):
            known.mkdir(mode=0o700)
        if _is_own(known):
            return known
    made = Path(tempfile.mkdtemp(prefix="mail-world-", dir=short_folder()))
    note.write_text(str(made))
    return made


def leave(folder: Path, world: Path) -> None:
    """Remove what `socket_folder` made outside the world's folder."""
    if folder != world:
        with suppress(OSError):  # it is not empty, or gone already
            folder.rmdir()


def short_folder() -> Path:
    """Return a folder with room for the path of a socket below it.

    Raises:
        OSError: there is none.
    """
    candidates = (os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), "/tmp")  # noqa: S108  # mkdtemp makes a private folder in it
    for candidate in candidates:
        if _PLAIN.fullmatch(candidate) and len(candidate) < 60 and os.access(candidate, os.W_OK):
            return Path(candidate)
    msg = "no folder with a short path is there for sockets; set XDG_RUNTIME_DIR to one"
    raise OSError(msg)


def _is_own(folder: Path) -> bool:
    # Anybody may have made it while the world was down; a link would lead anywhere.
    held = folder.lstat()
    return (
        stat.S_ISDIR(held.st_mode)
        and held.st_uid == os.geteuid()
        and stat.S_IMODE(held.st_mode) == 0o700
    )
