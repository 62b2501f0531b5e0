"""What each command of the Makefile needs of this machine, whether it is there, how it comes.

Nothing but Python's own library is used, and of the project only what needs no more either.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from operations.doctor.bare import EXIT_MISSING, least_python
from rehearsal.parts.catalogue import CATALOGUE, Debian, Part
from rehearsal.parts.finder import cache, find
from rehearsal.parts.inventory import held

PROJECT = Path(__file__).resolve().parents[2]
"""Folder of the Makefile."""
EXIT_UNSEEN = 4
LIVE = "OPTIONS=--live"
"""How a command is told to work on the real stack."""

_GIB = 1024**3
ROOM = 2 * _GIB
"""Free space for the environment (0.4 GiB), what runs leave behind (0.5 GiB), and as much again."""
ROOM_TO_BUILD = 5 * _GIB
"""Free space for building Go modules; assumed: toolchain, sources and compiler's cache."""
_SECONDS = 20.0
_A_DAY = 86400.0


class Standing(StrEnum):
    """How something that is needed stands."""

    OK = "ok"
    MISSING = "missing"
    UNSEEN = "unseen"
    """It could not be looked at; never taken for there."""


@dataclass(frozen=True)
class Seen:
    """What was seen of something that is needed.

    Attributes:
        standing: How it stands.
        words: What was seen, or what is wrong.
        way_out: How it comes, or how to see it.
    """

    standing: Standing
    words: str
    way_out: str = ""

    @property
    def text(self) -> str:
        """Both in one line."""
        return f"{self.words}; {self.way_out}" if self.way_out else self.words


@dataclass(frozen=True)
class Need:
    """Something that a command needs of this machine.

    Attributes:
        name: A word for it.
        look: Looks at it.
    """

    name: str
    look: Callable[[], Seen]


def _there(words: str) -> Seen:
    return Seen(Standing.OK, words)


def _missing(words: str, way_out: str) -> Seen:
    return Seen(Standing.MISSING, words, way_out)


def _unseen(words: str, way_out: str) -> Seen:
    return Seen(Standing.UNSEEN, words, way_out)


