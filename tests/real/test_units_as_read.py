"""The reader of units and systemd's own `systemd-analyze` agree on units that nobody chose."""

import json
import random
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from readers.mistake import MistakeError
from readers.systemd.calendar import calendar, span
from readers.systemd.settings import CAPABILITIES
from readers.systemd.unit import Unit, parse
from rehearsal.parts import need

pytestmark = pytest.mark.real

NOW = datetime(2026, 11, 28, 16, tzinfo=UTC)


def asked(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Return what `systemd-analyze` says."""
    return subprocess.run(
        [need("systemd-analyze"), *words], capture_output=True, text=True, timeout=30, check=False,
        env={"TZ": "UTC", "PATH": "/usr/sbin:/usr/bin:/bin"} | environment,
    )  # fmt: skip


class Dice(random.Random):
    """Makes up what people might write, mostly right."""

    def number(self, low: int, high: int) -> int:
        """Return a number, now and then one too many."""
        return self.randint(low - (self.random() < 0.05), high + (self.random() < 0.05))

    def part(self, low: int, high: int) -> str:
        """Return a part of a calendar expression."""

        def member() -> str:
            first, last = sorted((self.number(low, high), self.number(low, high)))
            if self.random() < 0.05:
                first, last = last, first
            step = f"/{self.randint(0, 6)}" if self.random() < 0.3 else ""
            return f"{first:02d}" + (f"..{last}" if self.random() < 0.3 else "") + step

        members = ",".join(member() for _ in range(self.choice([1, 1, 1, 2, 3])))
        return self.choice(["*", members, members, "*/2" if self.random() < 0.1 else members])

    def expression(self) -> str:
        """Return a calendar expression."""
        days = ["Mon", "tue", "Wednesday", "Thu", "FRI", "Sat..sunday", "Mon-Fri", "Man"]
        words = [",".join(self.sample(days, self.choice([1, 1, 2])))] * (self.random() < 0.3)
        if self.random() < 0.6:
            year = self.choice(["*-", "*-", "2026-", "2027..2030-", "26-", ""])
            words.append(year + self.part(1, 12) + self.choice("----~") + self.part(1, 31))
        if self.random() < 0.8:
            words.append(
                f"{self.part(0, 23)}:{self.part(0, 59)}"
                + (f":{self.part(0, 59)}" if self.random() < 0.6 else "")
            )
        words += [self.choice(["UTC", "Europe/Lisbon", "utc", "Mars/Base"])] * (self.random() < 0.4)
        named = self.choice(["daily", "Hourly", "weekly", "quarterly", "sometimes"])
        return self.choice([" "] * 9 + ["  "]).join(words) or named


def test_calendar_expressions_mean_the_same() -> None:
    dice = Dice(7)
    valid = 0
    for expression in [dice.expression() for _ in range(400)]:
        done = asked("calendar", f"--base-time={NOW:%F %T} UTC", "--", expression)
        try:
            moment = calendar(expression).next_after(NOW)
        except MistakeError:
            assert done.returncode != 0, expression
            continue
        assert done.returncode == 0, expression
        lines = [line for line in done.stdout.splitlines() if "(in UTC)" in line]
        lines = lines or [line for line in done.stdout.splitlines() if "Next elapse" in line]
        told = lines[0].partition(": ")[2].strip() if lines else "never"
        assert told == (f"{moment:%a %F %T} UTC" if moment else "never"), expression
        valid += 1
    assert valid > 100


def test_spans_of_time_are_as_long() -> None:
    dice = Dice(11)
    units = ["us", "ms", "s", "sec", "min", "m", "h", "hr", "hours", "d", "days", "w", "M", "y", "",
             "fortnights", "S", "weeks", "usec"]  # fmt: skip
    for _ in range(200):
        text = dice.choice(["", " "]).join(
            f"{dice.choice(['1', '90', '0', '2.5', '.5', '1.', '-1', 'x'])}{dice.choice(['', ' '])}"
            f"{dice.choice(units)}" for _ in range(dice.choice([1, 1, 2]))
        )  # fmt: skip
        done = asked("timespan", "--", text)
        seconds = span(text)
        assert (done.returncode == 0) == (seconds is not None), text
        if seconds is not None:
            told = re.search(r"μs: (\d+)", done.stdout)
            assert told is not None
            assert abs(int(told[1]) / 1e6 - seconds) < 1e-3, text


SERVICE = {
    "Unit": {"Description": ["x"], "After": ["docker.service", ""],
             "ConditionPathExists": ["/etc", "etc"], "StartLimitBurst": ["5", "-1", "many"],
             "Documentation": ["https://x.example/y", "file:/x"], "OnFailuer": ["x"],
             "DefaultDependencies": ["no", "nope"]},
    "Service": {
        "Type": ["oneshot", "oneshot", "simple", "exec", "sometimes", "Oneshot"],
        "ExecStart": ["/bin/true", "/bin/true a 'b c'", "-/bin/true", "bin/true", "/bin/true 'x"],
        "ExecStopPost": ["-/bin/true x", "+/bin/true"],
        "Restart": ["no", "on-failure", "maybe"],
        "Nice": ["10", "-20", "20", "nice"], "OOMScoreAdjust": ["-1000", "1001"],
        "UMask": ["0077", "77", "0088", "00777"], "IOSchedulingClass": ["idle", "lazy", "2"],
        "IOSchedulingPriority": ["7", "8"], "TimeoutStartSec": ["12h", "1h 30min", "12 fortnights"],
        "TimeoutStopSec": ["60"], "RemainAfterExit": ["yes", "perhaps"],
        "ProtectSystem": ["strict", "full", "yes", "very"], "ProtectHome": ["read-only", "most"],
        "ProtectProc": ["invisible", "visible"], "ProcSubset": ["pid", "all", "none"],
        "KeyringMode": ["private", "mine"], "KillMode": ["mixed", "kindly"],
        "PrivateTmp": ["yes", "Y", "TRUE", "perhaps", ""], "NoNewPrivileges": ["yes", "2"],
        "CapabilityBoundingSet": ["CAP_CHOWN", "~CAP_CHOWN", "", "CAP_EVERYTHING"],
        "RestrictAddressFamilies": ["AF_UNIX", "~AF_INET AF_INET6", "none", "INET"],
        "MemoryMax": ["1G"], "PrivateTemp": ["yes"], "X-Ours": ["whatever"],
    },
    "Instal": {"WantedBy": ["multi-user.target"]},
    "Install": {"WantedBy": ["multi-user.target"], "Alias": ["other.service"]},
}  # fmt: skip
TIMER = {
    "Timer": {
        "OnCalendar": ["daily", "*-*-* 03:00:00 UTC", "03:00", "25:00", "", "Mon 4:00"],
        "OnBootSec": ["2min", "soon", "5"], "OnUnitActiveSec": ["1h", "1 hour", "-1"],
        "Persistent": ["true", "yes", "maybe", "1"], "RandomizedDelaySec": ["60", "a bit"],
        "AccuracySec": ["1us", "now"], "Unit": ["x.service"], "Persistant": ["yes"],
        "WakeSystem": ["no"],
    },
}  # fmt: skip


def made_up(dice: Dice, known: dict[str, dict[str, list[str]]], share: float) -> str:
    """Return a unit file; each setting stands in it with some chance, now and then twice."""
    lines = []
    for section, settings in known.items():
        chosen = [
            f"{name}{dice.choice(['=', '=', ' = '])}{dice.choice(values)}"
            for name, values in settings.items()
            for _ in range(dice.choice([1, 1, 2]))
            if dice.random() < (0.95 if name in ("Type", "ExecStart", "OnCalendar") else share)
        ]
        dice.shuffle(chosen)
        if section in ("Service", "Timer") or (chosen and section != "Instal") or share > 0.3:
            lines += [f"[{section}]", *chosen]
        lines += ["# a comment", ""] * (dice.random() < 0.3)
    if dice.random() < 0.05:
        lines.insert(dice.randint(0, len(lines)), "just a word")
    return "\n".join(lines) + "\n"


def told(path: Path) -> bool:
    """Tell whether systemd complains of a unit file."""
    done = asked("verify", path, SYSTEMD_UNIT_PATH=f"{path.parent}:")
    return any(path.name in line for line in done.stderr.splitlines())


def units(kind: str, number: int, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Yield files of made-up units, with what stands in them."""
    dice = Dice(number)
    known = SERVICE if kind == "service" else TIMER
    (tmp_path / "x.service").write_text("[Service]\nExecStart=/bin/true\n")
    for index in range(number):
        text = made_up(dice, known, 0.03 if index % 3 else 0.4)
        path = tmp_path / f"{'made' if kind == 'service' else 'x'}.{kind}"
        path.write_text(text)
        yield path, text


@pytest.mark.parametrize(("kind", "number"), [("service", 300), ("timer", 150)])
def test_the_same_units_are_faulty(kind: str, number: int, tmp_path: Path) -> None:
    sound = 0
    for path, text in units(kind, number, tmp_path):
        mistakes = parse(path.name, text).mistakes
        assert bool(mistakes) == told(path), (text, mistakes)
        sound += not mistakes
    assert number / 10 < sound < number * 0.9


HOLD = {
    "NoNewPrivileges": ["yes", "no"], "PrivateDevices": ["yes", "no"], "PrivateTmp": ["yes", "1"],
    "PrivateNetwork": ["yes", "no"], "PrivateUsers": ["on", "off"], "ProtectClock": ["yes", "no"],
    "ProtectControlGroups": ["yes", "no"], "ProtectHostname": ["yes", "0"],
    "ProtectKernelLogs": ["yes", "no"], "ProtectKernelModules": ["yes", "no", "maybe"],
    "ProtectKernelTunables": ["yes", "no"], "LockPersonality": ["yes", "no"],
    "MemoryDenyWriteExecute": ["yes", "no"], "RestrictRealtime": ["yes", "no"],
    "RestrictSUIDSGID": ["yes", "no"], "ProtectSystem": ["strict", "full", "yes", "no"],
    "CapabilityBoundingSet": ["CAP_CHOWN", "~CAP_CHOWN", "CAP_SYS_ADMIN CAP_SYS_TIME",
                              "~CAP_SYS_ADMIN", "", "~"],
    "IPAddressDeny": ["any", ""], "DynamicUser": ["no", "no", "no", "yes"],
}  # fmt: skip


def held(unit: Unit) -> dict[str, bool]:
    """Return what the reader finds in force, by the names of `systemd-analyze security`."""
    return {name: name in unit.protections for name in HOLD if name.startswith(
        ("NoNew", "Private", "ProtectC", "ProtectHos", "ProtectK", "Lock", "MemoryD", "RestrictRe",
         "RestrictSU"))} | {"ProtectSystem": unit.system == "strict"}  # fmt: skip


def test_the_same_protections_are_in_force(tmp_path: Path) -> None:
    dice = Dice(5)
    for index in range(200):
        lines = [
            f"{name}={dice.choice(values)}"
            for name, values in HOLD.items()
            for _ in range(dice.choice([1, 1, 2]))
            if dice.random() < 0.6
        ]
        dice.shuffle(lines)
        text, drop_in = "\n".join(["[Service]", "ExecStart=/bin/true", *lines, ""]), ""
        path = tmp_path / f"held{index}.service"
        path.write_text(text)
        if index % 2:
            drop_in = "[Service]\n" + "\n".join(dice.sample(lines, min(4, len(lines)))) + "\n"
            folder = tmp_path / f"{path.name}.d"
            folder.mkdir()
            (folder / "50.conf").write_text(drop_in)
        unit = parse(path.name, text, [("50.conf", drop_in)])
        done = asked(
            "security", "--offline=yes", "--json=short", path, SYSTEMD_UNIT_PATH=f"{tmp_path}:"
        )
        found = {row["json_field"]: row["set"] for row in json.loads(done.stdout)}
        mine = held(unit)
        differing = {name: (mine[name], found[name]) for name in mine
                     if found.get(name) is not None and mine[name] != found[name]}  # fmt: skip
        for capability in CAPABILITIES & {"CAP_SYS_TIME", "CAP_SYS_MODULE", "CAP_SYS_PTRACE"}:
            lacking = found.get(f"CapabilityBoundingSet_{capability}")
            if lacking is not None and lacking != (capability not in unit.capabilities):
                differing[capability] = (capability in unit.capabilities, lacking)
        assert not differing, (text, drop_in)
