#!/usr/bin/env python3
"""Start, renew or stop the compose project, so that every service has read its present files.

`up` checks the merged compose files, starts what must start and waits until it is healthy.
Compose recreates a container when its own settings change, but does not notice that a file which
the container reads at its start has changed: for those, named with --watch, the service is
restarted, once, and only if it did not start anew anyway. Switching IPv6 changes Mailcow's
network, which cannot change under running containers: the project is then taken down first.
So it is for another release, named with --release: its files are mounted into containers that
Compose would leave running, because their image stayed the same. Images that are missing are
pulled before anything stops, and no others: a way back needs no registry.
Volumes are kept in every case.

Exit status: 0 done, 1 failed, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

# On the host the programs lie side by side in one folder, and nothing else of the project is there.
if TYPE_CHECKING or __package__:
    from components.onhost import machine
else:
    import machine

COMPOSE_TIMEOUT = 3600
TOLD = 8
"""How many lines of what compose said an error tells: it names the container that is not well."""


class Project:
    """The compose project."""

    def __init__(self, name: str, directory: str) -> None:
        """Name the project and its directory."""
        self.directory = machine.on_disk(directory)
        self._name = name

    def run(self, *words: str) -> str:
        """Run docker compose and return its standard output.

        Raises:
            StepError: it failed, with its own words.
        """
        command = machine.compose(self._name, self.directory, *words)
        what = f"docker compose {words[0]}"
        return machine.run(command, what, seconds=COMPOSE_TIMEOUT, told=TOLD).stdout

    def container(self, service: str) -> set[str]:
        """Return the ids of the running containers of a service."""
        return set(self.run("ps", "-q", service).split())

    def pull_missing(self) -> None:
        """Pull the images that are not there yet.

        Raises:
            StepError: one cannot be pulled; nothing was stopped.
        """
        machine.pull_missing(self.run("config", "--images").split())

    def conf(self, key: str) -> str:
        """Return a setting of `mailcow.conf`."""
        for line in (self.directory / "mailcow.conf").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition("=")
            if name == key:
                return value
        return ""

    def digest(self, files: dict[str, str]) -> str:
        """Return a hash over files of the directory and their revisions.

        A missing file counts as such. The revision counts, too: a file that was changed on the
        host and then written back as it was has been read in between, perhaps.
        """
        total = hashlib.sha256()
        for name, revision in sorted(files.items()):
            path = self.directory / name
            content = path.read_bytes() if path.is_file() else None
            total.update(repr((name, revision, content)).encode())
        return total.hexdigest()


class Memory:
    """What was true when the project was last brought up."""

    def __init__(self, path: Path) -> None:
        """Read it, if it is there."""
        self._path = path
        notes = machine.recall(path)
        self.is_lost = notes is None
        self.notes: dict[str, str] = notes or {}

    def keep(self, key: str, value: str) -> None:
        """Remember it from now on."""
        self.notes[key] = value
        machine.remember(self._path, self.notes)


def watched(values: list[str]) -> dict[str, dict[str, str]]:
    """Return the revisions of files by service, from `SERVICE=FILE=REVISION` words."""
    files: dict[str, dict[str, str]] = {}
    for value in values:
        service, _, rest = value.partition("=")
        name, _, revision = rest.partition("=")
        files.setdefault(service, {})[name] = revision
    return files


def start(
    project: Project, memory: Memory, files: dict[str, dict[str, str]], release: str = ""
) -> list[str]:
    """Bring the project up; return the services that had to be restarted.

    Args:
        project: The project.
        memory: What was true at the last time.
        files: Revisions of files by service.
        release: The release in place, none to leave that aside.

    Raises:
        StepError: compose failed.
    """
    project.run("config", "-q")
    network = project.conf("ENABLE_IPV6")
    # What is not known is taken for another one: everything starts anew once, to be sure.
    another = memory.is_lost or (bool(release) and memory.notes.get("RELEASE", release) != release)
    if another:
        project.pull_missing()
    if another or memory.notes.get("ENABLE_IPV6", network) != network:
        project.run("down")
    if release:
        # Noted before the start: should it fail, the way back must begin with a `down` again.
        memory.keep("RELEASE", release)
    wanted = {service: project.digest(names) for service, names in files.items()}
    before = {service: project.container(service) for service in files}
    project.run("up", "-d", "--wait", "--remove-orphans")
    memory.keep("ENABLE_IPV6", network)
    restarted = []
    for service, digest in wanted.items():
        is_old = bool(before[service]) and before[service] == project.container(service)
        if is_old and memory.notes.get(service) != digest:
            project.run("restart", service)
            restarted.append(service)
        memory.keep(service, digest)
    return restarted


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    summary, _, rest = (__doc__ or "").partition("\n")
    command = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.add_argument("action", choices=("up", "down"))
    command.add_argument("--project", required=True, help="name of the compose project")
    command.add_argument("--directory", required=True, help="directory of the release")
    command.add_argument("--memory", required=True, help="file for what is remembered")
    command.add_argument("--release", default="", help="the release in place, in any words")
    command.add_argument(
        "--watch",
        action="append",
        default=[],
        metavar="SERVICE=FILE=REVISION",
        help="a file below the directory that a service reads when it starts, and its last write",
    )
    return command


def main(arguments: list[str] | None = None) -> int:
    """Run the program."""
    options = parser().parse_args(arguments)
    project = Project(options.project, options.directory)
    try:
        if options.action == "down":
            if project.directory.is_dir():
                project.run("down")
            return 0
        memory = Memory(machine.on_disk(options.memory))
        restarted = start(project, memory, watched(options.watch), options.release)
    except (machine.StepError, OSError) as error:
        sys.stderr.write(f"stack: {error}\n")
        return 1
    sys.stdout.write("".join(f"restarted {service}\n" for service in restarted))
    return 0


if __name__ == "__main__":
    sys.exit(main())
