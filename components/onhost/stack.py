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
import json
import os
import subprocess
import sys
from pathlib import Path

COMPOSE_TIMEOUT = 3600


class StackError(Exception):
    """Compose failed; the text says at what."""


def on_disk(path: str) -> Path:
    """Return a path of the host below `DESTDIR`."""
    return Path(os.environ.get("DESTDIR", "") + path)


def docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run docker."""
    return subprocess.run(  # noqa: S603 - no shell, arguments come from the program
        ["docker", *arguments],  # noqa: S607 - the host's docker
        capture_output=True,
        text=True,
        timeout=COMPOSE_TIMEOUT,
        check=False,
    )


class Project:
    """The compose project."""

    def __init__(self, name: str, directory: str) -> None:
        """Name the project and its directory."""
        self.directory = on_disk(directory)
        self._command = ["docker", "compose", "-p", name, "--project-directory"]
        self._command.append(str(self.directory))

    def run(self, *arguments: str) -> str:
        """Run docker compose and return its standard output.

        Raises:
            StackError: it failed, with its own words.
        """
        result = subprocess.run(  # noqa: S603 - no shell, arguments come from the program
            [*self._command, *arguments],
            capture_output=True,
            text=True,
            timeout=COMPOSE_TIMEOUT,
            cwd=str(self.directory),
            check=False,
        )
        if result.returncode:
            raise StackError(f"docker compose {arguments[0]} failed: {result.stderr.strip()}")
        return result.stdout

    def container(self, service: str) -> set[str]:
        """Return the ids of the running containers of a service."""
        return set(self.run("ps", "-q", service).split())

    def pull_missing(self) -> None:
        """Pull the images that are not there yet.

        Raises:
            StackError: one cannot be pulled; nothing was stopped.
        """
        for image in sorted(set(self.run("config", "--images").split())):
            if docker("inspect", "--type", "image", "--format", "{{.Id}}", image).returncode:
                pulled = docker("pull", "-q", image)
                if pulled.returncode:
                    raise StackError(f"image {image} cannot be pulled: {pulled.stderr.strip()}")

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
        self.notes: dict[str, str] = (
            json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        )

    def keep(self, key: str, value: str) -> None:
        """Remember it from now on."""
        self.notes[key] = value
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_name(self._path.name + ".new")
        draft.write_text(json.dumps(self.notes, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        draft.replace(self._path)


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
        StackError: compose failed.
    """
    project.run("config", "-q")
    network = project.conf("ENABLE_IPV6")
    another = bool(release) and memory.notes.get("RELEASE", release) != release
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
        memory = Memory(on_disk(options.memory))
        restarted = start(project, memory, watched(options.watch), options.release)
    except (StackError, OSError, subprocess.TimeoutExpired) as error:
        sys.stderr.write(f"stack: {error}\n")
        return 1
    sys.stdout.write("".join(f"restarted {service}\n" for service in restarted))
    return 0


if __name__ == "__main__":
    sys.exit(main())
