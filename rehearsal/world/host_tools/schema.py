"""The version of the database's schema, which Mailcow's web part raises when it starts.

It is kept beside the dumps of the rehearsed database: a dump carries it, an import brings it back.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from rehearsal.world.host_tools.surroundings import state

SERVICE = "php-fpm-mailcow"
"""The service that changes the schema when it starts."""
_SOURCE = "data/web/inc/init_db.inc.php"
_DECLARED = re.compile(r'\$db_version = "([^"]+)"')
_MARK = "-- schema "


def _file() -> Path:
    return state() / "schema"


def version() -> str:
    """Return the version that the database has, empty before the first start."""
    return _file().read_text().strip() if _file().exists() else ""


def migrate(directory: Path) -> None:
    """Bring the schema to what the release in a directory wants, as its start does.

    Like Mailcow, it compares for equality alone: an older release takes a newer schema for one
    that it has to change, and cannot undo what was done.
    """
    source = directory / _SOURCE
    found = _DECLARED.search(source.read_text()) if source.exists() else None
    if found:
        _file().write_text(f"{found[1]}\n")


def line() -> str:
    """Return what a dump says of it."""
    return f"{_MARK}{version()}"


def take(dump: Iterable[str]) -> None:
    """Take the version from the lines of a dump that is imported."""
    for text in dump:
        if text.startswith(_MARK):
            _file().write_text(text.removeprefix(_MARK).strip() + "\n")
