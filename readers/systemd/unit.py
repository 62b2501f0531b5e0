"""Unit files with their drop-ins: what takes effect, and what is ignored."""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath

from readers.mistake import Mistake, MistakeError
from readers.systemd.calendar import Calendar, calendar, span
from readers.systemd.settings import CAPABILITIES, TRUE, is_when, mistake

FOLDERS = (
    "/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system", "/lib/systemd/system",
)  # fmt: skip
"""Where units lie; the first that has a file wins."""
KINDS = (".service", ".timer", ".path", ".socket", ".target", ".mount", ".slice")
_SECTIONS = {"service": "Service", "timer": "Timer"}
_TRIGGERS = {
    "OnActiveSec", "OnBootSec", "OnStartupSec", "OnUnitActiveSec", "OnUnitInactiveSec",
    "OnCalendar", "OnClockChange",
}  # fmt: skip
COMMANDS = (
    "ExecCondition", "ExecStartPre", "ExecStart", "ExecStartPost", "ExecReload", "ExecStop",
    "ExecStopPost",
)  # fmt: skip
"""Settings that run something, in the order in which they do."""
_AT_BOOT = {
    "default.target", "multi-user.target", "graphical.target", "timers.target", "basic.target",
    "sysinit.target", "network-pre.target", "network.target", "network-online.target",
}  # fmt: skip
_ON = (
    "NoNewPrivileges", "PrivateDevices", "PrivateNetwork", "PrivateTmp", "PrivateUsers",
    "ProtectClock", "ProtectControlGroups", "ProtectHostname", "ProtectKernelLogs",
    "ProtectKernelModules", "ProtectKernelTunables", "LockPersonality", "MemoryDenyWriteExecute",
    "RestrictRealtime", "RestrictSUIDSGID", "RemoveIPC",
)  # fmt: skip
_TAKEN_ALONG = {
    "PrivateDevices": {"CAP_MKNOD", "CAP_SYS_RAWIO"},
    "ProtectKernelModules": {"CAP_SYS_MODULE"},
    "ProtectKernelLogs": {"CAP_SYSLOG"},
    "ProtectClock": {"CAP_SYS_TIME", "CAP_WAKE_ALARM"},
}
"""Capabilities that go with a protection (systemd.exec(5))."""


@dataclass(frozen=True)
class Setting:
    """An assignment that counts."""

    section: str
    name: str
    value: str
    place: str


@dataclass(frozen=True)
class Command:
    """Something that a service runs.

    Attributes:
        key: Setting that says so, such as `ExecStart`.
        words: Program and arguments.
        forgiven: Whether its failure counts for success.
        unconfined: Whether it runs past user, capabilities or file system protection.
    """

    key: str
    words: tuple[str, ...]
    forgiven: bool = False
    unconfined: bool = False


