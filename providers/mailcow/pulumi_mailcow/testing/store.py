"""What a Mailcow keeps: its tables and its Redis hashes, in one SQLite file."""

import sqlite3
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pulumi_mailcow.testing.php import UncaughtError

Row = dict[str, Any]

_FLAG = "INTEGER NOT NULL DEFAULT"
_DATES = "created TEXT NOT NULL DEFAULT '', modified TEXT"
_NAME = "TEXT NOT NULL COLLATE NOCASE"
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS domain (
  domain {_NAME} PRIMARY KEY, description TEXT, aliases INTEGER NOT NULL,
  mailboxes INTEGER NOT NULL, defquota INTEGER NOT NULL, maxquota INTEGER NOT NULL,
  quota INTEGER NOT NULL, relayhost TEXT NOT NULL DEFAULT '0', backupmx {_FLAG} 0,
  gal {_FLAG} 1, relay_all_recipients {_FLAG} 0, relay_unknown_only {_FLAG} 0,
  active {_FLAG} 1, {_DATES});
CREATE TABLE IF NOT EXISTS alias_domain (
  alias_domain {_NAME} PRIMARY KEY, target_domain {_NAME}, active {_FLAG} 1, {_DATES});
CREATE TABLE IF NOT EXISTS mailbox (
  username {_NAME} PRIMARY KEY, password TEXT NOT NULL, name TEXT, quota INTEGER NOT NULL,
  local_part {_NAME}, domain {_NAME}, attributes TEXT,
  custom_attributes TEXT NOT NULL DEFAULT '{{}}',
  kind TEXT NOT NULL DEFAULT '', multiple_bookings INTEGER NOT NULL DEFAULT -1,
  authsource TEXT NOT NULL DEFAULT 'mailcow', active {_FLAG} 1, {_DATES});
CREATE TABLE IF NOT EXISTS quota2 (username {_NAME} PRIMARY KEY, bytes {_FLAG} 0,
  messages {_FLAG} 0);
CREATE INDEX IF NOT EXISTS mailbox_domain ON mailbox (domain);
CREATE TABLE IF NOT EXISTS alias (
  id INTEGER PRIMARY KEY AUTOINCREMENT, address {_NAME} UNIQUE, goto TEXT NOT NULL COLLATE NOCASE,
  domain {_NAME}, public_comment TEXT, private_comment TEXT, sogo_visible {_FLAG} 1,
  internal {_FLAG} 0, sender_allowed {_FLAG} 1, active {_FLAG} 1, {_DATES});
