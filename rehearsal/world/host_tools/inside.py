"""What the containers of the mail stack answer when a command is run in them."""

import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

from rehearsal.world.host_tools import schema, tables
from rehearsal.world.host_tools.compose import covered
from rehearsal.world.host_tools.surroundings import complain, root, say, state, told_to_fail

_RDB = "REDIS0011 rehearsed\n"
"""How a file of the rehearsed Redis begins; the genuine format is not spoken."""


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


def _mount(path: str) -> Path | None:
    """Return where that lies which is mounted at a path of the container."""
    found = Path(covered(path, os.environ.get("REHEARSAL_MOUNTS", "[]")))
    return None if found == Path(path) else found


def _of_the_stack(folder: Path | None, volume: str) -> bool:
    """Tell a volume of the mail stack from one of another project, or one that was restored."""
    volumes = root() / "var/lib/docker/volumes"
    return folder is None or (
        folder.parent.parent == volumes and folder.parent.name.endswith(f"_{volume}")
    )


def _behind_the_api() -> Path:
    return state().parent / "mailcow/mailcow.sqlite"


def _tables() -> Path:
    """Return the file with the tables that the server in this container serves."""
    folder = _mount("/var/lib/mysql")
    if folder is None or _of_the_stack(folder, "mysql-vol-1"):
        return _behind_the_api()
    return folder / "mailcow.sqlite"


def _dump(arguments: Sequence[str]) -> int:
    if _database_refuses(arguments):
        return 2
    database = os.environ.get("MYSQL_DATABASE", "mailcow")
    tables.dump(_tables(), database, schema.line(), sys.stdout)
    return 0


def _sql(arguments: Sequence[str]) -> int:
    if _database_refuses(arguments):
        return 1
    statement = _option(arguments, "-e", "--execute")
    if "-e" in arguments[:-1]:
        statement = arguments[list(arguments).index("-e") + 1]
    if statement and re.search(r"\bversions\b", statement):
        say(schema.version())
        return 0
    try:
        if statement:
            for row in tables.query(_tables(), statement):
                say(row)
        elif not sys.stdin.isatty():
            text = sys.stdin.read()
            tables.load(_tables(), text)
            if _tables() == _behind_the_api():
                schema.take(text.splitlines())
    except tables.RefusedError as error:
        complain(f"ERROR 1064 (42000): {error}")
        return 1
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
    words = [argument.upper() for argument in arguments]
    if "PING" in words:
        say("PONG")
    elif "SAVE" in words or "BGSAVE" in words:
        folder = _mount("/data")
        if folder is not None:
            (folder / "dump.rdb").write_text(_RDB + json.dumps(tables.hashes(_behind_the_api())))
        say("OK" if "SAVE" in words else "Background saving started")
    elif "HGETALL" in words:
        for pair in _hash(arguments[words.index("HGETALL") + 1]).items():
            say("\n".join(pair))
    elif "HKEYS" in words:
        for field in _hash(arguments[words.index("HKEYS") + 1]):
            say(field)
    elif "LASTSAVE" in words:
        say("1767225600")
    else:
        say("")
    return 0


def _hash(name: str) -> dict[str, str]:
    """Return a hash: of the mail stack as it is now, of any other Redis as it was loaded."""
    folder = _mount("/data")
    if folder is None or _of_the_stack(folder, "redis-vol-1"):
        return tables.hashes(_behind_the_api()).get(name, {})
    file = folder / "dump.rdb"
    text = file.read_text(errors="replace") if file.exists() else _RDB + "{}"
    return dict(json.loads(text.removeprefix(_RDB)).get(name, {}))


def _openssl(arguments: Sequence[str]) -> int:
    """Answer `openssl pkey -in FILE -pubout`."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415  # slow to import

    words = dict(pairwise(arguments))
    try:
        key = serialization.load_pem_private_key(Path(words.get("-in", "")).read_bytes(), None)
    except (OSError, ValueError, TypeError):
        complain(f"Could not find private key from {words.get('-in')}")
        return 1
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    say(public.decode(), end="")
    return 0


def _queue(arguments: Sequence[str]) -> int:
    # The rehearsed Postfix keeps its queue in another process; these two files are between them.
    listing = state() / "mail-queue.json"
    lines = listing.read_text() if listing.exists() else ""
    if "-f" in arguments:
        (state() / "mail-flush").touch()
    elif "-j" in arguments:
        say(lines, end="")
    else:
        complain(f"postqueue: the rehearsed one does not know {' '.join(arguments)}")
        return 1
    return 0


_ANSWERS: dict[str, Callable[[Sequence[str]], int]] = {
    "mariadb": _sql, "mariadb-admin": _alive, "mariadb-dump": _dump, "openssl": _openssl,
    "postqueue": _queue, "redis-cli": _redis,
}  # fmt: skip


def main(tool: str, arguments: Sequence[str]) -> int:
    """Answer as `tool` would with these arguments, and return its exit status."""
    fault = told_to_fail(tool)
    if fault is not None:
        complain(f"{tool}: rehearsed failure")
        return fault
    return _ANSWERS[tool](arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