@dataclass(frozen=True)
class Unit:
    """A unit as it takes effect.

    Attributes:
        name: Such as `x.timer`.
        settings: The assignments that count, drop-ins last.
        mistakes: What systemd ignores or refuses, or what is not understood here.
    """

    name: str
    settings: tuple[Setting, ...] = ()
    mistakes: tuple[Mistake, ...] = field(default=())

    @property
    def kind(self) -> str:
        """`service`, `timer`, ..."""
        return self.name.rpartition(".")[2]

    @cached_property
    def _values(self) -> dict[tuple[str, str], list[str]]:
        values: dict[tuple[str, str], list[str]] = {}
        for setting in self.settings:
            so_far = values.setdefault((setting.section, setting.name), [])
            if setting.value:
                so_far.append(setting.value)
                continue
            so_far.clear()
            for (section, name), others in values.items():
                if is_when(setting.section, setting.name) and is_when(section, name):
                    others.clear()
        return values

    def values(self, section: str, name: str) -> list[str]:
        """Return every value of a setting; an empty assignment takes back those before it."""
        return self._values.get((section, name), [])

    def value(self, section: str, name: str, default: str = "") -> str:
        """Return the last value of a setting."""
        return ([default, *self.values(section, name)])[-1]

    def words(self, section: str, name: str) -> list[str]:
        """Return the words of every value of a setting, specifiers filled in."""
        return [
            word for value in self.values(section, name) for word in shlex.split(self.fill(value))
        ]

    def fill(self, text: str) -> str:
        """Fill in the specifiers `%n`, `%N`, `%p`, `%i` and `%%`."""
        stem = self.name.rpartition(".")[0]
        prefix, _, instance = stem.partition("@")
        known = {"n": self.name, "N": stem, "p": prefix, "i": instance, "%": "%"}
        return re.sub(r"%([a-zA-Z%])", lambda match: known.get(match[1], match[0]), text)

    def on(self, section: str, name: str) -> bool:
        """Tell whether a switch is on."""
        return self.value(section, name).lower() in TRUE

    # What is run, as whom

    @property
    def commands(self) -> list[Command]:
        """What a service runs, in the order in which it does."""
        return [
            _command(name, self.fill(line))
            for name in COMMANDS
            for line in self.values("Service", name)
        ]

    @property
    def user(self) -> str:
        """As whom a service runs."""
        somebody = "somebody new" if self.on("Service", "DynamicUser") else "root"
        return self.value("Service", "User") or somebody

    @property
    def conditions(self) -> list[str]:
        """Settings under which it is not started at all, without that being a failure."""
        names = {setting.name for setting in self.settings if setting.section == "Unit"}
        asked = [name for name in sorted(names) if name.startswith(("Condition", "Assert"))]
        asked += ["ExecCondition"] if self.values("Service", "ExecCondition") else []
        return [name for name in asked if self.values("Unit", name) or name == "ExecCondition"]

    # When

    @property
    def triggers(self) -> str:
        """The unit that a timer starts."""
        return self.value("Timer", "Unit", self.name.rpartition(".")[0] + ".service")

    @property
    def calendars(self) -> list[Calendar]:
        """When a timer starts it, by the calendar."""
        return [calendar(text) for text in self.values("Timer", "OnCalendar")]

    @property
    def makes_up(self) -> bool:
        """Whether a run that was missed, the host being off, is made up for."""
        return bool(self.values("Timer", "OnCalendar")) and self.on("Timer", "Persistent")

    @property
    def repeats(self) -> float:
        """Seconds between the end of a run, or its start, and the next; infinite if there is none.

        By spans alone; `calendars` have a rhythm of their own.
        """
        names = ("OnUnitActiveSec", "OnUnitInactiveSec")
        spans = [span(text) for name in names for text in self.values("Timer", name)]
        starts = any(
            self.values("Timer", name)
            for name in ("OnActiveSec", "OnBootSec", "OnStartupSec", "OnCalendar")
        )
        return min((item for item in spans if item is not None and starts), default=float("inf"))

    @property
    def late(self) -> float:
        """Seconds by which a timer may be late."""
        delay = span(self.value("Timer", "RandomizedDelaySec", "0")) or 0.0
        accuracy = span(self.value("Timer", "AccuracySec", "1min"))
        return delay + (60.0 if accuracy is None else accuracy)

    # How it is held

    @property
    def capabilities(self) -> frozenset[str]:
        """The capabilities that a service may have at all."""
        held = CAPABILITIES
        for setting in self.settings:
            if (setting.section, setting.name) != ("Service", "CapabilityBoundingSet"):
                continue
            words = CAPABILITIES & set(setting.value.removeprefix("~").upper().split())
            denied, fresh = setting.value.startswith("~"), held == CAPABILITIES or not words
            if denied:
                held = CAPABILITIES - words if fresh else held - words
            else:
                held = words if fresh else held | words
        gone = {item for name, along in _TAKEN_ALONG.items() if self.on("Service", name)
                for item in along}  # fmt: skip
        return held - gone

    @property
    def protections(self) -> frozenset[str]:
        """The protections that are simply on or off, and are on."""
        held = {name for name in _ON if self.on("Service", name)}
        if self.on("Service", "DynamicUser"):
            held |= {"NoNewPrivileges", "RestrictSUIDSGID", "RemoveIPC", "PrivateTmp"}
        return frozenset(held)

    @property
    def system(self) -> str:
        """What of the system a service can write: `strict` nothing, `full`, `yes`, `no` all."""
        given = self.value("Service", "ProtectSystem").lower()
        given = "yes" if given in TRUE else given if given in ("full", "strict") else "no"
        return "strict" if self.on("Service", "DynamicUser") else given

    @property
    def writes(self) -> list[str]:
        """Paths that a service may write although the system is protected."""
        names = ("ReadWritePaths", "ReadWriteDirectories", "BindPaths")
        words = (word for name in names for word in self.words("Service", name))
        return [word.lstrip("-+").partition(":")[0] for word in words]

    @property
    def system_calls(self) -> tuple[frozenset[str], frozenset[str]] | None:
        """System calls, or groups of them, that are allowed and that are taken away again.

        None where everything is allowed but what is taken away, or simply everything.
        """
        assigned = [
            setting.value
            for setting in self.settings
            if (setting.section, setting.name) == ("Service", "SystemCallFilter")
        ]
        while "" in assigned:
            assigned = assigned[assigned.index("") + 1 :]
        if not assigned or assigned[0].startswith("~"):
            return None
        allowed, denied = set[str](), set[str]()
        for value in assigned:
            words = set(value.removeprefix("~").split())
            if value.startswith("~"):
                denied |= words
            else:
                allowed |= words
                denied -= words
        return frozenset(allowed), frozenset(denied)

    @property
    def speaks_to(self) -> list[str] | None:
        """Addresses that a service may speak to over IP; None for everybody."""
        if self.on("Service", "PrivateNetwork"):
            return []
        if "any" not in self.words("Service", "IPAddressDeny"):
            return None
        return self.words("Service", "IPAddressAllow")

    # Whether it starts

    @property
    def wanted_by(self) -> list[str]:
        """What starts it, once it is enabled."""
        return self.words("Install", "WantedBy") + self.words("Install", "RequiredBy")

    @property
    def starts_at_boot(self) -> bool:
        """Whether it is started at boot, once it is enabled."""
        return bool(_AT_BOOT & set(self.wanted_by))


