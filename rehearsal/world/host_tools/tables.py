"""The tables behind the rehearsed MariaDB: dumped, loaded and asked, in files of SQLite.

What a dump holds are the objects that the rehearsed API keeps, so that a restore can be compared
with it. Only what a backup, a drill and an upgrade ask is understood.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TextIO

_HEAD = """-- MariaDB dump 10.19  Distrib 10.11.0-MariaDB, for debian-linux-gnu (x86_64)
--
-- Host: localhost    Database: {database}
-- ------------------------------------------------------
-- Rehearsed: SQLite's words for the objects behind the API
-- CREATE DATABASE IF NOT EXISTS `{database}`;
{line}
"""
_END = "-- Dump completed on 2026-01-01  0:00:00\n"
_REDIS = "redis"
"""This table stands for Redis and belongs to no dump of the database."""
_HIDDEN = {_REDIS, "sqlite_sequence"}


class RefusedError(Exception):
    """The server does not understand a statement."""


def _open(file: Path) -> sqlite3.Connection:
    base = sqlite3.connect(file, timeout=20, isolation_level=None)
    # A dump must hold bytes as they are, whatever they spell.
    base.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    return base


def _names(base: sqlite3.Connection) -> list[str]:
    found = base.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [str(row[0]) for row in found if row[0] not in _HIDDEN]


def dump(file: Path, database: str, line: str, out: TextIO) -> None:
    """Write every table as SQL, all from one moment; `line` is a remark of its own."""
    out.write(_HEAD.format(database=database, line=line))
    if file.exists():
        with closing(_open(file)) as base:
            names = set(_names(base))
            out.writelines(f"DROP TABLE IF EXISTS `{name}`;\n" for name in sorted(names))
            for statement in base.iterdump():
                about = re.match(r"(?:CREATE (?:UNIQUE )?\w+ |INSERT INTO )", statement)
                hidden = re.search(r"sqlite_sequence|\bredis\b", statement.partition("(")[0])
                if about and not hidden:
                    out.write(f"{statement}\n")
    out.write(_END)


def load(file: Path, text: str) -> None:
    """Carry a dump out.

    Raises:
        RefusedError: it holds something that is no statement.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with closing(_open(file)) as base:
        try:
            base.executescript("PRAGMA foreign_keys=OFF; BEGIN;\n" + text + "\nCOMMIT;")
        except sqlite3.Error as error:
            raise RefusedError(str(error)) from None


def query(file: Path, statement: str) -> Iterator[str]:
    """Yield the rows of a query as the client writes them: columns divided by tabulators.

    Raises:
        RefusedError: it is none that is understood.
    """
    if not file.exists():
        file = Path(":memory:")
    with closing(_open(file)) as base:
        if statement.upper().startswith("SHOW FULL TABLES"):
            yield from (f"{name}\tBASE TABLE" for name in _names(base))
            return
        try:
            for row in base.execute(statement):
                yield "\t".join("NULL" if item is None else _escaped(str(item)) for item in row)
        except sqlite3.Error as error:
            raise RefusedError(str(error)) from None


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def hashes(file: Path) -> dict[str, dict[str, str]]:
    """Return what the rehearsed Redis of the mail stack holds, by the name of the hash."""
    found: dict[str, dict[str, str]] = {}
    if file.exists():
        with closing(_open(file)) as base:
            for name, field, value in base.execute(f"SELECT hash, field, value FROM {_REDIS}"):  # noqa: S608 - own name
                found.setdefault(name, {})[field] = value
    return found
