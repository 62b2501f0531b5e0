"""`systemd-analyze` of the rehearsed host: `verify` and `calendar`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from readers.mistake import MistakeError
from readers.systemd.calendar import calendar
from readers.systemd.unit import Unit, full_name
from rehearsal.world.host_tools.surroundings import (
    ToolError,
    complain,
    on_host,
    root,
    say,
    tools,
)
from rehearsal.world.host_tools.unit_run import command_of
from rehearsal.world.host_tools.units import check, location, parse


def _missing_programs(unit: Unit) -> list[str]:
    """Return what `ExecStart=` names and the host does not have."""
    missing = []
    for line in unit.values("Service", "ExecStart"):
        program = Path(command_of(unit, line)[0])
        found = program if program.is_absolute() else tools() / program
        if not found.exists() and not (Path("/usr/bin") / program.name).exists():
            missing.append(
                f"{unit.name}: Command {line.split()[0]} is not executable: No such file"
            )
    return missing


def verify(names: Sequence[str]) -> int:
    """Say what is wrong with unit files, given by name or path; 1 if anything is."""
    mistakes = []
    for given in names:
        path = on_host(given) if "/" in given else location(full_name(given))
        if not path.is_file():
            mistakes.append(f"Failed to prepare filename {given}: No such file or directory")
            continue
        unit = parse(path.name, path)
        found = check(unit)
        mistakes += [f"{path.name}: {item}" for item in found] or _missing_programs(unit)
    for mistake in mistakes:
        complain(mistake)
    return int(bool(mistakes))


def _calendar(expressions: Sequence[str]) -> int:
    for expression in expressions:
        try:
            calendar(expression)
        except MistakeError as error:
            complain(error.mistake.reason)
            return 1
        say(f"  Original form: {expression}\nNormalized form: {expression}")
    return 0


def main(arguments: Sequence[str]) -> int:
    """Run `systemd-analyze` with these arguments and return its exit status."""
    words = [argument for argument in arguments if not argument.startswith("-")]
    try:
        root()
        if words[:1] == ["verify"] and len(words) > 1:
            return verify(words[1:])
        if words[:1] == ["calendar"] and len(words) > 1:
            return _calendar(words[1:])
    except ToolError as error:
        complain(str(error))
        return error.status
    complain("the rehearsed systemd-analyze knows verify and calendar")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
