"""The programs of a genuine deployment: the CLI, its language host, and a plugin for each package.

What the user has is used as it is: a `pulumi` on PATH with the language host that came with it, and
official plugins. What is missing is built (`make engine`) or stood in for. Whatever stands in lies
in a folder of the stage, which comes first on the PATH of the CLI alone.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from rehearsal.parts.catalogue import chosen
from rehearsal.parts.finder import binaries, find
from rehearsal.parts.go_modules import Builder
from rehearsal.parts.inventory import held

PACKAGES = ("cloudflare", "command", "docker", "minio")
"""Packages with an official plugin; the project's own two run from a local path on any engine."""

_PREFIX = "PULUMI_"


@dataclass(frozen=True)
class Programs:
    """What deploys.

    Attributes:
        pulumi: The CLI.
        folder: What stands in, by the name that the CLI looks for.
        home: PULUMI_HOME of the deployment: no login, no cache of the user's.
        version: The CLI's version, such as `v3.276.0`.
        official: Packages whose official plugin is used, with its version.
        standing_in: Packages for which the rehearsal's own provider stands in.
    """

    pulumi: Path
    folder: Path
    home: Path
    version: str
    official: Mapping[str, str]
    standing_in: Sequence[str]

    def environment(self, **settings: str) -> dict[str, str]:
        """Return the environment of the CLI.

        Nothing of the user's Pulumi reaches it: no login, no backend, no passphrase.

        Args:
            settings: Variables of Pulumi without `PULUMI_`, in lower case.
        """
        own = {key: value for key, value in os.environ.items() if not key.startswith(_PREFIX)}
        path = (str(self.folder), str(self.pulumi.parent), own.get("PATH", ""))
        ours = {
            "home": str(self.home),
            "skip_update_check": "true",
            "disable_automatic_plugin_acquisition": "true",
            **settings,
        }
        pulumi = {f"{_PREFIX}{key.upper()}": value for key, value in ours.items()}
        return {**own, **pulumi, "PATH": os.pathsep.join(path)}

    def as_dict(self) -> dict[str, object]:
        """Return it for a JSON document."""
        return {
            "cli": str(self.pulumi),
            "version": self.version,
            "official": dict(self.official),
            "standing_in": list(self.standing_in),
        }

    def __str__(self) -> str:
        official = ", ".join(f"{name} {version}" for name, version in self.official.items())
        return (
            f"pulumi {self.version}; official plugins: {official or 'none'}; "
            f"stand-ins: {', '.join(self.standing_in) or 'none'}"
        )


def lay(folder: Path, project: Path, say: Callable[[str], None]) -> Programs:
    """Bring what a deployment needs, building what is missing.

    Args:
        folder: Folder of the stage; `bin` and `pulumi-home` are made in it.
        project: Folder of the project.
        say: Takes lines of progress, while something is built.

    Raises:
        InstallError: the CLI cannot be built.
        BusyError: another build does not end.
    """
    place, home = folder / "bin", folder / "pulumi-home"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    home.mkdir(mode=0o700, exist_ok=True)
    pulumi = _cli(say)
    if pulumi.parent == binaries():
        _script(place / "pulumi-language-python", project, "rehearsal.genuine.language")
    official: dict[str, str] = {}
    for package in PACKAGES:
        name = f"pulumi-resource-{package}"
        plugin, version = _official(package)
        if plugin:
            (place / name).symlink_to(plugin)
            official[package] = version
        else:
            _script(place / name, project, "rehearsal.standins", package)
    standing_in = [package for package in PACKAGES if package not in official]
    return Programs(pulumi, place, home, _version(pulumi), official, standing_in)


def _cli(say: Callable[[str], None]) -> Path:
    (part,) = chosen(["pulumi"])
    if not held(part).complete:
        Builder(say).install(part)
    pulumi = find("pulumi")
    if pulumi is None:
        raise RuntimeError("pulumi was built and is not there")
    return pulumi


def _version(pulumi: Path) -> str:
    words = [str(pulumi), "version"]
    answer = subprocess.run(words, capture_output=True, text=True, check=True)  # noqa: S603 - the CLI
    return answer.stdout.strip()


def _official(package: str) -> tuple[Path | None, str]:
    """Return the official plugin that is installed, on PATH or in the user's PULUMI_HOME."""
    name, version = f"pulumi-resource-{package}", metadata.version(f"pulumi_{package}")
    if on_path := shutil.which(name):
        return Path(on_path).resolve(), "on PATH"
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    plugin = home / "plugins" / f"resource-{package}-v{version}" / name
    return (plugin, version) if os.access(plugin, os.X_OK) else (None, "")


def _script(file: Path, project: Path, module: str, *words: str) -> None:
    command = shlex.join([sys.executable, "-m", module, *words])
    path = shlex.quote(str(project))
    # What the person has on it comes behind: a program may import from there.
    search = f"PYTHONPATH={path}${{PYTHONPATH:+:$PYTHONPATH}}"
    file.write_text(f'#!/bin/sh\n{search} exec {command} "$@"\n')
    file.chmod(0o755)
