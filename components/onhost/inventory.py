"""What is in a backup, told so that a restore can be compared with it.

`backup.py` writes the inventory before the snapshot, into the snapshot; `drill.py` compares what
it restored with it. A message is known by the folder it lies in and its unique name: Maildir
changes flags by renaming, never the content. Rows of the database and fields of Redis are known by
digests, so that no inventory holds a password.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

FILE = "inventory.json"
"""Name of the inventory in the snapshot."""
GARBAGE = "_garbage"
"""Below this folder Mailcow keeps deleted mailboxes for some hours; they may go at any moment."""
PASSING_TABLES = frozenset({
    "logs", "sasl_log", "quota2", "quota2replica", "imapsync", "reset_password",
    "sogo_sessions_folder", "sogo_cache_folder", "oauth_access_tokens",
    "oauth_authorization_codes", "oauth_refresh_tokens",
})  # fmt: skip
"""Tables that change by themselves at every moment and hold nothing that a person would miss."""
REDIS_HASHES = (
    "DKIM_PRIV_KEYS", "DKIM_PUB_KEYS", "DKIM_SELECTORS", "DOMAIN_MAP", "RL_VALUE",
    "WHITELISTED_FWD_HOST", "KEEP_SPAM",
)  # fmt: skip
"""What Redis alone holds: the DKIM keys, rate limits and forwarding hosts."""
_DIGEST = 24

Ask = Callable[[str], str]
"""Runs a shell script in the container of a database and returns what it said."""


class Message(NamedTuple):
    """One message as the disk holds it."""

    digest: str
    size: int
    changed: int


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


# Mail


def message_key(path: str) -> str | None:
    """Return what a message is known by, None for a file that is no message.

    Args:
        path: Path of the file below the volume of mail, such as
            `example.org/info/Maildir/.Sent/cur/17.M1P2.mx,S=700:2,S`.
    """
    folder, _, name = path.rpartition("/")
    folder, _, kind = folder.rpartition("/")
    if kind not in {"cur", "new"} or not folder or path.startswith(f"{GARBAGE}/"):
        return None
    return f"{folder}/{name.partition(':')[0]}"


def _files(top: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield every file below a folder with its path from there; what goes meanwhile is left out."""
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        with contextlib.suppress(FileNotFoundError), os.scandir(top / folder) as entries:
            for entry in entries:
                inner = f"{folder}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{inner}/")
                elif entry.is_file(follow_symlinks=False):
                    yield inner, entry


def message_keys(top: Path) -> set[str]:
    """Return what the messages below a folder are known by."""
    keys = (message_key(path) for path, _ in _files(top))
    return {key for key in keys if key is not None}


def messages(top: Path, known: Mapping[str, Message]) -> dict[str, Message]:
    """Return every message below a folder.

    Args:
        top: The volume of mail.
        known: What an earlier run found: what has neither changed nor grown is not read again.
    """
    found = {}
    for path, entry in _files(top):
        key = message_key(path)
        if key is None:
            continue
        with contextlib.suppress(FileNotFoundError):  # moved or deleted meanwhile
            status = entry.stat()
            before = known.get(key)
            if before and (before.size, before.changed) == (status.st_size, status.st_mtime_ns):
                found[key] = before
            else:
                digest = digest_of(top / path)
                found[key] = Message(digest, status.st_size, status.st_mtime_ns)
    return found


def read_messages(given: Mapping[str, Any]) -> dict[str, Message]:
    """Return messages as JSON holds them."""
    return {key: Message(*value) for key, value in given.items()}


# Files


def file_digests(top: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder, or of a single file under an empty name."""
    if top.is_file():
        return {"": digest_of(top)}
    found = {}
    for path, _ in _files(top):
        with contextlib.suppress(FileNotFoundError):
            found[path] = digest_of(top / path)
    return found


# Databases


def _digest_line(line: str) -> str:
    return hashlib.sha256(line.encode("utf-8", "surrogateescape")).hexdigest()[:_DIGEST]


def tables(ask: Ask, client: str, database: str) -> dict[str, list[str]]:
    """Return the digests of every row, by table.

    Args:
        ask: Runs a script in the database's container.
        client: Shell words of the client, with whatever it needs to be let in.
        database: Name of the database.
    """
    options = f"--batch --skip-column-names {database} -e"
    query = "SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'"
    names = [line.split("\t")[0] for line in ask(f'{client} {options} "{query}"').splitlines()]
    found = {}
    for name in sorted(set(names) - PASSING_TABLES):
        # The name is one that the database itself gave, and the client can only be asked so.
        query = f"SELECT * FROM `{name}`"  # noqa: S608
        rows = ask(f"{client} {options} '{query}'").split("\n")
        found[name] = sorted(_digest_line(row) for row in rows if row)
    return found


def hashes(ask: Ask, client: str) -> dict[str, str]:
    """Return a digest of each of Redis' hashes that matter.

    Args:
        ask: Runs a script in Redis' container.
        client: Shell words of the client, with whatever it needs to be let in.
    """
    found = {}
    for name in REDIS_HASHES:
        # Redis keeps no order; the lines do once they are sorted.
        lines = sorted(ask(f"{client} hgetall {name}").splitlines())
        if lines:
            found[name] = _digest_line("\n".join(lines))
    return found


def between(
    before: Mapping[str, Iterable[str]],
    after: Mapping[str, Iterable[str]],
    found: Mapping[str, Iterable[str]],
) -> list[str]:
    """Return the tables that a dump does not hold as they were, moments before and after it.

    A row that was there both times must be in it, and nothing that was there neither time.
    """
    wrong = []
    for name in sorted({*before, *found}):
        first, last = set(before.get(name, ())), set(after.get(name, ()))
        here = set(found.get(name, ()))
        if not (first & last <= here <= first | last):
            wrong.append(name)
    return wrong


# The inventory as a file


def read(path: Path) -> dict[str, Any]:
    """Return an inventory from its file, empty if there is none or it cannot be read."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