def _run(command: Sequence[str], **settings: str) -> "subprocess.CompletedProcess[str] | None":
    """Run a program that only looks; None where it is not there or does not end."""
    program = shutil.which(command[0])
    if program is None:
        return None
    # What a surrounding make has set would reach the inner one.
    own = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAG"))}
    try:
        return subprocess.run(  # noqa: S603 - the commands stand in this file
            [program, *command[1:]], cwd=PROJECT, env=own | settings, capture_output=True,
            text=True, check=False, timeout=_SECONDS,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None


# What is looked at


def _system() -> Seen:
    if sys.platform == "linux":
        return _there("Linux")
    return _missing(f"this is {sys.platform}", "take Linux, or a machine or container of it")


def _python() -> Seen:
    least = least_python((PROJECT / "pyproject.toml").read_text("utf-8"))
    words = f"{sys.version_info.major}.{sys.version_info.minor} at {sys.executable}"
    if sys.version_info[:2] >= least:
        return _there(words)
    return _missing(words, "make setup PYTHON=python{}.{}".format(*least))


def _venv() -> Seen:
    if (PROJECT / ".venv/bin/python").exists():
        return _there("not needed any more")
    lacking = [name for name in ("venv", "ensurepip") if find_spec(name) is None]
    if not lacking:
        return _there("venv, ensurepip")
    return _missing(f"Python has no {' and no '.join(lacking)}", "apt-get install python3-venv")


def _packages() -> Seen:
    if not (PROJECT / ".venv/bin/python").exists():
        return _missing("there is no .venv", "make setup makes it")
    # The Makefile knows what the environment is made from.
    done = _run(["make", "--question", "--no-print-directory", ".venv/.ready"])
    if done is None:
        return _unseen("make is not there to tell whether .venv is up to date", "make setup")
    if done.returncode:
        return _missing(".venv is not what requirements.txt asks for", "make setup")
    return _there(".venv holds what requirements.txt asks for")


def _program(name: str, way_out: str) -> Need:
    def look() -> Seen:
        place = shutil.which(name)
        return _there(place) if place else _missing(f"{name} is not on PATH", way_out)

    return Need(name, look)


def _cli() -> Seen:
    place = shutil.which("pulumi")
    if place:
        return _there(place)
    built = find("pulumi")
    if built is not None:
        return _missing("the CLI is built, but not on PATH", f'export PATH="{built.parent}:$PATH"')
    return _missing(
        "there is no pulumi on PATH", "https://www.pulumi.com/docs/iac/download-install/"
    )


def _room(folder: Path, least: int) -> Seen:
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(there).free
    words = f"{free / _GIB:.1f} GiB free at {there}"
    if free >= least:
        return _there(words)
    return _missing(words, f"{least / _GIB:.0f} GiB are needed; `make clean` removes old runs")


def _ports() -> Seen:
    """Knock at a port of our own: a world is a dozen of such."""
    try:
        with (
            socket.create_server(("127.0.0.1", 0)) as server,
            socket.create_connection(server.getsockname(), 5),
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
        ):
            datagrams.bind(("127.0.0.1", 0))
    except OSError as error:
        words = f"no port of 127.0.0.1 can be used: {error.strerror or error}"
        return _missing(words, "let this user listen on loopback")
    return _there("127.0.0.1 has free ones, TCP and UDP")


def _clock() -> Seen:
    done = _run(["git", "log", "-1", "--format=%ct"])
    if done is not None and done.stdout.strip().isdigit():
        behind = int(done.stdout) - time.time()
        if behind > _A_DAY:
            return _missing(
                f"the clock is at least {behind / _A_DAY:.0f} days behind the last commit",
                "set it: timedatectl set-ntp true",
            )
    done = _run(["timedatectl", "show", "-p", "NTPSynchronized", "--value"])
    word = done.stdout.strip() if done is not None else ""
    if word == "yes":
        return _there("synchronised")
    if word == "no":
        return _missing("the clock is not synchronised", "timedatectl set-ntp true")
    return _unseen("nothing here tells whether the clock is right", "compare `date -u` yourself")


def _root() -> Seen:
    if os.geteuid() == 0:
        return _there("root")
    return _missing("you are not root", "packages and packet filters need it: sudo make ...")


def _debian() -> Seen:
    if shutil.which("apt-get") and shutil.which("dpkg-query"):
        return _there("apt-get")
    return _missing("this system has no apt-get", "install by its own means what `make parts` says")


def _part(part: Part) -> Need:
    def look() -> Seen:
        one = held(part)
        if one.complete:
            return _there(one.version or "there")
        lacking = [name for name, place in one.places.items() if place is None]
        words = f"{', '.join(lacking)} not there" if lacking else f"version {one.version or '?'}"
        way_out = "make engine" if part.name == "pulumi" else f"make parts ({part.source})"
        return _missing(words, way_out)

    return Need(part.name if part.name != "pulumi" else "engine", look)


PARTS = tuple(_part(part) for part in CATALOGUE)
"""The genuine parts, as the catalogue lists them."""

NEEDS: Mapping[str, Need] = {
    need.name: need
    for need in (
        Need("system", _system),
        Need("python", _python),
        Need("venv", _venv),
        Need("packages", _packages),
        _program("git", "apt-get install git"),
        Need("disk", lambda: _room(PROJECT, ROOM)),
        Need("ports", _ports),
        Need("pulumi", _cli),
        _program("ssh", "apt-get install openssh-client"),
        Need("clock", _clock),
        Need("root", _root),
        Need("debian", _debian),
        Need("build-disk", lambda: _room(cache(), ROOM_TO_BUILD)),
        *PARTS,
    )
}
"""Everything that is looked at, in the order in which it is told."""

_BASE = ("system", "python", "venv", "packages", "disk")
_WORLD = (*_BASE, "git", "ports")
_REAL = (*_BASE, "pulumi", "clock")
_INSTALLED = (
    ("root", "debian") if any(isinstance(need.source, Debian) for need in CATALOGUE) else ()
)
_GENUINE = (*_INSTALLED, "build-disk")

COMMANDS: Mapping[str, Sequence[str]] = {
    "help": (),
    "setup": ("system", "python", "venv", "disk"),
    "lock": _BASE,
    "doctor": (),
    "new": _BASE,
    "rehearse": _WORLD,
    "rehearse ENGINE=pulumi": (*_WORLD, "engine"),
    "guide": _BASE,
    "policy": _BASE,
    "test": _WORLD,
    "parts": (*_BASE, *_GENUINE),
    "engine": (*_BASE, "build-disk"),
    "test-real": (*_WORLD, *_GENUINE, *(part.name for part in PARTS)),
    "lint": _BASE,
    "types": _BASE,
    "check": _WORLD,
    # The Docker engine of the host is reached through the ssh of this machine.
    "preview": (*_REAL, "ssh"),
    "up": (*_REAL, "ssh"),
    "prove": _WORLD,
    "backup": _WORLD,
    "drill": _WORLD,
    "mail-update": _WORLD,
    "dmarc": _WORLD,
    "adopt": _WORLD,
    "rotate": _WORLD,
    "dashboard": _BASE,
    "changes": _WORLD,
    "stop": ("packages",),
    "clean": (),
    LIVE: _REAL,
}
"""What each command needs, by its word for make."""


class UnknownCommandError(ValueError):
    """A word that is no command of the Makefile; the message lists those that are."""


def chosen(words: Iterable[str]) -> dict[str, Sequence[str]]:
    """Return these commands with what they need; all of them for none.

    Raises:
        UnknownCommandError: a word is no command.
    """
    wanted = list(words)
    unknown = [word for word in wanted if word not in COMMANDS]
    if unknown:
        raise UnknownCommandError(
            f"make has no {', '.join(unknown)}; there are {', '.join(COMMANDS)}"
        )
    return {word: COMMANDS[word] for word in COMMANDS if not wanted or word in wanted}


class Telling(Protocol):
    """Where it is told: a `Report`, or what stands for it without the packages."""

    def line(self, label: str, text: str, status: str = "") -> None:
        """Show one line."""

    def put(self, key: str, value: Any) -> None:
        """Note a result for the JSON document."""


def examine(report: Telling, commands: Mapping[str, Sequence[str]]) -> int:
    """Look at everything that these commands need, tell it, and return the exit code.

    Args:
        report: Where it is told.
        commands: Commands with what they need (`chosen`).
    """
    wanted = {name for needs in commands.values() for name in needs}
    seen = {name: need.look() for name, need in NEEDS.items() if name in wanted}
    for name, one in seen.items():
        report.line(f"{name:<13} ", one.text, one.standing.value)
    lacking = {
        command: [name for name in needs if seen[name].standing is not Standing.OK]
        for command, needs in commands.items()
    }
    ready = [command for command, names in lacking.items() if not names]
    if ready:
        report.line("ready", ", ".join(ready))
    for names in dict.fromkeys(tuple(names) for names in lacking.values() if names):
        alike = [command for command, others in lacking.items() if tuple(others) == names]
        report.line("not ready", f"{', '.join(alike)}: {', '.join(names)}")
    standings = {text.standing for text in seen.values()}
    report.put("ok", Standing.MISSING not in standings)
    report.put("needs", [
        {"name": name, "standing": one.standing.value, "seen": one.words, "way_out": one.way_out}
        for name, one in seen.items()
    ])  # fmt: skip
    report.put("commands", lacking)
    if Standing.MISSING in standings:
        return EXIT_MISSING
    return EXIT_UNSEEN if Standing.UNSEEN in standings else 0
