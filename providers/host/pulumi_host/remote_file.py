"""Reading, writing and removing one file over SFTP."""

import posixpath
import stat
from contextlib import suppress
from dataclasses import dataclass, field

import asyncssh

from pulumi_host.errors import HostError

LARGEST = 4 * 1024 * 1024
"""Bytes that a managed file may have. This is for configuration, not for data."""

_WRITE_NEW = asyncssh.FXF_WRITE | asyncssh.FXF_CREAT | asyncssh.FXF_EXCL
_GONE = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)
_PRIVATE = 0o600


@dataclass(frozen=True)
class Found:
    """A file as it is on the host.

    Attributes:
        content: Its bytes; of a file larger than `LARGEST`, that many and one more.
        mode: Its permission bits.
        group: Number of the group that it belongs to.
    """

    content: bytes = field(repr=False)
    mode: int
    group: int


@dataclass(frozen=True)
class Wanted:
    """A file as it shall be.

    Attributes:
        content: Its bytes.
        mode: Its permission bits.
        group: Number of the group that it shall belong to; None for that of the account.
    """

    content: bytes = field(repr=False)
    mode: int
    group: int | None = None

    def differs(self, found: Found) -> str:
        """Return in what a file is not as it shall be; empty where it is."""
        if found.content != self.content:
            return "reads back differently"
        if found.mode != self.mode:
            return f"was given mode {self.mode:04o}, but has {found.mode:04o}"
        if self.group not in {None, found.group}:
            return f"was given to group {self.group}, but belongs to {found.group}"
        return ""


def _refusal(path: str, error: asyncssh.SFTPError) -> HostError:
    # The server's own words could quote anything; the kind of the error says enough.
    words = {
        asyncssh.SFTPPermissionDenied: "permission denied",
        asyncssh.SFTPNoSuchFile: "no such file or directory",
        asyncssh.SFTPNoSpaceOnFilesystem: "no space left",
        asyncssh.SFTPQuotaExceeded: "quota exceeded",
        asyncssh.SFTPOpUnsupported: "the SFTP server cannot do what is needed",
    }
    said = words.get(type(error), f"the SFTP server reports a failure (code {error.code})")
    return HostError(f"{path}: {said}")


async def read(sftp: asyncssh.SFTPClient, path: str) -> Found | None:
    """Return the file at `path`, or None where there is none.

    Raises:
        HostError: it cannot be read, or it is something else than a file.
    """
    try:
        async with await sftp.open(path, asyncssh.FXF_READ, encoding=None) as file:
            attributes = await file.stat()
            kind = stat.S_IFMT(attributes.permissions or 0)
            if kind and not stat.S_ISREG(kind):
                raise HostError(f"{path}: is not a regular file")
            content: bytes = await file.read(LARGEST + 1)
    except _GONE:
        return None
    except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection):
        raise
    except asyncssh.SFTPError as error:
        raise _refusal(path, error) from None
    return Found(content, stat.S_IMODE(attributes.permissions or 0), attributes.gid or 0)


async def write(sftp: asyncssh.SFTPClient, path: str, wanted: Wanted) -> None:
    """Put a file in place in one step, make its directories (0755), and read it back.

    The content is never readable by others on the way, and the path never shows half a file.

    Raises:
        HostError: it cannot be written, or what is read back is not what was written.
    """
    folder, name = posixpath.split(path)
    # One fixed name: what an interrupted attempt left is removed by the next one.
    temporary = posixpath.join(folder, f".{name}.incoming")
    try:
        try:
            await _write_new(sftp, temporary, wanted)
        except _GONE:
            await sftp.makedirs(folder, asyncssh.SFTPAttrs(permissions=0o755), exist_ok=True)
            await _write_new(sftp, temporary, wanted)
        try:
            # The group comes first: giving a file away takes some bits of its mode.
            if wanted.group is not None:
                await _give(sftp, temporary, wanted.group)
            await sftp.chmod(temporary, wanted.mode)
            await sftp.posix_rename(temporary, path)
        except asyncssh.SFTPError:
            with suppress(asyncssh.SFTPError):
                await sftp.remove(temporary)
            raise
    except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection):
        raise
    except asyncssh.SFTPError as error:
        raise _refusal(path, error) from None
    found = await read(sftp, path)
    wrong = "is gone" if found is None else wanted.differs(found)
    if wrong:
        raise HostError(f"{path}: was written, but {wrong}")


async def _give(sftp: asyncssh.SFTPClient, path: str, group: int) -> None:
    # The protocol sets user and group together.
    user = (await sftp.stat(path)).uid or 0
    await sftp.setstat(path, asyncssh.SFTPAttrs(uid=user, gid=group))


async def _write_new(sftp: asyncssh.SFTPClient, path: str, wanted: Wanted) -> None:
    with suppress(*_GONE):
        await sftp.remove(path)
    attributes = asyncssh.SFTPAttrs(permissions=_PRIVATE)
    async with await sftp.open(path, _WRITE_NEW, attributes, encoding=None) as file:
        await file.write(wanted.content)
        # An extension of OpenSSH; without it the rename is still atomic, only not yet on disk.
        with suppress(asyncssh.SFTPOpUnsupported):
            await file.fsync()


async def remove(sftp: asyncssh.SFTPClient, path: str) -> None:
    """Remove the file at `path`; one that is gone already is no error.

    Raises:
        HostError: it cannot be removed.
    """
    try:
        await sftp.remove(path)
    except _GONE:
        return
    except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection):
        raise
    except asyncssh.SFTPError as error:
        raise _refusal(path, error) from None
