"""systemd's units on the host: what they run, when, how they are held, and that they are on."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from declaration.names import (
    BACKUP_PROGRAM,
    BACKUP_SETTINGS,
    BACKUP_UNIT,
    BASE,
    CERTIFICATE_UNIT,
    CONFIGURATION,
    DNSBL_UNIT,
    DRILL_PROGRAM,
    DRILL_SETTINGS,
    DRILL_UNIT,
    FIREWALL_RULES,
    FIREWALL_UNIT,
    PROGRAMS,
    QUEUE_UNIT,
    UNITS,
)
from policies.model import Area, Finding, Resource, Severity
from policies.registry import in_area
from policies.stack import Stack
from readers.systemd.calendar import span
from readers.systemd.settings import TRUE
from readers.systemd.unit import COMMANDS, FOLDERS, Command, Unit, is_drop_in

rule = in_area(Area.HOST)

_HOUR, _DAY = 3600, 86400


@dataclass(frozen=True)
class _Known:
    """A service that follows from the declaration.

    Attributes:
        program: File name of our program; empty for the firewall.
        told: What the program must be told, by option.
        key: Key of the declaration.
        capabilities: The only ones that it needs.
        speaks_to: Who it needs to speak to over IP; None for anybody.
        seconds: Time that it must be given at least.
        often: Seconds between two runs at most; none for one that no timer starts.
        more: Settings that it has besides the harmless ones.
    """

    program: str
    told: Mapping[str, tuple[str, ...]]
    key: str
    capabilities: frozenset[str] = frozenset({"CAP_DAC_OVERRIDE"})
    speaks_to: tuple[str, ...] | None = ()
    seconds: int = 30
    often: int = 0
    more: frozenset[str] = field(default=frozenset())


def _known(stack: Stack) -> dict[str, _Known]:
    """Return the services that follow from the declaration, by their names without an ending."""
    return stack.once("services", _services_of)


def written(stack: Stack) -> Iterator[tuple[str, _Known]]:
    """Yield the name of each unit that follows from the declaration, with its service."""
    for stem, known in _known(stack).items():
        for kind in ("service", "timer") if known.often else ("service",):
            yield f"{stem}.{kind}", known


def _services_of(stack: Stack) -> dict[str, _Known]:
    declaration = stack.declaration
    mailcow, monitoring, names = declaration.mailcow, declaration.monitoring, stack.names
    here = {"--project": (mailcow.project,), "--directory": (mailcow.directory,)}
    backup, key = {"--settings": (BACKUP_SETTINGS,)}, "mail:monitoring"
    minutes = declaration.certificate.check_minutes
    known = {
        BACKUP_UNIT: _Known(
            BACKUP_PROGRAM, backup, "mail:backup",
            frozenset({"CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH"}), None, _HOUR, _DAY,
        ),
        CERTIFICATE_UNIT: _Known(
            "certificate_delivery.py", {**here, "--host": (names.mail_host,)},
            "mail:certificate.checkMinutes", often=60 * minutes,
        ),
        QUEUE_UNIT: _Known(
            "queue_metrics.py", {**here, "--relay": (names.nexthop.host,)}, key, often=600
        ),
        DRILL_UNIT.removesuffix(".service"): _Known(
            DRILL_PROGRAM, {"--settings": (DRILL_SETTINGS,), "--clean": ()}, "mail:backup"
        ),
        FIREWALL_UNIT.removesuffix(".service"): _Known(
            "", {}, "mail:mailcow.rawPorts", frozenset({"CAP_NET_ADMIN"}), seconds=0,
            more=frozenset({"DefaultDependencies", "Conflicts", "PartOf", "RemainAfterExit"}),
        ),
    }  # fmt: skip
    if monitoring.dnsbl:
        asked = {"--address": (names.address,), "--zone": tuple(monitoring.dnsbl)}
        resolver = str(monitoring.dnsbl_resolver)
        known[DNSBL_UNIT] = _Known(
            "dnsbl.py", {**asked, "--resolver": (resolver,)}, key, speaks_to=(resolver,),
            often=6 * _HOUR,
        )  # fmt: skip
    return known


def _resource(stack: Stack, name: str) -> Resource | None:
    file = stack.files.get(f"{UNITS}/{name}")
    return file.resource if file else None


def _services(stack: Stack) -> Iterator[tuple[Unit, _Known, Resource | None]]:
    for stem, known in _known(stack).items():
        unit = stack.units.get(f"{stem}.service")
        if unit is not None and not unit.mistakes:
            yield unit, known, _resource(stack, unit.name)


@rule(
    "units-stand",
    Severity.HIGH,
    protects="systemd takes every unit that is written whole, and ignores nothing in it.",
    reason="What is misspelt is ignored with a line in the journal: no protection, no timer.",
    source="systemd.unit(5); systemd-analyze verify says the same",
    remedy="let the component write the unit again",
)
def _stand(stack: Stack) -> Iterator[Finding]:
    for name, unit in stack.units.items():
        for mistake in unit.mistakes:
            yield Finding(f"systemd: {mistake}", "mail", _resource(stack, name), name)


@rule(
    "units-declared",
    Severity.CRITICAL,
    protects="Units, and files of the host, are those that follow from the declaration; each unit"
    " runs its own program.",
    reason="A unit runs as root, at boot, for good: the place where an intruder stays.",
    source="systemd.unit(5), systemd.exec(5); https://attack.mitre.org/techniques/T1543/002/",
    remedy="take the file away, or let the component write it again",
    yields=True,
)
def _declared(stack: Stack) -> Iterator[Finding]:
    known = _known(stack)
    declaration = stack.declaration
    folders = (
        BASE, CONFIGURATION, declaration.traefik.dynamic_directory,
        declaration.monitoring.prometheus_directory, declaration.monitoring.grafana_directory,
    )  # fmt: skip
    for path, file in stack.files.items():
        where = PurePosixPath(path)
        timed = where.suffix == ".timer" and where.stem in known and known[where.stem].often
        ours = str(where.parent) == UNITS and where.stem in known
        if is_drop_in(path) or path.startswith(FOLDERS):
            if ours and (where.suffix == ".service" or timed):
                continue
            message = f"{path} follows from no declaration"
        elif path.startswith(tuple(f"{folder}/" for folder in folders)):
            continue
        else:
            message = f"{path} is written, which nobody declared"
        yield Finding(message, "mail", file.resource, path)
    for unit, service, resource in _services(stack):
        for fault in _beside(stack, unit, service):
            yield Finding(f"{unit.name} {fault}", service.key, resource, unit.name)


_HARMLESS = re.compile(
    r"Description|Documentation|After|Before|Wants|Requires|RequiresMountsFor|StartLimit.*|Type|"
    r"Timeout.*Sec|Nice|IOScheduling.*|(CPU|IO|Memory|Tasks|IP)(Accounting|Weight|Max|High|Quota)|"
    r"Syslog.*|LogLevelMax|LogRateLimit.*|UMask|Protect.*|Private.*|Restrict.*|SystemCall.*|"
    r"IPAddress(Allow|Deny)|CapabilityBoundingSet|(ReadOnly|ReadWrite|Inaccessible|NoExec)Paths|"
    r"ProcSubset|KeyringMode|LockPersonality|MemoryDenyWriteExecute|NoNewPrivileges|RemoveIPC|"
    r"OOMScoreAdjust|OOMPolicy|WantedBy|RequiredBy|" + "|".join(COMMANDS)
)
"""Settings that only name, order, limit or hold."""


def _beside(stack: Stack, unit: Unit, known: _Known) -> Iterator[str]:
    """Yield what a unit does besides what it is for."""
    for setting in unit.settings:
        if setting.section.startswith("X-") or setting.name in known.more:
            continue
        if not _HARMLESS.fullmatch(setting.name):
            yield f"sets {setting.name}, which nobody declared"
    if unit.value("Service", "Type") != "oneshot":
        yield "does not run to its end (Type=oneshot)"
    given = span(unit.value("Service", "TimeoutStartSec", "infinity"))
    if given is not None and given < known.seconds:
        yield f"is ended after {given:g} seconds"
    if known.program:
        yield from _program(stack, unit.commands, known)
    else:
        yield from _filter(unit)


def _program(stack: Stack, commands: list[Command], known: _Known) -> Iterator[str]:
    for command in commands:
        last = command.key == "ExecStopPost"
        program, told = _told(command)
        wanted = {**known.told, "--ended": ()} if last else dict(known.told)
        if program != f"{PROGRAMS}/{known.program}" or program not in stack.files:
            yield f"runs {' '.join(command.words[:3])}, not {known.program}"
        elif command.key not in ("ExecStart", "ExecStopPost") or command.unconfined:
            yield f"runs its program otherwise ({command.key}, past its protection)"
        elif command.forgiven and not last:
            yield "counts its failure for success"
        elif option := next((key for key, values in wanted.items() if told.get(key) != values), ""):
            yield f"tells {known.program} {option} {' '.join(told.get(option, ())) or 'nothing'}"
        elif "--ended" in told and not last:
            yield f"only notes the end of {known.program}"
        elif fault := _elsewhere(stack, told):
            yield fault


def _told(command: Command) -> tuple[str, dict[str, tuple[str, ...]]]:
    """Return the program of ours that a command runs, and what it is told, by option."""
    words = list(command.words)
    if words[:1] not in (["/usr/bin/python3"], ["python3"]):
        return "", {}
    words = [word for word in words[1:] if word not in ("-B", "-I", "-u")]
    told: dict[str, tuple[str, ...]] = {}
    option = ""
    for word in words[1:]:
        if word.startswith("--"):
            option, equals, value = word.partition("=")
            told[option] = told.get(option, ()) + ((value,) if equals else ())
        else:
            told[option] = (*told.get(option, ()), word)
    return (words or [""])[0], told


def _elsewhere(stack: Stack, told: Mapping[str, tuple[str, ...]]) -> str:
    metrics = stack.declaration.monitoring.textfile_directory
    for option, folder in (("--metrics", metrics), ("--state", BASE)):
        for value in told.get(option, ()):
            if not f"{value}/".startswith(f"{folder}/"):
                return f"writes to {value}"
    return ""


def _filter(unit: Unit) -> Iterator[str]:
    loads = [command.words for command in unit.commands if command.key == "ExecStart"]
    if loads != [("/usr/sbin/nft", "-f", FIREWALL_RULES)]:
        yield f"does not load {FIREWALL_RULES}, or not alone"
    for command in unit.commands:
        if not (command.key in ("ExecStart", "ExecStartPre") and command.words[0].endswith("/nft")
                and command.words[-1] == FIREWALL_RULES) or command.forgiven:  # fmt: skip
            yield f"runs {' '.join(command.words)} ({command.key})"
    if "nftables.service" not in unit.words("Unit", "PartOf"):
        yield "does not load the rules again after nftables.service has flushed them"


@rule(
    "units-confined",
    Severity.HIGH,
    protects="Every service may do what it needs, and nothing else, and reach whom it needs.",
    reason="They run as root; what holds them is all that stands between a mistake in one and the"
    " whole host.",
    source="systemd.exec(5); systemd-analyze security",
    remedy="let the component write the unit again",
)
def _confined(stack: Stack) -> Iterator[Finding]:
    for unit, known, resource in _services(stack):
        for fault in _loose(stack, unit, known):
            yield Finding(f"{unit.name} {fault}", known.key, resource, unit.name)


_PROTECTIONS = frozenset({
    "NoNewPrivileges", "PrivateDevices", "ProtectClock", "ProtectControlGroups", "ProtectHostname",
    "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables", "LockPersonality",
    "MemoryDenyWriteExecute", "RestrictRealtime", "RestrictSUIDSGID",
})  # fmt: skip


def _loose(stack: Stack, unit: Unit, known: _Known) -> Iterator[str]:
    """Yield what does not hold a unit."""
    for name in sorted(_PROTECTIONS - unit.protections):
        yield f"runs without {name}"
    wanted = {
        "ProtectSystem": unit.system == "strict",
        "ProtectHome": unit.value("Service", "ProtectHome").lower() in _HOMES,
        "RestrictNamespaces": unit.value("Service", "RestrictNamespaces").lower() in TRUE,
        "SystemCallFilter": unit.system_calls is not None,
    }
    yield from (f"is not held by {name}" for name, holds in wanted.items() if not holds)
    more = sorted(unit.capabilities - known.capabilities)
    if more:
        yield f"has {more[0]}" if len(more) < 5 else "has capabilities that nobody named"
    textfiles = stack.declaration.monitoring.textfile_directory
    for path in unit.writes:
        if not f"{path}/".startswith((f"{BASE}/", f"{textfiles}/")):
            yield f"may write {path}"
    spoken = unit.speaks_to
    if known.speaks_to is not None and (spoken is None or set(spoken) - set(known.speaks_to)):
        yield f"may speak to {'anybody' if spoken is None else ' '.join(spoken)}"
    if unit.user != "root":
        yield f"runs as {unit.user}, who can read nothing of what it needs"


_HOMES = TRUE | {"read-only", "tmpfs"}


@rule(
    "units-switched-on",
    Severity.CRITICAL,
    protects="Every unit is there, starts at boot, and was started after systemd had read it.",
    reason="A timer that nobody switched on is a file: no backup, no certificate, no firewall.",
    source="systemctl(1); systemd.unit(5), [Install]",
    remedy="let the component's command switch it on again",
)
def _on(stack: Stack) -> Iterator[Finding]:
    for mistake in stack.switched.mistakes:
        resource = stack.named(mistake.place)
        yield Finding(f"{mistake.place}: {mistake.reason}", "mail", resource, mistake.place)
    for name, known in written(stack):
        begins = name.endswith(".timer") or not known.often
        if f"{UNITS}/{name}" not in stack.files:
            yield Finding(f"{name} is not written", known.key, seen=name, absent=True)
        elif begins and (fault := _off(stack, name, runs=name != DRILL_UNIT)):
            resource = _resource(stack, name)
            yield Finding(f"{name} {fault}", known.key, resource, name, absent=True)


def _off(stack: Stack, name: str, *, runs: bool) -> str:
    """Return why a unit is not on; empty if it is."""
    unit, state = stack.units.get(name), stack.switched
    if unit is None or unit.mistakes:
        return ""  # its text is not known yet, or `units-stand` says so
    if name not in state.enabled:
        return "is not switched on"
    if not unit.starts_at_boot:
        return f"is wanted by {' '.join(unit.wanted_by) or 'nobody'}, so it does not start at boot"
    if runs and name not in state.started:
        return "is not started"
    if runs and name not in state.reloaded:
        return "is started before systemd has read it (daemon-reload)"
    return ""


@rule(
    "timers-repeat",
    Severity.HIGH,
    protects="Every timer starts its own service, again and again, as often as declared.",
    reason="A timer that fires once, late or for another unit looks like one that works.",
    source="systemd.timer(5)",
    remedy="let the component write the timer again",
)
def _repeat(stack: Stack) -> Iterator[Finding]:
    for stem, known in _known(stack).items():
        timer, service = stack.units.get(f"{stem}.timer"), stack.units.get(f"{stem}.service")
        if timer is None or timer.mistakes or not known.often:
            continue
        resource = _resource(stack, timer.name)
        conditions = timer.conditions + (service.conditions if service else [])
        if timer.triggers != f"{stem}.service":
            fault = f"starts {timer.triggers}"
        elif conditions:
            fault = f"starts it under a condition alone ({conditions[0]})"
        elif timer.late > min(known.often, _HOUR):
            fault = f"may be {timer.late:g} seconds late"
        elif stem == BACKUP_UNIT:
            continue  # for `backup-daily` to judge
        elif not timer.calendars and timer.repeats > known.often:
            fault = f"does not start it every {known.often} seconds"
        else:
            continue
        yield Finding(f"{timer.name} {fault}", known.key, resource, timer.name)