def _command(key: str, line: str) -> Command:
    prefix = line[: len(line) - len(line.lstrip("-@:+!"))]
    words = shlex.split(line[len(prefix) :])
    return Command(key, tuple(words), "-" in prefix, "+" in prefix or "!" in prefix)


def parse(name: str, text: str, drop_ins: Sequence[tuple[str, str]] = ()) -> Unit:
    """Read a unit file.

    Args:
        name: The unit's name.
        text: Its file.
        drop_ins: Names and texts of its drop-ins, in the order in which they count.
    """
    settings: list[Setting] = []
    mistakes: list[Mistake] = []
    for place, content in ((name, text), *drop_ins):
        _read(place, content, settings, mistakes)
    unit = Unit(name, tuple(settings), ())
    sections = set(re.findall(r"(?m)^\s*\[([\w-]+)\]\s*$", text))
    mistakes += [Mistake(name, reason) for reason in _refused(unit, sections)]
    if unit.kind not in ("service", "timer", "target"):
        mistakes.append(Mistake(name, f"a {unit.kind} is not read here", understood=False))
    return Unit(name, unit.settings, tuple(mistakes))


def _read(place: str, text: str, settings: list[Setting], mistakes: list[Mistake]) -> None:
    section = ""
    for number, line in _lines(text):
        where = f"{place}:{number}"
        header = re.fullmatch(r"\[([^\[\]]+)\]", line)
        key, equals, value = line.partition("=")
        if header:
            section = header[1]
        elif not equals:
            mistakes.append(Mistake(where, "Missing '=', ignoring line."))
        elif not section:
            mistakes.append(Mistake(where, "Assignment outside of section. Ignoring."))
        elif (ignored := mistake(section, key.strip(), value.strip())) is not None:
            mistakes.append(Mistake(where, ignored))
        else:
            ignored = _unreadable(key.strip(), value.strip())
            if (section, key.strip()) == ("Timer", "Unit") and any(
                (setting.section, setting.name) == ("Timer", "Unit") for setting in settings
            ):
                ignored = f"Multiple units to trigger specified, ignoring: {value.strip()}"
            if ignored is None:
                settings.append(Setting(section, key.strip(), value.strip(), where))
            else:
                mistakes.append(Mistake(where, ignored))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield lines with what goes on in the next; comments in between are left out."""
    begun, first = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if line[:1] in ("#", ";") or not (line or begun):
            continue
        first = first if begun else number
        if line.endswith("\\"):
            begun += line[:-1] + " "
            continue
        yield first, (begun + line).strip()
        begun = ""
    if begun.strip():
        yield first, begun.strip()


def _unreadable(key: str, value: str) -> str | None:
    if key == "OnCalendar" and value:
        try:
            calendar(value)
        except MistakeError as error:
            return error.mistake.reason
    if key in COMMANDS and value:
        try:
            words = _command(key, value).words
        except ValueError:
            return f"{key}: unbalanced quoting: {value}"
        if not words or not re.match(r"^(/|[\w.-]+$)", words[0]):
            return f"{key}: neither a valid executable name nor an absolute path"
    return None


def _refused(unit: Unit, sections: set[str]) -> list[str]:
    """Return why systemd would not start a unit at all."""
    section = _SECTIONS.get(unit.kind)
    if section and section not in sections:
        return [f"{unit.name}: no [{section}] section"]
    if unit.kind == "timer" and not any(unit.values("Timer", key) for key in _TRIGGERS):
        return ["Timer unit lacks value setting. Refusing."]
    if unit.kind != "service":
        return []
    commands = unit.values("Service", "ExecStart")
    if not commands:
        return ["Service has no ExecStart=, ExecStop=, or SuccessAction=. Refusing."]
    if len(commands) > 1 and unit.value("Service", "Type", "simple") != "oneshot":
        only = "which is only allowed for Type=oneshot services. Refusing."
        return [f"Service has more than one ExecStart= setting, {only}"]
    return []


def drop_ins_of(name: str, paths: Iterable[str]) -> list[str]:
    """Return the paths of a unit's drop-ins, in the order in which they count.

    Args:
        name: The unit's name.
        paths: Paths of files, drop-ins and others.
    """
    stem, kind = name.rsplit(".", 1)
    parts = stem.split("-")
    names = [name, *("-".join(parts[:end]) + f"-.{kind}" for end in range(len(parts) - 1, 0, -1))]
    folders = [f"{folder}/{name}.d" for folder in FOLDERS for name in names]
    folders += [f"{folder}/{kind}.d" for folder in FOLDERS]
    chosen: dict[str, tuple[int, str]] = {}
    for path in paths:
        where = PurePosixPath(path)
        if where.suffix == ".conf" and str(where.parent) in folders:
            rank = folders.index(str(where.parent))
            chosen[where.name] = min(chosen.get(where.name, (rank, path)), (rank, path))
    return [chosen[file][1] for file in sorted(chosen)]


def is_drop_in(path: str) -> bool:
    """Tell whether a file is a drop-in of some unit."""
    folder = PurePosixPath(path).parent
    return folder.suffix == ".d" and str(folder.parent) in FOLDERS


def units(files: Mapping[str, str]) -> dict[str, Unit]:
    """Return the units among files, by name, with their drop-ins.

    Args:
        files: Texts by path.
    """
    found = {}
    for folder in reversed(FOLDERS):
        for path in files:
            where = PurePosixPath(path)
            if str(where.parent) == folder and where.suffix in KINDS:
                drop_ins = [(text, files[text]) for text in drop_ins_of(where.name, files)]
                found[where.name] = parse(where.name, files[path], drop_ins)
    return found


def full_name(name: str) -> str:
    """Return a unit's name with its suffix; `.service` when it has none."""
    return name if name.endswith(KINDS) else f"{name}.service"
