"""Running a oneshot service of the rehearsed host, as PID 1 would."""

import os
import shlex
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from readers.systemd.calendar import span
from readers.systemd.unit import Unit
from rehearsal.world.host_tools.surroundings import complain, on_host, root, state, tools

_INTERPRETERS = {"python3", "sh", "bash", "dash"}
_LONGEST = 600.0
"""Seconds after which a rehearsed service is ended, whatever its unit says."""


@dataclass(frozen=True)
class Ended:
    """How a service ended: systemd's word for it, and the exit status of its main process."""

    result: str
    status: int


def _environment(unit: Unit, credentials: str) -> dict[str, str]:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name.startswith("REHEARSAL_") or name in {"DESTDIR", "DOCKER_HOST", "LANG"}
    }
    environment["PATH"] = f"{tools()}:/usr/bin:/bin"
    environment["HOME"] = str(on_host("/root"))
    for word in unit.words("Service", "Environment"):
        name, _, value = word.partition("=")
        environment[name] = value
    for given in unit.values("Service", "EnvironmentFile"):
        path = on_host(unit.fill(given.removeprefix("-")))
        if given.startswith("-") and not path.exists():
            continue
        for line in path.read_text().splitlines():
            name, equals, value = line.strip().partition("=")
            if equals and not name.startswith(("#", ";")):
                environment[name.strip()] = "".join(shlex.split(value, comments=False))
    if credentials:
        environment["CREDENTIALS_DIRECTORY"] = credentials
    for key, folder in (("State", "/var/lib"), ("Cache", "/var/cache"), ("Runtime", "/run"),
                        ("Logs", "/var/log")):  # fmt: skip
        names = unit.words("Service", f"{key}Directory")
        for name in names:
            on_host(f"{folder}/{name}").mkdir(parents=True, exist_ok=True)
        if names:
            paths = [f"{folder}/{name}" for name in names]
            environment[f"{key.upper()}_DIRECTORY"] = ":".join(paths)
    return environment


def _place(path: str) -> str:
    """Return what really runs where a unit names `path`: under the root, a shim, or as it is."""
    beneath = on_host(path)
    if beneath.exists():
        return str(beneath)
    shim = tools() / Path(path).name
    return str(shim) if shim.exists() else path


def command_of(unit: Unit, line: str) -> list[str]:
    """Return the words to run for one `Exec...=` line; the script of an interpreter moves too."""
    words = shlex.split(unit.fill(line.lstrip("-@:+!")))
    words = [os.path.expandvars(word) if word.startswith("$") else word for word in words]
    if words[0].startswith("/"):
        words[0] = _place(words[0])
    if Path(words[0]).name in _INTERPRETERS:
        for index, word in enumerate(words[1:], 1):
            if word == "-c" or not word.startswith(("-", "/")):
                break
            if word.startswith("/"):
                words[index] = _place(word)
                break
    return words


def _seconds(text: str) -> float:
    seconds = span(text)
    return _LONGEST if seconds is None else min(seconds, _LONGEST)


def _execute(unit: Unit, line: str, environment: dict[str, str], journal: Path) -> Ended:
    directory = unit.value("Service", "WorkingDirectory").lstrip("-")
    folder = on_host(unit.fill(directory)) if directory.startswith("/") else root()
    with journal.open("ab") as output:
        try:
            process = subprocess.Popen(  # noqa: S603  # running the unit's command is the purpose
                command_of(unit, line), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env=environment, cwd=folder, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            output.write(f"{unit.name}: {line}: {error.strerror}\n".encode())
            return Ended("exit-code", 203)
        try:
            status = process.wait(_seconds(unit.value("Service", "TimeoutStartSec", "infinity")))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return Ended("timeout", 15)
    accepted = {0} | {int(n) for n in unit.words("Service", "SuccessExitStatus") if n.isdigit()}
    if status < 0:
        return Ended("signal", -status)
    good = status in accepted or line.startswith("-")
    return Ended("success" if good else "exit-code", status)


def journal_of(name: str) -> Path:
    """Return the file that holds what a unit wrote."""
    folder = state() / "journal"
    folder.mkdir(exist_ok=True, mode=0o700)
    return folder / f"{name}.log"


def run(unit: Unit) -> Ended:
    """Run a service's commands one after the other until one fails."""
    with tempfile.TemporaryDirectory(prefix="credentials-", dir=state()) as credentials:
        for given in unit.words("Service", "LoadCredential"):
            name, _, source = given.partition(":")
            target = Path(credentials) / name
            target.touch(mode=0o600)
            target.write_bytes(on_host(source).read_bytes())
        used = credentials if unit.values("Service", "LoadCredential") else ""
        try:
            environment = _environment(unit, used)
        except OSError as error:
            complain(f"Failed to load environment files: {error.strerror}")
            return Ended("resources", 1)
        ended = _commands(unit, environment)
        # These run however it ended; their own failure changes nothing of that.
        for line in unit.values("Service", "ExecStopPost"):
            _execute(unit, line, environment, journal_of(unit.name))
    return ended


def _commands(unit: Unit, environment: dict[str, str]) -> Ended:
    ended = Ended("success", 0)
    for key in ("ExecCondition", "ExecStartPre", "ExecStart", "ExecStartPost"):
        for line in unit.values("Service", key):
            ended = _execute(unit, line, environment, journal_of(unit.name))
            if key == "ExecCondition" and 0 < ended.status < 255:
                return Ended("success", 0)
            if ended.result != "success":
                return ended
    return ended
