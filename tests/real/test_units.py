"""Unit files: systemd and its stand-in complain of the same ones, and of none of ours."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from policies import Resource
from policies.program import prepare
from policies.recording import record
from rehearsal.parts import need
from rehearsal.world.host_tools import systemd_analyze
from tests.conftest import FACTS, PROJECT
from tests.policies.planting import TODAY
from tests.real.both import BOTH

FOLDER = "/etc/systemd/system"
Complaints = Callable[[Path], list[str]]
"""What is wrong with a unit file, in lines."""
Valid = Callable[[str], bool]
"""Whether an expression is one of the calendar."""


@pytest.fixture(scope="module")
def units() -> dict[str, str]:
    """Return the unit files that the program deploys, by name."""
    prepared = prepare(PROJECT / "Pulumi.qual.yaml", FACTS, TODAY)
    resources: list[Resource] = record(PROJECT, prepared.configuration)
    files = [resource.properties for resource in resources if resource.type == "host:index:File"]
    return {
        Path(str(file["path"])).name: str(file["content"])
        for file in files
        if str(file["path"]).startswith(f"{FOLDER}/")
    }


def _genuine_complaints(unit: Path) -> list[str]:
    done = subprocess.run(
        [need("systemd-analyze"), "verify", unit], capture_output=True, text=True,
        timeout=30, check=False,
    )  # fmt: skip
    # It looks at the units around this one as well; those of this machine are not ours.
    return [line for line in done.stderr.splitlines() if unit.name in line]


@pytest.fixture(params=BOTH)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path if request.param == "genuine" else tmp_path / FOLDER.lstrip("/")


@pytest.fixture
def complaints(
    request: pytest.FixtureRequest, folder: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> Complaints:  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    if folder == tmp_path:
        need("systemd-analyze")
        return _genuine_complaints
    monkeypatch.setenv("DESTDIR", str(tmp_path))
    monkeypatch.setenv("REHEARSAL_STATE", str(tmp_path / "state"))
    # The programs that units start; the host has them.
    tools = tmp_path / "tools"
    tools.mkdir()
    monkeypatch.setenv("REHEARSAL_TOOLS", str(tools))
    for tool in ("nft", "python3", "docker"):
        (tools / tool).symlink_to(sys.executable)

    def complaints(unit: Path) -> list[str]:
        capsys.readouterr()
        status = systemd_analyze.main(["verify", str(unit)])
        said = capsys.readouterr().err.splitlines()
        assert bool(said) == bool(status)
        return said

    return complaints


@pytest.fixture(params=BOTH)
def valid(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Valid:
    if request.param == "genuine":
        program = need("systemd-analyze")
        return lambda expression: (
            subprocess.run(
                [program, "calendar", "--", expression], capture_output=True, timeout=30,
                check=False,
            ).returncode == 0
        )  # fmt: skip
    monkeypatch.setenv("DESTDIR", str(tmp_path))
    return lambda expression: systemd_analyze.main(["calendar", expression]) == 0


def test_nothing_is_wrong_with_the_deployed_units(
    units: dict[str, str], folder: Path, complaints: Complaints
) -> None:
    assert len(units) >= 8
    assert shutil.which("python3", path="/usr/bin") is not None
    for name, text in units.items():
        (folder / name).write_text(text)
    for name in units:
        assert complaints(folder / name) == [], name


@pytest.mark.real
def test_each_program_is_held_as_tightly_as_what_it_does_allows(
    units: dict[str, str], tmp_path: Path
) -> None:
    """The exposure that systemd finds, of 10; what stays is explained in components/units.py."""
    found = {}
    for name, text in units.items():
        if name.endswith(".service"):
            (tmp_path / name).write_text(text)
            done = subprocess.run(
                [need("systemd-analyze"), "security", "--offline=yes", tmp_path / name],
                capture_output=True, text=True, timeout=30, check=True,
            )  # fmt: skip
            found[name] = float(done.stdout.rpartition(": ")[2].split()[0])
    assert len(found) >= 5
    assert {name: exposure for name, exposure in found.items() if exposure > 3} == {}


SERVICE = """\
[Unit]
Description=Something
[Service]
Type=oneshot
ExecStart=/usr/bin/python3 /opt/po-mail/bin/tool.py
TimeoutStartSec=12h
UMask=0077
"""
TIMER = "[Timer]\nOnCalendar=*-*-* 03:00:00 UTC\nUnit=one.service\n"


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("one.service", "Type=oneshot", "Type=sometimes"),
        ("one.service", "ExecStart=", "ExecBegin="),
        ("one.service", "ExecStart=/usr/bin/python3", "ExecStart=bin/python3"),
        ("one.service", "ExecStart=/usr/bin/python3", "ExecStart=/nowhere/at/all"),
        ("one.service", "[Unit]\n", "Description=outside\n[Unit]\n"),
        ("one.service", "[Service]", "[Servise]"),
        ("one.service", "UMask=0077", "UMask=0088"),
        ("one.service", "UMask=0077", "ProtectSystems=strict"),
        ("one.service", "UMask=0077", "ProtectSystem=very"),
        ("one.service", "UMask=0077", "PrivateTmp=perhaps"),
        ("one.service", "UMask=0077", "Nice=90"),
        ("one.service", "UMask=0077", "IOSchedulingClass=lazy"),
        ("one.service", "UMask=0077", "RestrictAddressFamilies=INET"),
        ("one.service", "TimeoutStartSec=12h", "TimeoutStartSec=12 fortnights"),
        ("one.service", "TimeoutStartSec=12h", "ExecStart=/usr/bin/python3\nType=simple"),
        ("one.service", "UMask=0077", "just a word"),
        ("one.timer", "03:00:00", "25:00:00"),
        ("one.timer", "OnCalendar=*-*-* 03:00:00 UTC", "Persistent=yes"),
        ("one.timer", "OnCalendar=*-*-* 03:00:00 UTC", "OnBootSec=soon"),
        ("one.timer", "OnCalendar=*-*-* 03:00:00 UTC", "OnBootSec=2min\nAccuracySec=a bit"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_unit_is_told(
    folder: Path, complaints: Complaints, name: str, old: str, new: str
) -> None:
    texts = {"one.service": SERVICE, "one.timer": TIMER}
    for one, text in texts.items():
        (folder / one).write_text(text)
    assert complaints(folder / name) == []
    assert old in texts[name]
    (folder / name).write_text(texts[name].replace(old, new))
    assert complaints(folder / name)


@pytest.mark.parametrize(
    "expression",
    ["daily", "*-*-* 03:00:00 UTC", "*-*-* 03:00:00", "Mon *-*-* 04:00", "*:0/15", "hourly",
     "Sun *-*-1..7 03:30:00 Europe/Lisbon", "Mon..Fri 12:00", "2026-11-01", "Mon,Wed 12:00",
     "*-*-01 00:00", "*-*~03", "12:00", "2026-02-30 12:00"],
)  # fmt: skip
def test_a_calendar_expression_is_understood(valid: Valid, expression: str) -> None:
    assert valid(expression)


@pytest.mark.parametrize(
    "expression",
    ["", "sometimes", "*-*-* 24:00", "*-*-* 03:60", "3am", "*-13-01", "*-01-32", "Man 12:00",
     "12:00 Europe/Nowhere", "*-*-* 03:00:00 UTC daily", "12:00:61"],
)  # fmt: skip
def test_nonsense_is_no_calendar_expression(valid: Valid, expression: str) -> None:
    assert not valid(expression)
