"""Files that must not be lost or read by others: their owner's alone, and whole or not there."""

import errno
import os
from pathlib import Path


def write_private(file: Path, text: str | bytes) -> None:
    """Write a file that only its owner can read, all of it or nothing, and on disk when it returns.

    What stood there stands until the new content was read back.

    Args:
        file: Where; its folder exists.
        text: What shall be in it.

    Raises:
        OSError: it could not be written, the disk being full for one; nothing was changed.
    """
    data = text.encode() if isinstance(text, str) else text
    draft = file.with_name(f"{file.name}.new")
    # What a writer that was killed left could be another's to read.
    draft.unlink(missing_ok=True)
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as sink:
            sink.write(data)
            sink.flush()
            os.fsync(handle)
        _compare(draft, data)
        draft.replace(file)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(file.parent)


def _compare(file: Path, data: bytes) -> None:
    if file.read_bytes() != data:
        raise OSError(errno.EIO, "what was written is not what is read", str(file))


def sync_folder(folder: Path) -> None:
    """Let the names in a folder, new ones and removed ones, outlast a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
