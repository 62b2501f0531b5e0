"""Unit files of the rehearsed host: where they lie, and what systemd would refuse."""

from pathlib import Path

from readers.systemd import unit as reader
from rehearsal.world.host_tools.surroundings import on_host

FOLDER = reader.FOLDERS[0]
VENDOR = frozenset({"docker.service", "nftables.service", "ssh.service", "cron.service"})
"""Units that a host brings along; they can be restarted, and nothing happens."""


class UnitError(Exception):
    """A unit file that is not there, or that systemd would not load."""


def location(name: str) -> Path:
    """Return where the file of a unit lies, whether it exists or not."""
    folder = on_host(FOLDER)
    path = folder / name
    stem, suffix = name.rsplit(".", 1)
    if not path.exists() and "@" in stem:
        return folder / f"{stem.split('@')[0]}@.{suffix}"
    return path


def load(name: str) -> reader.Unit:
    """Read the unit file of `name`.

    Raises:
        UnitError: it is missing or ill-formed.
    """
    path = location(name)
    if not path.is_file():
        raise UnitError(f"Unit {name} not found.")
    unit = parse(name, path)
    mistakes = check(unit)
    if mistakes:
        raise UnitError(f"Unit {name} has a bad unit file setting: {mistakes[0]}")
    return unit


def parse(name: str, path: Path) -> reader.Unit:
    """Read a unit file and its drop-ins without judging them."""
    texts = {
        f"{folder}/{file.parent.name}/{file.name}": file.read_text()
        for folder in reader.FOLDERS
        for file in on_host(folder).glob("*.d/*.conf")
    }
    drop_ins = [(text, texts[text]) for text in reader.drop_ins_of(name, texts)]
    return reader.parse(name, path.read_text(), drop_ins)


def check(unit: reader.Unit) -> list[str]:
    """Return what systemd would refuse in a unit, as sentences."""
    mistakes = [mistake.reason for mistake in unit.mistakes]
    if unit.kind != "timer" or mistakes:
        return mistakes
    there = location(unit.triggers).exists() or unit.triggers in VENDOR
    return [] if there else [f"Unit {unit.triggers} to trigger not loaded"]
