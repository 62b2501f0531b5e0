"""Unit files of the rehearsed host: reading them, and what systemd would refuse."""

import re
import shlex
import zoneinfo
from dataclasses import dataclass, field
from pathlib import Path

from rehearsal.world.host_tools.surroundings import on_host
from rehearsal.world.host_tools.unit_settings import mistake

FOLDER = "/etc/systemd/system"
VENDOR = frozenset({"docker.service", "nftables.service", "ssh.service", "cron.service"})
"""Units that a host brings along; they can be restarted, and nothing happens."""

_SECTIONS = {"service": "Service", "timer": "Timer", "path": "Path", "socket": "Socket"}
_TRIGGERS = {
    "OnActiveSec", "OnBootSec", "OnStartupSec", "OnUnitActiveSec", "OnUnitInactiveSec",
    "OnCalendar", "OnClockChange",
}  # fmt: skip
_TYPES = {"simple", "exec", "forking", "oneshot", "dbus", "notify", "notify-reload", "idle"}
_SHORTHANDS = {
    "minutely", "hourly", "daily", "weekly", "monthly", "quarterly", "semiannually", "yearly",
    "annually",
}  # fmt: skip
_DAY = r"(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*"
_NUMBERS = r"(?:\*|\d+(?:\.\.\d+)?)(?:/\d+)?(?:,(?:\d+(?:\.\.\d+)?)(?:/\d+)?)*"
_DATE = rf"(?:{_NUMBERS}-)?{_NUMBERS}[-~]{_NUMBERS}"
_TIME = rf"{_NUMBERS}:{_NUMBERS}(?::{_NUMBERS})?"
_CALENDAR = re.compile(
    rf"^(?:{_DAY}(?:(?:\.\.|,|-){_DAY})*)?(?:(?:^|\s+){_DATE})?(?:(?:^|\s+){_TIME})?$",
    re.IGNORECASE,
)


class UnitError(Exception):
    """A unit file that is not there, or that systemd would not load."""


