"""Tools of a machine as these tests need it: programs that note how they were called."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_FAKE = """#!{python}
import json, os, pathlib, sys
state = pathlib.Path({state!r})
arguments = sys.argv[1:]
def note(**more):
    with (state / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps({{"program": {name!r}, "arguments": arguments, **more}}) + "\\n")
{body}
"""

DPKG_QUERY = """
file = state / "installed" / arguments[-1]
if not file.exists():
    sys.exit(1)
print("installed " + file.read_text(), end="")
"""

APT_GET = """
policy = state / "root/usr/sbin/policy-rc.d"
note(policy=policy.read_text() if policy.exists() else "",
     frontend=os.environ.get("DEBIAN_FRONTEND"))
if "update" in arguments:
    (state / "root/var/lib/apt/lists/x_Packages").parent.mkdir(parents=True, exist_ok=True)
    (state / "root/var/lib/apt/lists/x_Packages").touch()
    (state / "stale").unlink(missing_ok=True)
elif (state / "stale").exists() or (state / "broken").exists():
    print("E: Unable to locate package")
    sys.exit(100)
else:
    for package in arguments[arguments.index("--no-install-recommends") + 1:]:
        (state / "installed" / package).write_text("1.0-1")
"""

GO = """
note(environment={key: os.environ.get(key) for key in ("CGO_ENABLED", "GOFLAGS", "GOTOOLCHAIN")})
if arguments[:1] == ["env"]:
    print((state / "go-version").read_text())
elif arguments[:2] == ["mod", "download"]:
    module = state / "module"
    print(json.dumps({"Sum": (state / "sum").read_text(), "GoModSum": "h1:mod=",
                      "GoMod": str(module / "go.mod"), "Dir": str(module)}))
elif arguments[:2] == ["mod", "edit"]:
    print((state / "described.json").read_text())
elif (state / "broken").exists():
    print("main.go:1: what is this")
    sys.exit(1)
else:
    (state / "go.mod").write_text(pathlib.Path("go.mod").read_text())
    (state / "go.sum").write_text(pathlib.Path("go.sum").read_text())
    output = pathlib.Path(arguments[arguments.index("-o") + 1])
    output.write_text("#!/bin/sh\\necho built\\n")
    output.chmod(0o755)
"""

SYSTEMCTL = "note()"


@dataclass(frozen=True)
class Machine:
    """A machine of which only PATH and the cache are used.

    Attributes:
        state: What its tools read and write.
        path: The one folder of PATH before the system's.
    """

    state: Path
    path: Path

    def lay(self, name: str, body: str) -> None:
        """Put a program on PATH."""
        file = self.path / name
        file.write_text(
            _FAKE.format(python=sys.executable, state=str(self.state), name=name, body=body)
        )
        file.chmod(0o755)

    def calls(self, program: str) -> list[dict[str, Any]]:
        """Return how a program was called, in order."""
        file = self.state / "calls.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        every = [json.loads(line) for line in lines]
        return [part for part in every if part["program"] == program]


def machine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Return a machine without any tool yet; its cache and PATH are those of this process."""
    one = Machine(folder / "state", folder / "path")
    for made in (one.state / "installed", one.path):
        made.mkdir(parents=True)
    monkeypatch.setenv("PATH", f"{one.path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    return one