CREATE INDEX IF NOT EXISTS alias_domain_key ON alias (domain);
CREATE INDEX IF NOT EXISTS alias_goto ON alias (goto);
CREATE TABLE IF NOT EXISTS user_acl (
  username {_NAME} PRIMARY KEY REFERENCES mailbox (username) ON DELETE CASCADE,
  acl TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS sender_acl (
  id INTEGER PRIMARY KEY AUTOINCREMENT, logged_in_as {_NAME}, send_as {_NAME},
  external {_FLAG} 0);
CREATE TABLE IF NOT EXISTS tags_domain (
  domain {_NAME} REFERENCES domain (domain) ON DELETE CASCADE, tag_name {_NAME},
  UNIQUE (tag_name, domain));
CREATE TABLE IF NOT EXISTS tags_mailbox (
  username {_NAME} REFERENCES mailbox (username) ON DELETE CASCADE, tag_name {_NAME},
  UNIQUE (tag_name, username));
CREATE TABLE IF NOT EXISTS relayhosts (
  id INTEGER PRIMARY KEY AUTOINCREMENT, hostname TEXT NOT NULL, username TEXT NOT NULL,
  password TEXT NOT NULL, active {_FLAG} 1);
CREATE TABLE IF NOT EXISTS transports (
  id INTEGER PRIMARY KEY AUTOINCREMENT, destination {_NAME}, nexthop {_NAME},
  username TEXT NOT NULL DEFAULT '', password TEXT NOT NULL DEFAULT '', is_mx_based {_FLAG} 0,
  active {_FLAG} 1);
CREATE TABLE IF NOT EXISTS tls_policy_override (
  id INTEGER PRIMARY KEY AUTOINCREMENT, dest {_NAME} UNIQUE, policy TEXT NOT NULL CHECK (policy IN
  ('none', 'may', 'encrypt', 'dane', 'dane-only', 'fingerprint', 'verify', 'secure')),
  parameters TEXT DEFAULT '', active {_FLAG} 1, {_DATES});
CREATE TABLE IF NOT EXISTS app_passwd (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL,
  mailbox {_NAME} REFERENCES mailbox (username) ON DELETE CASCADE, domain {_NAME},
  password TEXT NOT NULL, imap_access {_FLAG} 1, smtp_access {_FLAG} 1, dav_access {_FLAG} 1,
  eas_access {_FLAG} 1, pop3_access {_FLAG} 1, sieve_access {_FLAG} 1, active {_FLAG} 1, {_DATES});
CREATE TABLE IF NOT EXISTS mta_sts (
  id INTEGER NOT NULL, domain {_NAME} PRIMARY KEY, version TEXT NOT NULL, mode TEXT NOT NULL,
  mx TEXT NOT NULL, max_age TEXT NOT NULL, active {_FLAG} 1);
CREATE TABLE IF NOT EXISTS bcc_maps (
  id INTEGER PRIMARY KEY AUTOINCREMENT, local_dest {_NAME}, bcc_dest TEXT NOT NULL,
  domain {_NAME}, type TEXT CHECK (type IN ('sender', 'rcpt')), active {_FLAG} 0, {_DATES});
CREATE TABLE IF NOT EXISTS recipient_maps (
  id INTEGER PRIMARY KEY AUTOINCREMENT, old_dest {_NAME}, new_dest TEXT NOT NULL,
  active {_FLAG} 0, {_DATES});
CREATE TABLE IF NOT EXISTS filterconf (
  prefid INTEGER PRIMARY KEY AUTOINCREMENT, object {_NAME}, option TEXT NOT NULL,
  value {_NAME}, {_DATES});
CREATE TABLE IF NOT EXISTS domain_admins (
  username {_NAME}, domain {_NAME}, active {_FLAG} 1, created TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS admin (
  username {_NAME} PRIMARY KEY, password TEXT NOT NULL, attributes TEXT, active {_FLAG} 1,
  created TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS da_acl (username {_NAME} PRIMARY KEY, acl TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS imapsync (
  id INTEGER PRIMARY KEY AUTOINCREMENT, user2 {_NAME} REFERENCES mailbox (username)
  ON DELETE CASCADE, host1 TEXT NOT NULL, authmech1 TEXT DEFAULT 'PLAIN',
  regextrans2 TEXT DEFAULT '', authmd51 {_FLAG} 0, domain2 TEXT NOT NULL DEFAULT '',
  subfolder2 TEXT NOT NULL DEFAULT '', user1 TEXT NOT NULL, password1 TEXT NOT NULL,
  exclude TEXT NOT NULL DEFAULT '', maxage {_FLAG} 0, mins_interval {_FLAG} 0,
  maxbytespersecond TEXT NOT NULL DEFAULT '0', port1 INTEGER NOT NULL, enc1 TEXT DEFAULT 'TLS',
  delete2duplicates {_FLAG} 1, delete1 {_FLAG} 0, delete2 {_FLAG} 0, automap {_FLAG} 0,
  skipcrossduplicates {_FLAG} 0, custom_params TEXT NOT NULL DEFAULT '', timeout1 {_FLAG} 600,
  timeout2 {_FLAG} 600, subscribeall {_FLAG} 1, dry {_FLAG} 0, is_running {_FLAG} 0,
  returned_text TEXT, last_run TEXT, success INTEGER, exit_status TEXT, active {_FLAG} 0,
  {_DATES});
CREATE TABLE IF NOT EXISTS api (api_key TEXT NOT NULL, allow_from TEXT NOT NULL,
  access TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS redis (hash TEXT NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (hash, field));
"""


class TooLongError(sqlite3.DataError):
    """A text does not fit its column.

    Attributes:
        info: What PDO tells of it.
    """

    def __init__(self, column: str) -> None:
        words = f"Data too long for column '{column}' at row 1"
        self.info = ["22001", 1406, words]
        super().__init__(f"SQLSTATE[22001]: String data, right truncated: 1406 {words}")


_TEXT_LIMIT = 255
_LIMITS = {
    ("mailbox", "kind"): 100,
    ("alias", "goto"): 65535,
    ("alias", "public_comment"): 65535,
    ("alias", "private_comment"): 65535,
    ("imapsync", "exclude"): 500,
    ("imapsync", "custom_params"): 512,
    ("imapsync", "maxbytespersecond"): 50,
    ("filterconf", "option"): 50,
    ("filterconf", "value"): 100,
}
_UNLIMITED = frozenset({"attributes", "custom_attributes", "acl", "returned_text"})


def _fit(table: str, values: Mapping[str, object]) -> None:
    for column, value in values.items():
        most = _LIMITS.get((table, column), _TEXT_LIMIT)
        if isinstance(value, str) and len(value) > most and column not in _UNLIMITED:
            raise TooLongError(column)


class Store:
    """The tables, each statement committed by itself as Mailcow's are.

    Text keys compare without regard to case, as in its collation. Table and column names come
    from this package alone, never from a request.
    """

    def __init__(self, file: Path | None = None) -> None:
        """Open the file, making it and its tables if they are missing; None keeps all in memory."""
        self.break_at: int | str | None = None
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.key_errors = 0
        self.statements = 0
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch(mode=0o600)
        self._base = sqlite3.connect(
            file or ":memory:", isolation_level=None, check_same_thread=False
        )
        self._base.row_factory = sqlite3.Row
        # Lost power may cost a rehearsal its last writes; waiting for the disk costs every one.
        self._base.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;")
        new = self.value("SELECT 1 FROM sqlite_master WHERE name = 'quota2'") is None
        self._base.executescript("PRAGMA foreign_keys=ON;" + _SCHEMA)
        if new:  # tables of an earlier rehearsal may know mailboxes
            self._base.execute("INSERT INTO quota2 (username) SELECT username FROM mailbox")

    def now(self) -> str:
        """Return the time as the database writes it."""
        return self.clock().strftime("%Y-%m-%d %H:%M:%S")

    def snapshot(self) -> bytes:
        """Return everything that is kept."""
        return self._base.serialize()

    def restore(self, kept: bytes) -> None:
        """Keep what a snapshot held, and nothing else."""
        self._base.deserialize(kept)
        self._base.execute("PRAGMA foreign_keys=ON")

    def close(self) -> None:
        """Close the file."""
        self._base.close()

    def rows(self, query: str, *values: object) -> list[Row]:
        """Return all rows of a query."""
        return [dict(item) for item in self._base.execute(query, values)]

    def row(self, query: str, *values: object) -> Row | None:
        """Return the first row of a query."""
        found = self._base.execute(query, values).fetchone()
        return None if found is None else dict(found)

    def value(self, query: str, *values: object) -> Any:
        """Return the first column of the first row, None if there is no row."""
        found = self._base.execute(query, values).fetchone()
        return None if found is None else found[0]

    def _writing(self, table: str) -> None:
        """Count a statement that writes, and fail where it is the one to break at.

        Raises:
            UncaughtError: this is it.
        """
        self.statements += 1
        if self.break_at is None:
            return
        if self.break_at in (0, table):
            self.break_at = None
            raise UncaughtError(f"{table}: SQLSTATE[40001]: 1213 Deadlock found")
        if isinstance(self.break_at, int):
            self.break_at -= 1

    def run(self, statement: str, *values: object) -> int:
        """Run a statement and return how many rows it touched."""
        self._writing(statement.split()[2])
        return self._base.execute(statement, values).rowcount

    def insert(self, table: str, **values: object) -> int:
        """Insert a row and return its id.

        Raises:
            sqlite3.Error: the table refuses it.
        """
        self._writing(table)
        _fit(table, values)
        if "created" in self._columns(table):
            values.setdefault("created", self.now())
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        statement = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - own names
        return self._base.execute(statement, tuple(values.values())).lastrowid or 0

    def update(self, table: str, key: Mapping[str, object], **values: object) -> None:
        """Change the rows with `key`; the time of change is kept where something does change."""
        self._writing(table)
        _fit(table, values)
        where = " AND ".join(f"{name} = ?" for name in key)
        sets = ", ".join(f"{name} = ?" for name in values)
        if "modified" in self._columns(table):
            differs = " OR ".join(f"{name} IS NOT ?" for name in values)
            stamp = f"UPDATE {table} SET modified = ? WHERE {where} AND ({differs})"  # noqa: S608 - own names
            self._base.execute(stamp, (self.now(), *key.values(), *values.values()))
        statement = f"UPDATE {table} SET {sets} WHERE {where}"  # noqa: S608 - own names
        self._base.execute(statement, (*values.values(), *key.values()))

    def delete(self, table: str, **key: object) -> int:
        """Delete the rows with `key` and return how many there were."""
        self._writing(table)
        where = " AND ".join(f"{name} = ?" for name in key)
        statement = f"DELETE FROM {table} WHERE {where}"  # noqa: S608 - own names
        return self._base.execute(statement, tuple(key.values())).rowcount

    def _columns(self, table: str) -> set[str]:
        found = self._base.execute(f"PRAGMA table_info({table})")
        return {item["name"] for item in found}

    def hash_get(self, name: str, field: str) -> str | None:
        """Return a field of a Redis hash."""
        found = self.value("SELECT value FROM redis WHERE hash = ? AND field = ?", name, field)
        return None if found is None else str(found)

    def hash_set(self, name: str, field: str, value: object) -> None:
        """Set a field of a Redis hash."""
        self._writing(name)
        self._base.execute(
            "INSERT OR REPLACE INTO redis VALUES (?, ?, ?)", (name, field, str(value))
        )

    def hash_drop(self, name: str, field: str) -> None:
        """Remove a field of a Redis hash."""
        self._writing(name)
        self._base.execute("DELETE FROM redis WHERE hash = ? AND field = ?", (name, field))

    def hash_all(self, name: str) -> dict[str, str]:
        """Return a Redis hash."""
        found = self.rows("SELECT field, value FROM redis WHERE hash = ? ORDER BY rowid", name)
        return {row["field"]: row["value"] for row in found}