def _is_zone(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        return False
    return True


def _in_bounds(body: str) -> bool:
    """Tell whether months, days, hours, minutes and seconds are ones that occur."""
    limits = {r"(?:^|-)(\d+)[-~][^-~]+$": 12, r"[-~](\d+)$": 31}
    date = next((one for one in body.split() if re.search(r"\d[-~]|[-~]\d", one)), "")
    time = next((one for one in body.split() if ":" in one), "")
    dates = [(int(one), limit) for form, limit in limits.items() for one in re.findall(form, date)]
    hours = [(int(one), 23) for one in re.findall(r"^(\d+):", time)]
    later = [(int(one), 59) for one in re.findall(r":(\d+)", time)]
    return all(number <= limit for number, limit in dates + hours + later)


def calendar_mistake(expression: str) -> str | None:
    """Return what is wrong with a calendar expression (systemd.time(7)), None if nothing."""
    text = expression.strip()
    match = re.fullmatch(r"(.*?)\s+(UTC|[A-Z][A-Za-z_]+/[A-Za-z_/+-]+)", text)
    body, place = (match[1], match[2]) if match else (text, "UTC")
    known = body.lower() in _SHORTHANDS or (bool(body) and _CALENDAR.match(body))
    if not known or not _in_bounds(body) or not _is_zone(place):
        return f"Failed to parse calendar specification '{expression}': Invalid argument"
    return None


@dataclass(frozen=True)
class Unit:
    """A unit file: sections, each with its assignments in order."""

    name: str
    path: Path
    assignments: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """`service`, `timer`, ..."""
        return self.name.rpartition(".")[2]

    def values(self, section: str, key: str) -> list[str]:
        """Return every value of a key; an empty assignment takes back those before it."""
        found: list[str] = []
        for name, value in self.assignments.get(section, ()):
            if name == key:
                found = [*found, value] if value else []
        return found

    def value(self, section: str, key: str, default: str = "") -> str:
        """Return the last value of a key."""
        found = self.values(section, key)
        return found[-1] if found else default

    @property
    def triggers(self) -> str:
        """The unit that a timer starts."""
        return self.value("Timer", "Unit", self.name.rpartition(".")[0] + ".service")

    def words(self, section: str, key: str) -> list[str]:
        """Return the words of every value of a key, specifiers filled in."""
        return [
            word for value in self.values(section, key) for word in shlex.split(self.fill(value))
        ]

    def fill(self, text: str) -> str:
        """Fill in the specifiers `%n`, `%N`, `%p`, `%i` and `%%`."""
        stem = self.name.rpartition(".")[0]
        prefix, _, instance = stem.partition("@")
        known = {"n": self.name, "N": stem, "p": prefix, "i": instance, "%": "%"}
        return re.sub(r"%([a-zA-Z%])", lambda m: known.get(m[1], m[0]), text)


def full_name(name: str) -> str:
    """Return a unit's name with its suffix; `.service` when it has none."""
    known = (".service", ".timer", ".path", ".socket", ".target", ".mount", ".slice")
    return name if name.endswith(known) else f"{name}.service"


def location(name: str) -> Path:
    """Return where the file of a unit lies, whether it exists or not."""
    folder = on_host(FOLDER)
    path = folder / name
    stem, suffix = name.rsplit(".", 1)
    if not path.exists() and "@" in stem:
        return folder / f"{stem.split('@')[0]}@.{suffix}"
    return path


def load(name: str) -> Unit:
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


def parse(name: str, path: Path) -> Unit:
    """Read a unit file without judging it.

    Raises:
        UnitError: a line stands outside a section or is no assignment.
    """
    unit = Unit(name, path)
    section = ""
    text = re.sub(r"\\\n[ \t]*", " ", path.read_text())
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        header = re.fullmatch(r"\[([\w-]+)\]", line)
        key, equals, value = line.partition("=")
        if header:
            section = header[1]
            unit.assignments.setdefault(section, [])
        elif not equals:
            raise UnitError(f"{path}:{number}: Missing '=', ignoring line.")
        elif not section:
            raise UnitError(f"{path}:{number}: Assignment outside of section. Ignoring.")
        else:
            unit.assignments[section].append((key.strip(), value.strip()))
    return unit


def check(unit: Unit) -> list[str]:
    """Return what systemd would refuse in a unit, as sentences."""
    section = _SECTIONS.get(unit.kind)
    ignored = [
        said
        for place, settings in unit.assignments.items()
        for name, value in settings
        if (said := mistake(place, name, value))
    ]
    if section and section not in unit.assignments:
        return [*ignored, f"{unit.name}: no [{section}] section"]
    return [*ignored, *_check_kind(unit)]


def _check_kind(unit: Unit) -> list[str]:
    if unit.kind == "service":
        return _check_service(unit)
    if unit.kind == "timer":
        return _check_timer(unit)
    return []


def _check_service(unit: Unit) -> list[str]:
    mistakes = []
    kind = unit.value("Service", "Type", "simple")
    if kind not in _TYPES:
        mistakes.append(f"Failed to parse service type, ignoring: {kind}")
    commands = unit.values("Service", "ExecStart")
    if not commands:
        mistakes.append("Service has no ExecStart=, ExecStop=, or SuccessAction=. Refusing.")
    if len(commands) > 1 and kind != "oneshot":
        mistakes.append("Service has more than one ExecStart= setting, which is only allowed for "
                        "Type=oneshot services. Refusing.")  # fmt: skip
    for key in ("ExecStartPre", "ExecStart", "ExecStartPost", "ExecStop", "ExecCondition"):
        for command in unit.values("Service", key):
            try:
                words = shlex.split(command.lstrip("-@:+!"))
            except ValueError:
                mistakes.append(f"{key}: unbalanced quoting: {command}")
                continue
            if not words or not re.match(r"^(/|[\w.-]+$)", words[0]):
                mistakes.append(f"{key}: neither a valid executable name nor an absolute path")
    return mistakes


def _check_timer(unit: Unit) -> list[str]:
    keys = {key for key, value in unit.assignments["Timer"] if value}
    if not keys & _TRIGGERS:
        return ["Timer unit lacks value setting. Refusing."]
    found = (calendar_mistake(one) for one in unit.values("Timer", "OnCalendar"))
    mistakes = [one for one in found if one]
    if not location(unit.triggers).exists() and unit.triggers not in VENDOR:
        mistakes.append(f"Unit {unit.triggers} to trigger not loaded")
    return mistakes
