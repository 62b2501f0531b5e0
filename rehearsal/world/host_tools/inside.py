"""What the containers of the mail stack answer when a command is run in them."""

import hashlib
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rehearsal.world.host_tools import schema
from rehearsal.world.host_tools.compose import covered
from rehearsal.world.host_tools.surroundings import complain, say, state, told_to_fail

_DUMP = """-- MariaDB dump 10.19  Distrib 10.11.0-MariaDB, for debian-linux-gnu (x86_64)
--
-- Host: localhost    Database: {database}
-- ------------------------------------------------------
-- Rehearsed: the objects behind the API are not in it
CREATE DATABASE IF NOT EXISTS `{database}`;
USE `{database}`;
{kept}
-- Dump completed on 2026-01-01  0:00:00
"""


def _option(arguments: Sequence[str], short: str, long: str) -> str | None:
    """Return the value of `-xVALUE`, `--long=VALUE` or `--long VALUE`."""
    for index, word in enumerate(arguments):
        if word.startswith(f"{long}="):
            return word.partition("=")[2]
        if word == long and index + 1 < len(arguments):
            return arguments[index + 1]
        if short and word.startswith(short) and not word.startswith("--") and len(word) > 2:
            return word[2:]
    return None


def _database_refuses(arguments: Sequence[str]) -> bool:
    user = _option(arguments, "-u", "--user") or "root"
    if "-u" in arguments[:-1]:
        user = arguments[list(arguments).index("-u") + 1]
    wanted = os.environ.get("MYSQL_ROOT_PASSWORD" if user == "root" else "MYSQL_PASSWORD")
    given = _option(arguments, "-p", "--password") or os.environ.get("MYSQL_PWD")
    # Over its socket root of the container needs no password when none is given.
    refused = bool(wanted) and given != wanted and not (given is None and user == "root")
    if refused:
        used = "YES" if given else "NO"
        complain(f"ERROR 1045 (28000): Access denied for user '{user}'@'localhost' "
                 f"(using password: {used})")  # fmt: skip
    return refused


def _kept() -> Path:
    return state() / "database.sql"


def _dump(arguments: Sequence[str]) -> int:
    if _database_refuses(arguments):
        return 2
    kept = (_kept().read_text() if _kept().exists() else "") + schema.line()
    say(_DUMP.format(database=os.environ.get("MYSQL_DATABASE", "mailcow"), kept=kept), end="")
    return 0


def _sql(arguments: Sequence[str]) -> int:
    if _database_refuses(arguments):
        return 1
    statement = _option(arguments, "-e", "--execute")
    if "-e" in arguments[:-1]:
        statement = arguments[list(arguments).index("-e") + 1]
    if statement:
        if re.search(r"\bversions\b", statement):
            say(schema.version())
            return 0
        numbers = re.match(r"\s*select\s+(\d+)", statement, re.IGNORECASE)
        if numbers:
            say(numbers[1])
        return 0
    text = sys.stdin.read() if not sys.stdin.isatty() else ""
    if text.strip():
        lines = [one for one in text.splitlines() if one.startswith("-- imported ")]
        digest = hashlib.sha256(text.encode()).hexdigest()
        _kept().write_text("\n".join([*lines, f"-- imported {digest}"]) + "\n")
        schema.take(text.splitlines())
    return 0


def _alive(arguments: Sequence[str]) -> int:
    if _database_refuses(arguments):
        return 1
    say("mysqld is alive")
    return 0


def _redis(arguments: Sequence[str]) -> int:
    wanted = os.environ.get("REDISPASS", "")
    given = os.environ.get("REDISCLI_AUTH") or _option(arguments, "", "-a")
    given = given or _option(arguments, "", "--pass")
    if wanted and given != wanted:
        say("(error) NOAUTH Authentication required.")
        return 1
    words = [one.upper() for one in arguments]
    if "PING" in words:
        say("PONG")
    elif "SAVE" in words or "BGSAVE" in words:
        folder = Path(covered("/data", os.environ.get("REHEARSAL_MOUNTS", "[]")))
        if folder != Path("/data"):
            (folder / "dump.rdb").write_bytes(b"REDIS0011\xffrehearsd")
        say("OK" if "SAVE" in words else "Background saving started")
    elif "LASTSAVE" in words:
        say("1767225600")
    else:
        say("")
    return 0


def _queue(arguments: Sequence[str]) -> int:
    if "-j" not in arguments:
        say("Mail queue is empty")
    return 0


def postfix_settings(folder: Path) -> dict[str, str]:
    """Return what `main.cf` and `extra.cf` of a folder say together, the later line winning."""
    settings: dict[str, str] = {}
    for name in ("main.cf", "extra.cf"):
        path = folder / name
        if not path.exists():
            continue
        text = re.sub(r"(?m)^\s*#.*\n?", "", path.read_text())
        for line in re.sub(r"\n[ \t]+", " ", text).splitlines():
            key, equals, value = line.partition("=")
            if equals:
                settings[key.strip()] = value.strip()
    return settings


def _postconf(arguments: Sequence[str]) -> int:
    folder = Path(covered("/opt/postfix/conf", os.environ.get("REHEARSAL_MOUNTS", "[]")))
    settings = postfix_settings(folder)
    names = [one for one in arguments if not one.startswith("-")] or sorted(settings)
    for name in names:
        if name not in settings:
            complain(f"postconf: warning: {name}: unknown parameter")
        elif "-h" in arguments:
            say(settings[name])
        else:
            say(f"{name} = {settings[name]}")
    return 0


def _content(_arguments: Sequence[str]) -> int:
    return 0


def _nginx(arguments: Sequence[str]) -> int:
    if "-t" in arguments:
        complain("nginx: configuration file /etc/nginx/nginx.conf test is successful")
    return 0


_ANSWERS: dict[str, Callable[[Sequence[str]], int]] = {
    "mariadb-dump": _dump, "mysqldump": _dump, "mariadb": _sql, "mysql": _sql,
    "mariadb-admin": _alive, "mysqladmin": _alive, "redis-cli": _redis, "postqueue": _queue,
    "mailq": _queue, "postconf": _postconf, "nginx": _nginx,
}  # fmt: skip


def main(tool: str, arguments: Sequence[str]) -> int:
    """Answer as `tool` would with these arguments, and return its exit status."""
    fault = told_to_fail(tool)
    if fault is not None:
        complain(f"{tool}: rehearsed failure")
        return fault
    return _ANSWERS.get(tool, _content)(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
