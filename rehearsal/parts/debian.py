"""Debian's packages: installed as root, and no service of theirs is started.

A developer's machine must not become a mail server because a test wanted Postfix. While packages
are installed, `policy-rc.d` forbids every start; where systemd runs, services that came with them
are disabled afterwards, so that the next boot does not start them either.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rehearsal.parts.catalogue import Debian, Part
from rehearsal.parts.commands import InstallError, run
from rehearsal.parts.finder import cache
from rehearsal.parts.lock import Say, alone

_LOCK_SECONDS = 300
"""How long apt waits for another apt."""
_PATIENCE = 1800.0
_MARK = "# Laid by `make parts`, for the time of an installation."
_FORBIDDEN = 101
"""What `policy-rc.d` answers for "do not" (invoke-rc.d's own numbers)."""


class Apt:
    """The package system of this machine."""

    def __init__(self, say: Say, root: Path = Path("/")) -> None:
        """Take where progress is told, and the root folder of the system."""
        self._say = say
        self._policy = root / "usr/sbin/policy-rc.d"
        self._lists = root / "var/lib/apt/lists"
        self._systemd = root / "run/systemd/system"
        self._log = cache() / "logs/apt.log"
        self._environment = {
            **os.environ, "DEBIAN_FRONTEND": "noninteractive", "DEBIAN_PRIORITY": "critical",
            "APT_LISTCHANGES_FRONTEND": "none", "NEEDRESTART_SUSPEND": "1", "LC_ALL": "C.UTF-8",
        }  # fmt: skip

    def install(self, parts: Sequence[Part]) -> None:
        """Install the packages of these parts, in one go.

        Raises:
            InstallError: this is not Debian, the user is not root, or apt refuses.
            BusyError: another installation does not end.
        """
        sources = [part.source for part in parts if isinstance(part.source, Debian)]
        packages = list(dict.fromkeys(name for source in sources for name in source.packages))
        missing = [name for name in packages if not version(name)]
        if not missing:
            return
        self._expect_debian_and_root(missing)
        with alone(cache() / "apt.lock", self._say, patience=_PATIENCE), self._no_service_starts():
            self._get(missing)
        self._disable([unit for source in sources for unit in source.units
                       if set(source.packages) & set(missing)])  # fmt: skip

    def _expect_debian_and_root(self, packages: Sequence[str]) -> None:
        line = f"apt-get install --no-install-recommends {' '.join(packages)}"
        if shutil.which("apt-get") is None or shutil.which("dpkg-query") is None:
            raise InstallError(
                "this system has no apt-get; install by its own means what these packages of "
                f"Debian hold, so that it is on PATH: {' '.join(packages)}"
            )
        if os.geteuid() != 0:
            raise InstallError(f"packages need root; as root, run: {line}")

    def _get(self, packages: Sequence[str]) -> None:
        updated = not any(self._lists.glob("*_Packages*"))
        if updated:
            self._apt(["update"], "apt-get update")
        install = ["install", "-y", "--no-install-recommends", *packages]
        about = f"apt-get install {' '.join(packages)}"
        self._say(about)
        try:
            self._apt(install, about)
        except InstallError:
            if updated:
                raise
            # Lists that are there may be old: they name packages which the archive dropped.
            self._apt(["update"], "apt-get update")
            self._apt(install, about)

    def _apt(self, arguments: Sequence[str], about: str) -> None:
        run(
            ["apt-get", "-o", f"DPkg::Lock::Timeout={_LOCK_SECONDS}", "-q", *arguments],
            environment=self._environment, log=self._log, say=self._say, about=about,
            patience=_PATIENCE,
        )  # fmt: skip

    @contextmanager
    def _no_service_starts(self) -> Iterator[None]:
        if self._policy.exists() and _MARK not in self._policy.read_text(errors="replace"):
            yield  # the system's own word on what may start holds
            return
        self._policy.parent.mkdir(parents=True, exist_ok=True)
        self._policy.write_text(f"#!/bin/sh\n{_MARK}\nexit {_FORBIDDEN}\n")
        self._policy.chmod(0o755)
        try:
            yield
        finally:
            self._policy.unlink(missing_ok=True)

    def _disable(self, units: Sequence[str]) -> None:
        if not units or not self._systemd.is_dir() or shutil.which("systemctl") is None:
            return
        command = ["systemctl", "disable", "--quiet", *units]
        run(
            command, environment=self._environment, log=self._log, say=self._say,
            about=" ".join(command), patience=60.0,
        )  # fmt: skip


def version(package: str) -> str:
    """Return the version of a package, empty if it is not installed (or this is not Debian)."""
    program = shutil.which("dpkg-query")
    if program is None:
        return ""
    done = subprocess.run(  # noqa: S603 - the name is the catalogue's
        [program, "-W", "-f=${db:Status-Status} ${Version}", package],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    state, _, found = done.stdout.strip().partition(" ")
    return found if done.returncode == 0 and state == "installed" else ""
